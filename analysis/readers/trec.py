"""TREC: a run, perhaps qrels, and the texts of queries and passages.

Run lines have six columns separated by blanks, ``query_id Q0 passage_id rank score tag``; qrels
lines have four, ``query_id iteration passage_id grade``. The run says which passages are
candidates; its order of lines is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from analysis.datasets import Place, RerankingSet
from analysis.readers.collection import Candidate, Qrels, joined, qrels_of, read_texts
from analysis.readers.lines import set_name, text_lines

# trec_eval separates at ASCII blanks; str.split() would also cut an id at a no-break space.
_COLUMN = re.compile(r"[^ \t\r\n]+")


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
    candidates = read_run(run)
    judgements = None if qrels is None else read_qrels(Path(qrels))
    query_texts = read_texts(Path(queries))
    passage_texts = read_texts(Path(passages), {item.passage_id for item in candidates})
    topics = query_texts.by_id if judgements is None else judgements.grades
    return joined(set_name(run), run, candidates, judgements, query_texts, passage_texts, topics)


def read_run(path: Path) -> list[Candidate]:
    """Read the candidates that a run file lists; its scores must be numbers, and are not kept."""
    candidates = []
    for line, columns in run_lines(path):
        check_score(columns[4], Place(path, line, "score"))
        candidates.append(Candidate(columns[0], columns[2], line))
    return candidates


def run_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give each line of a run: its number and its six columns as they stand, none checked."""
    return _columns(path, "query_id Q0 passage_id rank score tag")


def read_qrels(path: Path) -> Qrels:
    """Read the grades that a TREC qrels file gives."""
    rows = _columns(path, "query_id iteration passage_id grade")
    return qrels_of(((line, row[0], row[2], row[3]) for line, row in rows), path)


def check_score(text: str, place: Place) -> None:
    """Raise :class:`InputError` for a score that is no finite number."""
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        finite = False
    if not finite:
        raise place.error(
            f"{text!r} is no finite score",
            "write the score as a number; an engine that gave NaN should be run again in float32",
        )


def _columns(path: Path, names: str) -> Iterator[tuple[int, list[str]]]:
    expected = len(names.split())
    for line, text in enumerate(text_lines(path), 1):
        columns = _COLUMN.findall(text)
        if columns and len(columns) != expected:
            raise Place(path, line).error(
                f"{len(columns)} columns instead of {expected}", f"write {names}"
            )
        if columns:
            yield line, columns
