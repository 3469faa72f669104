"""Where the first relevant passage stands: its distribution over tie orders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.metrics.groups import TieGroups
from analysis.metrics.sums import Floats, Ints, PrefixSums, ranges


@dataclass(frozen=True)
class FirstHits:
    """Places that the first relevant passage can take within the cut-off, with probabilities.

    It stands in a query's first group with relevant passages: r of n, below c others. ``query``,
    ``place`` and ``probability`` have one element per possible place; ``missed`` (n_queries,) is
    the probability that there is no relevant passage within the cut-off.
    """

    query: Ints
    place: Ints
    probability: Floats
    missed: Floats

    @classmethod
    def of_groups(cls, groups: TieGroups, cutoff: int | None) -> FirstHits:
        """Walk down each query's first group with a relevant passage.

        The probability of i places without a hit is Π (n − r − j)/(n − j) over j < i.
        """
        first = groups.first_relevant()
        lengths = np.minimum(first.within(cutoff), first.size - first.relevant + 1)
        owner, offset = ranges(lengths)
        left = first.size[owner] - offset
        relevant = first.relevant[owner]
        # The step to offset i multiplies by 1 - r/(n - i + 1); offset 0 is reached for certain.
        steps = np.log1p(-relevant / (left + 1)) * (offset > 0)
        index = np.arange(len(owner))
        reached = np.exp(PrefixSums(steps).between(index - offset, index + 1))
        last = offset == lengths[owner] - 1
        query = first.query[owner]
        missed = np.ones(groups.n_queries)
        missed[query[last]] = (reached * ((left - relevant) / left))[last]
        place = first.above[owner] + offset + 1
        return cls(query, place, reached * (relevant / left), missed)

    def per_query(self, values: Floats) -> Floats:
        """Sums of ``values`` over each query's places, shape (n_queries,)."""
        return np.bincount(self.query, weights=values, minlength=len(self.missed))
