"""Scores as Parquet that may be larger than memory: in pieces of whole queries, and a sample.

Which queries a sample has follows from their ids alone: those with the lowest hashes, which are
spread evenly over any order, and are the same in every source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import progress
from analysis.errors import InputError, Place
from analysis.pieces import ROWS, columns_of, count_rows, is_parquet, pieces, query_hashes
from analysis.readers.columns import spelled
from analysis.readers.scores import ScoreFile, check_scores, read_scores

JUDGED = ROWS
"""Most rows that are judged as one list; a source of no more is read whole."""
HOW_TAKEN = "whole queries, taken evenly by a hash of their ids"
_REQUIRED = ("query_id", "passage_id", "score")


@dataclass(frozen=True)
class Queries:
    """Queries in the order of a source: the hash of each, and its rows, both of shape (n,)."""

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int64]

    def both(self, other: Queries) -> Queries:
        """Those that another source has as well."""
        known = np.isin(self.hashes, other.hashes)
        return Queries(self.hashes[known], self.rows[known])

    def sample(self, most: int = JUDGED) -> NDArray[np.uint64]:
        """Hashes of some, spread evenly, that have at most ``most`` rows together; one at least."""
        order = np.argsort(self.hashes)
        within = np.searchsorted(np.cumsum(self.rows[order]), most, side="right")
        return self.hashes[order[: max(1, int(within))]]


@dataclass(frozen=True)
class ScoreStream:
    """A Parquet file or folder of scores; whoever asks for its rows reads it anew.

    It is read in frames of whole queries, of ``rows`` rows at most, or one query. The rows of a
    query stand together, unless there are no more than that.
    """

    path: Path
    rows: int = ROWS

    @classmethod
    def of(cls, source: object) -> ScoreStream | None:
        """The stream of a source; None where it is none of Parquet."""
        return cls(Path(source)) if is_parquet(source) else None

    @property
    def is_large(self) -> bool:
        """Whether it has more rows than are judged as one list; not, where it cannot be read."""
        try:
            return count_rows(self.path) > JUDGED
        except InputError:  # whoever reads it whole says what is wrong
            return False

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the scores in their order, as :func:`~analysis.readers.check_scores` gives them.

        The index of the frames goes on from one to the next. Raises :class:`InputError` as
        :func:`~analysis.pieces.pieces` and ``check_scores`` do.
        """
        has_logits = None
        for piece in self._pieces(_REQUIRED, ["logit"]):
            first = int(piece.index[0])
            part = check_scores(piece, file=self.path, first_row=first).set_index(piece.index)
            known = bool(part["logit"].notna().all())
            if has_logits is not None and known != has_logits:
                raise Place(self.path, None, f"row {first}, logit").error(
                    "logits are known from here on only, or up to here", "give all or none"
                )
            has_logits = known
            yield part

    def queries(self) -> Queries:
        """Every query and how many rows it has."""
        hashes, rows = [], []
        for piece in self._pieces(["query_id"]):
            numbers, unique = pd.factorize(piece["query_id"])
            hashes.append(query_hashes(unique))
            rows.append(np.bincount(numbers))
        return Queries(np.concatenate(hashes), np.concatenate(rows))

    def _pieces(
        self, columns: Sequence[str], optional: Sequence[str] = ()
    ) -> Iterator[pd.DataFrame]:
        given = columns_of(self.path)
        called = {name: spelled(name, given) or name for name in (*columns, *optional)}
        yield from pieces(self.path, columns, optional, rows=self.rows, called=called)

    def groups(
        self, hashes: NDArray[np.uint64], group: NDArray[np.int64]
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of some queries, a frame per group, others left out.

        ``hashes`` (n,) are the queries', ``group`` (n,) the group of each, which must not fall in
        the order of the source.
        """
        order = np.argsort(hashes)
        known, numbers = hashes[order], group[order]
        held: list[pd.DataFrame] = []
        current = None
        for part in self.parts():
            codes, unique = pd.factorize(part["query_id"])
            asked = query_hashes(unique)
            at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
            of_query = np.where(known[at] == asked, numbers[at], -1)
            of_row = of_query[codes]
            for number in np.unique(of_row[of_row >= 0]):
                if held and number != current:
                    yield pd.concat(held)
                    held = []
                current = number
                held.append(part[of_row == number])
        if held:
            yield pd.concat(held)

    def taken(self, hashes: NDArray[np.uint64]) -> pd.DataFrame:
        """The rows of some queries, by their hashes, in the order of the source."""
        return next(self.groups(hashes, np.zeros(len(hashes), dtype=np.int64)))


def read_or_sample(
    source: str | Path | Sequence[str | Path],
) -> tuple[ScoreFile, ScoreStream | None]:
    """Read scores as :func:`~analysis.readers.read_scores`; of a large stream a sample, and it.

    A note of the file says how many scores were taken, and how.
    """
    stream = ScoreStream.of(source[0] if isinstance(source, list) and len(source) == 1 else source)
    if stream is None or not stream.is_large:
        return read_scores(source), None
    with progress.busy("reading a sample"):
        queries = stream.queries()
        frame = stream.taken(queries.sample(JUDGED)).reset_index(drop=True)
    note = f"{len(frame):,} of {queries.rows.sum():,} scores are judged: {HOW_TAKEN}"
    return ScoreFile(frame, None, (note,)), stream
