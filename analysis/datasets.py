"""Reranking sets: queries, their candidate passages and, where known, the grades.

:func:`from_pairs` is the one gate into :class:`RerankingSet`: every reader passes its rows
through it, so the floors above can trust what a set holds. What it answers to unusual input:

- Candidate lists of unequal length, and lists of one, are as good as any other.
- A query without candidates is listed in ``queries_without_candidates``; a set without any
  pair is an error.
- A missing grade is ``<NA>``, for some pairs or for all: scores can be analysed, measures not.
- Grades are numbers from 0 to 100, fractions allowed. The German set uses 0–3, collections of
  one's own may go further; a number above 100 is rather a score or an id in the wrong column.
- An empty passage is kept, because engines score it too. An empty query is an error.
- A passage id names a passage within its query: the same id may have another text under
  another query. The same (query id, passage id) twice is an error, and so are two texts of one
  query id.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import TypeVar

import pandas as pd

from analysis import progress
from analysis.errors import InputError, Place, quoted, twice

COLUMNS = ("query_id", "passage_id", "grade", "query", "passage")
LARGEST_GRADE = 100

_HIGHEST_ID = 10**100
_Value = TypeVar("_Value", str, float | None)
_ANYWHERE = Place()


def as_id(value: object, place: Place) -> str:
    """Give an id as a string: a non-blank string as it is, a whole number as its decimal digits.

    Raises :class:`InputError` for anything else: NaN, ``None``, booleans, fractions, blanks.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and abs(value) < _HIGHEST_ID:
        return str(int(value))
    if isinstance(value, str) and value.strip():
        return as_text(value, place)
    raise place.error(f"{quoted(value)} is not an id", "give a non-empty string or a whole number")


def as_text(value: object, place: Place) -> str:
    """Check a text, possibly empty; raises :class:`InputError` if it is no Unicode string."""
    if not isinstance(value, str):
        raise place.error(
            f"{quoted(value)} is not a text", 'give a string ("" for an empty passage)'
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        # JSON can spell half of an emoji (\ud83d); tokenisers and Parquet refuse it much later.
        raise place.error(
            f"the text has half of a surrogate pair at character {error.start + 1}",
            "write the whole character or remove it",
        ) from error
    return value


def as_grade(value: object, place: Place, *, negatives_as_zero: bool = False) -> int | float | None:
    """Give a grade from 0 to ``LARGEST_GRADE``, or None if missing (None, NaN, ``<NA>``).

    A whole number written as a fraction (2.0), as pandas does where other grades are missing, is
    given as an integer. ``negatives_as_zero`` is for qrels: TREC writes −1 or −2 for spam and the
    like, which count as not relevant. Raises :class:`InputError` for anything else.
    """
    if value is None or value is pd.NA or (isinstance(value, Real) and value != value):
        return None
    if not isinstance(value, Real) or isinstance(value, bool) or abs(value) == math.inf:
        raise place.error(
            f"{quoted(value)} is not a grade", "give a number, or nothing if the grade is unknown"
        )
    grade = max(value, 0) if negatives_as_zero else value
    if not 0 <= grade <= LARGEST_GRADE:
        raise place.error(
            f"the grade {quoted(grade)} is outside 0 to {LARGEST_GRADE}",
            "use 0 for not relevant and small numbers for relevant, such as 1 to 3",
        )
    return int(grade) if float(grade).is_integer() else float(grade)


@dataclass(frozen=True, eq=False)
class RerankingSet:
    """Queries with their candidates; made by :func:`from_pairs`, which validates.

    ``pairs`` has one row per (query, passage), in input order, with the columns ``query_id``,
    ``passage_id`` (str), ``grade`` (Int64, or Float64 if one has a fraction; ``<NA>`` if unknown),
    ``query``, ``passage`` (str). Treat it as read-only: ``sha256`` is computed once. ``notes`` are
    sentences about what a reader chose or left out.
    """

    name: str
    pairs: pd.DataFrame
    queries_without_candidates: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_queries(self) -> int:
        """Number of queries, those without candidates included."""
        return self.pairs["query_id"].nunique() + len(self.queries_without_candidates)

    @property
    def n_pairs(self) -> int:
        """Number of (query, passage) pairs."""
        return len(self.pairs)

    @property
    def has_grades(self) -> bool:
        """Whether the grade of every pair is known."""
        return not self.pairs["grade"].isna().any()

    def query_text(self, query_id: str) -> str:
        """Text of a query that has candidates."""
        return str(self.pairs.loc[self.pairs["query_id"] == query_id, "query"].iloc[0])

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: ids, grades and texts in their order.

        The order counts because it decides ties under some tie rules. The name and the file
        format do not count.
        """
        digest = hashlib.sha256()
        for row in self.pairs[list(COLUMNS)].itertuples(index=False):
            known = None if row.grade is pd.NA else as_grade(row.grade, Place())
            digest.update(_line(row.query_id, row.passage_id, known, row.query, row.passage))
        digest.update(_line(*self.queries_without_candidates))
        return digest.hexdigest()


def from_pairs(
    name: str,
    pairs: pd.DataFrame,
    queries_without_candidates: Iterable[object] = (),
    *,
    file: object = None,
    lines: Sequence[int] | None = None,
    first_row: int = 0,
    notes: Iterable[str] = (),
) -> RerankingSet:
    """Validate pairs (columns as in :class:`RerankingSet`; ``grade`` may be left out) into a set.

    ``file`` and ``lines`` (one line number per row) say where the rows came from; without lines
    an error names the row, counted from ``first_row``. Other columns are dropped. ``notes`` are
    kept. Raises :class:`InputError` for what the module's docstring calls an error.
    """
    absent = [column for column in COLUMNS if column not in pairs and column != "grade"]
    if absent:
        raise Place(file).error(
            f"there is no column {', '.join(absent)}", f"give {', '.join(COLUMNS)}"
        )
    if pairs.empty:
        raise Place(file).error(
            "there is no (query, passage) pair", "give at least one query with a candidate"
        )
    source = Source(file, lines, first_row)
    with progress.busy(f"checking {len(pairs):,} pairs"):
        checked = _checked(pairs, source)
    empty = [as_id(query, Place(file, None, "query_id")) for query in queries_without_candidates]
    _check_without_candidates(checked, empty, file)
    return RerankingSet(name, checked, tuple(empty), tuple(notes))


def _checked(pairs: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The columns of a set, each value of them checked."""
    checked = pd.DataFrame(
        {
            "query_id": source.checked(pairs, "query_id", as_id),
            "passage_id": source.checked(pairs, "passage_id", as_id),
            "grade": _grades(pairs, source),
            "query": source.checked(pairs, "query", as_text),
            "passage": source.checked(pairs, "passage", as_text),
        }
    )
    _check_queries(checked, source)
    check_duplicates(checked, source)
    return checked


@dataclass(frozen=True)
class Source:
    """Where the rows of a frame came from."""

    file: object
    lines: Sequence[int] | None
    first_row: int = 0

    def row(self, row: int) -> str:
        """How to name a row in a sentence."""
        return f"row {self.first_row + row}" if self.lines is None else f"line {self.lines[row]}"

    def place(self, row: int, field: str) -> Place:
        """Where a field of a row stands."""
        if self.lines is None:
            return Place(self.file, None, f"{self.row(row)}, {field}")
        return Place(self.file, int(self.lines[row]), field)

    def checked(
        self, pairs: pd.DataFrame, field: str, check: Callable[[object, Place], _Value]
    ) -> list[_Value]:
        """Apply ``check`` to each value of a column; an error names the place of its value."""
        values = pairs[field]
        try:  # without places, which take longer to make than values to check
            if isinstance(values.dtype, pd.StringDtype):  # each text once
                numbers, texts = pd.factorize(values, use_na_sentinel=False)
                found = [check(text, _ANYWHERE) for text in texts]
                return [found[number] for number in numbers]
            return [check(value, _ANYWHERE) for value in values]
        except InputError:
            return [check(value, self.place(row, field)) for row, value in enumerate(values)]


def _grades(pairs: pd.DataFrame, source: Source) -> pd.api.extensions.ExtensionArray:
    """Grades of all pairs, as whole numbers unless one has a fraction."""
    if "grade" not in pairs:
        return pd.array([None] * len(pairs), dtype="Int64")
    grades = source.checked(pairs, "grade", as_grade)
    fractions = any(isinstance(grade, float) for grade in grades)
    return pd.array(grades, dtype="Float64" if fractions else "Int64")


def _check_queries(pairs: pd.DataFrame, source: Source) -> None:
    """Check that a query has a text, and only one."""
    blank = pairs["query"].str.strip() == ""
    if blank.any():
        row = int(blank.argmax())
        raise source.place(row, "query").error(
            f"the query {pairs['query_id'][row]!r} is empty", "write its text, or leave it out"
        )
    first_text = pairs.groupby("query_id", sort=False)["query"].transform("first")
    other = pairs["query"] != first_text
    if other.any():
        row = int(other.argmax())
        query_id = pairs["query_id"][row]
        first = int((pairs["query_id"] == query_id).argmax())
        raise source.place(row, "query").error(
            f"query_id {query_id!r} has another text on {source.row(first)}",
            "give each query one text, or each text its own query_id",
        )


def check_duplicates(pairs: pd.DataFrame, source: Source) -> None:
    """Check that a passage is a candidate of a query once."""
    again = pairs.duplicated(["query_id", "passage_id"])
    if not again.any():
        return
    row = int(again.argmax())
    query_id, passage_id = pairs["query_id"][row], pairs["passage_id"][row]
    same = (pairs["query_id"] == query_id) & (pairs["passage_id"] == passage_id)
    raise source.place(row, "passage_id").error(
        f"passage {passage_id!r} of query {query_id!r} stands "
        f"{twice(source.row(int(same.argmax())), source.row(row))}",
        "keep one of the two, or give them different ids",
    )


def _check_without_candidates(pairs: pd.DataFrame, empty: list[str], file: object) -> None:
    """Check that a query without candidates is listed once and has none."""
    known = set(pairs["query_id"])
    for query_id in empty:
        if query_id in known:
            raise Place(file, None, "query_id").error(
                f"{query_id!r} is listed without candidates, and stands in the set already",
                "name each query once",
            )
        known.add(query_id)


def _line(*values: object) -> bytes:
    """Values as one line of JSON, which no other values give."""
    return json.dumps(values).encode() + b"\n"
