"""Ties and saturation of every path, foretold from float32 logits alone.

No network is run in a half dtype for it: the path is applied to the float32 logits, each rounded
once to the forward dtype. What that cannot know is how a network in that dtype would have moved
the logits before; beside a measurement it shows how much that matters.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.engines import known_paths
from analysis.errors import InputError
from analysis.formats import NETWORK_DTYPES
from analysis.forwardformats import of_format
from analysis.scorepath import ScorePath
from analysis.ties import tied_in_top

_COUNTS = ("ones", "tied_in_top")


def predict(
    logits: pd.DataFrame, paths: Iterable[ScorePath] | None = None, *, k: int = 10
) -> pd.DataFrame:
    """Predict saturation and top-``k`` ties of paths, by default all known of one logit.

    ``logits`` are a frame of :func:`analysis.scoring.score` with float32 logits; without them
    :class:`InputError` is raised. One row per path: ``path``, the :class:`.ScorePath`; and for the
    candidates that :mod:`analysis.counting` calls ``ones`` (here 0 without a sigmoid) and
    ``tied_in_top`` how many are ``…_predicted``, ``…_measured`` and ``…_both`` (the same
    candidates). Measured are the logits of the path's own forward dtype; those two are missing
    where the frame has none. For float32 paths both are the same computation.
    """
    by_dtype = {dtype: of_format(logits, dtype) for dtype in NETWORK_DTYPES}
    if by_dtype["float32"].empty:
        raise InputError(
            "there are no float32 logits to predict from",
            "score with formats including 'float32'",
            field="forward_format",
        )
    if paths is None:
        paths = [path for path in known_paths() if path.is_plain]
    rows = [_row(path, by_dtype, k) for path in paths]
    return pd.DataFrame(rows).astype({name: "Int64" for name in rows[0] if name != "path"})


def _row(path: ScorePath, by_dtype: dict[str, pd.DataFrame], k: int) -> dict[str, object]:
    predicted = _flags(path, by_dtype["float32"], k)
    own = by_dtype.get(path.forward_dtype)
    measured = None if own is None or own.empty else _flags(path, own, k)
    row: dict[str, object] = {"path": path}
    for name in _COUNTS:
        row[f"{name}_predicted"] = predicted[name].sum()
        row[f"{name}_measured"] = pd.NA if measured is None else measured[name].sum()
        row[f"{name}_both"] = (
            pd.NA if measured is None else (predicted[name] & measured[name]).sum()
        )
    return row


def _flags(path: ScorePath, logits: pd.DataFrame, k: int) -> pd.DataFrame:
    """Tell of each candidate whether it counts, in the columns of :data:`_COUNTS`."""
    scored = logits[["query_id"]].reset_index(drop=True)
    scored["score"] = path.scores(logits["logit"])
    ones = (scored["score"] == 1.0) & path.saturates
    return pd.DataFrame({"ones": ones, "tied_in_top": tied_in_top(scored, k)})
