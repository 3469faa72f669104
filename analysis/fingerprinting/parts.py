"""Scores that no one set explains: all but a few, or two sets in one list.

A bound to which scores were clipped, or foreign values; members of a sparse set far beyond chance,
and a rest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import counted
from analysis.fingerprinting.attainable import hypotheses
from analysis.fingerprinting.attaining import decide_weighed
from analysis.fingerprinting.evidence import (
    ALLOWED,
    DECIDED,
    Weighed,
    all_paths,
    best_odds,
    excess_odds,
)
from analysis.fingerprinting.gathering import gather
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.verdict import StageVerdict, Verdict, certain
from analysis.formats import HALVES, format_of
from analysis.steps import OTHER_MACHINE_STEPS

_FEWEST_OUTSIDE = 5
_LARGEST_CHANCE = 0.5
_WIDER = 2.0
"""Just below 1 a float32 sigmoid returns every other float32 score: each stands for two cells."""
_CLEARLY_MORE = 1.5
"""Chance is reckoned from average spacings, so a small excess over it is none."""
_BOUNDS = [digit * 10.0**-place for place in range(1, 13) for digit in (1, 2, 5)]
"""Round distances from 0 and from 1 at which scores are clipped."""


def decide_all_but_few(observed: Observed, weighed: list[Weighed]) -> Verdict | None:
    """Decide about scores of half logits among which a few are none of them, or return None."""
    if best_odds(weighed) >= DECIDED and weighed[0].hypothesis.sparse:
        return None
    foreign = _foreign(observed, weighed[0].odds if weighed else 0.0)
    if foreign is None:
        return None
    rest = observed.take(~foreign)
    found = decide_weighed(rest, gather(rest))
    if not any(one.certain for one in found.stages):
        return None
    values = ", ".join(f"{value:.9g}" for value in observed.scores[foreign])
    bounds = [_bound(observed, place) for place in np.flatnonzero(foreign)]
    if all(bounds):
        stages = certain(found.stages, found.odds, after=f"clipped at {' and at '.join(bounds)}")
        reason = f"clipped at {values}; of the others, {found.reason}"
        return replace(found, path=None, stages=stages, reason=reason)
    return replace(
        found,
        kind="cannot tell",
        path=None,
        reason=f"{counted(int(foreign.sum()), 'score')} of another making ({values}) among "
        f"{observed.scores.size:,} distinct ones; of the others, {found.reason}",
    )


def _foreign(observed: Observed, odds: float) -> NDArray[np.bool_] | None:
    """The few scores that the best half logits do not attain, if they attain the rest decidedly.

    They must explain the rest better than anything explains all of the scores.
    """
    size, best = observed.scores.size, None
    if size < 2 * _FEWEST_OUTSIDE:
        return None
    near = observed.widened(OTHER_MACHINE_STEPS) if observed.exact else observed
    for one in hypotheses():
        if one.forward not in HALVES and one.family != "smooth":
            continue
        held_to = near if one.wide else observed
        widths = held_to.ask(one.widths)
        foreign = widths == 0
        count = int(foreign.sum())
        if not 0 < count < _FEWEST_OUTSIDE:
            continue
        gains = np.log10(np.where(foreign, np.nan, widths) / held_to.cells())
        gain = float(np.nansum(gains)) - count * np.log10(size)
        if gain >= max(DECIDED, odds + ALLOWED) and (best is None or gain > best[0]):
            best = gain, foreign
    return None if best is None else best[1]


def _bound(observed: Observed, place: int) -> str:
    """The round bound that a score at an end of the list stands for; empty if it is none."""
    score = observed.scores[place]
    if place == 0:
        return next((f"{b:g}" for b in _BOUNDS if observed.stored.round(b) == score), "")
    if place == observed.scores.size - 1:
        return next((f"1 − {b:g}" for b in _BOUNDS if observed.stored.round(1 - b) == score), "")
    return ""


def decide_two_parts(observed: Observed, weighed: list[Weighed]) -> Verdict | None:
    """Decide whether two paths made the scores, or return None.

    Under the best hypothesis that explains all scores, or under a smooth distribution if there is
    none, a part stands out that belongs to a sparser set. Both parts must be decided. Where one
    path attains every score it may have made them all: then the forward dtype stays open.
    """
    single = best_odds(weighed) >= DECIDED
    if single and weighed[0].hypothesis.family == "softmax":
        return None  # differences of half logits are often half logits themselves
    inside = _standing_out(observed, _chance_widths(observed, weighed))
    if inside is None:
        return None
    outside = observed.take(~inside)
    if int(np.isfinite(outside.cells()).sum()) < _FEWEST_OUTSIDE:
        return None
    first = _of_one_path(observed.take(inside))
    if first.kind != "sigmoid":
        return None
    size, count = observed.scores.size, int(inside.sum())
    some = f"{count:,} of {size:,} distinct scores are attained by {first.paths[0].forward_dtype} "
    if single:
        alike = weighed[0].hypothesis.forward == first.paths[0].forward_dtype
        return None if alike else _one_or_two(observed, weighed, first, some)
    second = _of_one_path(outside)
    if second.kind not in ("sigmoid", "softmax"):
        rest = "carry no evidence of their own" if second.paths else "are attained by no known path"
        return Verdict("cannot tell", paths=first.paths, reason=f"{some}logits; the others {rest}")
    return Verdict(
        "mixture",
        paths=all_paths([first.paths, second.paths]),
        odds=min(first.odds, second.odds),
        reason=f"{some}logits, which the other {size - count:,} refute; of those, {second.reason}",
    )


def _of_one_path(observed: Observed) -> Verdict:
    return decide_weighed(observed, gather(observed))


def _one_or_two(observed: Observed, weighed: list[Weighed], part: Verdict, some: str) -> Verdict:
    """One path attains every score, yet part of them would be sparser by themselves."""
    found = decide_weighed(observed, weighed)
    forward = found.stage("forward dtype")
    values = dict.fromkeys((*forward.values, part.paths[0].forward_dtype))
    opened = replace(forward, values=tuple(values), odds=0.0, wanted="lists of one source each")
    stages: tuple[StageVerdict, ...] = tuple(
        opened if one is forward else one for one in found.stages
    )
    return replace(
        found,
        path=None,
        paths=all_paths([found.paths, part.paths]),
        stages=stages,
        reason=f"{found.reason}; but {some}logits, more than chance would have: two lists in one, "
        "or differences of half logits",
    )


def _chance_widths(observed: Observed, weighed: list[Weighed]) -> Scores:
    """Logit width behind each score as the best explanation of all of them has it.

    Where it has none, or none tells: the width of one storable score.
    """
    cells = observed.cells()
    if not weighed:
        return cells
    widths = observed.ask(weighed[0].hypothesis.widths)
    return np.where(widths > 0, widths, cells)


def _standing_out(observed: Observed, widths: Scores) -> NDArray[np.bool_] | None:
    """Members of the sparse set with the largest excess of them, if any is beyond chance."""
    logits = np.abs(np.nan_to_num(observed.logits(), posinf=0.0, neginf=0.0))
    chances = {half: _WIDER * widths / format_of(half).spacing(logits) for half in HALVES}
    parts = [
        _excess(observed.ask(one.widths), chances[one.forward])
        for one in hypotheses()
        if one.forward in HALVES
    ]
    inside, odds = max(parts, key=lambda part: part[1])
    return inside if odds >= DECIDED else None


def _excess(attained: Scores, chance: Scores) -> tuple[NDArray[np.bool_], float]:
    """Which scores a sparse set holds, and the odds against so many of them by chance.

    ``attained`` are the widths behind them in the set, ``chance`` that of each to be in it.
    """
    inside = ~(attained == 0)
    telling = np.isfinite(attained) & (chance < _LARGEST_CHANCE)
    count, expected = int((inside & telling).sum()), float(chance[telling].sum())
    if (inside | ~telling).all() or count < max(_FEWEST_OUTSIDE, _CLEARLY_MORE * expected):
        return inside, 0.0
    return inside, excess_odds(count, expected)
