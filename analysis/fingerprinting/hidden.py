"""Half logits behind scores that they do not attain exactly.

Either the exponential was another machine's and moved last bits, or the logits were multiplied by
a constant (a calibration factor). The product of half logits and a constant lies on a grid of its
own, as sparse as theirs. A power of two moves no grid of binary floating point, so from scores
alone the factor is known only up to one; with raw logits it is known
(:mod:`analysis.fingerprinting.given`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.fingerprinting.attainable import Hypothesis, hypotheses
from analysis.fingerprinting.evidence import (
    ALLOWED,
    DECIDED,
    Weighed,
    against_chance,
    all_paths,
    allowed,
    best_odds,
    near_misses,
    weigh,
)
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.verdict import Verdict
from analysis.formats import FORMATS, HALVES, format_of
from analysis.steps import OTHER_MACHINE_STEPS

_COARSEST_FIRST = tuple(reversed(HALVES))
"""Every bfloat16 value is a float16 value times a constant, but not the other way round."""
_MOST_SCORES, _FEWEST_SCORES = 64, 4
_LOWEST_LOGIT, _HIGHEST_LOGIT = -30.0, -1.0
_CELLS = 4
"""Error of a float32 sigmoid, in representable scores, that a logit read back may carry."""


def decide_hidden(observed: Observed, weighed: list[Weighed]) -> Verdict | None:
    """Decide whether half logits are behind scores that they do not attain exactly.

    None where sparse logits attain every score as it is, or where no half logits are found.
    ``weighed`` are the hypotheses that explain all scores, best first.
    """
    odds = best_odds(weighed)
    if odds >= DECIDED and weighed[0].hypothesis.forward != "float32":
        return None
    softmax = _softmax_possible(observed, weighed)
    hidden = (None if softmax else _other_machine(observed)) or _scaled(observed)
    return hidden if hidden is not None and hidden.odds > odds + ALLOWED else None


def _softmax_possible(observed: Observed, weighed: list[Weighed]) -> bool:
    """Whether a two-label softmax attains the scores: to a few last bits it is a sigmoid."""
    known = [one for one in hypotheses() if one.family == "softmax"]
    left = [*weighed, *near_misses(observed, known)]
    return any(one.hypothesis.family == "softmax" for one in left)


def _stored_wide(observed: Observed, forwards: tuple[str, ...]) -> list[Hypothesis]:
    """Wide sigmoids of logits of these dtypes whose scores are stored as those observed."""
    return [
        one
        for one in hypotheses()
        if one.forward in forwards
        and one.wide
        and one.paths[0].stored_dtype == observed.stored.name
    ]


def _other_machine(observed: Observed) -> Verdict | None:
    """Half logits under a wide sigmoid, to within what another machine's ``exp`` may differ."""
    if not observed.exact:
        return None
    weighed = weigh(observed.widened(OTHER_MACHINE_STEPS), _stored_wide(observed, HALVES))
    if not weighed or weighed[0].odds < DECIDED:
        return None
    forward, odds = weighed[0].hypothesis.forward, weighed[0].odds
    left = [one.hypothesis for one in allowed(weighed) if one.hypothesis.forward == forward]
    return Verdict(
        "sigmoid",
        paths=all_paths(one.paths for one in left),
        odds=odds,
        reason=f"all {observed.scores.size:,} distinct scores lie within {OTHER_MACHINE_STEPS} "
        f"representable values of a {observed.stored.name} sigmoid of {forward} logits, "
        f"{against_chance(odds)}; the formula stays open: another machine's exponential, or "
        "both formulas in one list",
    )


def _scaled(observed: Observed) -> Verdict | None:
    """Half logits times a constant, under a wide sigmoid.

    Read from scores below 0.27, where a score tells its logit well; needs four of them.
    """
    logits = observed.logits()
    low = observed.take((logits > _LOWEST_LOGIT) & (logits < _HIGHEST_LOGIT))
    if not observed.exact or low.scores.size < _FEWEST_SCORES:
        return None
    found = _find_factor(low)
    if found is None:
        return None
    forward, factor, tried = found
    odds = _odds(low, forward, factor, tried)
    return Verdict(
        "sigmoid",
        paths=all_paths(one.paths for one in _stored_wide(observed, (forward,))),
        odds=odds,
        reason=f"the logits of {low.scores.size:,} scores are {forward} values times "
        f"{factor:g} and some power of two, {against_chance(odds)}; which power "
        "leaves no trace",
    )


def _find_factor(low: Observed) -> tuple[str, float, int] | None:
    """Find a half dtype and a factor in [1, 2) that explain every score, among how many tried.

    The factor stands for all its products with powers of two. None where there is none, and where
    half logits explain the scores without a factor.
    """
    some = low.spread(_MOST_SCORES)
    if any(_fitting(some, forward, np.ones(1)).any() for forward in HALVES):
        return None
    searches = [(forward, _known_factors()) for forward in _COARSEST_FIRST]
    searches += [(forward, _anchored_factors(some, forward)) for forward in _COARSEST_FIRST]
    for forward, tried in searches:
        fits = tried[_fitting(some, forward, tried)]
        if fits.size and _fitting(low, forward, fits[:1]).all():
            return forward, float(fits[0]), tried.size
    return None


def _known_factors() -> NDArray[np.float64]:
    """Factors of up to two significant digits, without their powers of two; 1 is left out."""
    mantissas = {
        2 * math.frexp(digits * 10.0**-places)[0] for digits in range(1, 100) for places in range(3)
    }
    return np.array(sorted(mantissas - {1.0}))


def _anchored_factors(low: Observed, forward: str) -> NDArray[np.float64]:
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


def _odds(low: Observed, forward: str, factor: float, tried: int) -> float:
    """Log10 odds against as many logits falling near the grid, for one of so many factors."""
    steps = format_of(forward).spacing(np.abs(low.logits() / factor)) * factor
    by_chance = np.minimum(1.0, 2 * _reach(low) / steps)
    return float(-np.log10(by_chance).sum() - np.log10(2 * tried))
