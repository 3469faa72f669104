"""Every path against the reference: effect, certainty under ties, and the queries behind it."""

from __future__ import annotations

import pandas as pd

from analysis.comparisons import FIRST, ROUNDING, SECOND, compare, differences
from analysis.studies.outcomes.worth import Runs

PER_QUERY = ["path", "query_id", "measure", "difference", "min", "max", "certainty"]
EFFECT = [
    "path",
    "measure",
    "queries",
    "first",
    "second",
    "difference",
    "min",
    "max",
    "certainty",
    "p_value",
    "low",
    "high",
    "detectable",
    "queries_needed",
]
VERDICTS = ["path", "measure", "queries", "better", "equal", "worse", "better_for_certain"]
VERDICTS += ["worse_for_certain"]


def against(worth: Runs, reference: str, *, seed: int = 0) -> pd.DataFrame:
    """Compare each path with the one named ``reference``: path less reference.

    ``worth`` are results of :func:`analysis.studies.outcomes.evaluated`. Columns ``path``, then those of
    :func:`analysis.comparisons.compare`, *second* being the reference. Without other paths, without
    grades, or with one query, which no test can compare, there are no rows.
    """
    tables = [
        compare(found, worth[reference], seed=seed).assign(path=name)
        for name, found in _others(worth, reference)
        if found["query_id"].nunique() > 1
    ]
    return pd.concat(tables, ignore_index=True)[EFFECT] if tables else pd.DataFrame(columns=EFFECT)


def differing(effects: pd.DataFrame) -> pd.Series:
    """Tell which rows of :func:`against` have any query that can differ."""
    ends = effects[["low", "high", "min", "max"]].astype(float)
    return (ends.abs() > ROUNDING).any(axis=1)


def per_query(worth: Runs, reference: str) -> pd.DataFrame:
    """Take the reference from each path, query by query.

    Columns ``path``, then those of :func:`analysis.comparisons.differences`.
    """
    tables = [
        differences(found, worth[reference]).assign(path=name)
        for name, found in _others(worth, reference)
    ]
    if not tables:
        return pd.DataFrame(columns=PER_QUERY)
    return pd.concat(tables, ignore_index=True)[PER_QUERY]


def verdicts(queries: pd.DataFrame) -> pd.DataFrame:
    """Count queries by what a path does to them; ``queries`` comes from :func:`per_query`.

    One row per path and measure: ``queries``; ``better, equal, worse`` than the reference in
    expectation; ``better_for_certain, worse_for_certain``: under every order of the ties.
    """
    flags = queries.assign(
        queries=1,
        better=queries["difference"] > ROUNDING,
        equal=queries["difference"].abs() <= ROUNDING,
        worse=queries["difference"] < -ROUNDING,
        better_for_certain=queries["certainty"] == FIRST,
        worse_for_certain=queries["certainty"] == SECOND,
    )
    counted = flags.groupby(["path", "measure"], sort=False)[VERDICTS[2:]].sum()
    return counted.astype("int64").reset_index()


def examples(queries: pd.DataFrame, measure: str, number: int = 3) -> pd.DataFrame:
    """Queries that a path serves better than the reference in expectation, the largest gain first.

    At most ``number`` rows of :func:`per_query`; fewer, or none, where there are no more.
    """
    gains = queries[(queries["measure"] == measure) & (queries["difference"] > ROUNDING)]
    return gains.sort_values("difference", ascending=False, kind="stable").head(number)


def _others(worth: Runs, reference: str) -> list[tuple[str, pd.DataFrame]]:
    return [(name, found) for name, found in worth.items() if name != reference]
