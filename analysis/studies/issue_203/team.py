"""You run engine X in version Y on device Z: this is your score path, and this is what it hides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.engines import default_paths, find_engine
from analysis.scorepath import ScorePath
from analysis.sigmoids import sigmoid
from analysis.steps import hidden_logits, saturation


def team_table(
    running: Iterable[Sequence[str]],
    logits: Sequence[float],
    checkpoint_dtypes: Sequence[str] = ("float32", "bfloat16"),
) -> pd.DataFrame:
    """Score path and what it hides for each (engine, version, device), at default settings.

    ``running`` as for :func:`analysis.engines.default_paths`, which may name several paths: each is a
    row, the preferred one first. Columns: ``engine, version, device``; ``checkpoint``, the dtype
    of the stored weights with which the engine may take this path ("any": with each of
    ``checkpoint_dtypes``); ``score path``; ``1.0 from logit``, the first of the path's logits
    whose score is exactly 1.0, and its ``1 − true score`` (both NaN without a sigmoid);
    for each of ``logits`` the width, in logits, of the step on which it lies (infinite: the score
    is saturated); and ``recorded here`` (no: read). Raises :class:`InputError` for what the
    catalogue does not know.
    """
    rows = []
    for engine, version, device in running:
        known = "yes" if find_engine(engine, version).was_run else "no"
        taken: dict[ScorePath, list[str]] = {}
        for dtype in checkpoint_dtypes:
            for path in default_paths(engine, version, device=device, checkpoint_dtype=dtype):
                taken.setdefault(path, []).append(dtype)
        for path, dtypes in taken.items():
            always = len(dtypes) == len(checkpoint_dtypes)
            rows.append(
                {
                    "engine": engine,
                    "version": version,
                    "device": device,
                    "checkpoint": "any" if always else ", ".join(dtypes),
                    "score path": path.computation,
                    **_saturates(path),
                    **{f"hidden at {logit:g}": hidden_at(path, logit) for logit in logits},
                    "recorded here": known,
                }
            )
    return pd.DataFrame(rows)


def hidden_at(path: ScorePath, logit: float) -> float:
    """Width in logits of the step on which a logit lies: what its score does not tell apart.

    Float32 logits that the path's forward dtype rounds into the step are part of it. Infinite
    where the score is exactly 1.0 or 0.0.
    """
    hidden = hidden_logits(path, path.scores([logit]))
    return float("nan") if hidden is None else float(hidden.steps["width"].iloc[0])


def _saturates(path: ScorePath) -> dict[str, float]:
    one_from = saturation(path).one_from
    return {
        "1.0 from logit": one_from,
        "1 − true score": float(sigmoid(-one_from, "stepwise", "float64")),
    }
