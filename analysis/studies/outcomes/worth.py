"""What each path's ranking is worth under its ties, and under each tie rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.comparisons import ROUNDING
from analysis.counting import count, effects_table
from analysis.metrics import average, evaluate
from analysis.scorepath import TIE_RULES

K = 10
MEASURES = (f"nDCG@{K}", f"RR@{K}")

Runs = Mapping[str, pd.DataFrame]
"""Frames by the path's name: scored ones, or results of :func:`analysis.metrics.evaluate`."""


def tie_counts(runs: Runs) -> pd.DataFrame:
    """Count ties and saturation of each run; columns as :mod:`analysis.counting` has them.

    Grades are not needed.
    """
    return effects_table((name, count(run, k=K)) for name, run in runs.items())


def evaluated(runs: Runs, measures: Sequence[str] = MEASURES) -> dict[str, pd.DataFrame]:
    """Evaluate each run with its own grades; nothing for a set where a grade is missing."""
    if any(run["grade"].isna().any() for run in runs.values()):
        return {}
    return {name: evaluate(run, run, measures) for name, run in runs.items()}


def spans(worth: Runs) -> pd.DataFrame:
    """Average of each path and measure over queries, with its ends over the orders of ties.

    Columns ``path, measure, expected, min, max, std``, as :func:`analysis.metrics.average` has
    them, ``queries`` and ``open``: in how many of them the ties leave the value open.
    """
    columns = ["path", "measure", "expected", "min", "max", "std", "queries", "open"]
    tables = [pd.DataFrame(columns=columns)] * (not worth)
    for name, found in worth.items():
        is_open = found["max"] - found["min"] > ROUNDING
        number = is_open.groupby(found["measure"]).sum()
        mean = average(found)
        tables.append(mean.assign(path=name, open=mean["measure"].map(number))[columns])
    return pd.concat(tables, ignore_index=True)


def by_tie_rule(runs: Runs, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
    """Average each measure of each path under every tie rule.

    One row per path, measure and rule of :data:`analysis.scorepath.TIE_RULES`: ``path, measure,
    tie_rule, value``. The rule ``expected`` is the mean over all orders.
    """
    rows = []
    for name in evaluated(runs, measures):
        for rule in TIE_RULES:
            # The rule decides the column "oblivious" only, so any will do for the expected value.
            order, column = (
                (TIE_RULES[0], "expected") if rule == "expected" else (rule, "oblivious")
            )
            found = average(evaluate(runs[name], runs[name], measures, tie_rule=order))
            values = zip(found["measure"], found[column], strict=True)
            rows += [(name, measure, rule, value) for measure, value in values]
    return pd.DataFrame(rows, columns=["path", "measure", "tie_rule", "value"])
