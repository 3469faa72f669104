"""The result of a comparison: the answer, its evidence in words, and what it does to rankings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.discrepancies.deciding import Answer, Finding
from analysis.discrepancies.intervals import Side
from analysis.discrepancies.noise import Noise
from analysis.discrepancies.rankings import TOP_K, Rankings
from analysis.discrepancies.scales import scale_of
from analysis.discrepancies.shapes import Shape, ShapeKind
from analysis.errors import counted
from analysis.formats import format_of
from analysis.readers.scorestreams import HOW_TAKEN
from analysis.sinks import terminal

_MEANS: dict[ShapeKind, str] = {
    "shift": "a calibration or a bias",
    "factor": "a temperature or a calibration",
    "factor and shift": "a calibration",
    "turned round": "the other label's logit",
    "one monotonic function": "a normalisation or another activation",
    "a monotonic function within each query": "a normalisation over each query's list",
    "another order of results": "scores that were given to the wrong passages",
    "one off": "scores that were given to the neighbouring passage",
    "a few pairs": "another text, or a cut one",
    "only the long pairs": "truncation",
    "all pairs at random": "other weights (quantised ones too), another template or prefix, or "
    "another head",
    "constant": "a head that was not loaded, or a softmax over one label",
}
"""What commonly makes a shape."""
_AT_AN_END = "a softmax over one label, or a sigmoid of logits that are all too large for it"
"""What commonly makes a constant of 0 or 1."""
_PAIRS_SHOWN = 5
_HOW_SAMPLED = f"{HOW_TAKEN}, and those with the largest differences"
"""How the pairs are chosen that are judged where there are too many."""


@dataclass(frozen=True)
class Whole:
    """All pairs of two sides of which a sample is judged.

    ``equal`` counts those whose scores are the same; ``largest`` is the largest difference of two
    scores, ``gap`` the largest one of logits that two scores need (NaN where they stand for none).
    """

    pairs: int = 0
    equal: int = 0
    largest: float = 0.0
    gap: float = float("nan")

    def with_more(self, differences: pd.Series, gaps: pd.Series) -> Whole:
        """These and some more pairs, at least one."""
        return Whole(
            self.pairs + len(differences),
            self.equal + int((differences == 0).sum()),
            max(self.largest, float(differences.max())),
            float(np.fmax(self.gap, gaps.max())),
        )


@dataclass(frozen=True)
class Comparison:
    """Two engines over the same pairs.

    ``finding`` is the answer with its evidence, ``table`` one row per pair of both, in the order
    of the first side: ``query_id, passage_id, score_a, score_b``, and ``gap``, the least difference
    of logits that the two scores need (NaN where they stand for no logits). ``alone`` counts the
    pairs of one side only, which are left out. Where there are more pairs than are judged at once,
    ``finding``, ``table`` and the frames of the sides are those of a sample, and ``whole`` is about
    all, as ``alone`` and ``rankings`` are; else it is None. ``notes`` are sentences about what was
    given and not used.
    """

    sides: tuple[Side, Side]
    finding: Finding
    table: pd.DataFrame
    alone: tuple[int, int]
    rankings: Rankings
    whole: Whole | None = None
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        """One of the answers of :mod:`analysis.discrepancies.deciding`."""
        return self.finding.answer

    @property
    def is_beyond_rounding(self) -> bool:
        """Whether rounding cannot explain the difference."""
        return self.answer == "larger than any rounding"

    @property
    def shape(self) -> Shape | None:
        """What differences larger than rounding look like, where a rule was found."""
        return self.finding.shape

    @property
    def steps(self) -> float | None:
        """The largest difference in steps of the dtype, as they are at the largest logit.

        None where scores stand for no logits.
        """
        found = self.finding
        if found.dtype is None or found.found is None:
            return None
        logits = np.abs(np.concatenate([side.ends[0] for side in self.sides]))
        largest = logits[np.isfinite(logits)].max(initial=0.0)
        return found.found.largest / float(format_of(found.dtype).spacing(largest))

    @property
    def sentence(self) -> str:
        """The answer with its evidence, in a sentence or two."""
        return "".join(_sentence(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready values."""
        found, measures = self.finding, self.rankings.measures
        return {
            "answer": found.answer,
            "sentence": self.sentence,
            "wanted": found.wanted,
            "notes": list(self.notes),
            "pairs": self.rankings.candidates,
            "judged": len(self.table),
            "all": None
            if self.whole is None
            else asdict(self.whole) | {"gap": _number(self.whole.gap), "sampled": _HOW_SAMPLED},
            "alone": list(self.alone),
            "dtype": found.dtype,
            "differences": None if found.found is None else asdict(found.found),
            "rounding": None if found.noise is None else asdict(found.noise),
            "shape": None if found.shape is None else _shape_dict(found.shape, self.table),
            "sides": [
                {"name": side.name, "paths": [path.computation for path in side.named]}
                for side in self.sides
            ],
            "rankings": {
                name: value
                for name, value in asdict(self.rankings).items()
                if name not in ("measures", "kendall")
            }
            | {
                "kendall": _number(self.rankings.kendall),
                "measures": None
                if measures is None
                else measures.astype(object).where(measures.notna(), None).to_dict("records"),
            },
        }

    def __str__(self) -> str:
        return "\n".join(terminal(line) for line in _lines(self))


def notes_on(pairs: int, missing: int) -> tuple[str, ...]:
    """What there is to say where the set named lacks some of the pairs."""
    if not missing:
        return ()
    lacks = f"the set has none of the {counted(pairs, 'pair')}"
    if missing < pairs:
        lacks = f"the set lacks {missing:,} of {counted(pairs, 'pair')}"
    return (f"lengths and grades are not used: {lacks}",)


def _shape_dict(shape: Shape, table: pd.DataFrame) -> dict[str, Any]:
    concerned = table.iloc[list(shape.rows)][["query_id", "passage_id"]]
    return asdict(shape) | {"rows": concerned.to_dict("records"), "means": _means(shape, table)}


def _means(shape: Shape, table: pd.DataFrame) -> str:
    """What commonly makes the shape of these pairs."""
    ends = [table[name].isin([end]).all() for name in ("score_a", "score_b") for end in (0.0, 1.0)]
    return _AT_AN_END if shape.kind == "constant" and any(ends) else _MEANS[shape.kind]


def _number(value: float) -> float | None:
    return None if pd.isna(value) else value


def _sentence(comparison: Comparison) -> Iterator[str]:
    found, n = comparison.finding, len(comparison.table)
    yield f"{found.answer[0].upper()}{found.answer[1:]}"
    if found.answer == "identical":
        yield ": both scores are the same." if n == 1 else f": all {n:,} scores are the same."
        return
    if found.answer == "the same logits through other paths":
        yield f" ({' and '.join(_path(side) for side in comparison.sides)})"
    if found.shape is not None:
        scale = scale_of(found.shape, comparison.table, comparison.sides)
        usual = f"Commonly that is {_means(found.shape, comparison.table)}"
        yield f": {_shape(found.shape, n)}. {scale or usual}."
        return
    if found.found is None or found.noise is None:
        yield ": scores of one side stand for no logits, and no rule leads from one to the other."
        return
    yield f": {_size(found, comparison.steps)}."


def _size(found: Finding, steps: float | None) -> str:
    """How large the differences are, beside what rounding makes."""
    rounding = f"rounding of a {found.dtype} network"
    if found.found.largest == 0:
        return (
            f"one logit can have made both scores of every pair; {counted(found.shown, 'pair')} "
            f"would show the {rounding} ({_noise(found.noise)})"
        )
    fits = found.found.largest <= found.noise.bound
    many = f", {steps:,.1f} steps of {found.dtype}" if fits and steps is not None else ""
    return (
        f"the logits of {counted(found.shown, 'pair')} differ by {_noise(found.found)}{many}; "
        f"the {rounding} makes {_noise(found.noise)}"
    )


def _noise(noise: Noise) -> str:
    return f"{noise.rms:.2g} in the root mean square and {noise.largest:.2g} at most"


def _shape(shape: Shape, n: int) -> str:
    if shape.kind in ("factor", "shift", "factor and shift", "turned round"):
        factor = f"times {shape.factor:.6g}" if shape.factor != 1 else ""
        shift = f"{shape.shift:+.6g}" if shape.shift else ""
        moved = " ".join(part for part in (factor, shift) if part)
        return f"the logits of the second are those of the first {moved}, and the rest is rounding"
    if shape.kind in ("a few pairs", "only the long pairs"):
        return f"{shape.kind} differ, {shape.pairs:,} of {n:,}, and the others by rounding alone"
    if shape.kind in ("another order of results", "one off"):
        return f"{shape.kind}; in the right order they differ by rounding alone"
    if shape.kind == "all pairs at random":
        return f"{shape.pairs:,} of {counted(n, 'pair')} differ, and no rule shows among them"
    if shape.kind == "constant":
        return "one side gives the same score to every pair"
    return f"{shape.kind} leads from one to the other"


def _path(side: Side) -> str:
    if side.has_logits and not side.named:
        return "logits"
    first, *others = side.named or (side.verdict.kind,)
    text = getattr(first, "computation", first)
    return f"{text} or {counted(len(others), 'more', 'more')}" if others else text


def _lines(comparison: Comparison) -> Iterator[str]:
    for letter, side in zip("AB", comparison.sides, strict=True):
        path = f", {_path(side)}" if side.named or side.has_logits else ""
        yield f"{letter}: {side.name}: {side.verdict.kind}{path}"
    yield comparison.sentence
    if comparison.whole is not None:
        yield from _whole_lines(comparison.whole, len(comparison.table))
    if comparison.finding.wanted:
        yield f"would tell more: {comparison.finding.wanted}"
    if comparison.shape is not None and comparison.shape.rows:
        rows = comparison.table.iloc[list(comparison.shape.rows[:_PAIRS_SHOWN])]
        ids = ", ".join(f"{row.query_id} {row.passage_id}" for row in rows.itertuples())
        more = len(comparison.shape.rows) - len(rows)
        yield f"pairs: {ids}" + (f" and {more:,} more" if more else "")
    if any(comparison.alone):
        left, right = comparison.alone
        yield f"left out: {counted(left, 'pair')} of A only, {right:,} of B only"
    yield from _ranking_lines(comparison.rankings)


def _whole_lines(whole: Whole, judged: int) -> Iterator[str]:
    yield f"judged: {judged:,} of {whole.pairs:,} pairs: {_HOW_SAMPLED}"
    gap = "" if pd.isna(whole.gap) else f", in logits at least {whole.gap:.2g}"
    yield (
        f"all pairs: {whole.equal:,} of {whole.pairs:,} have the same score in both; the largest "
        f"difference is {whole.largest:.2g}{gap}"
    )


def _ranking_lines(rankings: Rankings) -> Iterator[str]:
    yield (
        f"ranking: {rankings.moved:,} of {counted(rankings.candidates, 'candidate')} moved, "
        f"{rankings.tied[0]:,} tied in A and {rankings.tied[1]:,} in B; the first {TOP_K} differ "
        f"in {rankings.reordered:,} of {counted(rankings.queries, 'query', 'queries')}, the first "
        f"place in {rankings.first_changed:,}"
    )
    if rankings.measures is not None:
        for row in rankings.measures.itertuples():
            yield (
                f"{row.measure}: A {row.first:.4f}, B {row.second:.4f}; A less B "
                f"{row.difference:+.4f}, under the orders of the ties {row.min:+.4f} to "
                f"{row.max:+.4f} ({row.certainty}), p = {row.p_value:.2g}"
            )
