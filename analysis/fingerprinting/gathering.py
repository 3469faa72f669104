"""Everything that may have made a list of scores, weighed.

The hypotheses that are always tried, those that the list itself suggests (grids behind its scores),
and what stands against both: other logits with the same bits, and another machine's ``exp``.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from analysis.fingerprinting.attainable import (
    Hypothesis,
    hypotheses,
    in_steps,
    of_grid,
    wide_paths,
)
from analysis.fingerprinting.evidence import (
    ALLOWED,
    Weighed,
    all_paths,
    best_first,
    best_odds,
    near_misses,
    weigh,
)
from analysis.fingerprinting.grids import (
    FINEST,
    Regular,
    best_of,
    equal_steps,
    moved_halves,
    steps_behind,
)
from analysis.fingerprinting.logits import Logits, has_bits_to_spare, mostly_in_steps
from analysis.fingerprinting.observed import Observed
from analysis.formats import FORMATS, HALVES, format_of
from analysis.heads import Head
from analysis.scorepath import ScorePath
from analysis.steps import OTHER_MACHINE_STEPS

DERIVED = "half logits subtracted or shifted"
_PARTS = (1, 2, 4, 8)


def gather(observed: Observed) -> list[Weighed]:
    """Weigh every hypothesis about scores, those that the list itself suggests too; best first."""
    weighed = weigh(observed, hypotheses())
    plain = [one for one in weighed if one.hypothesis.sparse]
    logits = Logits.of(observed)
    steps = _attained(observed, equal_steps(logits))
    step = steps.grid.step if steps is not None and steps.decided and steps.is_dyadic else 0.0
    if step:
        plain += weigh(observed, [in_steps(one.hypothesis, step) for one in plain])
    spare = _with_bits_to_spare(weighed, plain, logits, step)
    moved = moved_halves(logits) if spare or not plain else []
    steps = best_of([steps, *(steps_behind(logits, one) for one in moved)])
    in_equal, off_grid = _weigh_rivals(observed, steps, moved)
    attained = plain or any(one.exact for one in in_equal)
    near = [] if attained else _other_machine(observed, weighed)
    known = [one for one in weighed if not one.hypothesis.sparse]
    return best_first(known + plain + spare + in_equal + (near or off_grid))


def _attained(observed: Observed, steps: Regular | None) -> Regular | None:
    """Equal steps, in parts of a power of two if only those attain every score.

    Where scores are coarse, logits seem to lie in wider steps than they do.
    """
    if steps is None or not steps.is_dyadic:
        return steps
    for parts in _PARTS:
        part = steps.in_parts(parts)
        if part.grid.step >= FINEST and weigh(observed, of_grid(part.grid, part.forward)):
            return part
    return steps


def _with_bits_to_spare(
    weighed: list[Weighed], plain: list[Weighed], logits: Logits, step: float
) -> list[Weighed]:
    """Rivals of logits that do not use all the bits of their dtype: those of another may do.

    A half type whose last bit is seldom set was subtracted in or shifted into; most differences of
    half logits are float32 values with many zeros at their end. Scores in the other half type do
    not show the bits of their logits: those may be differences under a softmax.
    """
    derived = {half: has_bits_to_spare(logits, format_of(half), step) for half in HALVES}
    derived["float32"] = mostly_in_steps(logits)
    rivals = [w for w in weighed if w.hypothesis.forward == "float32"] + plain
    families = {w.hypothesis.family for w in weighed}
    return [
        replace(one, hypothesis=hypothesis, exact=False)
        for one in rivals
        if (derived[one.hypothesis.forward] if one.hypothesis.wide else one.hypothesis.crossed)
        for hypothesis in _derived(one.hypothesis, families)
    ]


def _derived(one: Hypothesis, families: Set[str]) -> list[Hypothesis]:
    """The same scores from logits that were subtracted or shifted, in half types by a softmax.

    In float32 by a sigmoid, and by a softmax too if one of ``families`` that attain every score is.
    """
    if one.wide:
        softmax = replace(one, family="softmax", forward=DERIVED, paths=())
        return [replace(one, forward=DERIVED), *([softmax] if "softmax" in families else [])]
    half = one.paths[0].stored_dtype
    labels = ScorePath(half, "none", half, half, head=Head("softmax", half))
    return [replace(one, family="softmax", forward=DERIVED, paths=(labels,))]


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


def _weigh_rivals(
    observed: Observed, steps: Regular | None, moved: list[Regular]
) -> tuple[list[Weighed], list[Weighed]]:
    """Weigh equal steps, and half logits that were moved, on equal terms.

    A step that is no power of two was measured, and seldom attains every score bit for bit; half
    logits that lie near by attain some. So the two are compared by the odds of their grids.
    """
    exact = steps is None or steps.is_dyadic or not moved
    if not exact:
        lead = steps.odds - moved[0].odds
        moved = [] if lead >= ALLOWED else moved
        steps = None if lead <= -ALLOWED else steps
        exact = steps is None or not moved
    of_steps = [] if steps is None else _weigh_regular(observed, steps, exact=exact)
    return of_steps, [w for one in moved for w in _weigh_regular(observed, one, exact=exact)]


def _weigh_regular(observed: Observed, found: Regular, *, exact: bool = True) -> list[Weighed]:
    """Weigh the sigmoids and the softmax of logits on a grid that was found.

    Where none of them attains every score (the exponential was another machine's, or the grid is
    known to a few digits only), where a factor was measured or ``exact`` forbids it, the grid
    stands for all of them with its own odds.
    """
    *sigmoids, softmax = of_grid(found.grid, found.forward, found.after)
    if exact and found.grid.factor == 1:
        weighed = weigh(observed, [*sigmoids, softmax])
        if weighed:
            return [*weighed, *near_misses(observed, [*sigmoids, softmax])]
    labels = [*weigh(observed, [softmax]), *near_misses(observed, [softmax])]
    rivals = [replace(one, odds=min(one.odds, found.odds), exact=False) for one in labels]
    return [*_as_a_whole(observed, found), *rivals]


def _as_a_whole(observed: Observed, found: Regular) -> list[Weighed]:
    """All wide sigmoids of logits on a grid, as one hypothesis that scores come near."""
    named = found.forward if found.forward in FORMATS else "float32"
    stored = [
        paths
        for paths in wide_paths(named)
        if not observed.exact or paths[0].stored_dtype == observed.stored.name
    ]
    if not stored or not found.decided:
        return []
    near = Hypothesis(
        "sigmoid",
        found.forward,
        all_paths(stored),
        lambda scores: found.grid.spacing(scores.logits()),
        found.after,
    )
    telling = int(np.isfinite(observed.cells()).sum())
    return [Weighed(near, found.odds, telling, exact=False)]
