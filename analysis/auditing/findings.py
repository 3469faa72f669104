"""What an audit finds in scores: saturation, ties, the score path, what it hides.

:func:`audit` puts it all into one :class:`Findings`, which the terminal summary, the page, the
conditions and the JSON report read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.auditing.sources import Scored
from analysis.fingerprinting import Verdict, fingerprint
from analysis.formats import is_wide
from analysis.hidden import Hidden, hidden_logits
from analysis.remedies import Situation, recommend
from analysis.remedies.effects import reordered, tied_in_top
from analysis.scorepath import ScorePath
from analysis.ties import moved, ranks, score_frame, summary, tie_groups, with_tie_groups

TOP_K = 10
"""How many ranks of each query the report looks at; a condition may name others."""

HPS = ScorePath(name="float32 sigmoid (HPS)")
RAW = ScorePath("float64", "none", "float64", "float64", name="raw logits")
FLOAT32 = ScorePath(name="float32 throughout")


@dataclass(frozen=True)
class Counts:
    """Saturation and ties of one set of scores, over all queries.

    ``ones`` and ``zeros``: candidates whose score is exactly 1.0 or 0.0 (none where scores are
    raw logits); ``tied``: candidates that share their score with another of their query;
    ``tied_in_top``: for each k, those of them whose tie group reaches into the first k ranks;
    ``queries_with_tied_first``: queries whose first place is shared.
    """

    queries: int
    scores: int
    ones: int
    zeros: int
    tied: int
    tied_in_top: dict[int, int]
    queries_with_tied_first: int

    @property
    def saturated(self) -> int:
        """Candidates with a score of exactly 1.0 or 0.0."""
        return self.ones + self.zeros


@dataclass(frozen=True)
class Alternative:
    """What another path would make of the same candidates.

    ``first_lost``: queries whose first candidate there is not, alone, the first one here;
    None for the path that is audited itself.
    """

    name: str
    counts: Counts
    first_lost: int | None


@dataclass(frozen=True)
class Findings:
    """Everything that an audit reports.

    ``path`` is the score path that was applied, or else the one that the fingerprint names, or
    one of several that differ in no more than the last bit of a float32 sigmoid; None otherwise.
    ``ties`` has one row per tie group that reaches into the top :data:`TOP_K`, those of most
    candidates first: ``query_id, score, size, first_rank, last_rank``. ``alternatives`` is empty
    where logits are unknown, and otherwise begins with the scores as they are.
    """

    scored: Scored
    verdict: Verdict
    path: ScorePath | None
    counts: Counts
    ties: pd.DataFrame
    hidden: Hidden | None
    alternatives: tuple[Alternative, ...]
    remedy: str


def audit(scored: Scored, ks: Iterable[int] = ()) -> Findings:
    """Audit scores; ``ks`` are further k for which ties in the top k are counted."""
    ks = sorted({TOP_K, *ks})
    frame = with_tie_groups(scored.frame)
    logits = scored.frame["logit"].to_numpy() if scored.has_logits else None
    verdict = fingerprint(scored.frame["score"].to_numpy(), logits)
    path = scored.path or verdict.path or _agreed(verdict.paths)
    bounded = verdict.kind != "logits"
    counts = count(frame, ks, bounded=bounded)
    groups = tie_groups(frame)
    in_top = groups[groups["first_rank"] <= TOP_K]
    found_alternatives = alternatives(scored, counts, ks) if scored.has_logits else ()
    return Findings(
        scored=scored,
        verdict=verdict,
        path=path,
        counts=counts,
        ties=in_top.sort_values("size", ascending=False, kind="stable").reset_index(drop=True),
        hidden=_hidden(scored, path, frame, verdict),
        alternatives=found_alternatives,
        remedy=str(recommend(_situation(scored, verdict, path, counts, found_alternatives))),
    )


def count(frame: pd.DataFrame, ks: Iterable[int], *, bounded: bool = True) -> Counts:
    """Count saturation and ties of a frame with tie groups.

    ``ks`` has one k at least; ``bounded`` is false for raw logits, which cannot saturate.
    """
    by_k = {k: summary(frame, k) for k in ks}
    of_any = next(iter(by_k.values()))
    return Counts(
        queries=frame["query_id"].nunique(),
        scores=len(frame),
        ones=int(of_any["saturated"]) if bounded else 0,
        zeros=int((frame["score"] == 0.0).sum()) if bounded else 0,
        tied=int(of_any["tied"]),
        tied_in_top={k: int(found[f"tied_in_top_{k}"]) for k, found in by_k.items()},
        queries_with_tied_first=int(of_any["queries_with_tied_first"]),
    )


def top_scores(frame: pd.DataFrame) -> np.ndarray:
    """Scores of the candidates that stand, or could stand, in the first ranks of their query."""
    ranks = frame.groupby("query_id", sort=False)["score"].rank(method="min", ascending=False)
    return frame.loc[ranks <= TOP_K, "score"].to_numpy()


def alternatives(scored: Scored, counts: Counts, ks: list[int]) -> tuple[Alternative, ...]:
    """Count what better paths would make of known logits.

    HPS and raw logits take the logits that the scores came from; float32 throughout takes those
    of a float32 forward pass, where there are any.
    """
    ids, own = scored.frame[["query_id", "passage_id"]], scored.frame["logit"]
    as_it_is = with_tie_groups(scored.frame.assign(rank=ranks(scored.frame, "input order")))
    candidates = [(HPS, own), (RAW, own)]
    if scored.float32_logits is not None:
        candidates.append((FLOAT32, scored.float32_logits))
    found = [Alternative("as it is", counts, None)]
    for path, logits in candidates:
        # A half type's logits are float32 values, so this rounding changes none of them.
        frame = score_frame(ids.assign(forward_dtype=path.forward_dtype, logit=logits), path)
        first_lost = moved(frame, as_it_is)["first_lost"]
        made = count(frame, ks, bounded=path.formula != "none")
        found.append(Alternative(path.name, made, first_lost))
    return tuple(found)


def _agreed(paths: tuple[ScorePath, ...]) -> ScorePath | None:
    """First of the paths if all run in the same dtypes and evaluate a wide sigmoid."""
    dtypes = {(path.forward_dtype, path.activation_dtype) for path in paths}
    return paths[0] if len(dtypes) == 1 and is_wide(paths[0].activation_dtype) else None


def _hidden(
    scored: Scored, path: ScorePath | None, frame: pd.DataFrame, verdict: Verdict
) -> Hidden | None:
    if path is None:
        return None
    scores = top_scores(frame)
    if scored.path is not None:
        return hidden_logits(path, scores)
    return hidden_logits(path, scores, verdict.decimals, verdict.calibration or 1.0)


def _situation(
    scored: Scored,
    verdict: Verdict,
    path: ScorePath | None,
    counts: Counts,
    found: tuple[Alternative, ...],
) -> Situation:
    """What a recommendation is made from, as far as logits are known."""
    tied = {item.name: item.counts.tied_in_top[TOP_K] for item in found}
    situation = Situation(
        path=path,
        saturated=counts.saturated,
        tied_in_top=counts.tied_in_top[TOP_K],
        tied_hps=tied.get(HPS.name),
        tied_raw=tied.get(RAW.name),
        queries=counts.queries,
        verdict=verdict,
        k=TOP_K,
    )
    if scored.float32_logits is None:
        return situation
    own, float32 = (
        with_tie_groups(scored.frame.assign(score=logits))
        for logits in (scored.frame["logit"], scored.float32_logits)
    )
    return replace(
        situation,
        tied_float32=tied_in_top(float32, TOP_K),
        reordered=reordered(float32, own, TOP_K),
    )
