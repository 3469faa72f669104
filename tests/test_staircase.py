"""The staircase against enumeration of every logit."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.sigmoids import FORMULAS, saturation, sigmoid
from analysis.staircase import distinct_scores, staircase


def enumerated(formula, dtype, low, high, logits):
    """First and last logit of each score, by scoring every logit there is."""
    scores = sigmoid(logits, formula, dtype).astype(np.float64)
    frame = pd.DataFrame({"score": scores, "logit": logits.astype(np.float64)})
    frame = frame[frame["score"].between(low, high)]
    return frame.groupby("score")["logit"].agg(["min", "max"]).reset_index()


INTERVALS = [(0.99, 1.0), (0.0, 1.0), (0.3, 0.7), (0.0, 0.001)]
CASES = [
    (formula, dtype, interval)
    for formula, interval in product(FORMULAS, INTERVALS)
    for dtype in ("float16", "bfloat16", "float8_e5m2")
    if formula != "upcast" or interval == (0.99, 1.0)  # the others hold too many float32 scores
]


@pytest.mark.parametrize(("formula", "dtype", "interval"), CASES)
def test_every_step_is_what_enumeration_gives(formula, dtype, interval):
    steps = staircase(formula, dtype, *interval)
    expected = enumerated(formula, dtype, *interval, FORMATS[dtype].values(-np.inf, np.inf))
    assert steps["score"].tolist() == expected["score"].tolist()
    assert steps["logit_low"].tolist() == expected["min"].tolist()
    assert steps["logit_high"].tolist() == expected["max"].tolist()


@pytest.mark.parametrize("formula", ["fused", "stepwise"])
def test_float32_steps_near_one_are_what_enumeration_gives(formula):
    float32 = FORMATS["float32"]
    low = 1 - 2e-6
    first, last = int(float32.ordinals(13.0)), int(float32.ordinals(17.0))
    logits = float32.from_ordinals(np.arange(first, last + 1))
    steps = staircase(formula, "float32", low)
    expected = enumerated(formula, "float32", low, 1.0, logits)
    assert steps["score"].tolist() == expected["score"].tolist()
    assert steps["logit_low"].tolist() == expected["min"].tolist()
    assert steps["logit_high"].tolist()[:-1] == expected["max"].tolist()[:-1]


def test_float32_logits_cast_to_float16():
    steps = staircase("fused", "float16", 0.998, logit_dtype="float32")
    edges = steps[["logit_low", "logit_high"]].to_numpy()
    inside = sigmoid(edges[:-1].ravel(), "fused", "float16").astype(np.float64)
    assert inside.tolist() == np.repeat(steps["score"][:-1], 2).tolist()
    assert np.array_equal(FORMATS["float32"].next_above(edges[:-1, 1]), edges[1:, 0])


def test_the_stepwise_float16_row_of_the_report_has_three_scores():
    scores = staircase("stepwise", "float16", 0.998)["score"].round(3).tolist()
    assert scores == [0.998, 0.999, 1.0]


@pytest.mark.parametrize("formula", ["fused", "stepwise"])
def test_the_last_step_is_the_saturated_one(formula):
    steps = staircase(formula, "float16", 0.9)
    assert steps["logit_low"].iloc[-1] == saturation(formula, "float16").one_from
    assert steps["width"].iloc[-1] == np.inf
    assert np.isfinite(steps["width"].iloc[:-1]).all()


def test_width_of_a_step_with_one_logit_is_zero():
    steps = staircase("upcast", "float16", 0.99, 0.991)
    assert (steps["width"] == 0).all()


def test_distinct_scores_counts_the_steps():
    assert distinct_scores("stepwise", "float16", 0.998) == 3
    assert distinct_scores("fused", "float16", 0.998) == 5


def test_an_interval_that_is_none_is_refused():
    with pytest.raises(InputError, match="no interval of scores"):
        staircase("fused", "float16", 0.9, 0.8)
    with pytest.raises(InputError, match="no interval of scores"):
        staircase("fused", "float16", 0.9, 1.5)
    with pytest.raises(InputError, match="narrower interval"):
        staircase("upcast", "float16", 0.0, 1.0)
