"""From scores in [0, 1] alone to a verdict: the sets of scores, one or two of them, or all but few.

Each rule here abstains rather than guess: a path is named only where no other one is left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.errors import counted
from analysis.fingerprinting.attainable import Hypothesis, hypotheses, in_steps
from analysis.fingerprinting.evidence import (
    ALLOWED,
    DECIDED,
    Weighed,
    against_chance,
    all_paths,
    allowed,
    best_odds,
    chance_odds,
    excess_odds,
    near_misses,
    weigh,
)
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.regular import (
    ODD,
    Logits,
    equal_steps,
    mostly_in_steps,
    moved_halves,
    spare_bit,
    weigh_rivals,
)
from analysis.fingerprinting.stages import stage_verdicts
from analysis.fingerprinting.verdict import StageVerdict, Verdict, certain
from analysis.formats import FORMATS, HALVES, format_of
from analysis.heads import Head
from analysis.scorepath import ScorePath
from analysis.steps import OTHER_MACHINE_STEPS

_LOWEST_TWICE, _HIGHEST_TWICE = 0.5, 0.7311
"""Sigmoids of 0 and of 1; the upper one is 0.73106, before it is rounded to a stored dtype."""
_EDGE = 0.05
_FEWEST_AT_AN_EDGE, _FEWEST_DISTINCT = 3, 8
_FEWEST_OUTSIDE = 5
_LARGEST_CHANCE = 0.5
_DERIVED = "half logits subtracted or shifted"
_WIDER = 2.0
"""Just below 1 a float32 sigmoid returns every other float32 score: each stands for two cells."""
_CLEARLY_MORE = 1.5
"""Chance is reckoned from average spacings, so a small excess over it is none."""
_BOUNDS = [digit * 10.0**-place for place in range(1, 13) for digit in (1, 2, 5)]
"""Round distances from 0 and from 1 at which scores are clipped."""


def decide_alone(scores: Scores, observed: Observed) -> Verdict:
    """Decide about scores without their logits; ``observed`` are the distinct ones among them."""
    weighed = gather(observed)
    if np.all((scores >= _LOWEST_TWICE) & (scores <= _HIGHEST_TWICE)):
        return _twice(scores, observed, weighed)
    return (
        _all_but_few(observed, weighed)
        or _two_parts(observed, weighed)
        or decide_weighed(observed, weighed)
    )


def gather(observed: Observed) -> list[Weighed]:
    """Weigh every hypothesis about scores, those that the list itself suggests too; best first."""
    weighed = weigh(observed, hypotheses())
    plain = [one for one in weighed if one.hypothesis.sparse]
    logits = Logits.of(observed)
    steps = equal_steps(logits)
    step = steps.grid.step if steps is not None and steps.decided and steps.is_dyadic else 0.0
    if step:
        plain += weigh(observed, [in_steps(one.hypothesis, step) for one in plain])
    spare = _with_bits_to_spare(weighed, plain, logits, step)
    moved = moved_halves(logits) if spare or not plain else []
    in_equal, off_grid = weigh_rivals(observed, steps, moved)
    attained = plain or any(one.exact for one in in_equal)
    near = [] if attained else _other_machine(observed, weighed)
    known = [one for one in weighed if not one.hypothesis.sparse]
    return _best_first(known + plain + spare + in_equal + (near or off_grid))


def _with_bits_to_spare(
    weighed: list[Weighed], plain: list[Weighed], logits: Logits, step: float
) -> list[Weighed]:
    """Rivals of logits that do not use all the bits of their dtype: those of another may do.

    A half type whose last bit is seldom set was subtracted in or shifted into; most differences of
    half logits are float32 values with many zeros at their end. Scores in the other half type do
    not show the bits of their logits: those may be differences under a softmax.
    """
    derived = {half: spare_bit(logits, format_of(half), step) >= ODD for half in HALVES}
    derived["float32"] = mostly_in_steps(logits)
    rivals = [w for w in weighed if w.hypothesis.forward == "float32"] + plain
    return [
        replace(one, hypothesis=_derived(one.hypothesis), exact=False)
        for one in rivals
        if (derived[one.hypothesis.forward] if one.hypothesis.wide else one.hypothesis.crossed)
    ]


def _derived(one: Hypothesis) -> Hypothesis:
    """The same scores from logits that were subtracted or shifted, in half types by a softmax."""
    if one.wide:
        return replace(one, forward=_DERIVED)
    half = one.paths[0].stored_dtype
    labels = ScorePath(half, "none", half, half, head=Head("softmax", half))
    return replace(one, family="softmax", forward=_DERIVED, paths=(labels,))


def _best_first(weighed: list[Weighed]) -> list[Weighed]:
    return sorted(weighed, key=lambda one: -one.odds)


def _other_machine(observed: Observed, weighed: list[Weighed]) -> list[Weighed]:
    """Half logits under a wide sigmoid, to within what another machine's ``exp`` may differ.

    None where a softmax attains every score: to a few last bits it is a sigmoid.
    """
    if not observed.exact or any(one.hypothesis.family == "softmax" for one in weighed):
        return []
    wide = [
        one
        for one in hypotheses()
        if one.forward in HALVES and one.wide and one.paths[0].stored_dtype == observed.stored.name
    ]
    near = weigh(observed.widened(OTHER_MACHINE_STEPS), wide)
    if not near or near[0].odds <= best_odds(weighed) + ALLOWED:
        return []
    return [replace(one, exact=False) for one in near]


# --- a sigmoid too many


def _twice(scores: Scores, observed: Observed, weighed: list[Weighed]) -> Verdict:
    """Decide about scores that all lie in [0.5, 0.7311].

    A second sigmoid maps scores near 0 and near 1, where most scores are, to the two ends of that
    interval. Logits of a single sigmoid would have to lie in [0, 1] and crowd at both ends of it.
    """
    inner = np.log(scores) - np.log1p(-scores)
    low, high = int((inner < _EDGE).sum()), int((inner > 1 - _EDGE).sum())
    odds = excess_odds(low + high, 2 * _EDGE * scores.size)
    lie = "the one score lies" if scores.size == 1 else f"all {scores.size:,} scores lie"
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


# --- one set for all scores


def decide_weighed(observed: Observed, weighed: list[Weighed]) -> Verdict:
    """Decide from the hypotheses that no score refutes, best first."""
    odds = best_odds(weighed)
    near = near_misses(observed, hypotheses()) if weighed else []
    capped = [replace(one, odds=min(one.odds, weighed[0].odds), exact=False) for one in near]
    every = _best_first(weighed + capped)
    left = allowed(every)
    families = {one.hypothesis.family for one in left}
    if odds >= DECIDED and families == {"softmax"}:
        found = _softmax(left[0])
    elif odds >= DECIDED and families == {"sigmoid"}:
        found = _sigmoid(observed, left, odds)
    else:
        found = _undecided(observed, weighed)
    return replace(found, stages=stage_verdicts(every, observed))


def _sigmoid(observed: Observed, left: list[Weighed], odds: float) -> Verdict:
    paths, best = all_paths(one.hypothesis.paths for one in left), left[0]
    size = observed.scores.size
    others = [one.hypothesis for one in left if _making(one) != _making(best)]
    plain = not best.hypothesis.after and best.hypothesis.forward in FORMATS
    if not best.exact:
        fits = (
            f"all {size:,} distinct scores lie near sigmoids of {_logits(best.hypothesis)}; the "
            "formula stays open: another machine's exponential, or both formulas in one list"
        )
    elif plain:
        fits = f"all {size:,} distinct scores are attained by {paths[0].computation}"
    else:
        fits = f"all {size:,} distinct scores are sigmoids of {_logits(best.hypothesis)}"
    if others and best.exact:
        fits += f", and too few speak against {_named(others[0])}"
    return Verdict(
        "sigmoid",
        path=paths[0] if plain and best.exact and not others else None,
        paths=paths,
        odds=odds,
        reason=f"{fits}; {best.telling:,} of them are evidence, {against_chance(odds)}",
    )


def _making(one: Weighed) -> tuple[object, ...]:
    """What tells hypotheses apart: those of one making differ in how rare its scores are."""
    return one.hypothesis.paths, one.hypothesis.forward, one.hypothesis.after


def _logits(one: Hypothesis) -> str:
    """The logits of a hypothesis in words."""
    logits = f"{one.forward} logits" if one.forward in FORMATS else f"logits in {one.forward}"
    logits = _DERIVED if one.forward == _DERIVED else logits
    return f"{logits} ({one.after})" if one.after else logits


def _named(one: Hypothesis) -> str:
    if one.family == "softmax":
        return f"a softmax of {_logits(one)}"
    return one.paths[0].computation if one.forward in FORMATS else f"a sigmoid of {_logits(one)}"


def _softmax(found: Weighed) -> Verdict:
    forward = found.hypothesis.forward
    logits = (
        "float32 logits, or half ones of very different sizes"
        if forward == "float32"
        else f"half logits (their differences lie in {forward})"
    )
    return Verdict(
        "softmax",
        odds=found.odds,
        reason=f"a softmax in float32 over two labels with {logits} attains every score and a "
        f"sigmoid does not; {found.telling:,} of them are evidence, {against_chance(found.odds)}",
    )


def _undecided(observed: Observed, weighed: list[Weighed]) -> Verdict:
    chance, best = chance_odds(weighed), max(0.0, best_odds(weighed))
    left = [one.hypothesis for one in weighed if one.odds >= chance - ALLOWED]
    size = observed.scores.size
    scores = "the one distinct score" if size == 1 else f"all {size:,} distinct scores"
    if not left:
        reason = f"no known path attains {scores}"
    elif best < DECIDED:
        reason = (
            f"{_known_explain(left)} {scores}, but so might chance (log-odds {best:.1f}; a verdict "
            f"needs {DECIDED:g})"
        )
    else:
        reason = (
            f"{_known_explain(left)} {scores} (log-odds {best:.1f} against chance), and too little "
            "speaks against one of another kind"
        )
    paths = all_paths(one.paths for one in left)
    return Verdict("cannot tell", paths=paths, odds=best, reason=reason)


def _known_explain(left: list[Hypothesis]) -> str:
    return "one computation explains" if len(left) == 1 else f"{len(left)} computations explain"


# --- all scores but a few: bounds to which they were clipped, or foreign values


def _all_but_few(observed: Observed, weighed: list[Weighed]) -> Verdict | None:
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
        widths = one.widths(held_to)
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


# --- two sets: members of a sparse one far beyond chance, and a rest


def _two_parts(observed: Observed, weighed: list[Weighed]) -> Verdict | None:
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
    widths = weighed[0].hypothesis.widths(observed)
    return np.where(widths > 0, widths, cells)


def _standing_out(observed: Observed, widths: Scores) -> NDArray[np.bool_] | None:
    """Members of the sparse set with the largest excess of them, if any is beyond chance."""
    parts = [_excess(one, observed, widths) for one in hypotheses() if one.forward in HALVES]
    inside, odds = max(parts, key=lambda part: part[1])
    return inside if odds >= DECIDED else None


def _excess(
    hypothesis: Hypothesis, observed: Observed, widths: Scores
) -> tuple[NDArray[np.bool_], float]:
    """Which scores a sparse set holds, and the odds against so many of them by chance."""
    attained = hypothesis.widths(observed)
    inside = ~(attained == 0)
    logits = np.nan_to_num(observed.logits(), posinf=0.0, neginf=0.0)
    steps = format_of(hypothesis.forward).spacing(np.abs(logits))
    chance = _WIDER * widths / steps
    telling = np.isfinite(attained) & (chance < _LARGEST_CHANCE)
    count, expected = int((inside & telling).sum()), float(chance[telling].sum())
    if (inside | ~telling).all() or count < max(_FEWEST_OUTSIDE, _CLEARLY_MORE * expected):
        return inside, 0.0
    return inside, excess_odds(count, expected)
