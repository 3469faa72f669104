"""Scores of two paths in one list: members of a sparse set far beyond chance, and a rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fingerprinting.decision import Decision, decide, softmax_decided
from analysis.fingerprinting.evidence import DECIDED, Weighed, chance_widths, excess_odds
from analysis.fingerprinting.hypotheses import Hypothesis, hypotheses
from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import HALVES, format_of

_FEWEST_OUTSIDE = 5
_LARGEST_CHANCE = 0.5
_WIDER = 2.0
"""Just below 1 a float32 sigmoid returns every other float32 score: each stands for two cells."""
_CLEARLY_MORE = 1.5
"""Chance is reckoned from average spacings, so a small excess over it is none."""


@dataclass(frozen=True)
class _Part:
    inside: NDArray[np.bool_]
    odds: float


def decide_mixture(observed: Observed, weighed: list[Weighed]) -> Decision | None:
    """Decide whether two paths made the scores, or return None.

    ``weighed`` are the hypotheses that explain all scores, best first; under the best of them,
    or under a smooth distribution if there is none, a part stands out that belongs to a sparser
    set. Both parts must be decided for a mixture.
    """
    if softmax_decided(weighed):
        return None  # differences of half logits are often half logits themselves
    part = _standing_out(observed, chance_widths(weighed, observed))
    if part is None:
        return None
    outside = observed.take(~part.inside)
    if int(np.isfinite(outside.cells()).sum()) < _FEWEST_OUTSIDE:
        return None
    first, second = decide(observed.take(part.inside)), decide(outside)
    size, count = observed.scores.size, int(part.inside.sum())
    if first.kind != "sigmoid":
        return None
    some = f"{count:,} of {size:,} distinct scores are attained by {first.paths[0].forward_dtype} "
    if second.kind not in ("sigmoid", "softmax"):
        rest = "carry no evidence of their own" if second.paths else "are attained by no known path"
        return Decision("cannot tell", None, first.paths, 0.0, f"{some}logits; the others {rest}")
    return Decision(
        "mixture",
        None,
        tuple(dict.fromkeys((*first.paths, *second.paths))),
        min(first.odds, second.odds),
        f"{some}logits, which the other {size - count:,} refute; of those, {second.reason}",
    )


def _standing_out(observed: Observed, widths: Scores) -> _Part | None:
    """Find the sparse set with the largest excess of members, if any is beyond chance."""
    parts = [_excess(one, observed, widths) for one in hypotheses() if one.forward in HALVES]
    best = max(parts, key=lambda part: part.odds)
    return best if best.odds >= DECIDED else None


def _excess(hypothesis: Hypothesis, observed: Observed, widths: Scores) -> _Part:
    attained = hypothesis.widths(observed)
    inside = ~(attained == 0)
    logits = np.nan_to_num(observed.logits(), posinf=0.0, neginf=0.0)
    steps = format_of(hypothesis.forward).spacing(np.abs(logits))
    chance = _WIDER * widths / steps
    telling = np.isfinite(attained) & (chance < _LARGEST_CHANCE)
    count, expected = int((inside & telling).sum()), float(chance[telling].sum())
    if (inside | ~telling).all() or count < max(_FEWEST_OUTSIDE, _CLEARLY_MORE * expected):
        return _Part(inside, 0.0)
    return _Part(inside, excess_odds(count, expected))
