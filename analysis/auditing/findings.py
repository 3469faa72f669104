"""What an audit finds in scores: saturation, ties, the score path, what it hides, the remedy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.auditing.conditions import Condition
from analysis.auditing.sources import Scored
from analysis.counting import added_up, count, effects_table
from analysis.errors import InputError
from analysis.fingerprinting import Verdict, fingerprint
from analysis.fingerprinting.evidence import DECIDED
from analysis.formats import is_wide
from analysis.remedies import table
from analysis.remedies.recommendation import Recommendation, recommended
from analysis.remedies.situation import Situation, told_apart
from analysis.scorepath import ScorePath
from analysis.steps import Hidden, hidden_logits
from analysis.ties import first_ranks, tie_groups, tied_in_top, with_tie_groups

TOP_K = 10
"""How many ranks of each query the report looks at; a condition may name others."""
MOST_GROUPS = 1_000
"""Tie groups that are kept of scores larger than memory."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that an audit reports.

    ``path`` is the score path that was applied, or else the one that the fingerprint names, or
    one of several that differ in no more than the last bit of a float32 sigmoid; None otherwise.
    ``effects`` is a table of :mod:`analysis.counting` indexed by remedy: the scores as they are,
    and under better paths where logits are known; its reference is the order of the best logits
    known, a float32 network's or those given. ``ties`` has one row per tie group that reaches into
    the top :data:`TOP_K`, those of most candidates first: ``query_id, score, size, first_rank,
    last_rank``; no more than :data:`MOST_GROUPS` of scores larger than memory. ``hidden`` is None
    where the path is unknown, or cannot have made the scores. Of scores larger than memory the
    path and what it hides are those of a sample, all else is counted over all.
    """

    scored: Scored
    verdict: Verdict
    path: ScorePath | None
    effects: pd.DataFrame
    ties: pd.DataFrame
    hidden: Hidden | None
    recommendation: Recommendation
    _tied: dict[int, int] = field(default_factory=dict, repr=False)

    def counted(self, column: str) -> int:
        """One of the counts of the scores as they are; saturation of logits counts as 0."""
        value = self.effects.iloc[0][column]
        return 0 if pd.isna(value) else int(value)

    def tied_in_top(self, k: int) -> int:
        """Candidates of tie groups that reach into the first ``k`` ranks."""
        if k not in self._tied:
            self._tied[k] = sum(
                int(tied_in_top(part.frame, k).sum()) for part in self.scored.parts()
            )
        return self._tied[k]

    @property
    def saturated(self) -> int:
        """Candidates with a score of exactly 1.0 or 0.0."""
        return self.counted("ones") + self.counted("zeros")

    @property
    def may_be_list_best(self) -> bool:
        """Whether a score of 1.0 may as well be the best of its query, divided by itself.

        Where the fingerprint cannot tell, and 1.0 (100 of percentages) stands once in every query.
        """
        kind, after = self.verdict.kind, self.verdict.stage("after")
        unknown = kind == "cannot tell" or (kind == "percent" and not after.certain)
        if self.path is not None or not unknown or self.saturated != self.counted("queries"):
            return False
        return all(_has_one_each(part.frame, self.verdict.unit) for part in self.scored.parts())

    @property
    def top_scores(self) -> np.ndarray:
        """Scores of the candidates that stand, or could stand, in the first ranks, shape (n,).

        Of scores larger than memory those of the sample.
        """
        frame = self.scored.frame
        return frame.loc[first_ranks(frame) <= TOP_K, "score"].to_numpy()

    def value(self, condition: Condition | str) -> float:
        """Return the count, or the shift in logits, that a condition is about.

        Raises :class:`InputError` for a shift that was not measured.
        """
        parsed = Condition.of_text(condition)
        if parsed.is_batch_shift:
            if self.scored.batch_shift is None:
                raise InputError(
                    "no batch shift was measured",
                    "audit a running server whose scores are no constants, or a model in a forward "
                    "format of another runtime",
                    field="condition",
                )
            return self.scored.batch_shift
        if parsed.k is not None:
            return self.tied_in_top(parsed.k)
        return self.saturated if parsed.column == "saturated" else self.counted(parsed.column)

    def holds(self, condition: Condition | str) -> bool:
        """Whether a condition such as ``"saturated>0"`` holds, so that a pipeline should stop."""
        parsed = Condition.of_text(condition)
        return parsed.holds(self.value(parsed))


def findings(scored: Scored) -> Findings:
    """Audit scores, whatever their source."""
    frame = scored.frame
    logits = frame["logit"].to_numpy() if scored.has_logits else None
    if logits is not None and scored.path is not None and scored.path.head.gives_logit:
        logits = scored.path.logits(logits)  # a difference is rounded before the sigmoid sees it
    verdict = fingerprint(
        frame["score"].to_numpy(), logits, queries=frame["query_id"], decimals=scored.decimals
    )
    path = scored.path or _known(verdict)
    unit = 1.0 if scored.path else verdict.unit
    bounded = path.saturates if path else verdict.bounded
    effects, ties, shared = _over_all(scored, bounded=bounded, unit=unit)
    exactly = apart = None
    if scored.float32_logits is not None:
        exactly = int(tied_in_top(frame.assign(score=scored.float32_logits), TOP_K).sum())
        apart = told_apart(frame, scored.float32_logits, TOP_K)
    own = scored.forward_format
    situation = Situation(
        path,
        effects,
        shared,
        k=TOP_K,
        exactly=exactly,
        apart=apart,
        verdict=verdict,
        forward_format=None if own is None or own.is_torch else own,
    )
    return Findings(
        scored=scored,
        verdict=verdict,
        path=path,
        effects=effects,
        ties=ties,
        hidden=None if path is None else _hidden(scored, path, verdict),
        recommendation=recommended(situation),
    )


def _over_all(
    scored: Scored, *, bounded: bool, unit: float
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Effects, tie groups in the top and the scores that tie there (n,), over all scores."""
    effects, ties, shared = [], [], []
    for part in scored.parts():
        effects.append(_effects(part, bounded=bounded, unit=unit))
        groups = tie_groups(with_tie_groups(part.frame))
        ties = [_largest([*ties, groups[groups["first_rank"] <= TOP_K]])]
        if part is not scored:
            ties = [ties[0].head(MOST_GROUPS)]
        tied = part.frame.loc[tied_in_top(part.frame, TOP_K), "score"]
        shared = [pd.unique(np.concatenate([*shared, tied.to_numpy()]))]
    table = added_up(effects, ["remedy"]).set_index("remedy")
    return table, ties[0], shared[0] / unit


def _largest(groups: list[pd.DataFrame]) -> pd.DataFrame:
    """Tie groups, those of most candidates first."""
    keys = {"size": False, "query_id": True, "first_rank": True}
    return pd.concat(groups).sort_values(
        list(keys), ascending=list(keys.values()), ignore_index=True
    )


def _has_one_each(frame: pd.DataFrame, unit: float) -> bool:
    """Whether the score that stands for 1 is there once in every query."""
    return bool(frame["score"].eq(unit).groupby(frame["query_id"]).sum().eq(1).all())


def _effects(scored: Scored, *, bounded: bool, unit: float) -> pd.DataFrame:
    """Count the scores as they are and, where logits are known, under better paths.

    HPS and raw logits take the logits that the scores came from; float32 throughout takes those
    of a float32 forward pass, where there are any. Scores without a sigmoid stay without one.
    ``unit`` is the score that stands for 1.
    """
    frame, best = scored.frame, None
    runs = {table.AS_IT_IS: (frame["score"] / unit, bounded)}
    wide = ScorePath("float64", "fused", "float32", "float32")
    if scored.has_logits:
        own = best = frame["logit"]
        if bounded:
            runs[table.HPS.name] = (wide.scores(own), True)
        runs[table.RAW.name] = (own, False)
    if scored.float32_logits is not None:
        best = scored.float32_logits
        runs[table.FLOAT32.name] = (wide.scores(best) if bounded else best, bounded)
    reference = None if best is None else frame.assign(score=best)
    counted = {
        name: count(frame.assign(score=scores), reference, k=TOP_K, bounded=has_sigmoid)
        for name, (scores, has_sigmoid) in runs.items()
    }
    return effects_table(counted.items(), "remedy")


def _known(verdict: Verdict) -> ScorePath | None:
    """The path of a verdict that is decided: the one found, or the first of some all but alike.

    Alike are those that run in the same dtypes, which are certain, and evaluate a wide sigmoid;
    nothing else was done to the logits.
    """
    if verdict.kind == "cannot tell" or verdict.odds < DECIDED or verdict.stage("after").certain:
        return None
    forward = verdict.stage("forward dtype").values
    dtypes = {(path.forward_dtype, path.activation_dtype) for path in verdict.paths}
    alike = len(dtypes) == 1 and is_wide(verdict.paths[0].activation_dtype)
    alike = alike and forward == (verdict.paths[0].forward_dtype,)
    return verdict.path or (verdict.paths[0] if alike else None)


def _hidden(scored: Scored, path: ScorePath, verdict: Verdict) -> Hidden | None:
    frame = scored.frame
    scores = frame.loc[first_ranks(frame) <= TOP_K, "score"].to_numpy()
    if scored.path is not None:
        return hidden_logits(path, scores)
    return hidden_logits(path, scores, verdict.decimals, verdict.calibration or 1.0)
