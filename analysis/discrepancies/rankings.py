"""What a difference does to the ranking: who moves, who ties, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.agreements import agreement
from analysis.comparisons import compare_measures
from analysis.counting import count
from analysis.frames import KEYS
from analysis.metrics import evaluate

TOP_K = 10
_COLUMNS = [*KEYS, "score"]


@dataclass(frozen=True)
class Rankings:
    """Two rankings of the same pairs; a place is the span of ranks that a tie group occupies.

    ``moved`` counts candidates whose mean rank differs, ``reordered`` queries whose first
    :data:`TOP_K` places do, ``first_changed`` those whose first place does; ``tied`` the candidates
    that share a score in each ranking; ``kendall`` is the mean τ-b over queries (NaN where none has
    one). ``measures`` is the table of :func:`analysis.comparisons.compare_measures`, None without
    grades or for fewer than two queries.
    """

    candidates: int
    queries: int
    moved: int
    reordered: int
    first_changed: int
    tied: tuple[int, int]
    kendall: float
    measures: pd.DataFrame | None = None


def compare_rankings(
    first: pd.DataFrame, second: pd.DataFrame, grades: pd.DataFrame | None = None
) -> Rankings:
    """Compare two frames ``query_id, passage_id, score`` of the same pairs.

    ``grades`` has ``query_id, passage_id, grade``, none missing.
    """
    first, second = first[_COLUMNS], second[_COLUMNS]
    counts = count(second, first, k=TOP_K, bounded=False, tie_rule="expected")
    return Rankings(
        candidates=counts["candidates"],
        queries=counts["queries"],
        moved=counts["moved"],
        reordered=counts["reordered"],
        first_changed=_first_changed(first, second),
        tied=(count(first, k=TOP_K, bounded=False)["tied"], counts["tied"]),
        kendall=float(agreement(first, second, TOP_K)["kendall_tau_b"].mean()),
        measures=_measures(first, second, grades),
    )


def _first_changed(first: pd.DataFrame, second: pd.DataFrame) -> int:
    """Queries in which not the same candidates are first, alone or tied."""
    best = [
        one.groupby("query_id")["score"].transform("max") == one["score"] for one in (first, second)
    ]
    differs = best[0].to_numpy() != best[1].to_numpy()
    return int(first.loc[differs, "query_id"].nunique())


def _measures(
    first: pd.DataFrame, second: pd.DataFrame, grades: pd.DataFrame | None
) -> pd.DataFrame | None:
    if grades is None or first["query_id"].nunique() < 2:
        return None
    worth = [evaluate(one, grades, [f"nDCG@{TOP_K}"]) for one in (first, second)]
    return compare_measures(*worth)
