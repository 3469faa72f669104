"""The catalogue of engines: which score path each takes, by version and device.

Whoever wants a path asks :mod:`analysis.engines`; this module only holds what is known. An engine
was *read* (its source, or the project's notes on it) or also *run*: then its recorded scores are
held to its paths, bit for bit (:mod:`analysis.recordings`). Nothing was run on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from analysis.formats import FORWARD_DTYPES
from analysis.scorepath import PathFormula, ScorePath

Device = Literal["cuda", "mps", "cpu"]
DEVICES: tuple[Device, ...] = get_args(Device)
CHECKPOINT = "checkpoint"
"""In place of a default dtype: the one that the checkpoint's weights are stored in."""

EnginePaths = MappingProxyType[str, ScorePath]
Defaults = Mapping[Device, tuple[str, ...]]


@dataclass(frozen=True)
class Engine:
    """One engine in a range of versions.

    ``key`` is what users call it, ``versions`` a range as pip writes it (empty: no range is known).
    ``paths`` has a path for each forward dtype. ``default_dtype`` says, for each device that is
    known, which of them it takes if nobody chooses, the preferred one first; :data:`CHECKPOINT`
    stands for the dtype of the stored weights. ``source`` names the files that say so, ``was_run``
    tells whether recorded scores are held to these paths, and ``note`` what a path cannot say. An
    engine that returns its scores unordered leaves them in input order.
    """

    name: str
    key: str
    versions: str
    paths: EnginePaths
    default_dtype: Defaults
    source: str
    was_run: bool = False
    note: str = ""

    def covers(self, version: Version) -> bool:
        """Tell whether a version lies in the range."""
        return SpecifierSet(self.versions, prereleases=True).contains(version)


def _paths(
    name: str,
    formula: PathFormula,
    *,
    activation: str | None = None,
    forward: tuple[str, ...] = FORWARD_DTYPES,
) -> EnginePaths:
    """Paths of one engine per forward dtype; ``None``: the sigmoid is evaluated in that dtype.

    What is stored is what the sigmoid gave: a later cast to a wider dtype changes no value.
    """
    return MappingProxyType(
        {
            dtype: ScorePath(
                forward_dtype=dtype,
                formula=formula,
                activation_dtype=activation or dtype,
                stored_dtype=activation or dtype,
                name=f"{name}, {dtype}",
            )
            for dtype in forward
        }
    )


def _on(*, cuda: tuple[str, ...], mps: tuple[str, ...], cpu: tuple[str, ...]) -> Defaults:
    return MappingProxyType({"cuda": cuda, "mps": mps, "cpu": cpu})


def _everywhere(*dtypes: str) -> Defaults:
    return _on(cuda=dtypes, mps=dtypes, cpu=dtypes)


_SENTENCE_TRANSFORMERS_TO_5 = _paths("sentence-transformers ≤ 5", "fused")
# The cast to float32 after the sigmoid, since 3.1, widens the array and changes no value.
_SENTENCE_TRANSFORMERS_FROM_6 = _paths("sentence-transformers ≥ 6", "fused", activation="float32")
_OUTPUT_FLOAT32 = ("float32",)

CATALOGUE: tuple[Engine, ...] = (
    Engine(
        name="Infinity 0.0.11–0.0.12",
        key="infinity",
        versions=">=0.0.11,<=0.0.12",
        paths=_paths("Infinity 0.0.11–0.0.12", "stepwise", forward=("float32", "float16")),
        default_dtype=_everywhere("float32"),
        source="infinity_emb/transformer/crossencoder/torch.py, inference/batch_handler.py",
        note="0.0.11 takes float16 on CUDA if INFINITY_TORCH_ENABLE_HALF is set; 0.0.12 asks "
        "whether a device equals the string 'cuda', which it never does",
    ),
    Engine(
        name="Infinity 0.0.13–0.0.68",
        key="infinity",
        versions=">=0.0.13,<=0.0.68",
        paths=_paths("Infinity 0.0.13–0.0.68", "stepwise", forward=("float32", "float16")),
        default_dtype=_on(cuda=("float16",), mps=("float32",), cpu=("float32",)),
        source="infinity_emb/transformer/crossencoder/torch.py, inference/batch_handler.py",
        was_run=True,
        note="scores come in input order up to 0.0.61, sorted (stable) from 0.0.62 on",
    ),
    Engine(
        name="Infinity 0.0.69+",
        key="infinity",
        versions=">=0.0.69,<=0.0.78",
        paths=_paths("Infinity 0.0.69+", "stepwise", activation="float32"),
        default_dtype=_on(cuda=("bfloat16", "float16"), mps=("float32",), cpu=("float32",)),
        source="infinity_emb/transformer/crossencoder/torch.py, inference/loading_strategy.py, "
        "inference/batch_handler.py",
        was_run=True,
        note="bfloat16 where CUDA supports it, else float16",
    ),
    Engine(
        name="Infinity, ONNX",
        key="infinity-onnx",
        versions=">=0.0.26,<=0.0.78",
        paths=_paths("Infinity, ONNX", "stepwise", activation="float64", forward=_OUTPUT_FLOAT32),
        default_dtype=_everywhere("float32"),
        source="infinity_emb/transformer/crossencoder/optimum.py, inference/batch_handler.py",
        note="the network's own arithmetic is the ONNX file's, a quantised one preferred on a "
        "CPU; its logits come out as float32",
    ),
    Engine(
        name="Haystack 2.x",
        key="haystack",
        versions=">=2.0,<3",
        paths=_paths("Haystack 2.x", "fused"),
        default_dtype=_everywhere("float32", CHECKPOINT),
        source="haystack/components/rankers/transformers_similarity.py",
        was_run=True,
        note="TransformersSimilarityRanker with calibration factor 1; float32 with "
        "transformers 4, the checkpoint's dtype with transformers 5. From 3.0 on see "
        "haystack-sentence-transformers",
    ),
    Engine(
        name="Haystack, SentenceTransformersSimilarityRanker on sentence-transformers ≤ 5",
        key="haystack-sentence-transformers",
        versions=">=2.0,<6",
        paths=_SENTENCE_TRANSFORMERS_TO_5,
        default_dtype=_everywhere("float32", CHECKPOINT),
        source="sentence_transformers/cross_encoder/CrossEncoder.py",
        note="the version is that of sentence-transformers; the ranker itself computes nothing",
    ),
    Engine(
        name="Haystack, SentenceTransformersSimilarityRanker on sentence-transformers ≥ 6",
        key="haystack-sentence-transformers",
        versions=">=6.0",
        paths=_SENTENCE_TRANSFORMERS_FROM_6,
        default_dtype=_everywhere(CHECKPOINT),
        source="sentence_transformers/cross_encoder/model.py",
        note="the version is that of sentence-transformers; the ranker itself computes nothing",
    ),
    Engine(
        name="sentence-transformers ≤ 5",
        key="sentence-transformers",
        versions=">=2.0,<6",
        paths=_SENTENCE_TRANSFORMERS_TO_5,
        default_dtype=_everywhere("float32", CHECKPOINT),
        source="sentence_transformers/cross_encoder/CrossEncoder.py",
        was_run=True,
        note="float32 with transformers 4, the checkpoint's dtype with transformers 5",
    ),
    Engine(
        name="sentence-transformers ≥ 6",
        key="sentence-transformers",
        versions=">=6.0",
        paths=_SENTENCE_TRANSFORMERS_FROM_6,
        default_dtype=_everywhere(CHECKPOINT),
        source="sentence_transformers/cross_encoder/model.py",
        was_run=True,
    ),
    Engine(
        name="text-embeddings-inference",
        key="text-embeddings-inference",
        versions="",
        paths=_paths(
            "text-embeddings-inference",
            "stepwise",
            activation="float32",
            forward=("float32", "float16"),
        ),
        default_dtype=MappingProxyType({"cuda": ("float16",)}),
        source="core/src/infer.rs, router/src/http/server.rs",
        note="sorted ascending, then reversed: equal scores come in reversed input order; "
        "raw_scores returns the logits",
    ),
    Engine(
        name="FlagEmbedding FlagReranker",
        key="flagembedding",
        versions="",
        paths=_paths("FlagEmbedding FlagReranker", "none", forward=("float32", "float16")),
        default_dtype=_everywhere("float32"),
        source="FlagEmbedding/inference/reranker/encoder_only/base.py",
        note="raw logits; use_fp16 runs in float16, except on a CPU",
    ),
    Engine(
        name="FlagEmbedding FlagReranker, normalize=True",
        key="flagembedding-normalize",
        versions="",
        paths=_paths(
            "FlagEmbedding FlagReranker, normalize=True",
            "stepwise",
            activation="float64",
            forward=("float32", "float16"),
        ),
        default_dtype=_everywhere("float32"),
        source="FlagEmbedding/inference/reranker/encoder_only/base.py",
        note="use_fp16 runs in float16, except on a CPU",
    ),
    Engine(
        name="vLLM",
        key="vllm",
        versions="",
        paths=_paths("vLLM", "fused", forward=_OUTPUT_FLOAT32),
        default_dtype=_everywhere("float32"),
        source="the project's notes; the file was not read for this entry",
        note="the network runs in the model's dtype, its score head and logits in float32",
    ),
    Engine(
        name="mxbai-rerank v1",
        key="mxbai-rerank-v1",
        versions="",
        paths=_paths("mxbai-rerank v1", "fused"),
        default_dtype=_on(cuda=(CHECKPOINT,), mps=(CHECKPOINT,), cpu=("float32",)),
        source="mxbai_rerank/mxbai_rerank_v1.py",
        note="cast to float32 after the sigmoid, which restores nothing",
    ),
    Engine(
        name="mxbai-rerank v2",
        key="mxbai-rerank-v2",
        versions="",
        paths=_paths("mxbai-rerank v2", "none"),
        default_dtype=_everywhere(CHECKPOINT),
        source="mxbai_rerank/mxbai_rerank_v2.py",
        note="raw logits; normalize takes the sigmoid of a shifted logit",
    ),
    Engine(
        name="FlashRank",
        key="flashrank",
        versions="",
        paths=_paths("FlashRank", "stepwise", forward=_OUTPUT_FLOAT32),
        default_dtype=_everywhere("float32"),
        source="flashrank/Ranker.py",
        note="NumPy in the dtype of the ONNX file's output",
    ),
    Engine(
        name="llama.cpp server",
        key="llama.cpp",
        versions="",
        paths=_paths("llama.cpp server", "none", forward=_OUTPUT_FLOAT32),
        default_dtype=_everywhere("float32"),
        source="the project's notes; the file was not read for this entry",
        note="raw logits; the weights are in the file's dtype",
    ),
)
"""Every engine that is known, one entry for each range of versions that scores alike."""
