"""Grids behind scores: half logits scaled or shifted, and logits in equal steps.

A calibration factor or a shift moves half logits to a grid of their own, as sparse as theirs; int8
logits, rounded logits and differences of two half logits lie in equal steps. Such a grid is looked
for in the logits that the scores stand for.

A power of two moves no grid of binary floating point, so from scores alone a factor is known only
up to one; with raw logits it is known (:mod:`analysis.fingerprinting.given`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analysis.fingerprinting.attainable import Grid
from analysis.fingerprinting.evidence import ALLOWED, DECIDED
from analysis.fingerprinting.logits import Logits
from analysis.formats import HALVES, format_of

FINEST = 2.0**-20
"""The finest equal steps that are looked for: float32 logits lie in steps themselves."""
_COARSEST_FIRST = tuple(reversed(HALVES))
"""Every bfloat16 value is a float16 value times a constant, but not the other way round."""
_FEWEST = 4
_MOST_PARTS = 8
"""The two nearest logits of a list may lie this many equal steps apart."""
_ROUND_RESIDUE = 0.25
_FEWEST_OFF = 0.1
"""Share of logits that must lie off a grid before it counts as moved: differences of half logits
lie on it but for a few."""


@dataclass(frozen=True)
class Regular:
    """A grid on which all logits of a list lie, in words, with the odds of that."""

    grid: Grid
    forward: str
    after: str
    odds: float

    @property
    def is_dyadic(self) -> bool:
        """Whether differences of half logits can lie in these steps: multiples of a power of 2."""
        return not self.grid.offset and math.log2(self.grid.step).is_integer()

    @property
    def decided(self) -> bool:
        """Whether the odds suffice for a verdict."""
        return self.odds >= DECIDED

    def in_parts(self, parts: int) -> Regular:
        """Steps that are so many times smaller; the odds are to be weighed anew."""
        grid = replace(self.grid, step=self.grid.step / parts)
        return replace(self, grid=grid, forward=f"equal steps of {grid.step:.6g}")


def equal_steps(logits: Logits) -> Regular | None:
    """The equal steps that all logits lie on with the best odds; None if there are none.

    The odds may be small: whoever does not hold the scores to the steps bit for bit needs
    ``decided`` ones.
    """
    if not logits.values.size:
        return None
    some, loose = logits.some(), logits.loosened()
    on = {
        grid: logits.odds(grid)
        for grid in _known_steps()
        if some.lie_on(grid) and logits.lie_on(grid)
    }
    measured = list(_measured_steps(some)) if logits.values.size >= _FEWEST else []
    for grid in measured:
        if some.loosened().lie_on(grid) and loose.lie_on(grid):
            parameters = 1 + bool(grid.offset)
            choices = math.log10(max(1.0, float(np.ptp(logits.values)) / grid.step))
            on.setdefault(grid, loose.odds(grid, parameters) - choices)
    if not on:
        return None
    best = max(on, key=on.__getitem__)
    odds = on[best] - math.log10(len(_known_steps()) + len(measured))
    return Regular(best, f"equal steps of {best.step:.6g}", "", odds)


def moved_halves(logits: Logits) -> list[Regular]:
    """Half logits times a factor or plus a shift, if all lie on such a grid beyond chance.

    Best odds first; several shifts may do.
    """
    if logits.values.size < _FEWEST:
        return []
    some, loose = logits.some(), logits.loosened()
    on = [
        (grid, logits.odds(grid), tried)
        for grid, tried in _shifted(some, [half for half in HALVES if _lie_off(logits, half)])
        if logits.lie_on(grid)
    ]
    on += [
        (grid, loose.odds(grid, fitted=1), tried)
        for grid, tried in _scaled(some)
        if loose.lie_on(grid) and _lie_off(loose, grid.number_format.name)
    ]
    found = [
        Regular(
            grid,
            grid.number_format.name,
            f"logit shifted by {grid.offset:+g}"
            if grid.offset
            else f"logit times {grid.factor:g} and some power of two",
            odds - math.log10(2 * tried),
        )
        for grid, odds, tried in on
    ]
    ranked = sorted(found, key=lambda one: -one.odds)
    return [one for one in ranked if one.decided and one.odds >= ranked[0].odds - ALLOWED]


def steps_behind(logits: Logits, moved: Regular) -> Regular | None:
    """The equal steps that half logits times a factor lie on as well; None if there are none.

    So do all multiples of a step up to 256, and few half logits: their last bits are seldom 0.
    """
    if moved.grid.offset:
        return None
    own = moved.grid.number_format.round(logits.values / moved.grid.factor).astype(np.float64)
    step = _refined(logits.some(), _largest_unit(own) * moved.grid.factor)
    if step is None:
        return None
    grid, loose = Grid(step=step), logits.loosened()
    if not loose.lie_on(grid):
        return None
    gained = loose.odds(grid, fitted=1) - loose.odds(moved.grid, fitted=1)
    return Regular(grid, f"equal steps of {step:.6g}", "", moved.odds + gained)


def best_of(found: Iterable[Regular | None]) -> Regular | None:
    """The one with the best odds; None if there is none."""
    return max((one for one in found if one is not None), key=lambda one: one.odds, default=None)


def _largest_unit(values: NDArray[np.float64]) -> float:
    """The largest power of two that divides every value that is not 0."""
    mantissas, exponents = np.frexp(values[values != 0])
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = exponents - 53 + np.log2(whole & -whole).astype(np.int64)
    return 2.0 ** float(lowest.min())


def _lie_off(logits: Logits, half: str) -> bool:
    """Whether enough logits lie off a half format's values for them to have been moved."""
    still = Grid(format_of(half))
    off = np.abs(still.nearest(logits.values) - logits.values) > logits.reach
    return bool(off.mean() >= _FEWEST_OFF)


@cache
def _known_steps() -> tuple[Grid, ...]:
    """Powers of two, as differences of half logits have them, and decimal steps."""
    decimal = [digit * 10.0**-place for place in range(1, 5) for digit in (1, 2, 5)]
    return tuple(
        Grid(step=step)
        for step in [*(2.0**bits * FINEST for bits in reversed(range(21))), *decimal]
    )


def _measured_steps(some: Logits) -> Iterable[Grid]:
    """Steps that the distances of the logits suggest: the smallest, or a part of it."""
    apart = np.diff(some.values)
    clear = apart > 3 * (some.reach[1:] + some.reach[:-1])
    if not clear.any():
        return
    for parts in range(1, _MOST_PARTS + 1):
        step = _refined(some, float(apart[clear].min()) / parts)
        if step is not None:
            anchor = some.values[np.argmin(some.reach)]
            offset = float(anchor - np.rint(anchor / step) * step)
            on_zero = abs(offset) <= 2 * some.reach.min()
            yield Grid(step=step, offset=0.0 if on_zero else offset)


def _refined(some: Logits, step: float) -> float | None:
    """The step, measured over ever larger distances; None if the logits are not in such steps.

    A distance measures it the better, the longer it is and the better its ends are known.
    """
    anchor = np.argmin(some.reach)
    distances = some.values - some.values[anchor]
    error, errors = 1.0, some.reach + some.reach[anchor]
    for place in np.argsort(np.abs(distances), kind="stable")[1:]:
        distance = float(distances[place])
        if not np.isfinite(distance / step):  # numbers of every size are in no steps
            return None
        number = round(distance / step)
        if not number or errors[place] > _ROUND_RESIDUE * step:
            continue
        if abs(distance / step - number) > _ROUND_RESIDUE + errors[place] / step:
            return None
        if errors[place] < error * abs(distance):
            step, error = distance / number, errors[place] / abs(distance)
    return step


def _shifted(some: Logits, halves: Iterable[str]) -> Iterable[tuple[Grid, int]]:
    """Values of half formats plus a round number that explain all logits, and among how many."""
    shifts, values = _known_shifts(), some.values[:, None]
    found = []
    for half in map(format_of, halves):
        nearest = half.round(values - shifts).astype(np.float64) + shifts
        fits = np.all(np.abs(nearest - values) <= some.reach[:, None], axis=0)
        found += [(Grid(half, offset=float(shift)), shifts.size) for shift in shifts[fits]]
    return found


@cache
def _known_shifts() -> NDArray[np.float64]:
    """Shifts in quarters and in tenths, the smallest first."""
    quarters, tenths = np.arange(-80, 81) / 4, np.arange(-100, 101) / 10
    return np.array(sorted({*quarters.tolist(), *tenths.tolist()} - {0.0}, key=abs))


def _scaled(some: Logits) -> Iterable[tuple[Grid, int]]:
    """A half dtype and a factor in [1, 2) that explain every logit, and among how many tried.

    The factor stands for all its products with powers of two.
    """
    known = _known_factors()
    searches = [(forward, known) for forward in _COARSEST_FIRST]
    searches += [(forward, _anchored_factors(some, forward)) for forward in _COARSEST_FIRST]
    for forward, tried in searches:
        fits = tried[_fitting(some, forward, tried)]
        if fits.size:
            return [(Grid(format_of(forward), factor=float(fits[0])), tried.size)]
    return []


@cache
def _known_factors() -> NDArray[np.float64]:
    """Factors of up to two significant digits, without their powers of two; 1 is left out."""
    mantissas = {
        2 * math.frexp(digits * 10.0**-places)[0] for digits in range(1, 100) for places in range(3)
    }
    return np.array(sorted(mantissas - {1.0}))


def _anchored_factors(some: Logits, forward: str) -> NDArray[np.float64]:
    """Every factor in [1, 2) that makes the best known logit of a half logit, one per mantissa."""
    with np.errstate(divide="ignore"):
        anchor = abs(some.values[np.argmin(some.reach / np.abs(some.values))])
    mantissas = format_of(forward).values(1.0, 2.0)[:-1]
    return 2 * np.frexp(anchor / mantissas)[0]


def _fitting(some: Logits, forward: str, tried: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which factors put every logit near the grid, to within its error and that of an anchor."""
    values, reach = some.values[:, None], some.loosened().reach[:, None]
    nearest = format_of(forward).round(values / tried).astype(np.float64)
    return np.all(np.abs(nearest * tried - values) <= reach, axis=0)
