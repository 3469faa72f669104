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

from analysis.fingerprinting.attainable import Hypothesis, Paths
from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import FORMATS, FORWARD_DTYPES, Format

DECIDED = 6.0
"""A verdict needs log10 odds of a million to one against chance."""
ALLOWED = 5.0
"""A hypothesis this many log10 odds behind the best one is no longer allowed."""

FEWEST_AGAINST = 3
"""Scores that must speak against a formula in a wide dtype before it is given up: its ``exp`` may
be another machine's."""

_PROBED = 2_000
_AT_ZERO = 0.5
"""The score of a logit of exactly 0. Equal labels and dead units make it in every dtype: it may
refute a path, but is no evidence for the dtype or the steps with the fewest logits there."""


@dataclass(frozen=True)
class Weighed:
    """A hypothesis that no score refutes: log10 odds against smooth scores, and on how many.

    ``exact`` is false where scores come near the hypothesis without being attained bit for bit.
    """

    hypothesis: Hypothesis
    odds: float
    telling: int
    exact: bool = True


def weigh(observed: Observed, candidates: Iterable[Hypothesis]) -> list[Weighed]:
    """Return the hypotheses that attain every score, best odds first.

    A spread of scores is probed first, so that a long list costs little for those it refutes.
    """
    probe = observed.spread(_PROBED)
    survivors = [one for one in candidates if not (probe.ask(one.widths) == 0).any()]
    weighed = [found for one in survivors if (found := _weigh(one, observed)) is not None]
    return best_first(weighed)


def best_first(weighed: Iterable[Weighed]) -> list[Weighed]:
    """The hypotheses by their odds."""
    return sorted(weighed, key=lambda one: -one.odds)


def _weigh(hypothesis: Hypothesis, observed: Observed) -> Weighed | None:
    widths = observed.ask(hypothesis.widths)
    if (widths == 0).any():
        return None
    odds = np.log10(widths / observed.cells())
    telling = np.isfinite(odds) & (observed.scores != _AT_ZERO)
    return Weighed(hypothesis, float(odds[telling].sum()), int(telling.sum()))


def running_odds(hypothesis: Hypothesis, observed: Observed) -> Scores:
    """Odds summed score by score, in the order of ``observed``.

    Minus infinity from the first score on that refutes the hypothesis.
    """
    widths = observed.ask(hypothesis.widths)
    telling = (widths > 0) & (observed.scores != _AT_ZERO)
    telling = np.where(telling, widths / observed.cells(), 1.0)
    odds = np.nancumsum(np.log10(telling))
    odds[np.cumsum(widths == 0) > 0] = -np.inf
    return odds


def near_misses(observed: Observed, candidates: Iterable[Hypothesis]) -> list[Weighed]:
    """Weigh the wide hypotheses that some scores refute, but fewer than ``FEWEST_AGAINST``.

    Their odds are those of the scores they attain, taken to all scores in proportion.
    """
    probe = observed.spread(_PROBED)
    near = []
    for one in candidates:
        misses = int((probe.ask(one.widths) == 0).sum()) if one.wide else 0
        if 0 < misses < FEWEST_AGAINST:
            attained = _weigh(one, observed.take(observed.ask(one.widths) != 0))
            share = attained.telling / (attained.telling + misses)
            near.append(Weighed(one, attained.odds / max(share, 0.5), attained.telling))
    return near


def allowed(weighed: list[Weighed]) -> list[Weighed]:
    """Hypotheses whose odds are not clearly behind the best one's; ``weighed`` is sorted."""
    return [one for one in weighed if one.odds >= weighed[0].odds - ALLOWED]


def chance_odds(weighed: list[Weighed]) -> float:
    """Best odds of scores without a trace: 0, or those of a half format that holds them all."""
    return max([0.0, *(one.odds for one in weighed if one.hypothesis.family == "smooth")])


def best_odds(weighed: list[Weighed]) -> float:
    """Odds of the best hypothesis against chance; 0 where there is none."""
    return weighed[0].odds - chance_odds(weighed) if weighed else 0.0


def excess_odds(count: int, expected: float) -> float:
    """Log10 odds against ``count`` or more rare events where ``expected`` happen by chance.

    Chernoff's bound for a sum of independent rare events; 0 unless there are more than expected.
    """
    if count <= expected:
        return 0.0
    return float((count * np.log(count / expected) - count + expected) / np.log(10))


def forward_dtypes(
    values: Scores, stored: Format, step: float = 0.0
) -> tuple[tuple[str, ...], float]:
    """Dtypes whose values these logits can be, narrowest first, and the odds for the first.

    ``step`` is that of the decimals that all values have: 17.5 and 16.25 show no dtype.

    A dtype is left out where a narrower one holds every value and chance would hardly have that.
    """
    values = np.unique(values[values != 0])
    held: list[tuple[str, float]] = []
    for dtype in reversed(FORWARD_DTYPES):
        if np.all(FORMATS[dtype].round(values).astype(np.float64) == values):
            held.append((dtype, _rarity(values, FORMATS[dtype], stored, step)))
    if not held:
        return (), 0.0
    best = max(odds for _, odds in held)
    return tuple(dtype for dtype, odds in held if odds >= best - ALLOWED), best


def _rarity(values: Scores, dtype: Format, stored: Format, step: float) -> float:
    """Log10 odds against stored values of a smooth distribution all being values of a dtype."""
    possible = np.maximum(stored.spacing_below(np.abs(values)), step)
    ratio = dtype.spacing_below(np.abs(values)) / possible
    return float(np.log10(np.maximum(1.0, ratio)).sum())


def all_paths(groups: Iterable[Paths]) -> Paths:
    """Paths of several groups, each path once."""
    return tuple(dict.fromkeys(path for group in groups for path in group))


def against_chance(odds: float) -> str:
    """The odds as a clause."""
    return f"with odds of 10^{odds:.0f} to 1 against chance"
