"""Two engines over the same pairs as they differ in practice, and what may be said about each.

Used by the tests and by ``tools/simulate_comparisons.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from score_lists import queries_of, reranker_logits

from analysis.discrepancies import Side, pairs_of
from analysis.discrepancies.deciding import Finding, decide
from analysis.discrepancies.noise import recorded_differences
from analysis.scorepath import ScorePath

LARGER = "larger than any rounding"
NOT_KNOWN = "not known"
NOISIEST = 4.0
"""Networks are made up to so many times as noisy as the recorded one, or as quiet."""

PATHS = {
    "float32": ScorePath(),
    "float16": ScorePath("float16", "fused", "float32", "float32"),
    "bfloat16": ScorePath("bfloat16", "fused", "float32", "float32"),
}
OLD = ScorePath("float16", "stepwise", "float16", "float16")

Logits = np.ndarray
Change = Callable[[Logits, np.random.Generator], Logits]


@dataclass(frozen=True)
class Case:
    """Two sides made of the same logits: ``change`` is what is done to those of the second.

    ``first`` and ``second`` are score paths, ``decimals`` those that the second is printed with.
    ``after`` is done to the second's scores. ``declared`` says that the dtypes of the networks are
    known. ``shapes`` are those that may be named; no change and no shapes: rounding alone.
    """

    name: str
    first: ScorePath
    second: ScorePath
    change: Change | None = None
    shapes: tuple[str, ...] = ()
    declared: bool = False
    decimals: int | None = None
    after: Callable[[Logits], Logits] | None = None

    @property
    def is_rounding(self) -> bool:
        """Whether rounding makes all of the difference."""
        return self.change is None and self.after is None

    def finding(self, n: int, seed: int) -> Finding:
        """Answer for n pairs."""
        first, second, lengths = self.sides(n, np.random.default_rng(seed))
        return decide(first, second, pairs_of(first, second, lengths)[1])

    def sides(self, n: int, rng: np.random.Generator) -> tuple[Side, Side, pd.DataFrame | None]:
        """Both sides, and the lengths of the pairs where the change needs them."""
        factor = NOISIEST ** rng.uniform(-1, 1)
        logits = reranker_logits(n, rng)
        noisy = [
            logits + factor * noise(path.forward_dtype, n, rng)
            for path in (self.first, self.second)
        ]
        if self.change is not None:
            noisy[1] = self.change(noisy[1], rng)
        scores = [path.scores(one) for path, one in zip(self.paths, noisy, strict=True)]
        if self.after is not None:
            scores[1] = self.after(scores[1])
        if self.decimals is not None:
            scores[1] = np.round(scores[1], self.decimals)
        sides = [
            Side(letter, frame_of(one), path if self.declared else None)
            for letter, one, path in zip("AB", scores, self.paths, strict=True)
        ]
        lengths = frame_of(scores[0])[["query_id", "passage_id"]].assign(length=lengths_of(n))
        return *sides, lengths

    @property
    def paths(self) -> tuple[ScorePath, ScorePath]:
        """Both score paths."""
        return self.first, self.second

    def is_false_alarm(self, found: Finding) -> bool:
        """Whether rounding was called more than that."""
        return self.is_rounding and found.answer == LARGER

    def is_miss(self, found: Finding) -> bool:
        """Whether something else was called rounding."""
        return not self.is_rounding and found.answer not in (LARGER, NOT_KNOWN)

    def is_wrong_shape(self, found: Finding) -> bool:
        """Whether a shape was named that it has not."""
        return found.shape is not None and found.shape.kind not in self.shapes

    def is_decided(self, found: Finding) -> bool:
        """Whether it was told from the other."""
        return found.answer != NOT_KNOWN


def noise(dtype: str, n: int, rng: np.random.Generator) -> Logits:
    """Differences that the recorded runs of a dtype show, drawn at random."""
    runs = recorded_differences()[dtype]
    return rng.choice(runs[rng.integers(len(runs))], n)


def frame_of(scores: Logits) -> pd.DataFrame:
    """Scores as a file of them has them."""
    n = len(scores)
    return pd.DataFrame(
        {
            "query_id": [f"q{query}" for query in queries_of(n)],
            "passage_id": [f"p{row}" for row in range(n)],
            "score": scores,
            "logit": np.nan,
        }
    )


def lengths_of(n: int) -> Logits:
    """Lengths of n pairs: every fifth is long."""
    rows = np.arange(n)
    return np.where(rows % 5 == 0, 900, 100) + rows % 50


def cases() -> Iterator[Case]:
    """Every case; rounding first."""
    for declared in (True, False):
        known = "known" if declared else "from the scores"
        for first, second in (
            ("float32", "float32"),
            ("float16", "float16"),
            ("bfloat16", "bfloat16"),
            ("float32", "float16"),
            ("float32", "bfloat16"),
            ("float16", "bfloat16"),
        ):
            name = f"{first} and {second} network, dtypes {known}"
            yield Case(name, PATHS[first], PATHS[second], declared=declared)
        yield Case(
            f"Infinity's float16 beside float32, {known}", PATHS["float32"], OLD, None, (), declared
        )
    yield Case("float32 beside its print with 4 decimals", *_both("float32"), decimals=4)
    yield Case("float32 beside a float16 print with 4 decimals", PATHS["float32"], OLD, decimals=4)
    for declared in (True, False):
        made = partial(_changed, declared=declared)
        yield made("float32", "temperature 1.25", _times(0.8), ("factor",))
        yield made("float32", "shift by 0.5", _plus(0.5), ("shift",))
        yield made("float16", "temperature 1.25", _times(0.8), ("factor", "factor and shift"))
        yield made("float32", "another order", _sorted, ("another order of results",))
        yield made("float32", "one off", _one_off, ("one off", "another order of results"))
        yield made("float32", "long pairs cut", _long_cut, ("only the long pairs",))
        yield made("float32", "one text changed", _one_changed, ("a few pairs",))
        for size in (0.3, 1.0, 3.0):
            name = f"other weights, logits move by {size:g}"
            for dtype in ("float32", "bfloat16"):
                yield made(dtype, name, _moved(size), ("all pairs at random",))
    yield _after("min-max per query", "a monotonic function within each query", _min_max)
    yield _after("sigmoid twice", "one monotonic function", ScorePath().scores)
    yield _after("a constant", "constant", lambda scores: np.full(len(scores), 0.5))


def _both(dtype: str) -> tuple[ScorePath, ScorePath]:
    return PATHS[dtype], PATHS[dtype]


def _changed(
    dtype: str, name: str, change: Change, shapes: tuple[str, ...], *, declared: bool
) -> Case:
    known = "known" if declared else "from the scores"
    return Case(f"{name}, {dtype}, dtypes {known}", *_both(dtype), change, shapes, declared)


def _after(name: str, shape: str, after: Callable[[Logits], Logits]) -> Case:
    return Case(name, *_both("float32"), None, (shape,), after=after)


def _times(factor: float) -> Change:
    return lambda logits, rng: logits * factor


def _plus(shift: float) -> Change:
    return lambda logits, rng: logits + shift


def _moved(size: float) -> Change:
    return lambda logits, rng: logits + rng.normal(0, size, len(logits))


def _by_query(logits: Logits, change: Callable[[Logits], Logits]) -> Logits:
    return pd.Series(logits).groupby(queries_of(len(logits))).transform(change).to_numpy()


def _sorted(logits: Logits, rng: np.random.Generator) -> Logits:
    return _by_query(logits, lambda one: np.sort(one.to_numpy())[::-1])


def _one_off(logits: Logits, rng: np.random.Generator) -> Logits:
    return _by_query(logits, lambda one: np.roll(one.to_numpy(), 1))


def _long_cut(logits: Logits, rng: np.random.Generator) -> Logits:
    long = lengths_of(len(logits)) > 500
    return np.where(long, logits + rng.normal(0, 2, len(logits)), logits)


def _one_changed(logits: Logits, rng: np.random.Generator) -> Logits:
    changed = logits.copy()
    changed[rng.integers(len(logits))] *= -1
    return changed


def _min_max(scores: Logits) -> Logits:
    return _by_query(scores, lambda one: (one - one.min()) / (np.ptp(one) or 1.0))
