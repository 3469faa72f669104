"""The paths that a fingerprint decides among.

Each hypothesis is a set of attainable scores. Paths that attain the same set are one hypothesis
and stand together, the most specific first: rounding a wide sigmoid once to a half type is what
``fused`` in that type means, and a logit that is cast to the activation dtype leaves no trace of
the dtype it had before.

Out of reach by nature: a two-label softmax evaluated in a half type. The difference of two half
logits has finer steps than a half score, so any smooth distribution gives the same values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

from analysis.fingerprinting.attainable import (
    Grid,
    format_table,
    grid_widths,
    path_scores,
    path_table,
    softmax_scores,
)
from analysis.fingerprinting.observed import Observed, Scores
from analysis.formats import FORMATS, HALVES
from analysis.scorepath import ScorePath

_DIFFERENCE_BITS = range(6, 21)
"""Differences of two half logits are multiples of 2⁻⁶ (large bfloat16) to 2⁻²⁰ (small float16)."""

Family = Literal["sigmoid", "softmax", "smooth"]


@dataclass(frozen=True)
class Hypothesis:
    """A set of attainable scores and the paths that attain it.

    ``widths`` says how wide a range of logits gives each observed score: 0 where none does, NaN
    where the score is no evidence. Family ``smooth`` leaves no trace but its stored dtype.
    """

    family: Family
    forward: str
    paths: tuple[ScorePath, ...]
    widths: Callable[[Observed], Scores]

    @property
    def wide(self) -> bool:
        """Whether scores are stored wide enough to show which machine's ``exp`` made them."""
        if self.family == "sigmoid":
            return self.paths[0].stored_dtype not in HALVES
        return self.family == "softmax"


@cache
def hypotheses() -> tuple[Hypothesis, ...]:
    """Every hypothesis; the sets behind them are built when they are first asked for."""
    from_halves = tuple(half for forward in HALVES for half in _half_logits(forward))
    return (*from_halves, *_float32_logits(), *_softmax(), *map(_smooth, HALVES))


def wide_paths(forward: str) -> tuple[tuple[ScorePath, ...], ...]:
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


def half_paths(forward: str) -> tuple[tuple[ScorePath, ...], ...]:
    """Paths of half logits whose scores are stored in a half type."""
    rounded_once = (
        ScorePath(forward, "fused", forward, forward),
        *_rounded_once(forward, forward),
        ScorePath("float32", "fused", forward, forward),
    )
    stepwise = (
        ScorePath(forward, "stepwise", forward, forward),
        ScorePath("float32", "stepwise", forward, forward),
    )
    other = "float16" if forward == "bfloat16" else "bfloat16"
    return (rounded_once, stepwise, _rounded_once(forward, other))


def _rounded_once(forward: str, stored: str) -> tuple[ScorePath, ...]:
    """Sigmoids in a wide activation dtype whose scores are rounded to a half type."""
    return tuple(
        ScorePath(forward, formula, activation, stored)
        for activation in ("float32", "float64")
        for formula in ("fused", "stepwise")
    )


def _half_logits(forward: str) -> list[Hypothesis]:
    groups = (*half_paths(forward), *wide_paths(forward))
    return [Hypothesis("sigmoid", forward, group, _looked_up(group)) for group in groups]


def _looked_up(paths: tuple[ScorePath, ...]) -> Callable[[Observed], Scores]:
    return lambda observed: path_table(paths).widths(observed)


def _float32_logits() -> list[Hypothesis]:
    grid = Grid(FORMATS["float32"])
    return [
        Hypothesis(
            "sigmoid",
            "float32",
            group,
            partial(grid_widths, grid=grid, evaluate=partial(path_scores, group[0])),
        )
        for group in wide_paths("float32")
    ]


def _softmax() -> list[Hypothesis]:
    grids = {"float32": Grid(FORMATS["float32"])} | {
        f"multiples of 2^-{bits}": Grid(step=2.0**-bits) for bits in _DIFFERENCE_BITS
    }
    return [
        Hypothesis("softmax", name, (), partial(grid_widths, grid=grid, evaluate=softmax_scores))
        for name, grid in grids.items()
    ]


def _smooth(stored: str) -> Hypothesis:
    paths = _rounded_once("float32", stored)
    return Hypothesis("smooth", "", paths, lambda observed: format_table(stored).widths(observed))
