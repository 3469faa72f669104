"""TREC: a run, perhaps qrels, and the texts of queries and passages.

Run lines have six columns separated by blanks, ``query_id Q0 passage_id rank score tag``; qrels
lines have four, ``query_id iteration passage_id grade``. The run says which passages are
candidates; its order of lines is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.datasets import RerankingSet
from analysis.errors import Place, counted
from analysis.readers.collection import Candidate, Qrels, joined, qrels_of, read_texts
from analysis.readers.lines import finite_number, set_name, text_lines

# trec_eval separates at ASCII blanks; str.split() would also cut an id at a no-break space.
_COLUMN = re.compile(r"[^ \t\r\n]+")


class _RunLine(NamedTuple):
    """A line of a run: its number, its ids and its score as it is spelled."""

    line: int
    query_id: str
    passage_id: str
    score: str


def read_trec(
    run: str | Path,
    qrels: str | Path | None = None,
    *,
    queries: str | Path,
    passages: str | Path,
) -> RerankingSet:
    """Read a TREC run with the texts that its ids name, and its grades if ``qrels`` are given.

    ``queries`` and ``passages`` are ``.tsv`` (id, tab, text; no header) or ``.jsonl`` (``_id`` or
    ``id``, ``text``, perhaps ``title``) files. Queries that the qrels judge, or without qrels
    all in ``queries``, and that have no line in the run are ``queries_without_candidates``.
    The set is named after the run. Raises :class:`InputError` as described in
    :mod:`analysis.readers`, and for an id of the run that has no text.
    """
    run = Path(run)
    candidates = run_candidates(run)
    judgements = None if qrels is None else _judgements(Path(qrels))
    query_texts = read_texts(Path(queries))
    passage_texts = read_texts(Path(passages), {item.passage_id for item in candidates})
    topics = query_texts.by_id if judgements is None else judgements.grades
    return joined(set_name(run), run, candidates, judgements, query_texts, passage_texts, topics)


def read_qrels(path: str | Path) -> pd.DataFrame:
    """Read TREC qrels as :func:`analysis.evaluate` takes them, whatever the file is called.

    Columns ``query_id, passage_id, grade``; negative grades become 0. Raises :class:`InputError`,
    with the line, for a malformed line, a grade that is none, a pair judged twice, an empty file.
    """
    judged = _judgements(Path(path))
    if not judged.candidates:
        raise Place(path).error("there is no line", "give at least one judgement")
    rows = [
        (query_id, passage_id, judged.grades[query_id][passage_id])
        for query_id, passage_id, _ in judged.candidates
    ]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "grade"])


def run_lines(path: Path) -> Iterator[_RunLine]:
    """Give the lines of a run; neither ids nor scores are checked."""
    for line, columns in _columns(path, "query_id Q0 passage_id rank score tag"):
        yield _RunLine(line, columns[0], columns[2], columns[4])


def run_candidates(path: Path) -> list[Candidate]:
    """Read the candidates that a run lists; its scores must be numbers, and are not kept."""
    candidates = []
    for line, query_id, passage_id, score in run_lines(path):
        finite_number(score, Place(path, line, "score"))
        candidates.append(Candidate(query_id, passage_id, line))
    return candidates


def _judgements(path: Path) -> Qrels:
    rows = _columns(path, "query_id iteration passage_id grade")
    return qrels_of(((line, row[0], row[2], row[3]) for line, row in rows), path)


def _columns(path: Path, names: str) -> Iterator[tuple[int, list[str]]]:
    expected = len(names.split())
    for line, text in enumerate(text_lines(path), 1):
        columns = _COLUMN.findall(text)
        if columns and len(columns) != expected:
            raise Place(path, line).error(
                f"{counted(len(columns), 'column')} instead of {expected}", f"write {names}"
            )
        if columns:
            yield line, columns
