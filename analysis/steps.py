"""The steps of a score path: which logits share a score, and from where on it saturates.

A path turns logits into a staircase of scores. Its edges are found by integer bisection over the
ordinals of the logits that the forward dtype holds, never by sampling; this is exact because
:meth:`~analysis.scorepath.ScorePath.scores` is monotonic (the tests enumerate it), and it regards
the whole path, the stored dtype included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.formats import format_of
from analysis.scorepath import ScorePath

OTHER_MACHINE_STEPS = 2
"""How far, in representable values, another machine's ``exp`` may move a wide score."""
NOISE = 1e-4
"""Logits this close may be those of one pair: in another batch float32 moves one by some 1e-5."""
_MOST_STEPS = 200
"""Distinct scores whose steps are looked at; of more, evenly spaced ones in their order."""

_FARTHEST_REACH = 2**62
"""Farther away from an ordinal of float64 the next would overflow."""

Ordinals = NDArray[np.int64]


@dataclass(frozen=True)
class Saturation:
    """Where a path stops telling logits apart.

    ``one_from`` is the first logit of the forward dtype whose score is exactly 1.0 as stored,
    ``zero_up_to`` the last whose score is exactly 0.0. NaN: there is none, as on every path
    without a sigmoid, where what is done afterwards leaves no end of the sigmoid's, and where
    scores do not rise with the logit.
    """

    one_from: float
    zero_up_to: float


def saturation(path: ScorePath) -> Saturation:
    """From which logit on scores of a path are exactly 1.0, and up to which exactly 0.0.

    >>> saturation(ScorePath("float16", "stepwise", "float16", "float16")).one_from
    7.625
    """
    if not path.saturates or not path.has_steps:
        return Saturation(np.nan, np.nan)
    first = _first_logits(path, [0.0, np.nextafter(0, 1), path.after.unit])
    lowest, highest = _domain(path)
    logits = format_of(path.logit_dtype).from_ordinals
    return Saturation(
        one_from=float(logits(first[2])) if first[2] <= highest else np.nan,
        zero_up_to=float(logits(first[1] - 1)) if first[1] > lowest else np.nan,
    )


def has_staircase(path: ScorePath) -> bool:
    """Whether :func:`staircase` can say a path's scores: a sigmoid's own, in [0, 1]."""
    return path.saturates and path.has_steps and path.after.unit == 1


def staircase(path: ScorePath, low: float, high: float = 1.0) -> pd.DataFrame:
    """Every score in the closed interval [low, high] that a path returns, and its logits.

    Columns, in ascending order of score:

    - ``score`` and ``one_minus_score``;
    - ``logit_low``, ``logit_high``: the closed interval of logits of the forward dtype with that
      score (the step of score 1.0 ends at the largest logit that has a score);
    - ``width``: the relevance difference, in logits, that the score hides: ``logit_high -
      logit_low``, infinite at exactly 1.0 and 0.0, and 0 where one logit has the score alone.

    Raises :class:`InputError` for a path without a sigmoid, whose scores are its logits, and for
    an interval with more than fifty million scores of the stored dtype.
    """
    if not has_staircase(path):
        raise InputError(
            "a path without a sigmoid's own scores in [0, 1] has no steps but its logits' own",
            "ask its forward dtype for its values, or leave out what is done afterwards",
            field="path",
        )
    if not 0 <= low <= high <= 1:
        raise InputError(
            f"[{low}, {high}] is no interval of scores", "choose 0 ≤ low ≤ high ≤ 1", field="low"
        )
    forward, stored = format_of(path.logit_dtype), format_of(path.stored_dtype)
    scores = stored.values(low, high)
    first = _first_logits(path, np.append(scores, np.nextafter(high, 2)))
    steps = pd.DataFrame({"score": scores, "one_minus_score": 1 - scores})
    steps["logit_low"] = forward.from_ordinals(first[:-1]).astype(np.float64)
    steps["logit_high"] = forward.from_ordinals(first[1:] - 1).astype(np.float64)
    saturated = steps["score"].isin([0.0, 1.0])
    steps["width"] = (steps["logit_high"] - steps["logit_low"]).mask(saturated, np.inf)
    return steps[first[:-1] < first[1:]].reset_index(drop=True)


def spans(path: ScorePath, logits: ArrayLike) -> tuple[Ordinals, Ordinals]:
    """First and last logit that share the score of each of ``logits``, shape (n,).

    Both come as ordinals of the logit's dtype (see :meth:`.Format.ordinals`) and end at the
    largest logits that have a score. Asks for logits that have one; of a path without a sigmoid
    too, which merges logits where it stores them in a narrower dtype.
    """
    own = format_of(path.logit_dtype).ordinals(logits)
    scores = path.scores(logits)
    lowest, highest = _domain(path)

    def lower(ordinals: Ordinals) -> NDArray:
        """Whether logits score less."""
        return _scores(path, ordinals) < scores

    def higher(ordinals: Ordinals) -> NDArray:
        """Whether logits score more."""
        return _scores(path, ordinals) > scores

    below, above = _away(lower, own, -1, lowest - 1), _away(higher, own, 1, highest + 1)
    first = _first(lambda ordinals: ~lower(ordinals), below, own)
    return first, _first(higher, own, above) - 1


@dataclass(frozen=True)
class Hidden:
    """Relevance differences that a path hides, in logits.

    ``steps`` has one row per score looked at, 200 at most, spread evenly over the ``distinct``
    different ones, the highest first: ``score``, ``logit_low``,
    ``logit_high`` (the interval of logits that ends in it), ``width`` (infinite at exactly 1.0
    and 0.0) and ``share``, the share of the scores given that have it. These are logits before
    they are rounded to the forward dtype. ``one_from`` is that of :func:`saturation`.
    """

    steps: pd.DataFrame
    one_from: float
    distinct: int

    @property
    def median_width(self) -> float:
        """Median width of the steps that are not saturated; NaN if all are."""
        return float(self._finite_widths.median())

    @property
    def largest_width(self) -> float:
        """Largest width of the steps that are not saturated; NaN if all are."""
        return float(self._finite_widths.max())

    @property
    def _finite_widths(self) -> pd.Series:
        return self.steps.loc[np.isfinite(self.steps["width"]), "width"]


def hidden_logits(
    path: ScorePath,
    scores: ArrayLike,
    decimals: int | None = None,
    calibration: float = 1.0,
) -> Hidden | None:
    """Steps of a path at some scores (shape (n,), not empty); None where it cannot be said.

    ``decimals`` says that the scores were then printed with so many decimals: their steps are
    those of the print. ``calibration`` is the factor that multiplied the logits before the
    sigmoid; steps are given in logits before it. None is returned for scores that the path
    cannot have made; :class:`InputError` is raised for no scores, and a factor that is none.
    """
    if not np.size(scores):
        raise InputError("there is no score", "give at least one", field="scores")
    if not 0 < calibration < np.inf:
        raise InputError(
            f"no logit is scaled by {calibration}",
            "give a finite factor above 0",
            field="calibration",
        )
    if not path.has_steps:
        return None
    distinct, counts = np.unique(np.asarray(scores, dtype=np.float64), return_counts=True)
    chosen = np.unique(np.linspace(0, len(distinct) - 1, _MOST_STEPS).round().astype(int))
    low, high = _as_stored(path, distinct[chosen], decimals)
    ends = _widened(path, low, high)
    if ends is None:
        return None
    steps = pd.DataFrame({"score": distinct[chosen], "logit_low": ends[0], "logit_high": ends[1]})
    steps[["logit_low", "logit_high"]] /= calibration
    steps["width"] = steps["logit_high"] - steps["logit_low"]
    steps["share"] = counts[chosen] / counts.sum()
    one_from = saturation(path).one_from / calibration
    return Hidden(steps[::-1].reset_index(drop=True), one_from, len(distinct))


def logit_intervals(
    path: ScorePath, scores: ArrayLike, decimals: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Logits, before they are rounded to the forward dtype, that end in each of ``scores`` (n,).

    Lowest and highest of each, infinite where a score is saturated; ``decimals`` as for
    :func:`hidden_logits`. None for a path whose scores stand for no intervals, and for scores that
    the path cannot have made.
    """
    if not path.has_steps:
        return None
    distinct, places = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    ends = _widened(path, *_as_stored(path, distinct, decimals))
    return None if ends is None else (ends[0][places], ends[1][places])


def sets_apart(
    better: ScorePath, path: ScorePath, scores: ArrayLike, decimals: int | None = None
) -> NDArray[np.bool_]:
    """Tell which scores of a path, shape (n,), stand for logits that another path tells apart.

    Logits that differ by no more than a float32 network's noise do not count.
    ``decimals`` says that the scores were printed with so many: then they stand for all logits that
    end in that print. That is a fact of the two paths. Whether the candidates at hand have
    different logits is another question, which only their logits answer.
    """
    if not (path.has_steps and better.has_steps):
        return np.zeros(np.shape(scores), dtype=bool)
    ends = _as_stored(path, np.asarray(scores, np.float64), decimals)
    first, last = _logits_between(path, *ends)
    forward = format_of(path.logit_dtype)
    widths = np.subtract(*(forward.from_ordinals(end).astype(np.float64) for end in (last, first)))
    lowest, highest = _scores(better, np.minimum(first, last)), _scores(better, last)
    return (widths > NOISE) & (lowest != highest)


def _as_stored(path: ScorePath, scores: NDArray, decimals: int | None) -> tuple[NDArray, NDArray]:
    """Lowest and highest stored score that each score, as it was read, may have been."""
    if decimals is None:
        # JSON spells a float32 by its shortest decimals, which are not exactly its value.
        stored = format_of(path.stored_dtype).round(scores).astype(np.float64)
        return stored, stored
    half = 0.5 * 10.0**-decimals
    return scores - half, scores + half


def _widened(path: ScorePath, low: NDArray, high: NDArray) -> tuple[NDArray, NDArray] | None:
    """Logits, before they are rounded to the forward dtype, that end in scores from low to high.

    None if some scores are none of the path's.
    """
    first, last = _logits_between(path, low, high)
    if np.any(first > last):
        # Another machine's exponential may round otherwise; narrow formats leave no such room.
        stored = format_of(path.stored_dtype)
        if path.has_narrow_sigmoid or stored.bits < 32:
            return None
        reach = OTHER_MACHINE_STEPS * stored.spacing(np.maximum(np.abs(low), np.abs(high)))
        missing = first > last
        near = _logits_between(path, low - reach, high + reach)
        first, last = np.where(missing, near[0], first), np.where(missing, near[1], last)
        if np.any(first > last):
            return None
    forward = format_of(path.logit_dtype)
    logits = [forward.from_ordinals(ends).astype(np.float64) for ends in (first, last)]
    begin = logits[0] - forward.spacing_below(logits[0]) / 2
    end = logits[1] + forward.spacing_above(logits[1]) / 2
    if path.has_sigmoid:
        begin, end = np.where(low <= 0, -np.inf, begin), np.where(high >= 1, np.inf, end)
    return begin, end


def _logits_between(path: ScorePath, low: NDArray, high: NDArray) -> tuple[Ordinals, Ordinals]:
    """First and last logit, as ordinals, whose scores lie in each closed interval [low, high]."""
    ends = np.concatenate((low, np.nextafter(high, np.inf)))
    first, beyond = np.split(_first_logits(path, ends), 2)
    return first, beyond - 1


def _first_logits(path: ScorePath, scores: ArrayLike) -> Ordinals:
    """Ordinal of the first logit that scores at least each of ``scores`` (one past all if none)."""
    wanted = np.asarray(scores, dtype=np.float64)
    lowest, highest = _domain(path)
    return _first(
        lambda ordinals: _scores(path, ordinals) >= wanted,
        np.full(wanted.shape, lowest - 1),
        np.full(wanted.shape, highest + 1),
    )


@cache
def _domain(path: ScorePath) -> tuple[int, int]:
    """Ordinals of the lowest and the highest finite logit that have a score.

    In ``float8_e4m3fn``, which has no infinities, a logit or an exponential that overflows is NaN.
    """
    largest = int(format_of(path.logit_dtype).ordinals(format_of(path.logit_dtype).max))
    zero, beyond = np.zeros(2, dtype=np.int64), np.full(2, largest + 1)
    signs = np.array([-1, 1])
    ends = _first(lambda ordinals: np.isnan(_scores(path, signs * ordinals)), zero, beyond) - 1
    return -int(ends[0]), int(ends[1])


def _first(holds: Callable[[Ordinals], NDArray], below: Ordinals, reached: Ordinals) -> Ordinals:
    """First ordinal above ``below`` from which on ``holds`` is true; ``reached`` if none before it.

    All bisections advance together, one evaluation for each halving.
    """
    while np.any(below < reached - 1):
        middle = (below >> 1) + (reached >> 1) + (below & reached & 1)  # the sum might overflow
        found = holds(middle)
        open_ = below < reached - 1
        reached = np.where(open_ & found, middle, reached)
        below = np.where(open_ & ~found, middle, below)
    return reached


def _away(differs: Callable[[Ordinals], NDArray], own: Ordinals, sign: int, end: int) -> Ordinals:
    """An ordinal beside each of ``own`` where ``differs`` is true, or ``end``, beyond all of them.

    Steps away from it grow fourfold: most scores are shared by few logits.
    """
    reach, found = np.int64(1), np.full(own.shape, end)
    open_ = np.ones(own.shape, dtype=bool)
    while np.any(open_) and reach < _FARTHEST_REACH:
        inside = own > end + reach if sign < 0 else own < end - reach
        open_ &= inside
        place = np.where(open_, own + sign * reach, own)
        arrived = open_ & differs(place)
        found = np.where(arrived, place, found)
        open_ &= ~arrived
        reach *= 4
    return found


def _scores(path: ScorePath, ordinals: Ordinals) -> NDArray[np.float64]:
    return path.scores(format_of(path.logit_dtype).from_ordinals(ordinals))
