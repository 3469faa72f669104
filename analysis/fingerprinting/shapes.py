"""What the range of the scores shows before any set is asked: raw logits, a sigmoid too many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.fingerprinting.decision import Decision, against_chance
from analysis.fingerprinting.evidence import ALLOWED, DECIDED, excess_odds
from analysis.fingerprinting.observed import Observed, Scores, fewest_decimals
from analysis.formats import FORMATS, HALVES, Format
from analysis.scorepath import ScorePath

_LOWEST_TWICE, _HIGHEST_TWICE = 0.5, 0.7311
"""Sigmoids of 0 and of 1; the upper one is 0.73106, before it is rounded to a stored dtype."""
_EDGE = 0.05
_FEWEST_AT_AN_EDGE, _FEWEST_DISTINCT = 3, 8
_FEW_DECIMALS = 4
"""Whole and rounded numbers are values of a half type without having been computed in it."""


def within_twice(scores: Scores) -> bool:
    """Whether every score lies where a sigmoid of a sigmoid does."""
    return bool(np.all((scores >= _LOWEST_TWICE) & (scores <= _HIGHEST_TWICE)))


def decide_twice(scores: Scores, distinct: Scores) -> Decision:
    """Decide about scores that all lie in [0.5, 0.7311].

    A second sigmoid maps scores near 0 and near 1, where most scores are, to the two ends of that
    interval. Logits of a single sigmoid would have to lie in [0, 1] and crowd at both ends of it.
    """
    inner = np.log(scores) - np.log1p(-scores)
    low, high = int((inner < _EDGE).sum()), int((inner > 1 - _EDGE).sum())
    odds = excess_odds(low + high, 2 * _EDGE * scores.size)
    where = (
        f"all {scores.size:,} scores lie in [{_LOWEST_TWICE:g}, {_HIGHEST_TWICE:g}], {low:,} at "
        f"its lower end and {high:,} at its upper end"
    )
    enough = min(low, high) >= _FEWEST_AT_AN_EDGE and distinct.size >= _FEWEST_DISTINCT
    if enough and odds >= DECIDED:
        return Decision("sigmoid twice", None, (), odds, f"{where}, {against_chance(odds)}")
    return Decision(
        "cannot tell",
        None,
        (),
        odds if enough else 0.0,
        f"{where}: a sigmoid applied twice, or once to logits between 0 and 1",
    )


def decide_logits(observed: Observed) -> Decision:
    """Decide about values of which some are below 0 or above 1: no sigmoid made them."""
    values = observed.scores
    outside = int(((values < 0) | (values > 1)).sum())
    reason = f"{outside:,} of {values.size:,} distinct values are below 0 or above 1"
    decimals = fewest_decimals(values)
    if decimals is not None and decimals <= _FEW_DECIMALS:
        return Decision("logits", None, (), 0.0, f"{reason}; rounded values hide their dtype")
    forwards, odds = forward_dtypes(values, observed.stored)
    paths = tuple(ScorePath(dtype, "none", dtype, dtype) for dtype in forwards)
    path = paths[0] if len(paths) == 1 else None
    dtypes = " or ".join(forwards) if forwards else "no dtype that is known"
    return Decision(
        "logits",
        path,
        paths,
        odds,
        f"{reason}; they are values of {dtypes}, {against_chance(odds)}",
    )


def forward_dtypes(values: NDArray[np.float64], stored: Format) -> tuple[tuple[str, ...], float]:
    """Dtypes whose values these logits can be, narrowest first, and the odds for the first.

    A dtype is left out where a narrower one holds every value and chance would hardly have that.
    """
    values = np.unique(values[values != 0])
    held: list[tuple[str, float]] = []
    for dtype in (*reversed(HALVES), "float32"):
        if np.all(FORMATS[dtype].round(values).astype(np.float64) == values):
            held.append((dtype, _rarity(values, FORMATS[dtype], stored)))
    if not held:
        return (), 0.0
    best = max(odds for _, odds in held)
    return tuple(dtype for dtype, odds in held if odds >= best - ALLOWED), best


def _rarity(values: NDArray[np.float64], dtype: Format, stored: Format) -> float:
    """Log10 odds against stored values of a smooth distribution all being values of a dtype."""
    ratio = dtype.spacing_below(np.abs(values)) / stored.spacing_below(np.abs(values))
    return float(np.log10(np.maximum(1.0, ratio)).sum())
