"""Ties and saturation of every path, foretold from float32 logits alone.

No network is run in a half dtype for it: the path is applied to the float32 logits, each rounded
once to the forward dtype. What that cannot know is how a network in that dtype would have moved
the logits before; beside a measurement it shows how much that matters.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.budgets.origins import Flags, tied_in_top
from analysis.budgets.stages import Values
from analysis.engines import known_paths
from analysis.errors import InputError
from analysis.scorepath import ScorePath

COUNTS = ("saturated", "tied")


def predict(
    logits: pd.DataFrame, paths: Sequence[ScorePath] | None = None, *, k: int = 10
) -> pd.DataFrame:
    """Predict saturation and top-``k`` ties of paths, by default all known, and compare.

    ``logits`` are a frame of :func:`analysis.scoring.score` with float32 logits; without them
    :class:`InputError` is raised. One row per path: ``computation, forward_dtype``; and for
    ``saturated`` (score exactly 1.0; none where there is no sigmoid) and ``tied`` (candidates in a
    tie group that reaches into the first ``k`` ranks) how many are ``…_predicted``, ``…_measured``
    and ``…_both`` (the same candidates). Measured are the logits of the path's own forward dtype;
    those two are missing where the frame has none. For float32 paths both are the same
    computation.
    """
    by_dtype = dict(list(logits.groupby("forward_dtype", sort=False)))
    if "float32" not in by_dtype:
        raise InputError(
            "there are no float32 logits to predict from",
            "score with forward_dtypes including 'float32'",
            field="forward_dtype",
        )
    rows = [_row(path, by_dtype, k) for path in (known_paths() if paths is None else paths)]
    counts = [f"{name}_{how}" for name in COUNTS for how in ("predicted", "measured", "both")]
    return pd.DataFrame(rows).astype(dict.fromkeys(counts, "Int64"))


def _row(path: ScorePath, by_dtype: dict[str, pd.DataFrame], k: int) -> dict[str, object]:
    predicted = _flags(path, by_dtype["float32"], k)
    row: dict[str, object] = {"computation": path.computation, "forward_dtype": path.forward_dtype}
    own = by_dtype.get(path.forward_dtype)
    measured = None if own is None else _flags(path, own, k)
    for name in COUNTS:
        row[f"{name}_predicted"] = predicted[name].sum()
        row[f"{name}_measured"] = pd.NA if measured is None else measured[name].sum()
        row[f"{name}_both"] = (
            pd.NA if measured is None else (predicted[name] & measured[name]).sum()
        )
    return row


def _flags(path: ScorePath, logits: pd.DataFrame, k: int) -> dict[str, Flags]:
    """Tell of each candidate whether it counts, by the names in :data:`COUNTS`."""
    scores = path.scores(logits["logit"])
    ties = tied_in_top(logits["query_id"], scores, k)
    return {"saturated": saturated(path, scores), "tied": ties}


def saturated(path: ScorePath, scores: Values) -> Flags:
    """Tell which scores of a path are exactly 1.0; without a sigmoid none is saturated."""
    return (scores == 1.0) & path.has_sigmoid
