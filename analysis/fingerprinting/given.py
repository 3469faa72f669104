"""The direct check, where raw logits are given: which path maps each of them to its score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import counted
from analysis.fingerprinting.attainable import (
    Paths,
    half_paths,
    path_scores,
    softmax_scores,
    wide_paths,
)
from analysis.fingerprinting.evidence import DECIDED, FEWEST_AGAINST, all_paths, forward_dtypes
from analysis.fingerprinting.observed import Observed, Scores
from analysis.fingerprinting.verdict import Kind, Stage, StageVerdict, Verdict
from analysis.formats import FORMATS, HALVES, format_of
from analysis.scorepath import ScorePath

_MOST_DIGITS = 6
_TWICE_REACH = 2.0**-8
"""A sigmoid of a sigmoid is recognised to within the spacing of bfloat16 scores."""


@dataclass(frozen=True)
class Pairs:
    """Distinct pairs of a raw logit and the score it got, shape ``(n_distinct,)`` each."""

    logits: Scores
    observed: Observed

    def misses(self, evaluated: list[Scores]) -> int:
        """Count the pairs whose score is none of the evaluated ones (one array per routine)."""
        low, high = self.observed.low, self.observed.high
        hit = np.any([(low <= scores) & (scores <= high) for scores in evaluated], axis=0)
        return int((~hit).sum())


def decide_given(pairs: Pairs) -> Verdict | None:
    """Decide from raw logits and scores together; None if no known path maps one to the other."""
    forwards, odds = forward_dtypes(pairs.logits, FORMATS["float64"])
    if not forwards:
        return None
    found = _decide(pairs, forwards)
    if found is None:
        return None
    forward = _stage("forward dtype", forwards, odds)
    return replace(found, stages=(*_stages(found), forward))


def _decide(pairs: Pairs, forwards: tuple[str, ...]) -> Verdict | None:
    if pairs.misses([pairs.logits]) == 0 and not _no_logits(pairs):
        return _unchanged(pairs, forwards)
    for factor in _factors(pairs):
        misses = {group: _misses(pairs, group, factor) for group in _groups(forwards)}
        if 0 in misses.values():
            return _sigmoid(pairs, misses, factor)
    if pairs.misses(softmax_scores(pairs.logits)) == 0:
        return _found(pairs, "softmax", [], "torch.softmax over (0, logit) gives every score")
    if _is_twice(pairs):
        return _found(pairs, "sigmoid twice", [], "the sigmoid of the sigmoid gives every score")
    return None


def _stages(found: Verdict) -> Iterator[StageVerdict]:
    """What the paths that are left have in common; the logits themselves show the rest."""
    stored = tuple(dict.fromkeys(path.stored_dtype for path in found.paths))
    sigmoids = [path.evaluation for path in found.paths]
    yield _stage("stored dtype", stored, found.odds)
    if found.kind != "logits":
        yield _stage("sigmoid", tuple(dict.fromkeys(sigmoids)), found.odds)


def _stage(stage: Stage, values: tuple[str, ...], odds: float) -> StageVerdict:
    if len(values) == 1 and odds >= DECIDED:
        return StageVerdict(stage, values, odds)
    wanted = "more pairs of a logit and its score"
    return StageVerdict(stage, values if len(values) > 1 else (), wanted=wanted)


def _unchanged(pairs: Pairs, forwards: tuple[str, ...]) -> Verdict:
    groups = [(ScorePath(forward).raw(),) for forward in forwards]
    return _found(pairs, "logits", groups, "the scores are the logits", pairs.observed.spacing)


def _no_logits(pairs: Pairs) -> bool:
    """Whether 0 and 1 are all there is: those may be scores as well."""
    return bool(np.all((pairs.logits == 0) | (pairs.logits == 1)))


def _groups(forwards: tuple[str, ...]) -> Iterator[Paths]:
    """Paths to try, those of one set together: narrow logits allow narrow activations."""
    for forward in forwards:
        if forward in HALVES:
            yield from half_paths(forward)
        else:
            for half in HALVES:
                yield (ScorePath(forward, "fused", half, half),)
                yield (ScorePath(forward, "stepwise", half, half),)
                yield (
                    ScorePath(forward, "fused", "float32", half),
                    ScorePath(forward, "stepwise", "float32", half),
                )
        yield from wide_paths(forward)


def _misses(pairs: Pairs, group: Paths, factor: float) -> int:
    """Pairs that no path of the group explains, the logits multiplied by the factor first."""
    if factor == 1:
        return pairs.misses([s for path in group for s in path_scores(path, pairs.logits)])
    activation = format_of(group[0].activation_dtype)
    product = _product(pairs.logits, factor, wide=activation.bits > 32)
    multiplied = activation.round(product).astype(np.float64)
    upcast = [path.within("float64") for path in group]
    return pairs.misses([s for path in upcast for s in path_scores(path, multiplied)])


def _product(logits: Scores, factor: float, *, wide: bool) -> Scores:
    """Multiply as torch does: half and float32 logits in float32, rounded to their dtype later."""
    if wide:
        return logits * factor
    return (logits.astype(np.float32) * np.float32(factor)).astype(np.float64)


def _factors(pairs: Pairs) -> Iterator[float]:
    """1, then the factor that the scores suggest, to ever more significant digits."""
    yield 1.0
    implied = pairs.observed.logits()
    usable = np.isfinite(implied) & (np.abs(pairs.logits) > 0.5)
    if not usable.any():
        return
    factor = float(np.median(implied[usable] / pairs.logits[usable]))
    tried = {1.0}
    for digits in range(1, _MOST_DIGITS + 1):
        rounded = float(f"{factor:.{digits}g}")
        if rounded not in tried and rounded > 0:
            tried.add(rounded)
            yield rounded


def _sigmoid(pairs: Pairs, misses: dict[Paths, int], factor: float) -> Verdict:
    """Name the groups that fit, and those of the same dtypes that too few pairs speak against."""
    fitting = [group for group, count in misses.items() if count == 0]
    near = [
        group
        for group, count in misses.items()
        if 0 < count < FEWEST_AGAINST and any(_close(group, fit) for fit in fitting)
    ]
    times = "" if factor == 1 else f", multiplied by {factor:g},"
    reason = f"every logit{times} maps exactly to its score"
    decision = _found(pairs, "sigmoid", fitting + near, reason)
    return decision if factor == 1 else replace(decision, calibration=factor)


def _close(one: Paths, another: Paths) -> bool:
    """Whether two sigmoids in a wide activation differ in last bits only."""
    first, second = one[0], another[0]
    wide = not (first.has_narrow_sigmoid or second.has_narrow_sigmoid)
    same_ends = first.forward_dtype == second.forward_dtype
    return wide and same_ends and first.stored_dtype == second.stored_dtype


def _is_twice(pairs: Pairs) -> bool:
    once = 1 / (1 + np.exp(-pairs.logits))
    twice = 1 / (1 + np.exp(-once))
    return bool(np.all(np.abs(twice - pairs.observed.scores) <= _TWICE_REACH))


def _found(
    pairs: Pairs, kind: Kind, groups: list[Paths], reason: str, cells: Scores | None = None
) -> Verdict:
    """Verdict with the odds against chance: one score out of those within one logit, each."""
    cells = pairs.observed.cells() if cells is None else cells
    telling = np.isfinite(cells)
    odds = float(-np.log10(np.minimum(1.0, cells[telling])).sum())
    paths = all_paths(groups)
    reason = f"{reason}, for {counted(pairs.logits.size, 'distinct pair')}"
    if odds < DECIDED:
        reason = f"{reason}: too few to decide"
        return Verdict("cannot tell", paths=paths, odds=odds, reason=reason)
    path = paths[0] if len(groups) == 1 else None
    return Verdict(kind, path=path, paths=paths, odds=odds, reason=reason)
