"""What a list of numbers is, where no sigmoid of a logit explains it, by what can be seen of it.

Constants, whole numbers, log-probabilities, percentages, and values outside of [0, 1] that no
sigmoid returns: logits, cosines, distances, BM25 scores. Where only the range speaks, the verdict
says what the numbers are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analysis.errors import counted, every
from analysis.fingerprinting.deciding import decide_alone
from analysis.fingerprinting.evidence import (
    DECIDED,
    against_chance,
    excess_odds,
    forward_dtypes,
)
from analysis.fingerprinting.grids import Regular, equal_steps
from analysis.fingerprinting.lists import WHY_CONSTANT
from analysis.fingerprinting.logits import Logits
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.verdict import StageVerdict, Verdict, certain
from analysis.formats import FORMATS, HALVES
from analysis.scorepath import ScorePath

_FEWEST_CONSTANT, _FEWEST_OTHER = 5, 20
_FEWEST_AT_THE_END = 3
"""Scores that share exactly 100.0, or exactly 0.0 from below, for that to be no chance."""
_FEW_DECIMALS = 5
_PERCENT = 100.0
_FEWEST_WHOLE = 5
_MIDDLE, _END = 0.5, 0.02
_ALL_BUT_CERTAIN = 0.01
"""Logarithms of probabilities above 0.99 lie so near to 0."""
_LARGEST_COSINE = 1.02
"""Of vectors that were normalised in a half type."""


def decide_by_range(scores: Scores, observed: Observed) -> Verdict | None:
    """Decide about scores that are no plain sigmoids by their range; None for the others."""
    return next((found for rule in _RULES if (found := rule(scores, observed)) is not None), None)


def _constant(scores: Scores, observed: Observed) -> Verdict | None:
    value = float(observed.scores[0])
    near_an_end = 0 <= value <= _END or 1 - _END <= value <= 1  # different logits may share it
    fewest = _FEWEST_CONSTANT if value == _MIDDLE else _FEWEST_OTHER
    if observed.scores.size > 1 or scores.size < fewest or near_an_end:
        return None
    why = WHY_CONSTANT.get(value, "the passages do not reach the score, or saturate before it")
    return Verdict(
        "constant",
        reason=f"all {scores.size:,} scores are {value:.9g}: {why}",
    )


def _whole_numbers(scores: Scores, observed: Observed) -> Verdict | None:
    """Ratings and their like. 0 and 1 alone may be the two ends of a sigmoid as well."""
    values = observed.scores
    if np.any(values != np.rint(values)) or scores.size < _FEWEST_WHOLE or values.size < 2:
        return None
    if not _outside(values):
        return Verdict(
            "cannot tell",
            reason=f"all {scores.size:,} values are 0 or 1: judgements, or a sigmoid that "
            "saturates for every passage",
        )
    return Verdict(
        "whole numbers",
        reason=f"all {scores.size:,} values are whole numbers, {values.size:,} different ones from "
        f"{values[0]:g} to {values[-1]:g}: ratings, grades, ranks, or percentages without decimals",
    )


def _percent(scores: Scores, observed: Observed) -> Verdict | None:
    """Sigmoids times 100: recognised by the path behind, or by a shared end at exactly 100."""
    values = observed.scores
    if values[0] < 0 or not 1 < values[-1] <= _PERCENT:
        return None
    inner = decide_alone(scores / _PERCENT, observed.divided(_PERCENT))
    at_end = int((scores == _PERCENT).sum())
    within = f"{every(scores.size, 'value')} {'lies' if scores.size == 1 else 'lie'} in [0, 100]"
    stored = inner.stage("stored dtype")
    in_half = stored.values in [(name,) for name in HALVES]
    odds = stored.odds if in_half else inner.odds
    if odds >= DECIDED and (in_half or inner.kind in ("sigmoid", "softmax", "mixture")):
        stages = certain(inner.stages, odds, after="times 100")
        reason = f"{within}; divided by 100, {inner.reason}"
        return replace(inner, kind="percent", path=None, stages=stages, reason=reason)
    if at_end < _FEWEST_AT_THE_END or np.all(values == np.rint(values)):
        return None
    return Verdict(
        "percent",
        paths=inner.paths,
        reason=f"{within}, and {at_end:,} are exactly 100; divided by 100, {inner.reason}",
    )


def _log_probabilities(scores: Scores, observed: Observed) -> Verdict | None:
    """Values up to 0: those of a log-softmax, if zeros in a half type or regular logits say so."""
    values = observed.scores
    if not values[0] < 0 or values[-1] > 0:
        return None
    zeros = int((scores == 0).sum())
    dtypes, odds = forward_dtypes(values, observed.stored)
    odds = min(odds, _odds_of_certainty(scores))
    where = f"{every(scores.size, 'value')} {'is' if scores.size == 1 else 'are'} at most 0"
    if zeros >= _FEWEST_AT_THE_END and odds >= DECIDED and dtypes[0] in HALVES:
        return Verdict(
            "log-probabilities",
            odds=odds,
            reason=f"{where}, {zeros:,} exactly 0 and many just below; they are values of "
            f"{dtypes[0]}, {against_chance(odds)}: a log-softmax evaluated in {dtypes[0]}, which "
            "rounds probabilities near 1 to log 1",
            stages=(
                StageVerdict("stored dtype", dtypes[:1], odds),
                StageVerdict("sigmoid", (f"log-softmax in {dtypes[0]}",), odds),
                StageVerdict("forward dtype", wanted="the logits of both labels"),
            ),
        )
    steps, own = equal_steps(_log_odds(observed)), _own_steps(observed)
    if steps is None or not steps.decided:
        return None
    if own is not None and own.decided:
        return None  # far below 0 a logarithm of a probability is all but its logit
    return Verdict(
        "log-probabilities",
        odds=steps.odds,
        reason=f"{where}; as log-probabilities they stand for logits in {steps.forward}, "
        f"{against_chance(steps.odds)}",
        stages=(
            StageVerdict("sigmoid", ("log-softmax or log-sigmoid in float32",), steps.odds),
            StageVerdict("forward dtype", (steps.forward,), steps.odds),
        ),
    )


def _odds_of_certainty(scores: Scores) -> float:
    """Log10 odds against so many values just below 0, where probabilities near 1 crowd.

    Distances and what was subtracted from the best of a list are spread evenly there.
    """
    below = scores[(scores >= -1) & (scores < 0)]
    return excess_odds(int((below >= -_ALL_BUT_CERTAIN).sum()), _ALL_BUT_CERTAIN * below.size)


def _own_steps(observed: Observed) -> Regular | None:
    """Equal steps of the values themselves."""
    reach = observed.spacing + observed.stored.spacing(np.abs(observed.scores))
    reach = np.maximum(reach, _decimal_step(observed.scores) / 2)
    return equal_steps(Logits(observed.scores, reach))


def _log_odds(observed: Observed) -> Logits:
    """Logits behind log-probabilities, and how far they may be off."""
    values, spacing = observed.scores, observed.spacing
    below = values < 0
    values, spacing = values[below], spacing[below]
    rest = -np.expm1(values)
    reach = (4 * spacing + FORMATS["float32"].eps * rest) / rest
    logits = values - np.log(rest)
    near = reach < np.abs(logits)
    return Logits(logits[near], reach[near])


def _unbounded(scores: Scores, observed: Observed) -> Verdict | None:
    """Decide about values of which some are below 0 or above 1: no sigmoid made them."""
    values = observed.scores
    outside = _outside(values)
    if not outside:
        return None
    are = "is" if outside == 1 else "are"
    reason = f"{outside:,} of {counted(values.size, 'distinct value')} {are} below 0 or above 1"
    guess = _by_signs(values)
    stored, odds = _stored(observed)
    steps = _own_steps(observed)
    if steps is not None and steps.decided and steps.odds > odds:
        return Verdict(
            "no sigmoid",
            odds=steps.odds,
            reason=f"{reason}: {guess}; they lie in {steps.forward}, "
            f"{against_chance(steps.odds)}: quantised, rounded, or differences of half logits",
        )
    if odds < DECIDED or stored not in HALVES:
        stages = () if odds < DECIDED else (StageVerdict("stored dtype", (stored,), odds),)
        return Verdict("no sigmoid", reason=f"{reason}: {guess}", stages=stages)
    found = f"{reason}; they are values of {stored}, {against_chance(odds)}"
    stages = (StageVerdict("stored dtype", (stored,), odds),)
    if values[0] >= 0 or values[-1] <= 0 or np.abs(values).max() <= _LARGEST_COSINE:
        return Verdict("no sigmoid", odds=odds, reason=f"{found}: {guess}", stages=stages)
    path = ScorePath(stored).raw()
    stages = (*stages, StageVerdict("forward dtype", (stored,), odds))
    return Verdict("logits", path, (path,), odds=odds, reason=found, stages=stages)


def _stored(observed: Observed) -> tuple[str, float]:
    """The narrowest dtype that holds all values, and its odds."""
    if not observed.exact:
        return "", 0.0
    step = _decimal_step(observed.scores)
    dtypes, odds = forward_dtypes(observed.scores, observed.stored, step)
    return (dtypes[0], odds) if dtypes else ("", 0.0)


def _decimal_step(values: Scores) -> float:
    """The step of few decimals that all values have, otherwise 0."""
    places = (place for place in range(_FEW_DECIMALS) if np.all(values.round(place) == values))
    return next((10.0**-place for place in places), 0.0)


def _by_signs(values: Scores) -> str:
    """What values outside of [0, 1] can be, by their range alone."""
    if np.abs(values).max() <= _LARGEST_COSINE:
        return "cosines, or logits near 0"
    if values[-1] <= 0:
        return "log-probabilities, negated distances, or logits"
    if values[0] >= 0:
        percentages = "percentages, " if values[-1] <= _PERCENT else ""
        return f"{percentages}distances, BM25 or other scores without bounds, or logits"
    return "logits, or other scores without bounds"


def _outside(values: Scores) -> int:
    return int(((values < 0) | (values > 1)).sum())


_RULES: tuple[Callable[[Scores, Observed], Verdict | None], ...] = (
    _constant,
    _whole_numbers,
    _percent,
    _log_probabilities,
    _unbounded,
)
