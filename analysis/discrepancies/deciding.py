"""The answer: whether it is rounding, of which size, and if not, what it looks like.

Rounding is tried from the finest to the coarsest dtype that either network may have run in. At each
size the differences either fit, or one rule explains them down to that size, or the next is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.discrepancies.intervals import Ends, Pairs, Side, Values, middle
from analysis.discrepancies.noise import BEYOND, FITS, Noise, expected_noise, noise_of
from analysis.discrepancies.shapes import Shape, chances, explained, monotonic, scattered
from analysis.formats import FORWARD_DTYPES

_Mask = NDArray[np.bool_]

Answer = Literal[
    "identical",
    "the same path, other last bits",
    "the same logits through other paths",
    "other forward dtype",
    "rounding can explain it",
    "larger than any rounding",
    "not known",
]
_DECIDED = 6.0
"""Log10 odds against scores that are close by chance, before they are called close."""
_ALIKE = 0.1
"""Scores this close, as a share of their range, may be those of one function, and rounding."""
_END = 0.01
"""So near to 0 and to 1 scores are clipped."""
_DIGITS = "scores with all their digits"


@dataclass(frozen=True)
class Finding:
    """An answer and its evidence.

    ``dtype`` is the one whose rounding has the size of the differences, ``noise`` that size as
    expected for two logits; ``found`` the differences measured, over the ``shown`` pairs whose
    scores show their logits that well. ``shape`` is what larger ones look like. ``wanted`` says
    what would tell more.
    """

    answer: Answer
    dtype: str | None = None
    noise: Noise | None = None
    found: Noise | None = None
    shown: int = 0
    shape: Shape | None = None
    wanted: str = ""


def decide(
    first: Side, second: Side, pairs: Pairs, measured: dict[str, Noise] | None = None
) -> Finding:
    """Answer for two sides over the pairs of both.

    ``measured`` is noise of a logit by dtype, where a model was run here; else the recorded one
    is expected, larger where logits spread more widely.
    """
    if _is_identical(pairs):
        return Finding("identical", shown=pairs.queries.size)
    if not pairs.has_logits:
        return _without_logits(first, second, pairs)
    noise = expected_noise(_known(pairs)) | (measured or {})
    return _with_logits(first, second, pairs, noise)


def _known(pairs: Pairs) -> np.ndarray:
    """Logits of the side whose logits spread more widely, as far as its scores show them."""
    known = np.isfinite(pairs.widths)
    middles = [middle(one)[known] for one in (pairs.first, pairs.second)]
    return max(middles, key=lambda one: float(np.std(one)) if one.size else 0.0)


def _is_identical(pairs: Pairs) -> bool:
    """Whether all scores are the same, a float32 and its decimals included."""
    first, second = pairs.scores
    if np.array_equal(first, second):
        return True
    with np.errstate(over="ignore"):
        narrow = [one.astype(np.float32) for one in pairs.scores]
    spelled = any(np.array_equal(*both) for both in zip(pairs.scores, narrow, strict=True))
    # A float64 that a float32 ties with others is not its decimals.
    as_many = np.unique(first).size == np.unique(second).size
    return spelled and as_many and np.array_equal(*narrow)


def _with_logits(first: Side, second: Side, pairs: Pairs, noise: dict[str, Noise]) -> Finding:
    dtypes = _up_to_widest(first, second)
    ceiling, likely = noise[dtypes[-1]], dtypes[: _widest(first, second) + 1]
    for dtype in dtypes:
        shown = pairs.widths <= noise[dtype].bound
        seen = _odds(pairs, noise[dtype]) >= _DECIDED
        if noise[dtype].fits(pairs.gaps[shown]) and pairs.gaps.max() <= noise[dtype].bound:
            if not seen and dtype != dtypes[-1]:
                continue  # a coarser dtype's rounding shows in more pairs
            found = noise_of(pairs.gaps[shown])
            finding = Finding("not known", dtype, noise[dtype], found, int(shown.sum()))
            told = _odds(pairs, noise[dtype], shown) >= _DECIDED
            return _rounding(finding, first, second, seen=seen, told=told)
        shape = None
        if dtype in likely:
            shape = explained(pairs, noise[dtype], ceiling, noise[likely[-1]])
        if shape is not None:
            largest = noise_of(pairs.gaps)
            return Finding(
                "larger than any rounding", dtype, noise[dtype], largest, int(shown.sum()), shape
            )
    return _beyond(first, second, pairs, noise, dtypes)


def _odds(pairs: Pairs, noise: Noise, among: _Mask | slice = slice(None)) -> float:
    """Log10 odds against differences of this size between logits that spread as these do."""
    return float(chances(pairs.spread, pairs.widths[among], noise).sum())


def _up_to_widest(first: Side, second: Side) -> tuple[str, ...]:
    """Dtypes from float32 to the one with the most noise that a network may have run in."""
    last = max(map(_place, (*first.dtypes, *second.dtypes)))
    return FORWARD_DTYPES[: last + 1]


def _widest(*sides: Side) -> int:
    """Place of the forward dtype with the most noise that scores show."""
    shown = [path.forward_dtype for side in sides for path in side.paths]
    return max(map(_place, [*shown, *(side.half or "float32" for side in sides)]))


def _place(dtype: str) -> int:
    """Place among the dtypes by their noise; float64 has no more than float32."""
    return FORWARD_DTYPES.index(dtype) if dtype in FORWARD_DTYPES else 0


def _rounding(finding: Finding, first: Side, second: Side, *, seen: bool, told: bool) -> Finding:
    """Name the rounding that differences fit; ``told``: the pairs that show it are enough."""

    def answer(answer: Answer, wanted: str = "") -> Finding:
        """The finding with another answer."""
        return Finding(
            answer, finding.dtype, finding.noise, finding.found, finding.shown, wanted=wanted
        )

    if not seen:
        return answer("not known", "more pairs; scores that are not saturated; the logits of both")
    known = [side.dtypes[0] if len(side.dtypes) == 1 else None for side in (first, second)]
    one_logit = finding.found.largest == 0
    if one_logit or finding.dtype == "float32" or known[0] == known[1] is not None:
        if not told and not _paths_are_known(first, second):
            return answer("rounding can explain it", _DIGITS)
        return answer(_same_logits(first, second))
    if None not in known:
        return answer("other forward dtype")
    wanted = "which dtype each network runs in"
    if finding.dtype in {path.forward_dtype for path in first.paths + second.paths}:
        return answer("rounding can explain it", wanted)
    return answer("not known", wanted)


def _paths_are_known(*sides: Side) -> bool:
    return all(len({path.reduced().computation for path in side.paths}) == 1 for side in sides)


def _same_logits(first: Side, second: Side) -> Answer:
    reduced = [{path.reduced().computation for path in side.paths} for side in (first, second)]
    if reduced[0] & reduced[1] or not any(reduced):
        return "the same path, other last bits"
    return "the same logits through other paths"


def _beyond(
    first: Side,
    second: Side,
    pairs: Pairs,
    noise: dict[str, Noise],
    dtypes: tuple[str, ...],
) -> Finding:
    """Answer for differences that fit no rounding, and that no rule explains."""
    ceiling = noise[dtypes[-1]]
    found = noise_of(pairs.gaps)
    shown = int(np.isfinite(pairs.widths).sum())
    if first.is_constant or second.is_constant:
        if _is_left(*pairs.scores):
            return Finding("not known", dtypes[-1], ceiling, found, shown, wanted=_DIGITS)
        shape = Shape("constant", pairs.queries.size)
        return Finding("larger than any rounding", dtypes[-1], ceiling, found, shown, shape)
    if ceiling.is_exceeded(pairs.gaps[np.isfinite(pairs.widths)]):
        finest = noise[_finest(pairs, noise, dtypes)]
        shape = (
            explained(pairs, finest.times(BEYOND / FITS), ceiling, finest)
            or monotonic(pairs.queries, pairs.first, pairs.scores[1], finest.bound)
            or monotonic(pairs.queries, pairs.second, pairs.scores[0], finest.bound)
            # Logits that are none, such as percentages, spread so widely that noise seems large.
            or monotonic(pairs.queries, pairs.first, pairs.scores[1], 0.0)
            or scattered(pairs, finest, noise["float32"], noise[dtypes[_widest(first, second)]])
        )
        return Finding("larger than any rounding", dtypes[-1], ceiling, found, shown, shape)
    wanted = "which dtype each network runs in; the logits of both; more pairs"
    return Finding("not known", dtypes[-1], ceiling, found, shown, wanted=wanted)


def _is_left(first: Values, second: Values) -> bool:
    """Whether one of two sides is a number that rounding or clipping leaves of the other."""
    return any(
        np.ptp(one) == 0 and _is_left_of(float(one[0]), other)
        for one, other in ((first, second), (second, first))
    )


def _is_left_of(constant: float, scores: Values) -> bool:
    """Whether scores may be one number for being printed with its decimals, or clipped there."""
    decimals = max(0, -Decimal(_spelled(constant)).normalize().as_tuple().exponent)
    if bool(np.all(np.abs(scores - constant) <= 0.5 * 10.0**-decimals)):
        return True
    low, high = (constant, 1.0) if constant > 0.5 else (0.0, constant)
    is_end = min(abs(constant), abs(1 - constant)) <= _END
    return is_end and bool(np.all((low <= scores) & (scores <= high)))


def _spelled(number: float) -> str:
    """The fewest decimals of a number, or of a float32 that it is."""
    narrow = np.float32(number)
    return str(narrow if float(narrow) == number else number)


def _finest(pairs: Pairs, noise: dict[str, Noise], dtypes: tuple[str, ...]) -> str:
    """The dtype with the least noise that most pairs would show."""
    for dtype in dtypes:
        if (pairs.widths <= noise[dtype].bound).mean() > 0.5:
            return dtype
    return dtypes[-1]


def _without_logits(first: Side, second: Side, pairs: Pairs) -> Finding:
    """Answer where the scores of a side stand for no logits: by the order alone."""
    wanted = "the raw logits of both, or the score paths that made the scores"
    if first.is_constant != second.is_constant:
        if _is_left(*pairs.scores):
            return Finding("not known", shown=pairs.queries.size, wanted=_DIGITS)
        shape = Shape("constant", pairs.queries.size)
        return Finding("larger than any rounding", shape=shape, shown=pairs.queries.size)
    if _may_be_one_function(first, second, pairs.scores):
        return Finding("not known", shown=pairs.queries.size, wanted=wanted)
    ends, other = pairs.first, pairs.scores[1]
    if ends is None and pairs.second is not None:
        ends, other = pairs.second, pairs.scores[0]
    if ends is None:
        ends = pairs.scores[0], pairs.scores[0]
    shape = monotonic(pairs.queries, ends, other, 0.0)
    if shape is None and ends is not pairs.scores[0]:
        bound = expected_noise(middle(ends))["float32"].bound
        shape = monotonic(pairs.queries, ends, other, bound)
    if shape is None:
        return Finding("not known", shown=pairs.queries.size, wanted=wanted)
    return Finding("larger than any rounding", shape=shape, shown=pairs.queries.size)


def _may_be_one_function(first: Side, second: Side, scores: Ends) -> bool:
    """Whether rounding alone may lie between two sides, so that an order kept says nothing."""
    kinds = {first.verdict.kind, second.verdict.kind}
    if "cannot tell" not in kinds:
        return len(kinds) == 1
    distance = np.abs(scores[0] - scores[1]).max()
    return len(kinds) == 1 or bool(distance <= _ALIKE * max(map(np.ptp, scores)))
