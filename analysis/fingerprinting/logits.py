"""Logits as far as scores tell them, and what their bits show.

Each is known to within the error of a float32 sigmoid. Half logits whose last bit is hardly ever
set, and float32 logits that mostly lie in equal steps, were subtracted or shifted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from analysis.fingerprinting.attainable import Grid
from analysis.fingerprinting.evidence import excess_odds
from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import FORMATS, Format

_LOWEST, _HIGHEST = -30.0, 12.0
_CELLS = 4
"""Error of a float32 sigmoid, in representable scores, that a logit read back may carry."""
_SEARCHED = 64
_STEPS_OF_DIFFERENCES = range(6, 18, 2)
_LAST_BITS = (1, 2, 3)
_LARGEST_CHANCE = 0.25
ODD = 3.0
"""Log10 odds from which on a structure that a hypothesis does not foresee speaks against it."""


@dataclass(frozen=True)
class Logits:
    """Logits as far as scores tell them, ascending, and how far each may be off; shape (n,)."""

    values: Scores
    reach: Scores

    @classmethod
    def of(cls, observed: Observed) -> Logits:
        """Those that a float32 sigmoid turned into the scores; 0.0 and 1.0 are left out."""
        values = observed.logits()
        known = (values > _LOWEST) & (values < _HIGHEST)
        values, cells = values[known], observed.cells()[known]
        return cls(values, _CELLS * cells + FORMATS["float32"].spacing(np.abs(values)))

    def some(self) -> Logits:
        """At most so many of them as a search takes, those known best."""
        best = np.sort(np.argsort(self.reach, kind="stable")[:_SEARCHED])
        return Logits(self.values[best], self.reach[best])

    def loosened(self) -> Logits:
        """With the error that a step or a factor brings along which was measured on one of them."""
        sizes = np.abs(self.values)
        relative = np.min(self.reach[sizes > 0] / sizes[sizes > 0], initial=np.inf)
        return Logits(self.values, self.reach + (sizes * relative if sizes.any() else 0.0))

    def lie_on(self, grid: Grid) -> bool:
        """Whether every logit lies on a grid, to within its error."""
        return bool(np.all(np.abs(grid.nearest(self.values) - self.values) <= self.reach))

    def odds(self, grid: Grid, fitted: int = 0) -> float:
        """Log10 odds against so many logits falling near a grid by chance.

        The ``fitted`` most telling of them do not count: the grid was made to hold them. Nor does
        a logit of exactly 0, which lies on most grids and is no chance.
        """
        each = -np.log10(np.minimum(1.0, 2 * self.reach / grid.spacing(self.values)))
        each = each[self.values != 0]
        return float(each.sum() - np.sort(each)[each.size - fitted :].sum())


def has_bits_to_spare(logits: Logits, number_format: Format, step: float = 0.0) -> bool:
    """Whether the last bits of half logits are 0 more often than chance has it, or always.

    The last one is set in half of the values that a network rounds to a format, one of the last two
    in three quarters, one of the last three in seven eighths; and each in few of those that a shift
    or a subtraction left there. Counted are logits that are known well enough, and, where all of
    them lie in equal steps, those at which the format is the coarser; where there are none,
    nothing shows that the last bits are used.
    """
    spacing = number_format.spacing(np.abs(logits.values))
    telling = (2 * logits.reach < spacing / 2) & (spacing > step)
    ordinals = number_format.ordinals(logits.values[telling])
    with_bits = [np.count_nonzero(ordinals & (2**bits - 1)) for bits in _LAST_BITS]
    odds = -binom.logcdf(with_bits, ordinals.size, [1 - 0.5**bits for bits in _LAST_BITS])
    most = (odds.max() - math.log(len(_LAST_BITS))) / math.log(10)
    known = ordinals.size > 0 or step > 0
    return bool(known and (most >= ODD or not (ordinals & 1).any()))


def mostly_in_steps(logits: Logits) -> bool:
    """Whether more logits lie in equal dyadic steps than chance would have.

    Differences of two half logits do, but for those of logits of very different sizes, and so do
    half logits plus a constant, counted from one of them.
    """
    steps = [2.0**-bits for bits in _STEPS_OF_DIFFERENCES]
    return any(_excess_in_steps(logits, step) >= ODD for step in steps) or any(
        _excess_apart(logits.some(), step) >= ODD + math.log10(len(steps)) for step in steps
    )


def _excess_in_steps(logits: Logits, step: float) -> float:
    near = np.abs(Grid(step=step).nearest(logits.values) - logits.values) <= logits.reach
    own = FORMATS["float32"].spacing(np.abs(logits.values))  # float32 logits have steps too
    chance = (2 * logits.reach + own) / step
    telling = chance < _LARGEST_CHANCE
    return excess_odds(int(near[telling].sum()), float(chance[telling].sum()))


def _excess_apart(some: Logits, step: float) -> float:
    """The same of the distances from one logit: that from which most lie in such steps."""
    if not some.values.size:
        return 0.0
    apart = some.values[:, None] - some.values
    reach = some.reach[:, None] + some.reach
    chance = (2 * reach + FORMATS["float32"].spacing(np.abs(some.values))) / step
    telling = (chance < _LARGEST_CHANCE) & ~np.eye(some.values.size, dtype=bool)
    near = telling & (np.abs(Grid(step=step).nearest(apart) - apart) <= reach)
    most = int(near.sum(axis=1).argmax())
    expected = float(chance[most][telling[most]].sum())
    return excess_odds(int(near[most].sum()), expected) - math.log10(some.values.size)
