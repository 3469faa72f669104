"""What differences look like that are not rounding: a rule that explains all but rounding of them.

Each shape takes the pairs and the noise that is left to rounding, and answers None where the
evidence does not carry it: where it explains too little, or what chance would explain as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from analysis.discrepancies.intervals import Ends, Pairs, Values, gaps, middle
from analysis.discrepancies.noise import BEYOND, FITS, Noise, noise_of

ShapeKind = Literal[
    "shift",
    "factor",
    "factor and shift",
    "turned round",
    "one monotonic function",
    "a monotonic function within each query",
    "another order of results",
    "one off",
    "a few pairs",
    "only the long pairs",
    "all pairs at random",
    "constant",
]

DECIDED = 6.0
"""Log10 odds against chance that a shape needs."""
_LEAST_SPREAD = 1e-150
"""Squares of smaller logits are 0 in float64."""
_BETTER = 1 / 3
"""What a shape leaves unexplained is at most so much of the differences."""
_WITHIN = 0.2
"""What a line leaves unexplained is at most so much of the spread of either half of the logits."""
_FEW = 0.2
_CLEAR = 0.7
"""So many of the few pairs that differ do so by more than any rounding."""
_SEPARATED = 0.9
_LONG = 30
_APART = 0.5
"""So many pairs, and this share of them, stand farther apart than rounding moves them."""
_MOST_PAIRS = 0.8

_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shape:
    """A shape, how many pairs differ, the logits' factor and shift, and rows of those concerned."""

    kind: ShapeKind
    pairs: int
    factor: float = 1.0
    shift: float = 0.0
    rows: tuple[int, ...] = ()


def explained(pairs: Pairs, noise: Noise, ceiling: Noise, likely: Noise) -> Shape | None:
    """Find a shape that leaves no more than ``noise``.

    ``ceiling`` is the most that may be noise, ``likely`` the most that the scores show. For pairs
    both of whose scores stand for logits.
    """
    return (
        _another_order(pairs, noise, likely)
        or _straight(pairs, noise)
        or _some_pairs(pairs, noise, ceiling)
    )


def scattered(pairs: Pairs, noise: Noise, least: Noise, likely: Noise) -> Shape | None:
    """Differences of most pairs that show, larger than ``noise``, without a rule among them.

    None where a rule may be there, though the evidence names none: a line that leaves what is
    ``likely``, or an order that leaves the ``least``.
    """
    shown = _shown(pairs, noise)
    differing = int((pairs.gaps > noise.bound).sum())
    if shown.sum() < 10 or differing < _MOST_PAIRS * shown.sum():
        return None
    orders = (gaps(order.of(pairs.first), pairs.second)[order.told] for order in _orders(pairs))
    if _is_on_a_line(pairs, likely) or any(least.fits(left) for left in orders):
        return None
    return Shape("all pairs at random", differing)


def monotonic(
    queries: NDArray[np.int64], first: Ends, second: Values, bound: float
) -> Shape | None:
    """One monotonic function from logits to scores, over all pairs or within each query.

    No two pairs whose logits differ by more than ``bound`` change their order, and most pairs stand
    so far apart that they could: a coarse order, relevant above irrelevant, any good reranker
    keeps.
    """
    n = second.size
    enough = max(_LONG, _APART * n)
    if _keeps_order(first, second, bound):
        told = min(_chain(first, bound), np.unique(second).size)
        return _if(told >= enough, "one monotonic function", n)
    told = 0
    for rows in _lists(queries):
        own = first[0][rows], first[1][rows]
        if not _keeps_order(own, second[rows], bound):
            return None
        told += min(_chain(own, bound), np.unique(second[rows]).size) - 1
    return _if(told >= enough, "a monotonic function within each query", n)


def _if(holds: bool, kind: ShapeKind, pairs: int) -> Shape | None:
    return Shape(kind, pairs) if holds else None


def _keeps_order(first: Ends, second: Values, bound: float) -> bool:
    """Whether no row with a higher second value has a first one lower by more than ``bound``."""
    order = np.argsort(second, kind="stable")
    low, high, values = first[0][order], first[1][order], second[order]
    highest = np.concatenate([[-np.inf], np.maximum.accumulate(low)])
    before = np.searchsorted(values, values, side="left")  # rows that are strictly lower
    return bool(np.all(highest[before] <= high + bound))


def _chain(first: Ends, bound: float) -> int:
    """How many rows can be taken so that each lies above the last by more than ``bound``."""
    top, length = -np.inf, 0
    for row in np.argsort(first[1], kind="stable"):
        if first[0][row] > top + bound:
            top, length = first[1][row], length + 1
    return length


def _lists(queries: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    order = np.argsort(queries, kind="stable")
    starts = np.flatnonzero(np.diff(queries[order])) + 1
    yield from np.split(order, starts)


def _shown(pairs: Pairs, noise: Noise) -> _Mask:
    """Pairs whose logits are known well enough to tell such noise from none."""
    return pairs.widths <= noise.bound


def _chance(pairs: Pairs, noise: Noise) -> float:
    """Log10 odds against a pair's being explained by chance."""
    return float(np.log10(max(1.0, pairs.spread / (2 * noise.bound))))


def _straight(pairs: Pairs, noise: Noise) -> Shape | None:
    """A factor and a shift of the logits, found by least squares."""
    shown = _shown(pairs, noise)
    x, y = (middle(ends)[shown] for ends in (pairs.first, pairs.second))
    if not _has_a_line(x, y):
        return None
    if (x.size - 2) * float(chances(pairs.spread, pairs.widths[shown], noise).mean()) < DECIDED:
        return None
    factor, shift = (float(one) for one in np.polyfit(x, y, 1))
    # A line through the origin, or along the diagonal, is the simpler rule where it does.
    through = float(x @ y / (x @ x))
    for kind, times, plus in (
        ("shift", 1.0, float(np.mean(y - x))),
        ("factor", through, 0.0),
        ("factor and shift", factor, shift),
    ):
        if times != 0 and _leaves_noise(pairs, _moved(pairs.first, times, plus), noise, times):
            turned: ShapeKind = kind if times > 0 else "turned round"
            return Shape(turned, int((pairs.gaps > 0).sum()), times, plus)
    return None


def _is_on_a_line(pairs: Pairs, noise: Noise) -> bool:
    """Whether a line from logits to logits leaves no more than ``noise``, and explains the rest."""
    known = np.isfinite(pairs.widths)
    x, y = (middle(ends)[known] for ends in (pairs.first, pairs.second))
    if not _has_a_line(x, y):
        return False
    factor, shift = (float(one) for one in np.polyfit(x, y, 1))
    left = gaps(_moved(pairs.first, factor, shift), pairs.second)[known]
    return noise.times(max(1.0, abs(factor))).fits(left) and _is_better(left, pairs)


def _has_a_line(x: Values, y: Values) -> bool:
    return x.size > 2 and min(np.ptp(x), np.ptp(y)) > _LEAST_SPREAD


def chances(spread: float, widths: Values, noise: Noise) -> Values:
    """Log10 odds of each pair (n,) against meeting within its width and ``noise`` by chance."""
    room = np.maximum(widths + 2 * FITS * noise.rms, np.finfo(float).tiny)
    return np.log10(np.maximum(1.0, spread / room))


def _moved(ends: Ends, factor: float, shift: float) -> Ends:
    low, high = factor * ends[0] + shift, factor * ends[1] + shift
    return np.minimum(low, high), np.maximum(low, high)


def _leaves_noise(pairs: Pairs, first: Ends, noise: Noise, factor: float = 1.0) -> bool:
    """Whether moved logits of the first side differ by noise alone, and by far less than before."""
    left = gaps(first, pairs.second)
    allowed = noise.times(max(1.0, abs(factor)))
    if not allowed.fits(left) or not _is_better(left, pairs):
        return False
    # Any two good rerankers give much to what answers and little to the rest.
    halves = np.array_split(np.sort(middle(pairs.second)[_shown(pairs, noise)]), 2)
    return noise_of(left).rms <= _WITHIN * min(float(np.std(half)) for half in halves)


def _is_better(left: Values, pairs: Pairs) -> bool:
    return noise_of(left).rms <= _BETTER * noise_of(pairs.gaps).rms


@dataclass(frozen=True)
class _Order:
    """Which logit of the first side belongs to each pair, and which pairs are ``told`` of one.

    ``lists`` are the rows within which the order was chosen to fit, none where it was not.
    """

    kind: ShapeKind
    taken: NDArray[np.int64]
    told: _Mask
    lists: tuple[NDArray[np.int64], ...] = ()

    def of(self, ends: Ends) -> Ends:
        """The logits in this order."""
        return ends[0][self.taken], ends[1][self.taken]

    def choices(self, counted: _Mask) -> float:
        """Log10 of the orders of the ``counted`` pairs among which it was chosen."""
        many = np.array([counted[rows].sum() for rows in self.lists])
        return float(special.gammaln(many + 1).sum() / np.log(10))


def _orders(pairs: Pairs) -> Iterator[_Order]:
    """Each query's logits one place on, or sorted alike, or all of them sorted alike."""
    lists = tuple(_lists(pairs.queries))
    everything = np.arange(pairs.queries.size)
    for step in (1, -1):
        taken, told = everything.copy(), np.ones(everything.size, dtype=bool)
        for rows in lists:
            taken[rows] = np.roll(rows, step)
            # What fell off at the end may be lost, and not come back at the beginning.
            told[rows[0 if step == 1 else -1]] = False
        yield _Order("one off", taken, told)
    for own in (lists, (everything,)):
        taken = everything.copy()
        for rows in own:
            by_first, by_second = (
                rows[np.argsort(middle(ends)[rows], kind="stable")]
                for ends in (pairs.first, pairs.second)
            )
            taken[by_second] = by_first
        told = np.ones(everything.size, dtype=bool)
        yield _Order("another order of results", taken, told, own)


def _another_order(pairs: Pairs, noise: Noise, likely: Noise) -> Shape | None:
    """Each query's logits in another order, or each one place on."""
    # Rounding that is ``likely`` exchanges neighbours.
    differing = pairs.gaps > max(noise.bound, likely.bound)
    if not differing.any():
        return None
    for order in _orders(pairs):
        first = order.of(pairs.first)
        left = gaps(first, pairs.second)[order.told]
        if not noise.fits(left) or not _is_better(left, pairs):
            continue
        widths = np.ptp(first, axis=0) + np.ptp(pairs.second, axis=0)
        counted = differing & order.told
        odds = chances(pairs.spread, widths[counted], noise).sum() - order.choices(counted)
        if odds >= DECIDED:
            return Shape(order.kind, int((pairs.gaps > noise.bound).sum()))
    return None


def _some_pairs(pairs: Pairs, noise: Noise, ceiling: Noise) -> Shape | None:
    """A few pairs, or the long ones, differ by more than any rounding, and the others do not."""
    found = pairs.gaps
    differing = found > noise.bound
    same = _shown(pairs, noise) & ~differing
    clear = differing & (found > BEYOND * noise.largest)
    if not differing.any() or clear.sum() < _CLEAR * differing.sum():
        return None
    if found.max() <= BEYOND * ceiling.largest or not noise.fits(found[same]):
        return None
    if same.sum() * _chance(pairs, noise) < DECIDED:
        return None
    rows = tuple(int(row) for row in np.flatnonzero(differing))
    if pairs.lengths is not None and _are_long(pairs.lengths, differing, same):
        return Shape("only the long pairs", len(rows), rows=rows)
    if len(rows) > _FEW * (len(rows) + same.sum()):
        return None
    return Shape("a few pairs", len(rows), rows=rows)


def _are_long(lengths: Values, differing: _Mask, same: _Mask) -> bool:
    """Whether the pairs that differ are longer than the others, hardly one excepted."""
    test = stats.mannwhitneyu(lengths[differing], lengths[same], alternative="greater")
    share = test.statistic / (differing.sum() * same.sum())
    return bool(share >= _SEPARATED and test.pvalue <= 10.0**-DECIDED)
