"""Sets as JSONL, one query a line; our own format, or samples (:mod:`analysis.readers.samples`).

    {"query_id": "q1", "query": "…", "candidates": [{"passage_id": "p1", "text": "…", "grade": 3}]}

``grade`` may be missing or null. Other keys, such as a domain, are allowed and left out.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.datasets import COLUMNS, RerankingSet, as_grade, as_id, as_text, from_pairs
from analysis.errors import Place, quoted
from analysis.places import named_path
from analysis.readers.lines import set_name
from analysis.readers.objects import json_objects, member
from analysis.readers.samples import is_sample, sample_query_id, sample_rows


def read_jsonl(path: str | Path) -> RerankingSet:
    """Read JSONL (``.jsonl`` or ``.jsonl.gz``); the set is named after the file.

    An empty list of candidates puts the query into ``queries_without_candidates``. A query_id
    on two lines is an error. Raises :class:`InputError` as described in :mod:`analysis.readers`.
    """
    path = named_path(path, "name a .jsonl file")
    rows, lines, line_of = [], [], {}
    for line, record in json_objects(path):
        place = Place(path, line)
        query_id = _query_id(record, place)
        if query_id in line_of:
            raise place._replace(field="query_id").error(
                f"query {quoted(query_id)} stands on line {line_of[query_id]} and again on line "
                f"{line}",
                "put all candidates of a query on one line, or give the queries different ids",
            )
        line_of[query_id] = line
        rows_of = sample_rows if is_sample(record) else _candidates
        found = rows_of(record, query_id, place)
        rows += found
        lines += [line] * len(found)
    with_candidates = {row[0] for row in rows}
    return from_pairs(
        set_name(path),
        pd.DataFrame(rows, columns=COLUMNS, dtype=object),
        [query_id for query_id in line_of if query_id not in with_candidates],
        file=path,
        lines=lines,
    )


def _query_id(record: dict[str, object], place: Place) -> str:
    if is_sample(record):
        return sample_query_id(record, place)
    return as_id(_field(record, "query_id", place), place._replace(field="query_id"))


def _field(record: dict[str, object], key: str, place: Place) -> object:
    return member(record, key, place._replace(field=key))


def _candidates(record: dict[str, object], query_id: str, place: Place) -> list[tuple]:
    """Make the rows of one query."""
    query = as_text(_field(record, "query", place), place._replace(field="query"))
    candidates = _field(record, "candidates", place)
    if not isinstance(candidates, list):
        raise place._replace(field="candidates").error(
            f"{quoted(candidates)} is not a list", 'give a list of {"passage_id": …, "text": …}'
        )
    return [
        (query_id, *_passage(candidate, place._replace(field=f"candidates[{number}]"), query))
        for number, candidate in enumerate(candidates)
    ]


def _passage(candidate: object, place: Place, query: str) -> tuple:
    """Columns of one row after the query's id."""
    if not isinstance(candidate, dict):
        raise place.error(
            f"{quoted(candidate)} is not an object", 'give {"passage_id": …, "text": …, "grade": …}'
        )
    inside = {
        key: place._replace(field=f"{place.field}.{key}") for key in ("passage_id", "grade", "text")
    }
    return (
        as_id(member(candidate, "passage_id", inside["passage_id"]), inside["passage_id"]),
        as_grade(candidate.get("grade"), inside["grade"]),
        query,
        as_text(member(candidate, "text", inside["text"]), inside["text"]),
    )
