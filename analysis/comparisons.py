"""One run against another: differences under ties, a paired test, and how many queries it takes.

What decides is the expected value of each query. Whether the ties could turn the answer round is
a question of its own: between the runs A and B the difference lies in
[min A − max B, max A − min B] whatever the order of the ties in either.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import InputError
from analysis.frames import check_columns
from analysis.metrics.sums import Floats

Certainty = Literal["certain: first", "certain: second", "certain: equal", "not certain under ties"]
FIRST, SECOND, EQUAL, NOT_CERTAIN = get_args(Certainty)

ROUNDING = 1e-12
"""Differences up to this count as none: measures are exact to it, but not always to the last bit
where two different sums are equal."""

LEVEL = 0.05
POWER = 0.8
RESAMPLES = 9_999
_MOST_QUERIES = 1e12
BATCH = 1_000  # resamples held in memory at a time, of no more than so many queries:
_QUERIES_AT_ONCE = 10_000


def differences(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """First run less second run, per measure and query.

    Both are results of :func:`analysis.metrics.evaluate` over the same judgements and measures.
    Returns ``query_id, measure, difference, min, max, certainty`` in the order of ``first``:
    ``difference`` of the expected values; ``min`` and ``max`` that it has over all orders of the
    ties of both runs; ``certainty`` as :func:`certainty` gives it. Raises :class:`InputError` where
    the two differ in their queries or measures, and for frames that are no such results.
    """
    keys = ["query_id", "measure"]
    for frame, name in ((first, "first run"), (second, "second run")):
        remedy = "give what evaluate(run, qrels, measures) returns for each of the runs"
        check_columns(frame, [*keys, "expected", "min", "max"], name, remedy)
    both = first.merge(second, on=keys, how="outer", suffixes=("_1", "_2"), indicator=True)
    alone = both[both["_merge"] != "both"]
    if not alone.empty or not len(both) == len(first) == len(second):
        where = f" ({alone.iloc[0].query_id}, {alone.iloc[0].measure})" if len(alone) else ""
        raise InputError(
            f"the two runs are not evaluated for the same queries and measures{where}",
            "evaluate both with the same qrels and the same measures, each once",
        )
    both = first[keys].merge(both, on=keys)
    least, most = both["min_1"] - both["max_2"], both["max_1"] - both["min_2"]
    return both[keys].assign(
        difference=both["expected_1"] - both["expected_2"],
        min=least,
        max=most,
        certainty=[certainty(*ends) for ends in zip(least, most, strict=True)],
    )


def certainty(least: float, most: float) -> Certainty:
    """Say what a difference between ``least`` and ``most`` leaves certain: which run is better.

    ``certain: first`` (or ``second``) if it is better under every order of the ties,
    ``certain: equal`` if every order gives the same value, else ``not certain under ties``.
    """
    if least > ROUNDING:
        return FIRST
    if most < -ROUNDING:
        return SECOND
    return EQUAL if max(-least, most) <= ROUNDING else NOT_CERTAIN


def compare_measures(first: pd.DataFrame, second: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Compare two runs measure by measure, over all queries that both were evaluated for.

    Takes what :func:`differences` takes. Returns one row per measure:

    - ``measure, queries``; ``first, second``: mean expected values; ``difference``: first less
      second; ``min, max``: its ends over all orders of the ties; ``certainty`` on them;
    - ``p_value``: paired randomisation test on the expected values, two-sided (Smucker, Allan and
      Carterette, CIKM 2007): every sign of every query's difference, or 9,999 random ones where
      there are more;
    - ``low, high``: 95 % bootstrap interval of the difference (percentiles of 9,999 resamples of
      the queries);
    - ``detectable, queries_needed``: the smallest mean difference that a paired t-test at level
      0.05 would find with probability 0.8 among so many queries, and how many queries it would
      need to find the difference observed (see :func:`queries_needed`).

    The randomisation test and the interval speak about other queries, ``certainty`` about other
    orders of the ties; neither implies the other. Raises :class:`InputError` as
    :func:`differences` does, and for fewer than two queries, which no test can compare.
    """
    per_query = differences(first, second)
    means = [frame.groupby("measure", sort=False)["expected"].mean() for frame in (first, second)]
    rows = []
    for measure, table in per_query.groupby("measure", sort=False):
        if len(table) < 2:
            raise InputError(
                "one query is too few for a test", "evaluate two or more, or ask differences()"
            )
        rows.append(
            {
                "measure": measure,
                "queries": len(table),
                "first": means[0][measure],
                "second": means[1][measure],
                "difference": table["difference"].mean(),
                "min": table["min"].mean(),
                "max": table["max"].mean(),
                "certainty": certainty(table["min"].mean(), table["max"].mean()),
                **_tests(table["difference"].to_numpy(), seed),
            }
        )
    return pd.DataFrame(rows).astype({"queries_needed": "Int64"})


def queries_needed(difference: Floats) -> int | None:
    """How many queries a paired t-test needs to find the mean of ``difference`` (n_queries,).

    For two queries or more; at level α = 0.05, two-sided, with power 0.8, and with the mean and
    standard deviation observed: n = ((z(1 − α/2) + z(power)) / d)² + z(1 − α/2)²/2, where z is
    the normal quantile and d = mean/std: Guenther's approximation (The American Statistician
    35(4), 1981). None where the mean is 0, or vanishes beside its spread so that a million million
    queries would not do. A small observed difference may be chance, and then so is this number.
    """
    mean, std = _mean_and_std(difference)
    if mean == 0:
        return None
    level, both = _normal_quantiles()
    needed = np.ceil((both * std / mean) ** 2 + level**2 / 2)
    return max(2, int(needed)) if needed <= _MOST_QUERIES else None


def detectable(difference: Floats) -> float:
    """Smallest mean difference found with power 0.8 by so many queries with this spread.

    The same approximation as :func:`queries_needed`; ``difference`` (n_queries,) has two queries
    or more.
    """
    _, std = _mean_and_std(difference)
    level, both = _normal_quantiles()
    return float(both * std / np.sqrt(len(difference) - level**2 / 2))


def _tests(difference: Floats, seed: int) -> dict[str, object]:
    batch = max(1, min(BATCH, BATCH * _QUERIES_AT_ONCE // len(difference)))
    test = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=batch,
        rng=np.random.default_rng(seed),
    )
    interval = stats.bootstrap(
        (difference,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=batch,
        confidence_level=1 - LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return {
        "p_value": test.pvalue,
        "low": interval.low,
        "high": interval.high,
        "detectable": detectable(difference),
        "queries_needed": queries_needed(difference),
    }


def _mean_and_std(difference: Floats) -> tuple[float, float]:
    mean = float(np.mean(difference))
    return (0.0 if abs(mean) <= ROUNDING else mean), float(np.std(difference, ddof=1))


def _normal_quantiles() -> tuple[float, float]:
    """Quantiles z of half the level, and its sum with that of the power."""
    level = float(stats.norm.ppf(1 - LEVEL / 2))
    return level, level + float(stats.norm.ppf(POWER))
