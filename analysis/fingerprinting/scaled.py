"""Half logits that were multiplied by a constant before the sigmoid (a calibration factor).

The product of half logits and a constant lies on a grid of its own, as sparse as theirs. A power
of two moves no grid of binary floating point, so from scores alone the factor is known only up to
one; with raw logits it is known (:mod:`analysis.fingerprinting.given`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import FORMATS, HALVES, format_of

_MOST_SCORES, _FEWEST_SCORES = 64, 4
_LOWEST_LOGIT, _HIGHEST_LOGIT = -30.0, -1.0
_CELLS = 4
"""Error of a float32 sigmoid, in representable scores, that a logit read back may carry."""


@dataclass(frozen=True)
class Scaled:
    """Half logits times a factor in [1, 2), which stands for all its products with 2ⁿ."""

    forward: str
    factor: float
    odds: float
    telling: int


def known_factors() -> NDArray[np.float64]:
    """Factors of up to two significant digits, without their powers of two; 1 is left out."""
    mantissas = {
        2 * math.frexp(digits * 10.0**-places)[0] for digits in range(1, 100) for places in range(3)
    }
    return np.array(sorted(mantissas - {1.0}))


def scaled_logits(observed: Observed) -> Scaled | None:
    """Find a factor and half dtype that explain every low score, or None.

    Read from scores below 0.27, where a score tells its logit well; needs four of them. None as
    well where half logits explain them without a factor.
    """
    if not observed.exact:
        return None
    logits = observed.logits()
    low = observed.take((logits > _LOWEST_LOGIT) & (logits < _HIGHEST_LOGIT))
    if low.scores.size < _FEWEST_SCORES:
        return None
    some = low.spread(_MOST_SCORES)
    if any(_fitting(some, forward, np.ones(1)).any() for forward in HALVES):
        return None
    searches = [(forward, known_factors()) for forward in HALVES]
    searches += [(forward, anchored_factors(some, forward)) for forward in HALVES]
    for forward, tried in searches:
        fits = tried[_fitting(some, forward, tried)]
        if fits.size and _fitting(low, forward, fits[:1]).all():
            return _scaled(low, forward, float(fits[0]), tried.size)
    return None


def anchored_factors(low: Observed, forward: str) -> NDArray[np.float64]:
    """Every factor in [1, 2) that makes the best known logit of a half logit, one per mantissa."""
    logits = low.logits()
    anchor = -logits[np.argmin(low.cells() / np.abs(logits))]
    mantissas = format_of(forward).values(1.0, 2.0)[:-1]
    return 2 * np.frexp(anchor / mantissas)[0]


def _fitting(low: Observed, forward: str, tried: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which factors put every logit near the grid, to within its error and that of an anchor."""
    logits, half = low.logits(), format_of(forward)
    reach = _reach(low)
    nearest = half.round(logits[:, None] / tried).astype(np.float64)
    return np.all(np.abs(nearest * tried - logits[:, None]) <= reach[:, None], axis=0)


def _reach(low: Observed) -> Scores:
    logits = np.abs(low.logits())
    reach = _CELLS * low.cells() + FORMATS["float32"].spacing(logits)
    return reach + logits * np.min(reach / logits)


def _scaled(low: Observed, forward: str, factor: float, tried: int) -> Scaled:
    logits, half = low.logits(), format_of(forward)
    steps = half.spacing(np.abs(logits / factor)) * factor
    return Scaled(forward, factor, _odds(logits, _reach(low), steps, tried), logits.size)


def _odds(logits: Scores, reach: Scores, steps: Scores, tried: int) -> float:
    """Log10 odds against as many logits falling near the grid, for one of so many factors."""
    by_chance = np.minimum(1.0, 2 * reach / steps)
    return float(-np.log10(by_chance).sum() - np.log10(2 * tried))
