"""Two runs compared: differences under ties, the paired test, the interval, and power."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from reader_files import refused
from scipy import stats

from analysis.comparisons import (
    EQUAL,
    FIRST,
    LEVEL,
    NOT_CERTAIN,
    POWER,
    SECOND,
    certainty,
    compare_measures,
    detectable,
    differences,
    queries_needed,
)
from analysis.metrics import evaluate

QRELS = pd.DataFrame(
    {"query_id": ["q1", "q2", "q3", "q4"], "passage_id": "p1", "grade": 1},
)


def evaluated(**scores: list[float]) -> pd.DataFrame:
    """RR and P@1 of queries whose passages p1 (relevant), p2, … have these scores."""
    rows = [
        (query_id, f"p{number}", score)
        for query_id, row in scores.items()
        for number, score in enumerate(row, 1)
    ]
    run = pd.DataFrame(rows, columns=["query_id", "passage_id", "score"])
    return evaluate(run, QRELS, ["RR", "P@1"])


FIRST_RUN = evaluated(q1=[2, 1], q2=[1, 1], q3=[1, 2], q4=[1, 1])
SECOND_RUN = evaluated(q1=[1, 2], q2=[1, 1], q3=[1, 2], q4=[2, 1])


def test_differences_of_each_query():
    table = differences(FIRST_RUN, SECOND_RUN).query("measure == 'RR'")
    assert table["query_id"].tolist() == ["q1", "q2", "q3", "q4"]
    assert table["difference"].tolist() == [0.5, 0, 0, -0.25]
    assert table["min"].tolist() == [0.5, -0.5, 0, -0.5]
    assert table["max"].tolist() == [0.5, 0.5, 0, 0]
    assert table["certainty"].tolist() == [FIRST, NOT_CERTAIN, EQUAL, NOT_CERTAIN]


def test_differences_turn_round_with_the_runs():
    there, back = differences(FIRST_RUN, SECOND_RUN), differences(SECOND_RUN, FIRST_RUN)
    assert (there["difference"] == -back["difference"]).all()
    assert (there["min"] == -back["max"]).all()
    assert back["certainty"][0] == SECOND


def test_certainty_does_not_take_rounding_for_a_difference():
    assert certainty(-1e-16, 1e-16) == certainty(1e-16, 1e-16) == EQUAL
    assert certainty(-1e-16, 0.1) == NOT_CERTAIN


def test_the_difference_of_every_order_lies_between_the_ends():
    generator = np.random.default_rng(0)
    first, second = (
        evaluated(**{f"q{n}": generator.integers(0, 3, 4) for n in range(1, 5)}) for _ in range(2)
    )
    table = differences(first, second)
    ends = [run[["min", "max"]].to_numpy() for run in (first, second)]
    for a, b in product(range(2), range(2)):
        difference = ends[0][:, a] - ends[1][:, b]
        assert (difference >= table["min"]).all()
        assert (difference <= table["max"]).all()


def test_the_table():
    row = compare_measures(FIRST_RUN, SECOND_RUN).iloc[0]
    assert row["measure"] == "RR"
    assert row["queries"] == 4
    assert row["first"] - row["second"] == row["difference"] == 0.0625
    assert (row["min"], row["max"], row["certainty"]) == (-0.125, 0.25, NOT_CERTAIN)
    assert row["low"] <= row["difference"] <= row["high"]


def test_few_queries_are_tested_with_every_sign():
    given = np.array([0.5, 0, 0, -0.25])
    means = [np.mean(given * signs) for signs in product([-1, 1], repeat=4)]
    above = np.mean([mean >= given.mean() for mean in means])
    assert compare_measures(FIRST_RUN, SECOND_RUN)["p_value"][0] == 2 * above


def made(differences_of: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results of two runs without ties that differ so in nDCG."""
    base = pd.DataFrame({"query_id": [f"q{n}" for n in range(len(differences_of))]})
    base["measure"] = "nDCG"
    frames = []
    for values in (0.5 + differences_of, np.full(len(differences_of), 0.5)):
        frames.append(base.assign(expected=values, min=values, max=values))
    return frames[0], frames[1]


def test_a_clear_difference_is_found_and_repeats_with_its_seed():
    first, second = made(np.random.default_rng(0).normal(0.1, 0.1, 60))
    table = compare_measures(first, second)
    row = table.iloc[0]
    assert row["p_value"] <= 2 / 10_000
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["certainty"] == FIRST
    assert row["queries_needed"] < 60
    assert row["detectable"] < row["difference"]
    pd.testing.assert_frame_equal(table, compare_measures(first, second), check_exact=True)
    t_test = stats.ttest_1samp(first["expected"] - 0.5, 0).confidence_interval(1 - LEVEL)
    # The interval is that of a t-test but for the resampling and the small sample.
    assert row["low"] == pytest.approx(t_test.low, abs=0.01)
    assert row["high"] == pytest.approx(t_test.high, abs=0.01)


def test_equal_runs():
    row = compare_measures(*made(np.zeros(10))).iloc[0]
    assert row["p_value"] == 1
    assert (row["low"], row["high"], row["detectable"]) == (0, 0, 0)
    assert row["certainty"] == EQUAL
    assert row["queries_needed"] is pd.NA


@pytest.mark.parametrize("effect", [0.1, 0.2, 0.5, 0.8])
def test_queries_needed_have_the_power_of_the_exact_t_test(effect):
    spread = np.tile([-1.0, 1.0], 50)
    difference = effect * spread.std(ddof=1) + spread
    needed = queries_needed(difference)

    def power(queries):
        edge = stats.t.ppf(1 - LEVEL / 2, queries - 1)
        shift = effect * np.sqrt(queries)
        both = stats.nct.sf(edge, queries - 1, shift), stats.nct.cdf(-edge, queries - 1, shift)
        return sum(both)

    # The approximation may be one query off.
    assert power(needed + 1) >= POWER
    assert power(needed - 2) < POWER


def test_detectable_is_what_so_many_queries_are_needed_for():
    spread = np.tile([-1.0, 1.0], 20)
    smallest = detectable(spread)
    assert queries_needed(spread + smallest) in (40, 41)


@pytest.mark.parametrize("vanishing", [1e-11, 1e-9, 1e-7])
def test_no_number_of_queries_finds_a_vanishing_difference(vanishing):
    row = compare_measures(*made(np.array([vanishing, 0.3, -0.3]))).iloc[0]
    assert row["queries_needed"] is pd.NA
    assert row["difference"] == pytest.approx(vanishing / 3, rel=1e-4)
    assert np.isfinite(row[["p_value", "low", "high", "detectable"]].astype(float)).all()


def test_bad_input():
    with_other_query = SECOND_RUN.replace({"query_id": {"q4": "q5"}})
    assert "q4" in refused(differences, FIRST_RUN, with_other_query).problem
    twice = pd.concat([FIRST_RUN, FIRST_RUN])
    assert "same queries" in refused(differences, twice, FIRST_RUN).problem
    alone = [frame.query("query_id == 'q1'") for frame in (FIRST_RUN, SECOND_RUN)]
    assert "one query" in refused(compare_measures, *alone).problem


def test_runs_that_were_not_evaluated_are_refused():
    run = pd.DataFrame({"query_id": ["q"], "passage_id": ["p"], "score": [1.0]})
    for first, second in ((run, run), (None, run)):
        error = refused(compare_measures, first, second)
        assert "first run" in error.problem
        assert "evaluate(run, qrels, measures)" in error.remedy
