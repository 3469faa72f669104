"""What BEIR, TREC and ir_datasets share: candidates, judgements and texts kept apart, by id."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.datasets import COLUMNS, RerankingSet, as_grade, as_id, as_text, from_pairs
from analysis.errors import Place, counted
from analysis.readers.lines import json_objects, member, separated_rows, suffix_of, whole_number


class Candidate(NamedTuple):
    """A passage to be scored for a query, and the line that says so (None if there is none)."""

    query_id: str
    passage_id: str
    line: int | None = None


class Qrels(NamedTuple):
    """Judgements: grades by query and passage id, and the judged passages in their order."""

    grades: dict[str, dict[str, int]]
    candidates: list[Candidate]


class Texts(NamedTuple):
    """Texts by id, and the name of where they came from."""

    source: object
    by_id: Mapping[str, str]


def joined(
    name: str,
    file: object,
    candidates: Sequence[Candidate],
    qrels: Qrels | None,
    queries: Texts,
    passages: Texts,
    topics: Iterable[str],
) -> RerankingSet:
    """Make the set of ``candidates``, in their order, with grades from ``qrels`` and with texts.

    ``topics`` are the query ids that were asked: those without a candidate are listed in
    ``queries_without_candidates``. ``file`` is what the candidates were read from. Raises
    :class:`InputError` for a candidate whose query or passage has no text.
    """
    _check_texts(file, "query_id", [item.query_id for item in candidates], candidates, queries)
    _check_texts(file, "passage_id", [item.passage_id for item in candidates], candidates, passages)
    rows = [
        (
            item.query_id,
            item.passage_id,
            _grade(item, qrels),
            queries.by_id[item.query_id],
            passages.by_id[item.passage_id],
        )
        for item in candidates
    ]
    asked = {item.query_id for item in candidates}
    return from_pairs(
        name,
        pd.DataFrame(rows, columns=COLUMNS, dtype=object),
        [query_id for query_id in topics if query_id not in asked],
        file=file,
        lines=_lines(candidates),
    )


def qrels_of(rows: Iterable[tuple[int, str, str, str]], path: Path) -> Qrels:
    """Grades by query and passage, from (line, query id, passage id, grade as written).

    Negative grades become 0. Raises :class:`InputError` for a grade that is none and for a pair
    judged twice.
    """
    grades: dict[str, dict[str, int]] = {}
    line_of: dict[tuple[str, str], int] = {}
    for line, query_id, passage_id, text in rows:
        place = Place(path, line, "grade")
        first = line_of.setdefault((query_id, passage_id), line)
        if first != line:
            raise place.error(
                f"passage {passage_id!r} of query {query_id!r} is judged on line {first} and again "
                f"on line {line}",
                "keep one of the two",
            )
        grade = as_grade(whole_number(text), place, negatives_as_zero=True)
        grades.setdefault(query_id, {})[passage_id] = grade
    return Qrels(grades, [Candidate(*pair, line) for pair, line in line_of.items()])


def read_texts(path: Path, wanted: Container[str] | None = None) -> Texts:
    """Read the texts of the ``wanted`` ids (default: all).

    ``.jsonl`` has objects with ``_id`` (or ``id``), ``text`` and perhaps ``title``, which is put
    before the text with a space, as BEIR does. ``.tsv`` has an id and a text a line, no header,
    and quotation marks are ordinary characters, as in MS MARCO. Both may end in ``.gz``. Raises
    :class:`InputError` for other suffixes, malformed lines and a wanted id that comes twice.
    """
    suffix = suffix_of(path)
    readers = {".jsonl": _jsonl_texts, ".tsv": _tsv_texts}
    if suffix not in readers:
        raise Place(path).error(
            f"texts are not read from {suffix!r} files", f"give one of {', '.join(readers)}"
        )
    texts: dict[str, str] = {}
    line_of: dict[str, int] = {}
    for line, text_id, text in readers[suffix](path):
        if wanted is not None and text_id not in wanted:
            continue
        if text_id in line_of:
            raise Place(path, line, "id").error(
                f"{text_id!r} stands on line {line_of[text_id]} and again on line {line}",
                "keep one text for each id",
            )
        line_of[text_id], texts[text_id] = line, text
    return Texts(path, texts)


def _jsonl_texts(path: Path) -> Iterator[tuple[int, str, str]]:
    for line, record in json_objects(path):
        place = Place(path, line)
        key = "id" if "id" in record and "_id" not in record else "_id"
        text_id = as_id(member(record, key, place._replace(field=key)), place._replace(field=key))
        text_place = place._replace(field="text")
        text = as_text(member(record, "text", text_place), text_place)
        title = as_text(record.get("title") or "", place._replace(field="title"))
        yield line, text_id, f"{title} {text}".strip() if title else text


def _tsv_texts(path: Path) -> Iterator[tuple[int, str, str]]:
    for line, cells in separated_rows(path, "\t", quoted=False):
        if len(cells) != 2:
            raise Place(path, line).error(
                f"{counted(len(cells), 'cell')} instead of an id and a text",
                "write id, one tab, text",
            )
        yield line, as_id(cells[0], Place(path, line, "id")), cells[1]


def _check_texts(
    file: object, field: str, ids: Sequence[str], candidates: Sequence[Candidate], texts: Texts
) -> None:
    missing = [row for row, text_id in enumerate(ids) if text_id not in texts.by_id]
    if not missing:
        return
    others = len({ids[row] for row in missing}) - 1
    more = f", and {counted(others, 'other id has', 'other ids have')} none" if others else ""
    raise Place(file, candidates[missing[0]].line, field).error(
        f"{ids[missing[0]]!r} has no text in {texts.source}{more}",
        "add the text, or leave the line out",
    )


def _grade(item: Candidate, qrels: Qrels | None) -> int | None:
    if qrels is None or item.query_id not in qrels.grades:
        return None
    return qrels.grades[item.query_id].get(item.passage_id, 0)


def _lines(candidates: Sequence[Candidate]) -> list[int] | None:
    lines = [item.line for item in candidates if item.line is not None]
    return lines if len(lines) == len(candidates) else None
