"""From scores alone to a verdict: their range first, then the sets of scores, then two of those.

Each rule here abstains rather than guess: a path is named only where no other one is left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.errors import counted
from analysis.fingerprinting.attainable import Hypothesis, hypotheses
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
    forward_dtypes,
    near_misses,
    weigh,
)
from analysis.fingerprinting.hidden import decide_hidden
from analysis.fingerprinting.observed import Observed, Scores, fewest_decimals
from analysis.fingerprinting.verdict import Verdict
from analysis.formats import HALVES, format_of
from analysis.scorepath import ScorePath

_FEW_DECIMALS = 4
"""Whole and rounded numbers are values of a half type without having been computed in it."""
_LOWEST_TWICE, _HIGHEST_TWICE = 0.5, 0.7311
"""Sigmoids of 0 and of 1; the upper one is 0.73106, before it is rounded to a stored dtype."""
_EDGE = 0.05
_FEWEST_AT_AN_EDGE, _FEWEST_DISTINCT = 3, 8
_FEWEST_OUTSIDE = 5
_LARGEST_CHANCE = 0.5
_WIDER = 2.0
"""Just below 1 a float32 sigmoid returns every other float32 score: each stands for two cells."""
_CLEARLY_MORE = 1.5
"""Chance is reckoned from average spacings, so a small excess over it is none."""


def decide_alone(scores: Scores, observed: Observed) -> Verdict:
    """Decide about scores without their logits; ``observed`` are the distinct ones among them."""
    if observed.scores[0] < 0 or observed.scores[-1] > 1:
        return _logits(observed)
    if np.all((scores >= _LOWEST_TWICE) & (scores <= _HIGHEST_TWICE)):
        return _twice(scores, observed.scores)
    weighed = weigh(observed, hypotheses())
    return (
        decide_hidden(observed, weighed)
        or _mixture(observed, weighed)
        or _weighed(observed, weighed)
    )


# --- what the range of the scores shows: raw logits, a sigmoid too many


def _logits(observed: Observed) -> Verdict:
    """Decide about values of which some are below 0 or above 1: no sigmoid made them."""
    values = observed.scores
    outside = int(((values < 0) | (values > 1)).sum())
    are = "is" if outside == 1 else "are"
    of_all = counted(values.size, "distinct value")
    reason = f"{outside:,} of {of_all} {are} below 0 or above 1"
    decimals = fewest_decimals(values)
    if decimals is not None and decimals <= _FEW_DECIMALS:
        return Verdict("logits", reason=f"{reason}; rounded values hide their dtype")
    forwards, odds = forward_dtypes(values, observed.stored)
    paths = tuple(ScorePath(dtype).raw() for dtype in forwards)
    dtypes = " or ".join(forwards) if forwards else "no dtype that is known"
    return Verdict(
        "logits",
        path=paths[0] if len(paths) == 1 else None,
        paths=paths,
        odds=odds,
        reason=f"{reason}; they are values of {dtypes}, {against_chance(odds)}",
    )


def _twice(scores: Scores, distinct: Scores) -> Verdict:
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
    enough = min(low, high) >= _FEWEST_AT_AN_EDGE and distinct.size >= _FEWEST_DISTINCT
    if enough and odds >= DECIDED:
        return Verdict("sigmoid twice", odds=odds, reason=f"{where}, {against_chance(odds)}")
    return Verdict(
        "cannot tell",
        odds=odds if enough else 0.0,
        reason=f"{where}: a sigmoid applied twice, or once to logits between 0 and 1",
    )


# --- one set for all scores


def _one_path(observed: Observed) -> Verdict:
    """Decide which single path, if any, made all of the scores."""
    weighed = weigh(observed, hypotheses())
    return decide_hidden(observed, weighed) or _weighed(observed, weighed)


def _weighed(observed: Observed, weighed: list[Weighed]) -> Verdict:
    """Decide from the hypotheses that no score refutes, best first."""
    odds = best_odds(weighed)
    if odds < DECIDED:
        return _undecided(observed, weighed)
    left = allowed(weighed + near_misses(observed, hypotheses()))
    families = {one.hypothesis.family for one in left}
    if families == {"softmax"}:
        return _softmax(left[0])
    if families != {"sigmoid"}:
        return _undecided(observed, weighed)
    return _sigmoid(observed, left, odds)


def _sigmoid(observed: Observed, left: list[Weighed], odds: float) -> Verdict:
    paths = all_paths(one.hypothesis.paths for one in left)
    fits = f"all {observed.scores.size:,} distinct scores are attained by {paths[0].computation}"
    if len(left) > 1:
        fits += f", and too few speak against {left[1].hypothesis.paths[0].computation}"
    return Verdict(
        "sigmoid",
        path=paths[0] if len(left) == 1 else None,
        paths=paths,
        odds=odds,
        reason=f"{fits}; {left[0].telling:,} of them are evidence, {against_chance(odds)}",
    )


def _softmax(found: Weighed) -> Verdict:
    forward = found.hypothesis.forward
    logits = (
        "float32 logits, or half ones of very different sizes"
        if forward == "float32"
        else f"half logits (their differences are {forward})"
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
            "speaks against a path of another kind"
        )
    paths = all_paths(one.paths for one in left)
    return Verdict("cannot tell", paths=paths, odds=best, reason=reason)


def _known_explain(left: list[Hypothesis]) -> str:
    known = f"of {len(hypotheses())} known computations"
    return f"one {known} explains" if len(left) == 1 else f"{len(left)} {known} explain"


# --- two sets: members of a sparse one far beyond chance, and a rest


def _mixture(observed: Observed, weighed: list[Weighed]) -> Verdict | None:
    """Decide whether two paths made the scores, or return None.

    Under the best hypothesis that explains all scores, or under a smooth distribution if there is
    none, a part stands out that belongs to a sparser set. Both parts must be decided.
    """
    if best_odds(weighed) >= DECIDED and weighed[0].hypothesis.family == "softmax":
        return None  # differences of half logits are often half logits themselves
    inside = _standing_out(observed, _chance_widths(observed, weighed))
    if inside is None:
        return None
    outside = observed.take(~inside)
    if int(np.isfinite(outside.cells()).sum()) < _FEWEST_OUTSIDE:
        return None
    first, second = _one_path(observed.take(inside)), _one_path(outside)
    size, count = observed.scores.size, int(inside.sum())
    if first.kind != "sigmoid":
        return None
    some = f"{count:,} of {size:,} distinct scores are attained by {first.paths[0].forward_dtype} "
    if second.kind not in ("sigmoid", "softmax"):
        rest = "carry no evidence of their own" if second.paths else "are attained by no known path"
        return Verdict("cannot tell", paths=first.paths, reason=f"{some}logits; the others {rest}")
    return Verdict(
        "mixture",
        paths=all_paths([first.paths, second.paths]),
        odds=min(first.odds, second.odds),
        reason=f"{some}logits, which the other {size - count:,} refute; of those, {second.reason}",
    )


def _chance_widths(observed: Observed, weighed: list[Weighed]) -> Scores:
    """Logit width behind each score as the best explanation of all of them has it.

    Where it has none, or none tells: the width of one storable score.
    """
    cells = observed.cells()
    if not weighed:
        return cells
    widths = weighed[0].hypothesis.widths(observed)
    return np.where(np.isnan(widths), cells, widths)


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
