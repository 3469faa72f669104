"""From scores in [0, 1] alone to a verdict: the sets of scores, one or two of them, or all but few.

Each rule here abstains rather than guess: a path is named only where no other one is left.
"""

from __future__ import annotations

import numpy as np

from analysis.errors import every
from analysis.fingerprinting.attaining import decide_weighed
from analysis.fingerprinting.evidence import DECIDED, Weighed, against_chance, excess_odds
from analysis.fingerprinting.gathering import gather
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.parts import decide_all_but_few, decide_two_parts
from analysis.fingerprinting.stages import stage_verdicts
from analysis.fingerprinting.verdict import Verdict

_LOWEST_TWICE, _HIGHEST_TWICE = 0.5, 0.7311
"""Sigmoids of 0 and of 1; the upper one is 0.73106, before it is rounded to a stored dtype."""
_EDGE = 0.05
_FEWEST_AT_AN_EDGE, _FEWEST_DISTINCT = 3, 8


def decide_alone(scores: Scores, observed: Observed) -> Verdict:
    """Decide about scores without their logits; ``observed`` are the distinct ones among them."""
    weighed = gather(observed)
    if np.all((scores >= _LOWEST_TWICE) & (scores <= _HIGHEST_TWICE)):
        return _twice(scores, observed, weighed)
    return (
        decide_all_but_few(observed, weighed)
        or decide_two_parts(observed, weighed)
        or decide_weighed(observed, weighed)
    )


def _twice(scores: Scores, observed: Observed, weighed: list[Weighed]) -> Verdict:
    """Decide about scores that all lie in [0.5, 0.7311].

    A second sigmoid maps scores near 0 and near 1, where most scores are, to the two ends of that
    interval. Logits of a single sigmoid would have to lie in [0, 1] and crowd at both ends of it.
    """
    inner = np.log(scores) - np.log1p(-scores)
    low, high = int((inner < _EDGE).sum()), int((inner > 1 - _EDGE).sum())
    odds = excess_odds(low + high, 2 * _EDGE * scores.size)
    lie = f"{every(scores.size, 'score')} {'lies' if scores.size == 1 else 'lie'}"
    where = (
        f"{lie} in [{_LOWEST_TWICE:g}, {_HIGHEST_TWICE:g}], {low:,} at "
        f"its lower end and {high:,} at its upper end"
    )
    enough = min(low, high) >= _FEWEST_AT_AN_EDGE and observed.scores.size >= _FEWEST_DISTINCT
    if enough and odds >= DECIDED:
        return Verdict("sigmoid twice", odds=odds, reason=f"{where}, {against_chance(odds)}")
    return Verdict(
        "cannot tell",
        odds=odds if enough else 0.0,
        reason=f"{where}: a sigmoid applied twice, or once to logits between 0 and 1",
        stages=stage_verdicts(weighed, observed)[:1],
    )
