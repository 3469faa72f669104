"""The score paths of known engines, as named constants.

Each engine is a mapping from forward dtype to its :class:`~analysis.scorepath.ScorePath`, because
its user chooses that dtype (or the device does). Every constant says where it was read; nothing
here was measured on a GPU.
"""

from __future__ import annotations

from types import MappingProxyType

from analysis.errors import InputError
from analysis.scorepath import PathFormula, ScorePath

FORWARD_DTYPES = ("float32", "float16", "bfloat16")
EnginePaths = MappingProxyType[str, ScorePath]


def _engine(
    name: str,
    formula: PathFormula,
    *,
    activation: str | None = None,
    forward: tuple[str, ...] = FORWARD_DTYPES,
    stored: str | None = None,
) -> EnginePaths:
    """Paths of one engine per forward dtype; ``None`` means the forward dtype."""
    return MappingProxyType(
        {
            dtype: ScorePath(
                forward_dtype=dtype,
                formula=formula,
                activation_dtype=activation or dtype,
                stored_dtype=stored or activation or dtype,
                name=f"{name}, {dtype}",
            )
            for dtype in forward
        }
    )


FLOAT32_REFERENCE = ScorePath(name="float32 reference")
"""Forward pass, ``torch.sigmoid`` and stored score in float32: what others are compared with."""

INFINITY_TO_0_0_68 = _engine("Infinity 0.0.13–0.0.68", "stepwise", forward=("float32", "float16"))
"""``1 / (1 + exp(-x))`` in NumPy, in the logits' dtype: float16 by default on CUDA.

Source: ``infinity_emb/transformer/crossencoder/torch.py`` and ``.../utils`` of those versions.
"""

INFINITY_FROM_0_0_69 = _engine("Infinity 0.0.69+", "stepwise", activation="float32")
"""Logits are cast to float32 first; by default on CUDA they are bfloat16, else float16."""

HAYSTACK_2 = _engine("Haystack 2.x", "fused")
"""``torch.sigmoid`` in the forward dtype, ordered by ``torch.sort`` (stable on a CPU).

Source: ``TransformersSimilarityRanker`` of Haystack 2.0 to 2.31, calibration factor 1.
"""

SENTENCE_TRANSFORMERS_TO_5 = _engine("sentence-transformers ≤ 5", "fused")
"""``torch.nn.Sigmoid`` in the forward dtype; since 3.1 cast to float32 afterwards.

The late cast widens the array and changes no value, so the stored dtype stays the forward one.
"""

SENTENCE_TRANSFORMERS_FROM_6 = _engine("sentence-transformers ≥ 6", "fused", activation="float32")
"""Logits are upcast to float32 before the activation (sentence-transformers PR 3893)."""

ENGINES: MappingProxyType[str, EnginePaths] = MappingProxyType(
    {
        "Infinity 0.0.13–0.0.68": INFINITY_TO_0_0_68,
        "Infinity 0.0.69+": INFINITY_FROM_0_0_69,
        "Haystack 2.x": HAYSTACK_2,
        "sentence-transformers ≤ 5": SENTENCE_TRANSFORMERS_TO_5,
        "sentence-transformers ≥ 6": SENTENCE_TRANSFORMERS_FROM_6,
    }
)
"""Every engine by name, each a mapping from forward dtype to path."""


def engine_path(engine: str, forward_dtype: str) -> ScorePath:
    """Return the path of an engine in a forward dtype; unknown names raise :class:`InputError`."""
    if engine not in ENGINES:
        raise InputError(
            f"unknown engine {engine!r}", f"choose one of {'; '.join(ENGINES)}", field="engine"
        )
    paths = ENGINES[engine]
    if forward_dtype not in paths:
        raise InputError(
            f"{engine} does not run in {forward_dtype!r}",
            f"choose one of {', '.join(paths)}",
            field="forward_dtype",
        )
    return paths[forward_dtype]
