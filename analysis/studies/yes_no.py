"""The grid of yes/no rerankers: how many scores are left of two large logits; for notebook 11."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.formats import HALVES, format_of
from analysis.heads import TWO_LOGITS, Head, distinct_differences
from analysis.recordings import pair_logits

_UPCAST = Head("difference", "float32")
ROWS = Head("rows")
_SPREAD = 0.1
"""Pairs that are moved to a level lie around it by this share of it, and so in one binade."""


def recorded_pairs() -> pd.DataFrame:
    """What :func:`analysis.recordings.pair_logits` has, and ``exact``: float32's ``logit_rows``.

    A column more, ``level``, is the mean of a pair's two logits.
    """
    pairs = pair_logits()
    keys = ["query_id", "passage_id"]
    exact = pairs.loc[pairs["forward_dtype"] == "float32", [*keys, "logit_rows"]]
    exact = exact.rename(columns={"logit_rows": "exact"})
    found = pairs.merge(exact, on=keys, validate="m:1")
    return found.assign(level=found[list(TWO_LOGITS)].mean(axis=1))


def halves_of(pairs: pd.DataFrame) -> list[str]:
    """The half types that pairs were computed in."""
    return [dtype for dtype in HALVES if (pairs["forward_dtype"] == dtype).any()]


def heads_of(dtype: str) -> tuple[Head, ...]:
    """What can be done with the two logits of a network in a dtype, the roughest first."""
    return tuple(dict.fromkeys([Head("difference", dtype), _UPCAST, ROWS]))


def name_of(head: Head, forward_dtype: str) -> str:
    """What a head does to the logits of a network, in words that name an upcast."""
    upcast = head == _UPCAST and forward_dtype != _UPCAST.dtype
    return f"{head}, after an upcast" if upcast else str(head)


def left_by(head: Head, own: pd.DataFrame) -> NDArray[np.float64]:
    """The logit that a head makes of pairs in one forward dtype, shape (n_pairs,)."""
    if head == ROWS:
        return own["logit_rows"].to_numpy()
    no, yes = (own[label] for label in TWO_LOGITS)
    return head.difference(no, yes, own["forward_dtype"].iloc[0])


def by_head(pairs: pd.DataFrame) -> pd.DataFrame:
    """What each head leaves of the recorded pairs, one row per forward dtype and head.

    ``forward_dtype, head``; ``pairs``; ``distinct`` logits; ``mean_abs, largest``: of the errors
    against float32 with the rows subtracted.
    """
    rows = []
    for dtype, own in pairs.groupby("forward_dtype", sort=False):
        for head in heads_of(dtype):
            logits = left_by(head, own)
            error = np.abs(logits - own["exact"])
            rows.append(
                {
                    "forward_dtype": dtype,
                    "head": name_of(head, dtype),
                    "pairs": len(own),
                    "distinct": len(np.unique(logits)),
                    "mean_abs": error.mean(),
                    "largest": error.max(),
                }
            )
    return pd.DataFrame(rows)


def _width_of(pairs: pd.DataFrame) -> float:
    """Half the range of the differences."""
    return float(np.ptp(pairs["exact"])) / 2


def levels(pairs: pd.DataFrame, highest: float = 64.0) -> NDArray[np.float64]:
    """Levels in the middle of each binade up to the highest that is wider than the range."""
    lowest = int(np.floor(np.log2(2 * _width_of(pairs)))) + 1
    return 1.5 * 2.0 ** np.arange(lowest, int(np.log2(highest)))


def by_level(pairs: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """How many differences are left at other levels: ``level, possible, found``.

    ``possible`` is :func:`analysis.heads.distinct_differences` for a range as wide as that of the
    recorded ones; ``found`` counts those of the recorded pairs, which are moved to the level with
    their float32 difference and rounded to the dtype.
    """
    own = pairs[pairs["forward_dtype"] == "float32"]
    rows = [
        {
            "level": level,
            "possible": distinct_differences(level, _width_of(pairs), dtype),
            "found": _found(own, level, dtype),
        }
        for level in levels(pairs)
    ]
    return pd.DataFrame(rows)


def _found(own: pd.DataFrame, level: float, dtype: str) -> int:
    """Distinct differences of pairs around a level."""
    away = own["level"] - own["level"].median()
    middle = level * (1 + _SPREAD * away / max(away.abs().max(), 1e-9))
    number_format, half = format_of(dtype), own["exact"] / 2
    no, yes = (number_format.round(side).astype(float) for side in (middle - half, middle + half))
    return len(np.unique(yes - no))
