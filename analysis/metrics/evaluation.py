"""Evaluating a run: every measure of every query, and averages over queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.errors import InputError
from analysis.frames import check_columns
from analysis.metrics.groups import Judgements, TieGroups
from analysis.metrics.judged import QRELS_COLUMNS, RUN_COLUMNS, JudgedRun, judge
from analysis.metrics.measures import Measure, measure_of
from analysis.metrics.orders import Retrieved
from analysis.metrics.sums import Floats
from analysis.pieces import pieces
from analysis.scorepath import TieRule

VALUES = ["expected", "min", "max", "std", "oblivious", "bias"]


def evaluate(
    run: pd.DataFrame | str | Path,
    qrels: pd.DataFrame | str | Path,
    measures: str | Measure | Iterable[str | Measure],
    *,
    stored_dtype: str | None = None,
    relevant_from: float | None = None,
    tie_rule: TieRule = "docid descending",
) -> pd.DataFrame:
    """Evaluate a run under its ties; frames as :func:`~analysis.metrics.judged.judge` takes them.

    Either may be the name of a Parquet file or folder instead, of any size: of the run a piece at a
    time is in memory (:mod:`analysis.pieces`), of other qrels all. Where both are the same, the
    run's own column ``grade`` judges it.

    ``measures`` is one measure or several, by its name here, in trec_eval or in mteb
    (:func:`~analysis.metrics.measures.measure_of`). Every measure but nDCG asks whether a passage
    is relevant: it is from the grade ``relevant_from`` on, by default with any above 0.

    Returns one row per measure and judged query, measures in the order given, queries in that of
    the qrels: ``query_id, measure, expected, min, max, std, oblivious, bias, tie_rule,
    stored_dtype``. ``std`` is the standard deviation over tie orders; ``oblivious`` is the value
    under ``tie_rule`` (trec_eval's by default) and ``bias`` is ``oblivious - expected``;
    ``stored_dtype`` is the dtype that ties were counted in, "" for scores as they came.

    Raises :class:`InputError` as :func:`~analysis.metrics.judged.judge` does, for a measure that
    there is not, and for the tie rule ``expected``, which gives no order.
    """
    options = {"stored_dtype": stored_dtype, "relevant_from": relevant_from}
    chosen = _measures(measures)
    if isinstance(qrels, str | Path) and str(qrels) != str(run):
        qrels = pd.concat(pieces(qrels, QRELS_COLUMNS), ignore_index=True)
    parts = _parts(run, qrels) if isinstance(run, str | Path) else [(run, qrels)]
    tables = [
        evaluate_judged(judge(rows, judgements, **options), chosen, tie_rule)
        for rows, judgements in parts
    ]
    return tables[0] if len(tables) == 1 else _together(tables, qrels)


def evaluate_judged(
    run: JudgedRun,
    measures: str | Measure | Iterable[str | Measure],
    tie_rule: TieRule = "docid descending",
) -> pd.DataFrame:
    """Evaluate a run that is joined already; the result is that of :func:`evaluate`."""
    chosen = _measures(measures)
    retrieved = Retrieved.of_run(run)
    groups, ordered = retrieved.groups(), retrieved.under(tie_rule)
    worst, best = retrieved.worst(), retrieved.best()
    tables = []
    for measure in chosen:
        expected, least, most = bounds(measure, groups, worst, best, run.judgements)
        oblivious = measure.expected(ordered, run.judgements)
        std = np.sqrt(measure.variance(groups, run.judgements))
        values = (expected, least, most, std, oblivious, oblivious - expected)
        table = pd.DataFrame(dict(zip(VALUES, values, strict=True)))
        table.insert(0, "query_id", run.query_ids)
        table.insert(1, "measure", measure.name)
        tables.append(table.assign(tie_rule=tie_rule, stored_dtype=run.stored_dtype))
    return pd.concat(tables, ignore_index=True)


def _measures(measures: str | Measure | Iterable[str | Measure]) -> list[Measure]:
    one = isinstance(measures, str) or not isinstance(measures, Iterable)
    chosen = [measure_of(measure) for measure in ([measures] if one else measures)]
    if not chosen:
        raise InputError("no measure is given", 'name one, such as "nDCG@10"', field="measure")
    return chosen


def _parts(
    run: str | Path, qrels: pd.DataFrame | str | Path
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """A run in parts, each with the judgements of its queries; parts that nobody judged left out.

    The last has the judgements of the queries that the run has not as well, or all if there are no
    others, so that what :func:`judge` says of such a run is said.
    """
    if isinstance(qrels, str | Path):
        yield from ((rows, rows) for rows in pieces(run, (*RUN_COLUMNS, "grade")))
        return
    check_columns(qrels, QRELS_COLUMNS, "qrels")
    qrels = qrels.reset_index(drop=True)
    asked, remaining, held, rows = qrels["query_id"].astype(str), qrels, None, None
    for rows in pieces(run, RUN_COLUMNS):
        here = asked.isin(rows["query_id"].astype(str).unique())
        if not here.any():
            continue
        if held is not None:
            yield held
        held = rows, qrels[here]
        remaining = remaining.drop(remaining.index[here.loc[remaining.index]])
    rows, judged = held or (rows, qrels.iloc[:0])
    yield rows, pd.concat([judged, remaining])


def _together(tables: list[pd.DataFrame], qrels: pd.DataFrame | str | Path) -> pd.DataFrame:
    """One table of those of several parts, in the order of one of the whole."""
    rows = pd.concat(tables, ignore_index=True)
    keys = [pd.factorize(rows["measure"])[0]]
    if isinstance(qrels, pd.DataFrame):
        queries = pd.Index(qrels["query_id"].astype(str).unique())
        keys.insert(0, queries.get_indexer(rows["query_id"]))
    return rows.iloc[np.lexsort(keys)].reset_index(drop=True)


def bounds(
    measure: Measure, groups: TieGroups, worst: TieGroups, best: TieGroups, judgements: Judgements
) -> tuple[Floats, Floats, Floats]:
    """Expected value, minimum and maximum of each query, each of the shape (n_queries,)."""
    least, most = (measure.expected(order, judgements) for order in (worst, best))
    # The mean lies between the ends; rounding must not push it out, least of all where they meet.
    return np.clip(measure.expected(groups, judgements), least, most), least, most


def average(evaluated: pd.DataFrame) -> pd.DataFrame:
    """Macro-average of each measure over queries, from the result of :func:`evaluate`.

    One row per measure: ``measure, queries`` (how many), then the columns of a query. ``min`` and
    ``max`` are the ends of what the average can be; ``std`` is its standard deviation over tie
    orders, the queries' orders being independent.
    """
    labels = ["measure", "tie_rule", "stored_dtype"]
    squared = evaluated.assign(std=evaluated["std"] ** 2)
    by_measure = squared.groupby(labels, sort=False)
    means, queries = by_measure[VALUES].mean(), by_measure.size()
    means["std"] = np.sqrt(means["std"] / queries)
    means.insert(0, "queries", queries)
    return means.reset_index()[["measure", "queries", *VALUES, "tie_rule", "stored_dtype"]]
