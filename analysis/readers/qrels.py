"""Judgements, in every form that people keep them in.

- TREC: ``query_id iteration passage_id grade``, separated by blanks or tabs (MS MARCO, MIRACL); a
  line that begins with ``#`` is a comment;
- BEIR: tabs, under the header ``query-id corpus-id score``;
- JSONL or Parquet: these three (mteb), or ``query_id, passage_id, grade``;
- JSON: ``{"q1": {"p1": 3}}`` (pytrec_eval, ranx).

Grades may have fractions; negative ones become 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.datasets import as_grade, as_id
from analysis.errors import Place, counted, quoted, twice
from analysis.numerals import grade_of
from analysis.places import named_path
from analysis.readers.columns import spelled
from analysis.readers.lines import (
    columns_of,
    first_cells,
    is_comment,
    separated_rows,
    suffix_of,
)
from analysis.readers.objects import json_file, member
from analysis.readers.records import records_of

_BEIR = ["query-id", "corpus-id", "score"]
_TREC = ["query_id", "iteration", "passage_id", "grade"]
_NAMES = ("query_id", "passage_id", "grade")

_Row = tuple[Place, str, str, object]  # query id, passage id, grade as it is written


class Candidate(NamedTuple):
    """A passage to be scored for a query, and the line that says so (None if there is none)."""

    query_id: str
    passage_id: str
    line: int | None = None


class Qrels(NamedTuple):
    """Judgements: grades by query and passage id, and the judged passages in their order.

    ``negatives`` is how many grades were negative; they are 0 here.
    """

    grades: dict[str, dict[str, int | float]]
    candidates: list[Candidate]
    negatives: int = 0

    @property
    def notes(self) -> list[str]:
        """What is to be said about how they were read."""
        if not self.negatives:
            return []
        said = counted(self.negatives, "negative grade counts", "negative grades count")
        return [f"{said} as 0, not relevant"]


def read_qrels(path: str | Path) -> pd.DataFrame:
    """Read judgements as :func:`analysis.evaluate` takes them, in any form named above.

    Columns ``query_id, passage_id, grade``; negative grades become 0. Raises :class:`InputError`,
    with the line, for a malformed line, a grade that is none, a pair judged twice, an empty file.
    """
    path = named_path(path, "name a file of judgements")
    judged = judgements(path)
    if not judged.candidates:
        raise Place(path).error("there is no line", "give at least one judgement")
    rows = [
        (query_id, passage_id, judged.grades[query_id][passage_id])
        for query_id, passage_id, _ in judged.candidates
    ]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "grade"])


def judgements(path: Path, *, header: bool = False) -> Qrels:
    """Judgements of a file; ``header`` says that a text file must have BEIR's."""
    kinds = {".jsonl": _record_rows, ".parquet": _record_rows, ".json": _json_rows}
    rows = kinds[suffix_of(path)](path) if suffix_of(path) in kinds else _text_rows(path, header)
    return _qrels_of(rows)


def _qrels_of(rows: Iterable[_Row]) -> Qrels:
    """Grades by query and passage. Negative grades become 0.

    Raises :class:`InputError` for a grade that is none and for a pair judged twice.
    """
    grades: dict[str, dict[str, int | float]] = {}
    place_of: dict[tuple[str, str], Place] = {}
    negatives = 0
    for place, query_id, passage_id, written in rows:
        at = place.inside("grade")
        if (query_id, passage_id) in place_of:
            raise at.error(
                f"passage {quoted(passage_id)} of query {quoted(query_id)} is judged "
                f"{twice(place_of[query_id, passage_id].spot, place.spot)}",
                "keep one of the two",
            )
        place_of[query_id, passage_id] = place
        grade = grade_of(written) if isinstance(written, str) else written
        known = as_grade(grade, at, negatives_as_zero=True)
        if known is None:
            raise at.error("the grade is missing", "give a number, or leave the pair out")
        grades.setdefault(query_id, {})[passage_id] = known
        negatives += grade < 0
    candidates = [Candidate(*pair, place.line) for pair, place in place_of.items()]
    return Qrels(grades, candidates, negatives)


def _text_rows(path: Path, header: bool) -> Iterator[_Row]:
    if header or first_cells(path) == _BEIR:
        return _beir_rows(path)
    rows = columns_of(path, _TREC, comments=True)
    return ((Place(path, line), row[0], row[2], row[3]) for line, row in rows)


def _beir_rows(path: Path) -> Iterator[_Row]:
    rows = separated_rows(path, "\t")
    line, header = next(rows, (1, []))
    if header != _BEIR:
        raise Place(path, line).error(
            f"the header is {quoted(header)}", f"write {', '.join(_BEIR)}, separated by tabs"
        )
    for line, cells in rows:
        if is_comment(cells, _BEIR):
            continue
        if len(cells) != len(_BEIR):
            raise Place(path, line).error(
                f"{counted(len(cells), 'column')} instead of {len(_BEIR)}",
                f"write {', '.join(_BEIR)}, separated by tabs",
            )
        yield Place(path, line), *cells


def _record_rows(path: Path) -> Iterator[_Row]:
    for place, record in records_of(path):
        names = [spelled(name, record) or beir for name, beir in zip(_NAMES, _BEIR, strict=True)]
        query, passage, grade = (place.inside(name) for name in names)
        yield (
            place,
            as_id(member(record, names[0], query), query),
            as_id(member(record, names[1], passage), passage),
            member(record, names[2], grade),
        )


def _json_rows(path: Path) -> Iterator[_Row]:
    value = json_file(path)
    whole = Place(path)
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise whole.error("these are no judgements", 'write {"q1": {"p1": 3}}')
    return (
        (whole, as_id(query_id, whole), as_id(passage_id, whole), grade)
        for query_id, row in value.items()
        for passage_id, grade in row.items()
    )
