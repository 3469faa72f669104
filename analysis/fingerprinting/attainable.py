"""Which scores a path can return, and how wide a range of logits each of them stands for.

Half-precision logits are few: their scores are enumerated, once per path, and kept. Of float32
logits there are too many: the few around the logit of a score are evaluated instead. Both are
computed on the machine at hand, by the formulas of :mod:`analysis.sigmoids`.

``torch.sigmoid`` has two routines that differ in the last bit: a vector kernel, and a scalar one
for short or strided arrays and for what is left at an end. An engine's scores come from both, so
both count as attainable. In float64 the scalar routine is the C library's, which is NumPy's as well
on most machines; there it counts as stepwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.exponentials import pair_softmax
from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import Format, format_of
from analysis.scorepath import ScorePath

Evaluate = Callable[[Scores], list[Scores]]

_LOGIT_END = 800.0
"""No formula returns anything but 0.0 or 1.0 beyond, in any dtype up to float64."""
_NEIGHBOURS = 6
"""Candidates to either side: formulas err by a few units in the last place of a score."""
_NARROWEST = 1e-9
"""Logits this dense, around 0, are lost in a running sum: they are no evidence."""


@dataclass(frozen=True)
class Table:
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
def path_table(paths: tuple[ScorePath, ...]) -> Table:
    """Scores of every logit of the first path's forward dtype, under any of the paths."""
    logits = format_of(paths[0].forward_dtype).values(-_LOGIT_END, _LOGIT_END)
    widths = np.gradient(logits)
    seen = [scores for path in paths for scores in path_scores(path, logits)]
    every = np.full(logits.shape, True)
    new = [np.all([every, *(one != e for e in seen[:i])], axis=0) for i, one in enumerate(seen)]
    shared = widths / np.sum(new, axis=0)  # a logit stands for its width once, by whatever routine
    scores = [one[first] for one, first in zip(seen, new, strict=True)]
    return _table(np.concatenate(scores), np.concatenate([shared[first] for first in new]))


@cache
def format_table(dtype: str) -> Table:
    """Every score of a half format in [0, 1]: what logits without steps of their own attain."""
    number_format = format_of(dtype)
    scores = number_format.values(0.0, 1.0)
    inner = scores[1:-1]
    widths = number_format.spacing_below(inner) / (inner * (1 - inner))
    return _table(scores, np.concatenate(([1.0], widths, [1.0])))


def _table(scores: Scores, widths: Scores) -> Table:
    distinct, place = np.unique(scores, return_inverse=True)
    summed = np.bincount(place, weights=widths)
    return Table(distinct, np.concatenate(([0.0], np.cumsum(summed))))


def path_scores(path: ScorePath, logits: Scores) -> list[Scores]:
    """Scores of logits under a path, by each routine that may have evaluated it."""
    if path.formula != "fused" or path.activation_dtype == "float64":
        return [path.scores(logits)]
    return [path.scores(logits), path.scores(logits, short=True)]


def softmax_scores(logits: Scores) -> list[Scores]:
    """``torch.softmax`` over the two labels (0, logit) in float32: the score of the second.

    Softmax subtracts the larger logit first, so the score depends on the difference alone.
    """
    return [pair_softmax(logits).astype(np.float64)]


@dataclass(frozen=True)
class Grid:
    """Logits in regular steps: the values of a format, or multiples of one step."""

    number_format: Format | None = None
    step: float = 0.0

    def spacing(self, logits: Scores) -> Scores:
        """Distance between neighbouring logits there."""
        if self.number_format is None:
            return np.full(logits.shape, self.step)
        return self.number_format.spacing(np.abs(logits))

    def around(self, logits: Scores) -> Scores:
        """Candidates nearest to each logit, shape ``(n, 2 * _NEIGHBOURS + 1)``."""
        offsets = np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
        if self.number_format is None:
            return (np.rint(logits / self.step)[:, None] + offsets) * self.step
        ordinals = self.number_format.ordinals(logits)[:, None] + offsets
        return self.number_format.from_ordinals(ordinals).astype(np.float64)


def grid_widths(observed: Observed, grid: Grid, evaluate: Evaluate) -> Scores:
    """Logit width behind each observed score, for logits on a fine grid.

    0 where no candidate gives the score. NaN where the scores are coarser than the grid: what is
    attainable there is attained alike by all formulas in the dtype, and is no evidence among them.
    """
    logits = observed.logits()
    widths = np.full(logits.shape, np.nan)
    inside = np.flatnonzero(np.isfinite(logits))
    spacing = grid.spacing(logits[inside])
    telling = observed.cells()[inside] <= spacing
    inside, spacing = inside[telling], spacing[telling]
    candidates = grid.around(logits[inside])
    given = np.zeros(candidates.shape, dtype=bool)
    low, high = observed.low[inside, None], observed.high[inside, None]
    for scores in evaluate(candidates):
        given |= (low <= scores) & (scores <= high)
    widths[inside] = given.sum(axis=1) * spacing
    return widths
