"""TREC run and qrels files as the frames that measures take."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.datasets import Place
from analysis.metrics.judged import QRELS_COLUMNS, RUN_COLUMNS
from analysis.readers.trec import check_score, read_qrels, run_lines


def read_run_frame(path: str | Path) -> pd.DataFrame:
    """Read a TREC run (``query_id Q0 passage_id rank score tag``) with its scores.

    Columns ``query_id, passage_id, score``, in the order of the lines; the rank is not read.
    Scores are float64: say ``stored_dtype="float32"`` to count ties as trec_eval does. Raises
    :class:`InputError`, with the line, for a malformed line, a score that is no finite number, a
    passage that stands twice and an empty file.
    """
    path = Path(path)
    rows, line_of = [], {}
    for line, columns in run_lines(path):
        query_id, _, passage_id, _, score, _ = columns
        check_score(score, Place(path, line, "score"))
        first = line_of.setdefault((query_id, passage_id), line)
        if first != line:
            raise Place(path, line, "passage_id").error(
                f"passage {passage_id!r} of query {query_id!r} stands on line {first} and again "
                f"on line {line}",
                "keep one line for each passage of a query",
            )
        rows.append((query_id, passage_id, float(score)))
    if not rows:
        raise Place(path).error("there is no line", "give a run with at least one passage")
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def read_qrels_frame(path: str | Path) -> pd.DataFrame:
    """Read TREC qrels (``query_id iteration passage_id grade``).

    Columns ``query_id, passage_id, grade``; negative grades become 0. Raises
    :class:`InputError` as :func:`analysis.readers.trec.read_qrels` does, and for an empty file.
    """
    path = Path(path)
    judged = read_qrels(path)
    rows = [
        (query_id, passage_id, grade)
        for query_id, grades in judged.grades.items()
        for passage_id, grade in grades.items()
    ]
    if not rows:
        raise Place(path).error("there is no line", "give at least one judgement")
    return pd.DataFrame(rows, columns=list(QRELS_COLUMNS))
