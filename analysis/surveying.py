"""What is in a set, before anything is scored: how much, which grades, what stands twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.datasets import RerankingSet
from analysis.errors import counted, quoted

_LISTED_GRADES = 12


@dataclass(frozen=True, eq=False)
class Lengths:
    """Tokens of each pair in a model's tokeniser, shape (n_pairs,), and where they are cut."""

    model: str
    tokens: NDArray[np.int64]
    limit: int

    @property
    def n_cut(self) -> int:
        """Pairs that are longer than the limit."""
        return int((self.tokens > self.limit).sum())


def survey(candidates: RerankingSet, lengths: Lengths | None = None) -> Iterator[str]:
    """Say what is in a set, a line each, the most important first.

    Texts of data stand in the lines as they are.
    """
    known = candidates.pairs["grade"].notna()
    graded = "all graded" if known.all() else "not all graded" if known.any() else "not graded"
    queries = counted(candidates.n_queries, "query", "queries")
    yield f"{candidates.name}: {queries}, {counted(candidates.n_pairs, 'pair')}, {graded}"
    yield f"candidates per query: {_spread(candidates.pairs.groupby('query_id').size())}"
    yield f"grades: {_grades(candidates.pairs['grade'])}"
    if lengths is not None:
        yield f"tokens per pair ({lengths.model}): {_tokens(lengths)}"
    yield from _doubtful(candidates)
    yield from candidates.notes
    for query_id in candidates.queries_without_candidates:
        yield f"query {query_id} has no candidates and is left out"


def _same_passages(pairs: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows of each text that stands under several passage ids of one query."""
    again = pairs[pairs.duplicated(["query_id", "passage"], keep=False)]
    return [rows for _, rows in again.groupby(["query_id", "passage"], sort=False)]


def _same_queries(pairs: pd.DataFrame) -> list[list[str]]:
    """Ids of each query text that several queries have."""
    queries = pairs.drop_duplicates("query_id")
    again = queries[queries.duplicated("query", keep=False)]
    return [rows["query_id"].tolist() for _, rows in again.groupby("query", sort=False)]


def without_relevant(pairs: pd.DataFrame) -> list[str]:
    """Ids of the queries that are wholly graded, and no passage above 0."""
    highest = pairs.groupby("query_id", sort=False)["grade"].agg(lambda one: one.max(skipna=False))
    return highest.index[(highest == 0).fillna(False)].tolist()


def _spread(numbers: pd.Series) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,} (median {numbers.median():,.0f})"


def _grades(grades: pd.Series) -> str:
    """How many pairs have each grade; of many grades, the range."""
    counts = grades.value_counts().sort_index()
    missing = int(grades.isna().sum())
    said = [f"{grade:g} ({number:,}×)" for grade, number in counts.items()]
    if len(said) > _LISTED_GRADES:
        said = [f"{counts.index[0]:g} to {counts.index[-1]:g}, {len(counts):,} different ones"]
    if missing:
        said.append(f"missing ({missing:,}×)")
    return ", ".join(said)


def _tokens(lengths: Lengths) -> str:
    spread = _spread(pd.Series(lengths.tokens))
    n_cut, limit = lengths.n_cut, f"{lengths.limit:,} tokens"
    if not n_cut:
        return f"{spread}; no pair is cut at {limit}"
    share = n_cut / len(lengths.tokens)
    return f"{spread}; {counted(n_cut, 'pair')} ({share:.1%}) will be cut at {limit}"


def _doubtful(candidates: RerankingSet) -> Iterator[str]:
    """What is allowed, and may not be meant."""
    if texts := _same_passages(candidates.pairs):
        first, second = texts[0]["passage_id"].iloc[:2]
        query = texts[0]["query_id"].iloc[0]
        yield (
            f"duplicates: {counted(len(texts), 'text')} under several ids of one query, whose "
            f"scores rounding alone can tell apart (the first: {quoted(first)} and "
            f"{quoted(second)} of query {quoted(query)})"
        )
    if queries := _same_queries(candidates.pairs):
        first, second = queries[0][:2]
        yield (
            f"duplicates: {counted(len(queries), 'query text')} under several ids (the first: "
            f"{quoted(first)} and {quoted(second)})"
        )
    if not texts and not queries:
        yield "duplicates: none"
    if empty := int((candidates.pairs["passage"].str.strip() == "").sum()):
        yield f"{counted(empty, 'passage')} without a text"
    if irrelevant := without_relevant(candidates.pairs):
        yield (
            f"{counted(len(irrelevant), 'query', 'queries')} with no grade above 0 (the first: "
            f"{quoted(irrelevant[0])})"
        )
