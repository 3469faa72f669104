"""What a score path hides: which logits share a score, there where the scores of a set lie.

The steps come from :mod:`analysis.staircase`, over the logits that exist in the forward dtype.
Since that dtype has itself rounded the logit, a step is extended by half of the forward spacing
at either end: to the float32 relevance differences that end up in one score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.fingerprinting.decision import OTHER_MACHINE_STEPS
from analysis.formats import Format, format_of, is_wide
from analysis.scorepath import ScorePath
from analysis.sigmoids import Formula, saturation
from analysis.staircase import staircase

MOST_STEPS = 200
"""Distinct scores that are looked at; of more, evenly spaced ones in their order."""


@dataclass(frozen=True)
class Hidden:
    """Relevance differences that a path hides, in logits.

    ``steps`` has one row per score looked at, the highest first: ``score``, ``logit_low``,
    ``logit_high`` (the interval of logits that ends in it), ``width`` (infinite at exactly 1.0
    and 0.0) and ``share``, the share of the scores given that have it. These are logits before
    they are rounded to the forward dtype. ``one_from`` is the first logit of the forward dtype
    whose score is exactly 1.0, NaN where there is no sigmoid.
    """

    steps: pd.DataFrame
    one_from: float

    @property
    def median_width(self) -> float:
        """Median width of the steps that are not saturated; NaN if all are."""
        return float(self._finite_widths.median())

    @property
    def largest_width(self) -> float:
        """Largest width of the steps that are not saturated; NaN if all are."""
        return float(self._finite_widths.max())

    @property
    def _finite_widths(self) -> pd.Series:
        return self.steps.loc[np.isfinite(self.steps["width"]), "width"]


def hidden_logits(
    path: ScorePath,
    scores: NDArray[np.float64],
    decimals: int | None = None,
    calibration: float = 1.0,
) -> Hidden | None:
    """Steps of a path at some scores (shape (n,), not empty); None where it cannot be said.

    ``decimals`` says that the scores were then printed with so many decimals: their steps are
    those of the print. ``calibration`` is the factor that multiplied the logits before the
    sigmoid; steps are given in logits before it. None is returned for scores that the path
    cannot have made.
    """
    if decimals is None:
        # JSON spells a float32 by its shortest decimals, which are not exactly its value.
        scores = format_of(path.stored_dtype).round(scores).astype(np.float64)
    distinct, counts = np.unique(scores, return_counts=True)
    chosen = np.unique(np.linspace(0, len(distinct) - 1, MOST_STEPS).round().astype(int))
    rows = [_step(path, float(score), decimals) for score in distinct[chosen]]
    if any(row is None for row in rows):
        return None
    steps = pd.DataFrame(rows, columns=["score", "logit_low", "logit_high"])
    steps[["logit_low", "logit_high"]] /= calibration
    steps["width"] = steps["logit_high"] - steps["logit_low"]
    steps["share"] = counts[chosen] / len(scores)
    one_from = np.nan if path.formula == "none" else first_saturated(path)
    return Hidden(steps[::-1].reset_index(drop=True), one_from / calibration)


def first_saturated(path: ScorePath) -> float:
    """First logit of the forward dtype whose score is exactly 1.0; the path has a sigmoid."""
    edge = saturation(path.formula, path.activation_dtype).one_from
    forward = format_of(path.forward_dtype)
    nearest = float(forward.round(edge))
    return nearest if nearest >= edge else float(forward.next_above(edge))


def _step(path: ScorePath, score: float, decimals: int | None) -> tuple[float, float, float] | None:
    """Score and the interval of logits that ends in it, or None if none does."""
    if decimals is not None:
        ends = _printed_step(path, score, decimals)
    elif path.formula == "none":
        ends = _widened(path, score, score)
    else:
        ends = _sigmoid_step(path, path.formula, score)
    return None if ends is None else (score, *ends)


def _sigmoid_step(path: ScorePath, formula: Formula, score: float) -> tuple[float, float] | None:
    activation, stored = format_of(path.activation_dtype), format_of(path.stored_dtype)
    if stored.finfo.bits < activation.finfo.bits:
        # A narrower cast after the sigmoid: every activation that rounds to this score.
        low = max(0.0, score - float(stored.spacing_below(score)) / 2)
        high = min(1.0, score + float(stored.spacing_above(score)) / 2)
        return _between(path, low, high)
    # Another machine's exponential may round otherwise; narrow activations leave no such room.
    reaches = (0, OTHER_MACHINE_STEPS) if is_wide(path.activation_dtype) else (0,)
    for reach in reaches:
        low, high = _neighbours(activation, score, reach)
        steps = staircase(formula, activation, low, high, logit_dtype=path.forward_dtype)
        if not steps.empty:
            ends = _widened(path, steps["logit_low"].iloc[0], steps["logit_high"].iloc[-1])
            return _opened(score, *ends)
    return None


def _neighbours(number_format: Format, score: float, reach: int) -> tuple[float, float]:
    """Scores so many representable values below and above, within [0, 1]."""
    place = number_format.ordinals(score)
    low, high = number_format.from_ordinals([place - reach, place + reach]).astype(np.float64)
    return max(0.0, float(low)), min(1.0, float(high))


def _printed_step(path: ScorePath, score: float, decimals: int) -> tuple[float, float]:
    half = 0.5 * 10.0**-decimals
    if path.formula == "none":
        return _widened(path, score - half, score + half)
    return _between(path, max(0.0, score - half), min(1.0, score + half))


def _between(path: ScorePath, low: float, high: float) -> tuple[float, float]:
    """Logits of a whole interval of scores, by the exact inverse of the sigmoid.

    The interval is wider than the activation's own steps, so their edges hardly matter; to
    enumerate them would take millions of values.
    """
    with np.errstate(divide="ignore"):
        logits = [float(np.log(end) - np.log1p(-end)) for end in (low, high)]
    return _widened(path, *logits)


def _widened(path: ScorePath, low: float, high: float) -> tuple[float, float]:
    """Extend an interval of forward logits to the logits that round into it."""
    forward = format_of(path.forward_dtype)
    below = float(forward.spacing_below(low)) / 2 if np.isfinite(low) else 0.0
    above = float(forward.spacing_above(high)) / 2 if np.isfinite(high) else 0.0
    return low - below, high + above


def _opened(score: float, low: float, high: float) -> tuple[float, float]:
    """Open the outer end of a saturated step."""
    return (-np.inf if score == 0.0 else low), (np.inf if score == 1.0 else high)
