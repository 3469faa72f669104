"""A run and its judgements, joined: from frames with ids to arrays with numbers."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import InputError, quoted
from analysis.formats import format_of
from analysis.frames import KEYS, check_columns, check_ids, check_once, same_rows
from analysis.metrics.groups import Judgements, order_keys
from analysis.metrics.sums import Floats, Ints

RUN_COLUMNS = ("query_id", "passage_id", "score")
QRELS_COLUMNS = ("query_id", "passage_id", "grade")
_HIGHEST_GRADE = 2.0**53
"""Squares of more would lose what tells them apart."""


@dataclass(frozen=True, eq=False)
class JudgedRun:
    """The judged queries of a run; made by :func:`judge`, which validates.

    ``query_ids`` (n_queries,) are those of the qrels, in their order. ``query`` (position in
    ``query_ids``), ``passage_id``, ``score`` (after the cast) and ``grade`` (0 without a
    judgement) have the shape (n_rows,) and the run's order. ``relevant_from`` is the lowest grade
    that counts as relevant. ``stored_dtype`` is what scores were cast to, "" if they were taken
    as they came.
    """

    query_ids: pd.Index
    query: Ints
    passage_id: pd.Series
    score: Floats
    grade: Floats
    judgements: Judgements
    relevant_from: float
    stored_dtype: str
    queries_without_qrels: tuple[str, ...]
    """Queries of the run that nobody judged; they are left out."""

    @property
    def n_queries(self) -> int:
        """Number of judged queries, those without rows in the run included."""
        return len(self.query_ids)

    def order_keys(self) -> NDArray[np.uint64]:
        """One number per row that ascends by query, then by falling score; equal where tied."""
        return order_keys(self.query, self.score)


def judge(
    run: pd.DataFrame,
    qrels: pd.DataFrame,
    *,
    stored_dtype: str | None = None,
    relevant_from: float | None = None,
) -> JudgedRun:
    """Join a run (``query_id, passage_id, score``) with qrels (``query_id, passage_id, grade``).

    Other columns are ignored. Ids are strings, or whole numbers, which stand for their digits.
    Scores are rounded to ``stored_dtype`` before ties are counted (None: taken as they are).
    ``relevant_from`` is the lowest grade that counts as relevant (None: any above 0). What
    happens to queries that only one of the two frames has is said in :mod:`analysis.metrics`.

    Raises :class:`InputError` for a missing column, an empty frame, an id that is none, a score
    or grade that is no number or NaN, a grade that is infinite or above 2⁵³, a (query, passage)
    that stands twice, frames without a common query, and a threshold that is not above 0.
    """
    threshold = _checked_threshold(relevant_from)
    run = checked_frame(run, RUN_COLUMNS, "run")
    qrels = checked_frame(qrels, QRELS_COLUMNS, "qrels")
    score = checked_scores(run, stored_dtype, "run")
    qrels = qrels.assign(grade=_grades(qrels))
    graded = qrels[qrels["grade"] > 0]
    query_ids = pd.Index(qrels["query_id"].unique())
    query = query_ids.get_indexer(run["query_id"])
    known = query >= 0
    if not known.any():
        raise InputError(
            f"no query of the run is judged (the run has {run['query_id'].iloc[0]!r}, the qrels "
            f"have {query_ids[0]!r})",
            "give the qrels of the same queries, with the same ids",
            field="query_id",
        )
    own = same_rows(run, qrels)
    grade = (qrels if own else run.merge(graded, on=KEYS, how="left"))["grade"]
    return JudgedRun(
        query_ids=query_ids,
        query=query[known],
        passage_id=run["passage_id"][known],
        score=score[known],
        grade=grade.fillna(0).to_numpy(dtype=np.float64)[known],
        judgements=Judgements.of_grades(
            len(query_ids),
            query_ids.get_indexer(graded["query_id"]),
            graded["grade"].to_numpy(),
            threshold,
        ),
        relevant_from=threshold,
        stored_dtype=stored_dtype or "",
        queries_without_qrels=tuple(run["query_id"][~known].unique()),
    )


def checked_frame(frame: pd.DataFrame, names: tuple[str, ...], source: str) -> pd.DataFrame:
    """Keep the columns ``names``, the first two of them ids as strings, with a fresh index.

    Raises the :class:`InputError` of :func:`judge`; ``source`` is what it calls the frame.
    """
    check_columns(frame, names, source)
    if frame.empty:
        raise InputError(f"the {source} has no rows", "give at least one (query, passage) pair")
    frame = frame[list(names)].reset_index(drop=True)
    check_ids(frame, source)
    for name in names[:2]:
        if pd.api.types.infer_dtype(frame[name]) == "integer":
            frame[name] = frame[name].astype(str)
    check_once(frame, source)
    return frame


def checked_scores(run: pd.DataFrame, stored_dtype: str | None, source: str) -> Floats:
    """Scores of a checked run after the cast, shape (n_rows,); :class:`InputError` for NaN."""
    score = _numbers(run, "score", source)
    if stored_dtype is not None:
        score = format_of(stored_dtype).round(score).astype(np.float64)
    nan = np.isnan(score)
    if nan.any():
        first = run.iloc[int(nan.argmax())]
        raise InputError(
            f"the score of query {first.query_id!r}, passage {first.passage_id!r} in the {source} "
            "is NaN",
            "score that pair again in a wider dtype, or leave it out",
            field="score",
        )
    return score


def _grades(qrels: pd.DataFrame) -> Floats:
    grade = _numbers(qrels, "grade", "qrels")
    wrong = ~(grade <= _HIGHEST_GRADE)  # NaN too
    if wrong.any():
        first = qrels.iloc[int(wrong.argmax())]
        raise InputError(
            f"the grade of query {first.query_id!r}, passage {first.passage_id!r} is "
            f"{grade[wrong][0]}",
            "give a number, 0 for not relevant, or leave the row out",
            field="grade",
        )
    return np.maximum(grade, 0.0)


def _checked_threshold(relevant_from: float | None) -> float:
    """Lowest grade that counts as relevant; the smallest number above 0 if none is given."""
    if relevant_from is None:
        return float(np.nextafter(0, 1))
    number = isinstance(relevant_from, Real) and not isinstance(relevant_from, bool)
    if not number or not 0 < relevant_from < np.inf:
        raise InputError(
            f"{quoted(relevant_from)} is no grade from which on a passage could be relevant",
            "give a number above 0, such as 2",
            field="relevant_from",
        )
    return float(relevant_from)


def _numbers(frame: pd.DataFrame, name: str, source: str) -> Floats:
    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(
            f"the {source} has {column.dtype} values there", "give numbers", field=name
        )
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
