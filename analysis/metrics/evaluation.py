"""Evaluating a run: every measure of every query, and averages over queries."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.errors import InputError
from analysis.metrics.groups import Judgements, TieGroups
from analysis.metrics.judged import JudgedRun, judge
from analysis.metrics.measures import Measure, measure_of
from analysis.metrics.orders import Retrieved
from analysis.metrics.sums import Floats
from analysis.scorepath import TieRule

VALUES = ["expected", "min", "max", "std", "oblivious", "bias"]


def evaluate(
    run: pd.DataFrame,
    qrels: pd.DataFrame,
    measures: str | Measure | Iterable[str | Measure],
    *,
    stored_dtype: str | None = None,
    relevant_from: float | None = None,
    tie_rule: TieRule = "docid descending",
) -> pd.DataFrame:
    """Evaluate a run under its ties; frames as :func:`~analysis.metrics.judged.judge` takes them.

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
    judged = judge(run, qrels, stored_dtype=stored_dtype, relevant_from=relevant_from)
    return evaluate_judged(judged, measures, tie_rule)


def evaluate_judged(
    run: JudgedRun,
    measures: str | Measure | Iterable[str | Measure],
    tie_rule: TieRule = "docid descending",
) -> pd.DataFrame:
    """Evaluate a run that is joined already; the result is that of :func:`evaluate`."""
    one = isinstance(measures, str) or not isinstance(measures, Iterable)
    chosen = [measure_of(measure) for measure in ([measures] if one else measures)]
    if not chosen:
        raise InputError("no measure is given", 'name one, such as "nDCG@10"', field="measure")
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
