"""Tie groups that hold graded passages: all that a measure needs to know about a ranking.

A passage with a grade above 0 brings that gain; whether it is also *relevant* is a question of the
threshold. Gains are float64, so that grades may have fractions and be large.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.sums import Floats, Ints


@dataclass(frozen=True)
class TieGroups:
    """Tie groups with at least one gain, by query and from the best score down.

    Groups without one add nothing to any measure and are left out; they are seen in ``above``.
    All arrays have the shape (n_groups,). A ranking without ties is the special case of groups of
    size 1 (:meth:`of_places`): an expected value there is *the* value.
    """

    n_queries: int
    query: Ints
    """Position of the group's query, ascending."""
    size: Ints
    """Passages in the group."""
    relevant: Ints
    """Relevant passages in the group."""
    above: Ints
    """Passages of the query with a better score."""
    relevant_above: Ints
    """Relevant passages of the query with a better score."""
    gain: Floats
    """Sum of the gains."""
    unequal: Floats
    """Size times Σ(gain − mean gain)²: exactly 0 where all passages of the group are alike."""

    @classmethod
    def of_places(
        cls, n_queries: int, query: Ints, place: Ints, gain: Floats, relevant: NDArray[np.bool_]
    ) -> TieGroups:
        """Make a ranking without ties: one group per passage with a gain; ``place`` is its rank.

        The arrays must be sorted by query, then by place.
        """
        one = np.ones(len(query), dtype=np.int64)
        return cls(
            n_queries,
            query,
            size=one,
            relevant=relevant.astype(np.int64),
            above=place - 1,
            relevant_above=earlier_within(query, relevant),
            gain=gain,
            unequal=np.zeros(len(query)),
        )

    def within(self, cutoff: int | None) -> Ints:
        """How many places of each group lie within the first ``cutoff`` ranks (None: all)."""
        return self.size if cutoff is None else np.clip(cutoff - self.above, 0, self.size)

    def per_query(self, values: Floats) -> Floats:
        """Sums of ``values`` (n_groups,) over each query's groups, shape (n_queries,)."""
        return np.bincount(self.query, weights=values, minlength=self.n_queries)

    def first_relevant(self) -> TieGroups:
        """Keep each query's first group with a relevant passage."""
        relevant = self.where(self.relevant > 0)
        return relevant.where(rank_within(relevant.query) == 0)

    def where(self, chosen: NDArray[np.bool_]) -> TieGroups:
        """Keep the ``chosen`` groups."""
        columns = (getattr(self, item.name)[chosen] for item in fields(self)[1:])
        return TieGroups(self.n_queries, *columns)


@dataclass(frozen=True)
class Judgements:
    """What the qrels alone say: the number of relevant passages per query, and the best ranking.

    ``n_relevant`` has the shape (n_queries,); ``ideal`` ranks every judged passage with a gain,
    retrieved or not, by falling grade.
    """

    n_relevant: Ints
    ideal: TieGroups

    @classmethod
    def of_grades(
        cls, n_queries: int, query: Ints, grade: Floats, relevant_from: float
    ) -> Judgements:
        """Collect judged passages, given by their query's position and their grade (above 0)."""
        order = np.lexsort((-grade, query))
        query, grade = query[order], grade[order]
        relevant = grade >= relevant_from
        place = rank_within(query) + 1
        ideal = TieGroups.of_places(n_queries, query, place, grade, relevant)
        return cls(np.bincount(query[relevant], minlength=n_queries), ideal)


def order_keys(query: Ints, score: Floats) -> NDArray[np.uint64]:
    """One number per row that ascends by query, then by falling score; equal where tied."""
    return (query.astype(np.uint64) << np.uint64(32)) | _falling(score)


def _falling(score: Floats) -> NDArray[np.uint64]:
    """Whole numbers below 2³² that fall as the scores rise, equal where the scores are.

    Where float32 holds every score, that is any path's scores but those stored as float64, its bit
    patterns will do, which are in order once the sign is taken care of; otherwise ranks.
    """
    with np.errstate(over="ignore"):
        narrow = score.astype(np.float32)
    if not np.array_equal(narrow, score):
        rank = np.unique(score, return_inverse=True)[1]
        return (rank.max() - rank).astype(np.uint64)
    bits = (narrow + np.float32(0)).view(np.uint32)  # adding 0 makes -0.0 the same as 0.0
    sign = np.uint32(1 << 31)
    return np.where(bits & sign, bits, ~(bits | sign)).astype(np.uint64)


def rank_within(block: Ints) -> Ints:
    """Position of each element within its run of equal values, counted from 0."""
    index = np.arange(len(block))
    begins = np.ones(len(block), dtype=bool)
    begins[1:] = block[1:] != block[:-1]
    return index - np.maximum.accumulate(np.where(begins, index, 0))


def earlier_within(block: Ints, counted: NDArray[np.bool_]) -> Ints:
    """How many ``counted`` elements stand before each one in its run of equal values."""
    before = np.cumsum(counted) - counted
    return before - before[np.arange(len(block)) - rank_within(block)]
