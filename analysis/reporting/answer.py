"""The answer of a report: what a score path does to a set, what that is worth, what to do.

Everything is asked of the rooms that know it: the counts are those of ``effects``, the remedy is
that of ``recommend``, the price is measured by ``timing``. Whatever a page says stands on these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd
from scipy import stats

from analysis.comparisons import ROUNDING, compare_measures
from analysis.counting import effects
from analysis.datasets import RerankingSet
from analysis.devices import describe, libraries
from analysis.engines import path_of, run_engines
from analysis.formats import FORWARD_DTYPES, is_wide
from analysis.forwardformats import as_format, format_texts
from analysis.metrics import evaluate
from analysis.models import Reranker
from analysis.places import replacing
from analysis.remedies import Recommendation, measure, recommend
from analysis.remedies.table import AS_IT_IS, FLOAT32, REMEDIES, VERIFIED, Remedy
from analysis.scorepath import ScorePath
from analysis.shifts import format_shifts
from analysis.ties import apply
from analysis.timing import measure_speed
from analysis.verifying import Trial, try_out

K = 10
CONFIDENCE = 0.95
_USUAL = ("infinity@0.0.68:float16", "haystack:bfloat16", "haystack:float32")
"""Paths that a report is about where none is given: the first in a forward dtype of it."""
_FLOAT32 = ScorePath("float32").raw()

Harm = Literal["ties", "order", "saturation", "none"]


@dataclass(frozen=True)
class Range:
    """A number with the range that it could as well have had: by ``luck`` or in ``other`` queries.

    ``luck`` is the order of the ties, all else being equal; ``other`` is a 95 % interval for
    queries like these. Ends are None where nothing can be said.
    """

    value: float
    low: float | None
    high: float | None
    kind: Literal["luck", "other"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a report found about one path on one set with one model.

    ``logits`` has rows of the path's forward dtype and of float32; ``speed`` is what
    :func:`analysis.timing.measure_speed` returns for both. ``is_named`` says that the user named
    the path; otherwise it is assumed. ``beside`` are the same pairs' logits in forward formats that
    are set beside: they change nothing of the answer.
    """

    candidates: RerankingSet
    reranker: Reranker
    path: ScorePath
    logits: pd.DataFrame
    speed: pd.DataFrame
    is_named: bool = False
    k: int = K
    beside: pd.DataFrame | None = None

    @property
    def name(self) -> str:
        """The path's name, or its stages where it has none."""
        return self.path.name or self.path.computation

    @property
    def dtype(self) -> str:
        """The narrow dtype in question: the first stage's that is narrower than float32."""
        path = self.path
        stages = (path.forward_dtype, path.activation_dtype, path.stored_dtype)
        return next((dtype for dtype in stages if not is_wide(dtype)), path.forward_dtype)

    @cached_property
    def trial(self) -> Trial | None:
        """Verified top k, tried out; None for a path that runs in float32 anyway."""
        if is_wide(self.path.forward_dtype):
            return None
        return try_out(self.logits, self.path.forward_dtype, k=self.k)

    @cached_property
    def measured(self) -> pd.DataFrame:
        """The remedies on these candidates: a row each, by name; the first is the path itself."""
        return measure(self.logits, self.path, k=self.k, trial=self.trial).set_index("remedy")

    @property
    def counts(self) -> pd.Series:
        """What the path does: the columns of :func:`analysis.effects`."""
        return self.measured.loc[AS_IT_IS]

    @property
    def saturated(self) -> int:
        """Candidates whose score is exactly 0 or 1."""
        return int(self.counts[["ones", "zeros"]].fillna(0).sum())

    @cached_property
    def ties_in_float32(self) -> int:
        """Candidates that tie in the top k by float32 logits: no precision tells them apart."""
        return int(effects(self.logits, _FLOAT32, k=self.k)["tied_in_top"].item())

    @property
    def harm(self) -> Harm:
        """The worst of what the path does to the ranking, against the order of float32 logits."""
        if self.counts["tied_in_top"] > self.ties_in_float32:
            return "ties"
        if self.counts["reordered"]:
            return "order"
        return "saturation" if self.saturated else "none"

    def share(self, column: str) -> Range:
        """Queries of which a count of ``effects`` holds; the interval is Wilson's.

        It has no ends for one query, which says nothing about others.
        """
        found, queries = int(self.counts[column]), int(self.counts["queries"])
        if queries < 2:
            return Range(found / queries, None, None, "other")
        ends = stats.binomtest(found, queries).proportion_ci(CONFIDENCE, method="wilson")
        return Range(found / queries, ends.low, ends.high, "other")

    @property
    def ndcg(self) -> Range | None:
        """nDCG@k, with the range that the order of the ties leaves; None without all grades."""
        if not self.candidates.has_grades:
            return None
        return Range(*self.counts[["ndcg", "ndcg_min", "ndcg_max"]], "luck")

    @cached_property
    def difference(self) -> Range | None:
        """What nDCG@k differs from float32's logits by; no ends for one query, None without grades.

        The reference is what a float32 network says before any sigmoid, as in the other counts.
        """
        if not self.candidates.has_grades:
            return None
        runs = [apply(self.logits, path) for path in (self.path, _FLOAT32)]
        worth = [evaluate(run, run, [f"nDCG@{self.k}"]) for run in runs]
        if self.candidates.n_queries < 2:
            own, reference = (values["expected"].mean() for values in worth)
            return Range(own - reference, None, None, "other")
        (found,) = compare_measures(*worth).to_dict("records")
        numbers = [found[name] for name in ("difference", "low", "high")]
        if max(map(abs, numbers)) <= ROUNDING:  # then no query differs
            numbers = [0.0, 0.0, 0.0]
        return Range(*numbers, "other")

    @cached_property
    def recommendation(self) -> Recommendation:
        """What to do."""
        pair = self.speed["seconds"] / self.speed["pairs"]
        seconds = dict(zip(self.speed["forward_dtype"], pair, strict=True))
        return recommend(self.logits, self.path, k=self.k, trial=self.trial, seconds=seconds)

    @property
    def remedy(self) -> Remedy | None:
        """The remedy recommended, where it is one of the table's."""
        named = {remedy.name: remedy for remedy in REMEDIES}
        return named.get(self.recommendation.remedy)

    @property
    def is_float32_faster(self) -> bool:
        """Whether float32's slowest pass here was faster than the forward dtype's fastest."""
        by_dtype = self.speed.set_index("forward_dtype")
        fastest = by_dtype.loc[self.path.forward_dtype, "fastest"]
        return bool(by_dtype.loc["float32", "slowest"] < fastest)

    @property
    def prices(self) -> pd.DataFrame:
        """The table of :attr:`measured` with what each remedy costs one query.

        ``seconds`` of its forward passes; ``bytes``, the most that is alive at once. Verified top k
        holds both networks and rescores its share of the candidates.
        """
        by_dtype = self.speed.set_index("forward_dtype")
        own, full = by_dtype.loc[self.path.forward_dtype], by_dtype.loc["float32"]
        price = {remedy: full if remedy == FLOAT32.name else own for remedy in self.measured.index}
        table = self.measured.assign(
            seconds=[price[remedy]["seconds"] for remedy in self.measured.index],
            bytes=[price[remedy]["peak_bytes"] for remedy in self.measured.index],
        )
        if self.trial is not None:
            both = own["weight_bytes"] + full["peak_bytes"]
            rescoring = own["seconds"] + self.trial.rescored * full["seconds"]
            table.loc[VERIFIED.name, ["seconds", "bytes"]] = rescoring, both
        return table

    @cached_property
    def engines(self) -> pd.DataFrame:
        """``effects`` of the path and of every engine that was run here.

        Engines' paths are those in the forward dtypes of the logits.
        """
        known = [path for engine in run_engines() for path in engine.paths.values()]
        known = [self.path, *known] if self.is_named else known
        scored = set(self.logits["forward_dtype"])
        paths = [path for path in dict.fromkeys(known) if path.forward_dtype in scored]
        return effects(self.logits, paths, k=self.k)

    @cached_property
    def formats(self) -> pd.DataFrame:
        """Every forward format held to float32, by :func:`analysis.shifts.format_shifts`.

        ``format`` is the format itself. No rows where none is set beside.
        """
        if self.beside is None:
            return pd.DataFrame(columns=["format"])
        table = format_shifts(self.everything, k=self.k)
        return table.assign(format=table["forward_format"].map(as_format))

    @cached_property
    def advice(self) -> dict[str, Recommendation]:
        """What to do about each forward format set beside, by its name.

        Weighed on a float32 sigmoid of its logits, with the formats that were scored.
        """
        path = ScorePath("float32")
        return {
            one.name: recommend(self.everything, path, forward_format=one, k=self.k)
            for one in self.formats["format"]
            if not one.is_torch
        }

    @property
    def everything(self) -> pd.DataFrame:
        """The logits of the answer and those set beside."""
        parts = [self.logits] if self.beside is None else [self.logits, self.beside]
        return pd.concat(parts, ignore_index=True)

    @property
    def ungraded(self) -> int:
        """Pairs whose grade is not known."""
        return int(self.candidates.pairs["grade"].isna().sum())

    @property
    def worst_query(self) -> object:
        """The query with most candidates tied in its top k, or else the first."""
        scored = apply(self.logits, self.path)
        tied = (scored["tie_size"] > 1) & (scored["rank"] <= self.k)
        return tied.groupby(scored["query_id"], sort=False).sum().idxmax()


def subject(path: str | ScorePath | None, dtypes: Sequence[str]) -> ScorePath:
    """The path that a report is about: the one given, or the first usual one in these dtypes."""
    if path is not None:
        return path_of(path)
    usual = [path_of(text) for text in _USUAL]
    return next((one for one in usual if one.forward_dtype in dtypes), ScorePath(dtypes[0]))


def answer(
    candidates: RerankingSet,
    reranker: Reranker,
    path: ScorePath,
    logits: pd.DataFrame,
    kept: Path,
    *,
    is_named: bool = False,
) -> Answer:
    """Answer for a path; ``logits`` are those of the set, in every forward format.

    The forward passes are measured once: the folder ``kept`` holds what they took.
    """
    dtypes = list(dict.fromkeys([path.forward_dtype, "float32"]))
    device = describe(reranker.device)
    key = [reranker.identity(), candidates.sha256, reranker.length, dtypes, device, libraries()]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    file = kept / f"speed-{digest[:16]}.parquet"
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        speed = measure_speed(candidates, reranker, dtypes, batch_sizes=(), repeats=1)
        with replacing(file) as temporary:
            speed.to_parquet(temporary, index=False)
    is_usual = pd.Series([as_format(text).name in FORWARD_DTYPES for text in format_texts(logits)])
    own, others = logits[is_usual], logits[~is_usual]
    speed = pd.read_parquet(file)
    beside = None if others.empty else others
    return Answer(candidates, reranker, path, own, speed, is_named, beside=beside)
