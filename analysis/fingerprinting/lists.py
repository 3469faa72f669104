"""Scores that were made over a whole list of candidates: min-max, softmax over the list, ranks.

They show only with the query of each score: the best of every query is exactly 1.0 and its worst
exactly 0.0; every query sums to 1; the scores of every query follow from the rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.fingerprinting.evidence import DECIDED, against_chance
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.verdict import Kind, StageVerdict, Verdict
from analysis.formats import FORMATS

_FEWEST, _FEWEST_OF_RANKS, _FEWEST_OF_ONES = 3, 5, 10
"""Candidates that a list must have to count. A short list may hold good passages alone, of which
all saturate."""
_LOWEST = 0.02
"""Below, many different logits may share a score, the best of a list too."""
_FEWEST_LISTS = 5
WHY_CONSTANT = {
    0.5: "a logit of 0 everywhere, as from a head that was not loaded or was quantised away, or "
    "low scores that went through the sigmoid once more",
    1.0: "a softmax over a single label, or a clamp",
}
"""What makes some values those of all candidates."""
_ODDS_OF_ENDS, _ODDS_OF_SINGLES = 3.0, 0.25
"""Log10 odds for one list against one score at each end from a sigmoid. In float32 and in bfloat16
a logit would have to be below -88, and another above 16 or 5. In float16 below -11 may do: there it
only speaks that it is one candidate at each end, never none or two."""
_SHARE = 0.9
_TOPS = (1.0, 10.0, 100.0)
"""The scores of the best under min-max."""
_LARGEST_SHARE, _SMALLEST_SECOND = 0.999, 1e-3
"""A list whose first takes all sums to 1 under any sigmoid that saturates."""
_RANK_CONSTANTS = (0, 1, 10, 60)


def decide_lists(lists: Sequence[Scores], observed: Observed) -> Verdict | None:
    """Decide about the scores of several queries, one array each; None if they are no lists.

    Each array ascends.
    """
    same = _one_value(lists)
    if same is not None:
        return same
    long = [one[::-1] for one in lists if one.size >= _FEWEST and one[0] < one[-1]]
    if not long:
        return None
    return _min_max(long, observed) or _sums(long, observed) or _ranks(long)


def _one_value(lists: Sequence[Scores]) -> Verdict | None:
    """One value for all candidates of all queries, the worst of them too."""
    value = float(lists[0][0])
    fewest = _FEWEST_OF_ONES if value >= 1 - _LOWEST else _FEWEST
    long = [one for one in lists if one.size >= fewest]
    if len(long) < _FEWEST_LISTS or any(not one[0] == one[-1] == value for one in lists):
        return None
    if 0 <= value <= _LOWEST:
        return None
    why = WHY_CONSTANT.get(value, "the passages do not reach the score, or a clamp")
    return Verdict(
        "constant",
        reason=f"all candidates of {len(lists):,} lists have the score {value:.9g}, the worst "
        f"ones too: {why}",
    )


def _min_max(lists: list[Scores], observed: Observed) -> Verdict | None:
    """Every list from exactly 0.0 to the same top, with one candidate at each end as a rule.

    Whole numbers are not: judges rate from 0 to 10 as well.
    """
    top, values = lists[0][0], observed.scores
    if top not in _TOPS or np.all(values == np.rint(values)):
        return None
    if not all(one[0] == top and one[-1] == 0.0 for one in lists):
        return None
    single = sum(one[1] < top and one[-2] > 0.0 for one in lists)
    each = _ODDS_OF_SINGLES if _ends_are_near(observed, top) else _ODDS_OF_ENDS
    odds = each * single if single >= _SHARE * len(lists) else 0.0
    return _found(
        "min-max",
        lists,
        odds,
        f"all {len(lists):,} lists go from exactly 0.0 to exactly {top:.1f}, {single:,} of them "
        "with one candidate at each end: min-max normalised, so that the ends say nothing of the "
        "logits",
    )


def _ends_are_near(observed: Observed, top: float) -> bool:
    """Whether a float16 sigmoid may have made the ends, or the print of few decimals."""
    if observed.decimals is not None:
        return True
    of_one = observed.divided(top) if top > 1 else observed
    nearest = FORMATS["float16"].round(of_one.scores).astype(np.float64)
    return bool(np.all((of_one.low <= nearest) & (nearest <= of_one.high)))


def _sums(lists: list[Scores], observed: Observed) -> Verdict | None:
    """Every list sums to 1, to within the rounding of its scores."""
    telling = [one for one in lists if one[0] <= _LARGEST_SHARE and one[1] >= _SMALLEST_SECOND]
    if not telling:
        return None
    unit = float(np.max(observed.spacing)) if observed.exact else float(np.min(observed.spacing))
    odds = 0.0
    for one in telling:
        reach = one.size * max(unit, 2.0**-24)
        if abs(one.sum() - 1) > reach:
            return None
        odds += max(0.0, -np.log10(2 * reach))
    return _found(
        "list softmax",
        lists,
        odds,
        f"the scores of each of {len(lists):,} lists sum to 1, {against_chance(odds)}: a softmax "
        "over the candidates of a query, or a division by their sum",
        "division by the sum",
    )


def _ranks(lists: list[Scores]) -> Verdict | None:
    """The scores of every list are those of its ranks: in equal steps, or reciprocals.

    That the scores are the same in every list says nothing: it may be one query, asked again.
    """
    long = [one for one in lists if one.size >= _FEWEST_OF_RANKS]
    tables = [np.stack([one for one in long if one.size == n]) for n in {one.size for one in long}]
    if not long or any((np.diff(table) == 0).any() for table in tables):
        return None
    reciprocal = next(
        (k for k in _RANK_CONSTANTS if all(_is_reciprocal(table, k) for table in tables)), None
    )
    if reciprocal is None and not all(map(_is_linear, tables)):
        return None
    how = "in equal steps" if reciprocal is None else f"1 / ({reciprocal} + rank)"
    odds = 3.0 * sum(one.size - 2 for one in long)
    return _found(
        "ranks",
        lists,
        odds,
        f"the scores of {len(long):,} lists follow from the rank alone: {how}",
    )


def _is_linear(table: Scores) -> bool:
    """Whether the scores of each row, those of one list, fall in equal steps."""
    apart = np.ptp(np.diff(table), axis=1)
    return bool(np.all(apart <= 1e-6 * np.abs(table).max(axis=1)))


def _is_reciprocal(table: Scores, constant: int) -> bool:
    """Whether each row is that of reciprocal ranks, with a constant added to them."""
    ranks = constant + 1 + np.arange(table.shape[1])
    return bool(np.allclose(table * ranks, 1.0, rtol=1e-4, atol=0))


def _found(
    kind: Kind, lists: list[Scores], odds: float, reason: str, *others: str
) -> Verdict | None:
    """The verdict, where the odds carry it; ``others`` are what leaves the same trace."""
    if odds < DECIDED:
        return None
    values = tuple(f"{how} over {len(lists):,} lists" for how in (kind, *others))
    wanted = "the scores before" if others else ""
    stage = StageVerdict("after", values, 0.0 if others else odds, wanted)
    return Verdict(kind, odds=odds, reason=reason, stages=(stage,))
