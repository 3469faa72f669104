"""Weighing hypotheses: membership refutes, and the rarity of what is attained convinces.

Logits are taken to be smoothly distributed: over the few logits that share a score, their density
is constant. Then a hypothesis gives an observed score the probability *density × logit width
behind that score*, and the density cancels between hypotheses. The log10 odds of a hypothesis
against smoothly distributed scores are the sum, over distinct scores, of the logarithm of its
logit width over that of one storable score. A score that it cannot attain refutes it.

Only distinct scores count: duplicates may be duplicated passages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.fingerprinting.hypotheses import Hypothesis
from analysis.fingerprinting.observed import Observed, Scores

DECIDED = 6.0
"""A verdict needs log10 odds of a million to one against chance."""
ALLOWED = 5.0
"""A hypothesis this many log10 odds behind the best one is no longer allowed."""

FEWEST_AGAINST = 3
"""Scores that must speak against a formula in a wide dtype before it is given up: its ``exp`` may
be another machine's."""

_PROBED = 2_000


@dataclass(frozen=True)
class Weighed:
    """A hypothesis that no score refutes: log10 odds against smooth scores, and on how many."""

    hypothesis: Hypothesis
    odds: float
    telling: int


def weigh(observed: Observed, candidates: Iterable[Hypothesis]) -> list[Weighed]:
    """Return the hypotheses that attain every score, best odds first.

    A spread of scores is probed first, so that a long list costs little for those it refutes.
    """
    probe = observed.spread(_PROBED)
    survivors = [one for one in candidates if not (one.widths(probe) == 0).any()]
    weighed = [found for one in survivors if (found := _weigh(one, observed)) is not None]
    return sorted(weighed, key=lambda found: -found.odds)


def _weigh(hypothesis: Hypothesis, observed: Observed) -> Weighed | None:
    widths = hypothesis.widths(observed)
    if (widths == 0).any():
        return None
    odds = np.log10(widths / observed.cells())
    telling = np.isfinite(odds)
    return Weighed(hypothesis, float(odds[telling].sum()), int(telling.sum()))


def near_misses(observed: Observed, candidates: Iterable[Hypothesis]) -> list[Weighed]:
    """Weigh the wide hypotheses that some scores refute, but fewer than ``FEWEST_AGAINST``.

    Their odds are those of the scores they attain, taken to all scores in proportion.
    """
    probe = observed.spread(_PROBED)
    near = []
    for one in candidates:
        misses = int((one.widths(probe) == 0).sum()) if one.wide else 0
        if 0 < misses < FEWEST_AGAINST:
            attained = _weigh(one, observed.take(one.widths(observed) != 0))
            share = attained.telling / (attained.telling + misses)
            near.append(Weighed(one, attained.odds / max(share, 0.5), attained.telling))
    return near


def allowed(weighed: list[Weighed]) -> list[Weighed]:
    """Hypotheses whose odds are not clearly behind the best one's; ``weighed`` is sorted."""
    return [one for one in weighed if one.odds >= weighed[0].odds - ALLOWED]


def excess_odds(count: int, expected: float) -> float:
    """Log10 odds against ``count`` or more rare events where ``expected`` happen by chance.

    Chernoff's bound for a sum of independent rare events; 0 unless there are more than expected.
    """
    if count <= expected:
        return 0.0
    return float((count * np.log(count / expected) - count + expected) / np.log(10))


def chance_widths(weighed: list[Weighed], observed: Observed) -> Scores:
    """Logit width behind each score as the best explanation of all of them has it.

    Where it has none, or none tells: the width of one storable score.
    """
    cells = observed.cells()
    if not weighed:
        return cells
    widths = weighed[0].hypothesis.widths(observed)
    return np.where(np.isnan(widths), cells, widths)
