"""The orders that ties allow: the groups of a run, and its best, worst and rule-broken order.

Scores are sorted once, as values; everything else concerns the passages with a gain, which are few.
For every measure here the best order puts a group's gains first, by falling grade, and the worst
last, by rising grade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import InputError
from analysis.metrics.groups import TieGroups, earlier_within, rank_within
from analysis.metrics.judged import JudgedRun
from analysis.metrics.sums import Floats, Ints
from analysis.scorepath import TieRule

ORDERING_RULES: tuple[TieRule, ...] = tuple(
    rule for rule in get_args(TieRule) if rule != "expected"
)
"""Tie rules that give one order; ``expected`` is what the other columns are about."""


@dataclass(frozen=True, eq=False)
class Retrieved:
    """The passages of a run that have a gain, by query, falling score and falling grade.

    ``keys`` (n_rows,) are the run's, equal where passages tie. The other arrays have the shape
    (n_retrieved,): ``row`` in the run, ``query``, ``gain``, whether it is ``relevant``, and of the
    passage's tie group its ``size`` and the number of passages ``above`` it; ``within`` counts
    the gains of the group from 0.
    """

    run: JudgedRun
    keys: NDArray[np.uint64]
    row: Ints
    query: Ints
    gain: Floats
    relevant: NDArray[np.bool_]
    size: Ints
    above: Ints
    within: Ints

    @classmethod
    def of_run(cls, run: JudgedRun) -> Retrieved:
        """Find the passages with a gain and their tie groups."""
        keys = run.order_keys()
        row = np.flatnonzero(run.grade)
        row = row[np.lexsort((-run.grade[row], keys[row]))]
        ordered = np.sort(keys)
        first = np.searchsorted(ordered, keys[row], side="left")
        size = np.searchsorted(ordered, keys[row], side="right") - first
        query = run.query[row]
        rows_of = np.bincount(run.query, minlength=run.n_queries)
        above = first - (np.cumsum(rows_of) - rows_of)[query]
        gain, within = run.grade[row], rank_within(keys[row])
        relevant = gain >= run.relevant_from
        return cls(run, keys, row, query, gain, relevant, size, above, within)

    def groups(self) -> TieGroups:
        """Tie groups with a gain, every order of their members being possible."""
        first = np.flatnonzero(self.within == 0)
        return TieGroups(
            n_queries=self.run.n_queries,
            query=self.query[first],
            size=self.size[first],
            relevant=_block_sums(self.relevant.astype(np.int64), first),
            above=self.above[first],
            relevant_above=earlier_within(self.query, self.relevant)[first],
            gain=_block_sums(self.gain, first),
            unequal=self._unequal(first),
        )

    def _unequal(self, first: Ints) -> Floats:
        """How unequal the gains g of each group are: n Σ(g − ḡ)² (:class:`TieGroups`).

        As n Σd² − (Σd)² of the distances d to the group's best gain this is exact for whole
        numbers, and exactly 0 where all are the same.
        """
        size, best = self.size[first], self.gain[first]
        graded = np.diff(np.append(first, len(self.row)))
        distance = np.repeat(best, graded) - self.gain
        without = (size - graded) * best  # the passages without a gain
        total = _block_sums(distance, first) + without
        return size * (_block_sums(distance**2, first) + without * best) - total**2

    def best(self) -> TieGroups:
        """Order with the gains of each group first, by falling grade."""
        return self._at(self.above + 1 + self.within)

    def worst(self) -> TieGroups:
        """Order with the gains of each group last, by rising grade."""
        return self._at(self.above + self.size - self.within)

    def under(self, rule: TieRule) -> TieGroups:
        """Order that a tie rule gives; :class:`InputError` for one that gives none."""
        if rule not in ORDERING_RULES:
            raise InputError(
                f"the tie rule {rule!r} gives no single order",
                f"choose one of {', '.join(ORDERING_RULES)}",
                field="tie_rule",
            )
        return self._at(self.above + 1 + self._place_in_group(rule))

    def _at(self, place: Ints) -> TieGroups:
        order = np.lexsort((place, self.query))
        return TieGroups.of_places(
            self.run.n_queries,
            self.query[order],
            place[order],
            self.gain[order],
            self.relevant[order],
        )

    def _place_in_group(self, rule: TieRule) -> Ints:
        """Position of each passage with a gain among all members of its group, counted from 0."""
        members, group = self._members()
        preference = _preference(self.run.passage_id.iloc[members], rule)
        order = np.lexsort((preference, group))
        position = np.zeros(len(self.run.query), dtype=np.int64)
        position[members[order]] = rank_within(group[order])
        return position[self.row]

    def _members(self) -> tuple[Ints, Ints]:
        """Rows of all members of groups of two or more, and the number of each one's group."""
        tied = np.unique(self.keys[self.row[self.size > 1]])
        if not len(tied):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        slot = np.minimum(np.searchsorted(tied, self.keys), len(tied) - 1)
        rows = np.flatnonzero(tied[slot] == self.keys)
        return rows, slot[rows]


def _preference(passage_ids: pd.Series, rule: TieRule) -> Ints:
    """Whole numbers, lowest first under the rule.

    Ids are compared by code point, which for UTF-8 is trec_eval's comparison by byte.
    """
    if rule in ("input order", "reversed input order"):
        order = np.arange(len(passage_ids))
        return order if rule == "input order" else -order
    codes = pd.factorize(passage_ids, sort=True)[0]
    return codes if rule == "docid ascending" else -codes


def _block_sums(values: NDArray, first: Ints) -> NDArray:
    # reduceat refuses to sum no blocks at all
    return np.add.reduceat(values, first) if len(first) else values[:0]
