"""The paths that a fingerprint decides among, each as the set of scores that it can return.

Half-precision logits are few: their scores are enumerated, once per path, and kept. Of float32
logits there are too many: the few around the logit of a score are evaluated instead. So are those
on a :class:`Grid` of another kind, which :mod:`analysis.fingerprinting.grids` finds in a list:
half logits that were scaled or shifted, and logits in equal steps.

``torch.sigmoid`` has two routines that differ in the last bit: a vector kernel, and a scalar one
for short or strided arrays and for what is left at an end. An engine's scores come from both, so
both count as attainable. In float64 the scalar routine is the C library's own, not known here.

Paths that attain the same set are one hypothesis and stand together, the most specific first:
rounding a wide sigmoid once to a half type is what ``fused`` in that type means, and so does a
softmax there, over two labels whose difference is a half logit; a logit that is cast to the
activation dtype leaves no trace of the dtype it had before.

Out of reach by nature: a two-label softmax evaluated in a half type where that difference has finer
steps than a half logit. Any smooth distribution gives the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.exponentials import pair_softmax
from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import FORMATS, HALVES, Format, format_of, is_wide
from analysis.heads import Head
from analysis.scorepath import ScorePath

Paths = tuple[ScorePath, ...]
"""Paths whose scores are one set; they stand together."""

_LOGIT_END = 800.0
"""No formula returns anything but 0.0 or 1.0 beyond, in any dtype up to float64."""
_NEIGHBOURS = 6
"""Candidates to either side: formulas err by a few units in the last place of a score."""
_NARROWEST = 1e-9
"""Logits this dense, around 0, are lost in a running sum: they are no evidence."""
_BEYOND = 0.01


@dataclass(frozen=True)
class Hypothesis:
    """A set of attainable scores and the paths that attain it.

    ``widths`` says how wide a range of logits gives each observed score: 0 where none does, NaN
    where the score is no evidence. ``forward`` names the logits: a dtype, or in words what steps
    they have; empty in the family ``smooth``, which leaves no trace but its stored dtype.
    ``after`` is what was done to the logits before the sigmoid, in words.
    """

    family: Literal["sigmoid", "softmax", "smooth"]
    forward: str
    paths: Paths
    widths: Callable[[Observed], Scores]
    after: str = ""

    @property
    def wide(self) -> bool:
        """Whether scores are stored wide enough to show which machine's ``exp`` made them."""
        if self.family == "sigmoid":
            return is_wide(self.paths[0].stored_dtype)
        return self.family == "softmax"

    @property
    def crossed(self) -> bool:
        """Whether logits of one half type have their scores in the other one."""
        stored = {path.stored_dtype for path in self.paths}
        return self.forward in HALVES and stored <= {*HALVES} - {self.forward}

    @property
    def sparse(self) -> bool:
        """Whether its logits are so far apart that hitting one by chance is rare."""
        return self.forward not in ("", "float32")


@cache
def hypotheses() -> tuple[Hypothesis, ...]:
    """Every hypothesis; the sets behind them are built when they are first asked for."""
    from_halves = tuple(half for forward in HALVES for half in _half_logits(forward))
    float32 = of_grid(Grid(FORMATS["float32"]), "float32")
    return (*from_halves, *float32, *map(_smooth, HALVES))


def of_grid(grid: Grid, forward: str, after: str = "") -> tuple[Hypothesis, ...]:
    """Wide sigmoids, and the softmax, of logits on a grid."""
    named = forward if forward in FORMATS else "float32"
    given = [
        (group, partial(path_scores, group[0].within("float32"))) for group in wide_paths(named)
    ]
    sigmoids = [
        Hypothesis(
            "sigmoid", forward, group, partial(_grid_widths, grid=grid, evaluate=scores), after
        )
        for group, scores in given
    ]
    softmax = partial(_grid_widths, grid=grid, evaluate=softmax_scores)
    return (*sigmoids, Hypothesis("softmax", forward, (), softmax, after))


def in_steps(one: Hypothesis, step: float) -> Hypothesis:
    """The same hypothesis, of logits that are multiples of a step as well."""

    def widths(observed: Observed) -> Scores:
        """Those of the hypothesis, a step or more."""
        own = observed.ask(one.widths)
        return np.where(own > 0, np.maximum(own, step), own)

    return replace(one, widths=widths)


def wide_paths(forward: str) -> tuple[Paths, ...]:
    """Paths whose activation is wider than a half type, those of one set together."""
    return (
        (ScorePath(forward, "fused", "float32", "float32"),),
        (ScorePath(forward, "stepwise", "float32", "float32"),),
        (
            ScorePath(forward, "stepwise", "float64", "float32"),
            ScorePath(forward, "fused", "float64", "float32"),
        ),
        (ScorePath(forward, "stepwise", "float64", "float64"),),
        (ScorePath(forward, "fused", "float64", "float64"),),
    )


def half_paths(forward: str) -> tuple[Paths, ...]:
    """Paths of half logits whose scores are stored in a half type."""
    rounded_once = (
        ScorePath(forward, "fused", forward, forward),
        ScorePath(forward, "none", forward, forward, head=Head("softmax", forward)),
        *_rounded_once(forward, forward),
        ScorePath("float32", "fused", forward, forward),
    )
    stepwise = (
        ScorePath(forward, "stepwise", forward, forward),
        ScorePath("float32", "stepwise", forward, forward),
    )
    other = "float16" if forward == "bfloat16" else "bfloat16"
    return (rounded_once, stepwise, _rounded_once(forward, other))


def path_scores(path: ScorePath, logits: Scores) -> list[Scores]:
    """Scores of logits under a path, by each routine that may have evaluated it."""
    if not path.has_short_routine:
        return [path.scores(logits)]
    return [path.scores(logits), path.scores(logits, short=True)]


def softmax_scores(logits: Scores) -> list[Scores]:
    """``torch.softmax`` over the two labels (0, logit) in float32: the score of the second.

    Softmax subtracts the larger logit first, so the score depends on the difference alone. It has
    one routine, but is used beside :func:`path_scores`.
    """
    return [pair_softmax(logits).astype(np.float64)]


def scores_around(path: ScorePath, logit_low: float, logit_high: float) -> Scores:
    """Every score of a sigmoid path for logits in an interval, and some beyond its ends.

    Of wide logits a hundredth beyond, which is more than a float32 sigmoid errs by; of half logits
    all there are. By any routine that may have evaluated it; unsorted.
    """
    if not is_wide(path.forward_dtype):
        return _path_table((path,)).scores
    logits = format_of(path.forward_dtype).values(logit_low - _BEYOND, logit_high + _BEYOND)
    return np.concatenate(path_scores(path, logits))


@cache
def _path_table(paths: Paths) -> _Table:
    """Scores of every logit of the first path's forward dtype, under any of the paths."""
    logits = format_of(paths[0].forward_dtype).values(-_LOGIT_END, _LOGIT_END)
    widths = np.gradient(logits)
    seen = [scores for path in paths for scores in path_scores(path, logits)]
    every = np.full(logits.shape, True)
    new = [np.all([every, *(one != e for e in seen[:i])], axis=0) for i, one in enumerate(seen)]
    shared = widths / np.sum(new, axis=0)  # a logit stands for its width once, by whatever routine
    scores = [one[first] for one, first in zip(seen, new, strict=True)]
    return _table(np.concatenate(scores), np.concatenate([shared[first] for first in new]))


@dataclass(frozen=True)
class _Table:
    """Attainable scores, ascending, and the running sum of the logit widths behind them."""

    scores: Scores
    widths_below: Scores

    def widths(self, observed: Observed) -> Scores:
        """Logit width behind each observed score; 0 where none is attainable; NaN at 0 and 1.

        NaN as well for logits so near 0 that their width is not known.
        """
        first = np.searchsorted(self.scores, observed.low, side="left")
        last = np.searchsorted(self.scores, observed.high, side="right")
        widths = self.widths_below[last] - self.widths_below[first]
        saturated = (observed.scores == 0) | (observed.scores == 1)
        widths[saturated | (widths < _NARROWEST)] = np.nan
        widths[~saturated & (first == last)] = 0.0
        return widths


@cache
def _format_table(dtype: str) -> _Table:
    """Every score of a half format in [0, 1]: what logits without steps of their own attain."""
    number_format = format_of(dtype)
    scores = number_format.values(0.0, 1.0)
    inner = scores[1:-1]
    widths = number_format.spacing_below(inner) / (inner * (1 - inner))
    return _table(scores, np.concatenate(([1.0], widths, [1.0])))


def _table(scores: Scores, widths: Scores) -> _Table:
    distinct, place = np.unique(scores, return_inverse=True)
    summed = np.bincount(place, weights=widths)
    return _Table(distinct, np.concatenate(([0.0], np.cumsum(summed))))


@dataclass(frozen=True)
class Grid:
    """Logits that can occur: values of a format or multiples of a step, scaled, then shifted.

    Scaling and shifting are done in float32, as engines do it.
    """

    number_format: Format | None = None
    step: float = 0.0
    factor: float = 1.0
    offset: float = 0.0

    def spacing(self, logits: Scores) -> Scores:
        """Distance between neighbouring logits there."""
        if self.number_format is None:
            return np.full(logits.shape, self.step)
        own = np.abs((logits - self.offset) / self.factor)
        return self.number_format.spacing(own) * self.factor

    def nearest(self, logits: Scores) -> Scores:
        """The logit of the grid next to each logit, in float64."""
        own = (logits - self.offset) / self.factor
        if self.number_format is None:
            return np.rint(own / self.step) * self.step * self.factor + self.offset
        return self.number_format.round(own).astype(np.float64) * self.factor + self.offset

    def around(self, logits: Scores) -> Scores:
        """Candidates nearest to each logit, shape ``(n, 2 * _NEIGHBOURS + 1)``."""
        offsets = np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
        own = (logits - self.offset) / self.factor
        if self.number_format is None:
            return self._moved((np.rint(own / self.step)[:, None] + offsets) * self.step)
        ordinals = self.number_format.ordinals(own)[:, None] + offsets
        return self._moved(self.number_format.from_ordinals(ordinals).astype(np.float64))

    def near(self, observed: Observed) -> _Near:
        """What :func:`_grid_widths` looks at, whatever is evaluated there."""
        logits = observed.logits()
        inside = np.flatnonzero(np.isfinite(logits))
        spacing = self.spacing(logits[inside])
        telling = observed.cells()[inside] <= spacing
        inside, spacing = inside[telling], spacing[telling]
        return _Near(inside, spacing, self.around(logits[inside]))

    def _moved(self, logits: Scores) -> Scores:
        if (self.factor, self.offset) == (1.0, 0.0):
            return logits
        moved = logits.astype(np.float32) * np.float32(self.factor) + np.float32(self.offset)
        return moved.astype(np.float64)


@dataclass(frozen=True)
class _Near:
    """Logits of a grid around those observed scores that are no coarser than it.

    ``places`` of the scores, ``spacing`` of the grid there, ``candidates`` around each.
    """

    places: NDArray[np.intp]
    spacing: Scores
    candidates: Scores


def _grid_widths(
    observed: Observed, grid: Grid, evaluate: Callable[[Scores], list[Scores]]
) -> Scores:
    """Logit width behind each observed score, for logits on a fine grid.

    0 where no candidate gives the score. NaN where the scores are coarser than the grid: what is
    attainable there is attained alike by all formulas in the dtype, and is no evidence among them.
    """
    near = observed.ask(grid.near)
    given = np.zeros(near.candidates.shape, dtype=bool)
    low, high = observed.low[near.places, None], observed.high[near.places, None]
    for scores in evaluate(near.candidates):
        given |= (low <= scores) & (scores <= high)
    widths = np.full(observed.scores.shape, np.nan)
    widths[near.places] = given.sum(axis=1) * near.spacing
    return widths


def _half_logits(forward: str) -> list[Hypothesis]:
    groups = (*half_paths(forward), *wide_paths(forward))
    return [Hypothesis("sigmoid", forward, group, _looked_up(group)) for group in groups]


def _looked_up(paths: Paths) -> Callable[[Observed], Scores]:
    return lambda observed: _path_table(paths).widths(observed)


def _smooth(stored: str) -> Hypothesis:
    paths = _rounded_once("float32", stored)
    return Hypothesis("smooth", "", paths, lambda observed: _format_table(stored).widths(observed))


def _rounded_once(forward: str, stored: str) -> Paths:
    """Sigmoids in a wide activation dtype whose scores are rounded to a half type."""
    return tuple(
        ScorePath(forward, formula, activation, stored)
        for activation in ("float32", "float64")
        for formula in ("fused", "stepwise")
    )
