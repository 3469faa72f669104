"""What a difference does to the ranking: who moves, who ties, and what it is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.agreements import kendall_tau_b
from analysis.comparisons import compare_measures
from analysis.counting import count
from analysis.frames import KEYS
from analysis.metrics import evaluate
from analysis.metrics.sums import Floats

TOP_K = 10
_COLUMNS = [*KEYS, "score"]
_ADDED = ("candidates", "queries", "moved", "reordered", "first_changed")


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
    """Compare two frames ``query_id, passage_id, score`` of the same pairs, in the same order.

    ``grades`` has ``query_id, passage_id, grade``, none missing.
    """
    return added_rankings([(first, second, grades)])


def added_rankings(
    parts: Iterable[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]],
) -> Rankings:
    """Compare two rankings in parts, each of whole queries, as :func:`compare_rankings` takes them.

    One part at a time is in memory, beside a few numbers per query. There is one part at least.
    """
    counts, agreed, worth = Counter[str](), [], []
    for first, second, grades in parts:
        ours, theirs = first[_COLUMNS], second[_COLUMNS]
        counts.update(_counts(ours, theirs))
        agreed.append(_agreements(ours, theirs))
        worth.append(None if grades is None else _worth(ours, theirs, grades))
    return Rankings(
        **{name: counts[name] for name in _ADDED},
        tied=(counts["tied_first"], counts["tied_second"]),
        kendall=float(pd.Series(np.concatenate(agreed)).mean()),
        measures=_measures(worth) if counts["queries"] > 1 else None,
    )


def _counts(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, int]:
    """What adds up over queries."""
    counts = count(second, first, k=TOP_K, bounded=False, tie_rule="expected")
    return {
        **{name: counts[name] for name in _ADDED if name in counts},
        "first_changed": _first_changed(first, second),
        "tied_first": count(first, k=TOP_K, bounded=False)["tied"],
        "tied_second": counts["tied"],
    }


def _agreements(first: pd.DataFrame, second: pd.DataFrame) -> Floats:
    """Kendall's τ-b of each query, shape (n_queries,)."""
    rows = first.groupby("query_id", sort=False).indices.values()
    scores = first["score"].to_numpy(), second["score"].to_numpy()
    return np.array([kendall_tau_b(*(one[query] for one in scores)) for query in rows])


def _first_changed(first: pd.DataFrame, second: pd.DataFrame) -> int:
    """Queries in which not the same candidates are first, alone or tied."""
    best = [
        one.groupby("query_id")["score"].transform("max") == one["score"] for one in (first, second)
    ]
    differs = best[0].to_numpy() != best[1].to_numpy()
    return int(first.loc[differs, "query_id"].nunique())


def _worth(
    first: pd.DataFrame, second: pd.DataFrame, grades: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return tuple(evaluate(one, grades, [f"nDCG@{TOP_K}"]) for one in (first, second))


def _measures(worth: list[tuple[pd.DataFrame, pd.DataFrame] | None]) -> pd.DataFrame | None:
    """The measures of all parts; None where grades of one are not known."""
    if any(one is None for one in worth):
        return None
    first, second = (pd.concat(tables) for tables in zip(*worth, strict=True))
    return compare_measures(first, second)
