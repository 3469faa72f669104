"""Two engines over more pairs than memory holds.

What can be counted is counted over all pairs, in parts of whole queries. What needs one list, that
is the paths and what the differences look like, is judged on a sample of whole queries, together
with the queries that hold the largest differences of all, so that no few pairs are overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.discrepancies import (
    all_known,
    missing,
    nothing_in_common,
    pairs_of,
    shared_pairs,
)
from analysis.discrepancies.deciding import Finding, decide
from analysis.discrepancies.intervals import Side
from analysis.discrepancies.rankings import added_rankings
from analysis.discrepancies.verdict import Comparison, Whole, notes_on
from analysis.errors import Place
from analysis.readers.scorestreams import JUDGED, Queries, ScoreStream

FARTHEST = 10
"""Queries with the largest differences that are judged beside the sample."""
_SIZES = ["gap", "difference"]
_REFUTED = (
    "fewer pairs at a time: the paths found in the sample cannot have made all of the other scores"
)

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]
"""Scores of either side over the same pairs, and their grades."""


@np.errstate(over="ignore")
def compare_streams(
    first: ScoreStream,
    second: ScoreStream,
    *,
    lengths: pd.DataFrame | None = None,
    grades: pd.DataFrame | None = None,
    most: int = JUDGED,
) -> Comparison:
    """Compare two Parquet sources of scores, of any size, as :func:`.compare_sides` does.

    The queries that both have must stand in the same order in both; the passages of a query may
    not. ``most`` is how many pairs the sample may have.
    The result's ``table`` and ``sides`` are those of the sample and the farthest queries; its
    ``whole``, ``alone`` and ``rankings`` are counted over all pairs. Raises :class:`InputError` for
    another order, and as :func:`.compare_sides` and the reader do.
    """
    queries = first.queries(), second.queries()
    both = queries[0].both(queries[1]), queries[1].both(queries[0])
    _check_order(first, second, both)
    chosen = Queries(both[0].hashes, np.maximum(both[0].rows, both[1].rows)).sample(most)
    frames = [one.taken(chosen) for one in (first, second)]
    names = str(first.path), str(second.path)
    tally = _Tally(tuple(map(Side, names, frames)), grades if lengths is None else lengths)
    rankings = added_rankings(tally.over(_together(first, second, both), grades))
    sides = tuple(map(Side, names, tally.with_farthest(frames)))
    table, pairs = pairs_of(*sides, lengths)
    is_decided = not tally.is_refuted or tally.whole.equal == tally.whole.pairs
    return Comparison(
        sides,
        decide(*sides, pairs) if is_decided else Finding("not known", wanted=_REFUTED),
        table,
        tuple(int(one.rows.sum()) - tally.whole.pairs for one in queries),
        rankings,
        tally.whole,
        notes_on(tally.whole.pairs, tally.missing),
    )


def _check_order(first: ScoreStream, second: ScoreStream, both: tuple[Queries, Queries]) -> None:
    """Check that the queries of both stand in the same order."""
    hashes = both[0].hashes
    if not hashes.size:
        raise nothing_in_common()
    apart = np.flatnonzero(hashes != both[1].hashes)
    if apart.size:
        raise Place(second.path).error(
            f"the queries stand in another order than in {first.path}, from number "
            f"{apart[0] + 1:,} of those in both on",
            "sort both by query_id",
        )


def _together(
    first: ScoreStream, second: ScoreStream, both: tuple[Queries, Queries]
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The rows of either for the same queries, about as many as a piece of each at a time."""
    group = np.cumsum(both[0].rows + both[1].rows) // (first.rows + second.rows)
    parts = (one.groups(both[0].hashes, group) for one in (first, second))
    return zip(*parts, strict=True)


class _Tally:
    """What is counted over all pairs under the paths of a sample, and the farthest queries."""

    def __init__(self, sample: tuple[Side, Side], known: pd.DataFrame | None) -> None:
        self.sample, self.known = sample, known
        self.missing = 0
        """How many pairs the ``known`` ones lack."""
        self.whole = Whole()
        self.is_refuted = False
        """Whether the sample's paths cannot have made all of the scores."""
        self._worst = pd.DataFrame(columns=_SIZES, dtype=np.float64)
        self._farthest = [side.frame.iloc[:0] for side in sample]

    def over(
        self, parts: Iterator[tuple[pd.DataFrame, pd.DataFrame]], grades: pd.DataFrame | None
    ) -> Iterator[Parts]:
        """Count parts, and hand on the scores of the pairs of both and their grades."""
        for frames in parts:
            sides = [
                replace(side, frame=frame, judged=side.verdict)
                for side, frame in zip(self.sample, frames, strict=True)
            ]
            table, _ = shared_pairs(*sides)
            if table.empty:
                continue
            explained = [
                side.ends is None or one.ends is not None
                for side, one in zip(self.sample, sides, strict=True)
            ]
            self.is_refuted |= not all(explained)
            self._add(table, frames)
            self.missing += missing(table, self.known)
            scores = [table.rename(columns={name: "score"}) for name in ("score_a", "score_b")]
            yield *scores, all_known(table, grades, "grade")
        if not self.whole.pairs:
            raise nothing_in_common()

    def _add(self, table: pd.DataFrame, frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
        difference = (table["score_a"] - table["score_b"]).abs()
        self.whole = self.whole.with_more(difference, table["gap"])
        sizes = table[["query_id", "gap"]].fillna({"gap": 0.0}).assign(difference=difference)
        differing = (difference > 0) | (sizes["gap"] > 0)
        worst = sizes[differing].groupby("query_id", sort=False).max()
        ordered = pd.concat([self._worst, worst]).sort_values(
            _SIZES, ascending=False, kind="stable"
        )
        self._worst = ordered.head(FARTHEST)
        for place, frame in enumerate(frames):
            rows = pd.concat([self._farthest[place], frame])
            self._farthest[place] = rows[rows["query_id"].isin(self._worst.index)]

    def with_farthest(self, frames: list[pd.DataFrame]) -> list[pd.DataFrame]:
        """The frames of a sample and the rows of the farthest queries, in the source's order."""
        both = [pd.concat(two) for two in zip(frames, self._farthest, strict=True)]
        return [one[~one.index.duplicated()].sort_index().reset_index(drop=True) for one in both]
