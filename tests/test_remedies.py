"""Remedies: effects against plain counting, calibration against torch, the rules one by one."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch
from analysis.remedies.effects import reordered
from hypothesis import given
from hypothesis import strategies as st
from reader_files import refused

from analysis.engines import path_of
from analysis.fingerprinting import Verdict
from analysis.formats import FORMATS
from analysis.remedies import (
    REMEDIES,
    Situation,
    calibrated,
    calibration_curve,
    code_table,
    measure,
    measure_versions,
    recommend,
    remedy_table,
    situation_of,
    version_differences,
    version_sentence,
)
from analysis.remedies.table import AS_IT_IS, CALIBRATION, FINE_TUNING, FLOAT32, HPS, RAW, VERIFIED
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.ties import with_tie_groups
from analysis.verifying import try_out

OLD = path_of("infinity", "0.0.68", "float16")
NEW = {dtype: path_of("infinity", "0.0.78", dtype) for dtype in ("float32", "float16", "bfloat16")}


def logits_of(*queries: list[float], grades: list[int] | None = None) -> pd.DataFrame:
    """Frame of float32 logits and of the same rounded to float16 and bfloat16."""
    rows = [
        (f"q{q}", f"p{p}", pd.NA if grades is None else grades[p], logit)
        for q, logits in enumerate(queries)
        for p, logit in enumerate(logits)
    ]
    frame = pd.DataFrame(rows, columns=["query_id", "passage_id", "grade", "logit"])
    frame["grade"] = frame["grade"].astype("Int64")
    return pd.concat(
        [
            frame.assign(
                forward_dtype=dtype, logit=FORMATS[dtype].round(frame["logit"]).astype(float)
            )
            for dtype in ("float32", "float16", "bfloat16")
        ],
        ignore_index=True,
    )


def random_logits(n_queries: int = 8, spread: float = 3) -> pd.DataFrame:
    drawn = np.random.default_rng(0).normal(7, spread, (n_queries, 10))
    return logits_of(*drawn.tolist(), grades=[3, 2, 2, 1, 1, 0, 0, 0, 0, 0])


# Effects


def test_each_remedy_is_counted_as_written_down():
    #                     1.0 ↓    ↓   float16 logits tie ↓       ↓
    measured = measure(logits_of([9.0, 8.0, 6.0, 2.0001, 2.0, -3.0]), OLD, k=4)
    found = measured.set_index("remedy")
    assert found.loc[AS_IT_IS, "saturated"] == 2
    assert found["tied_in_top"].to_dict() == {
        AS_IT_IS: 4,
        HPS.name: 2,
        RAW.name: 2,
        FLOAT32.name: 0,
    }
    assert found["first_tied"].tolist() == [1, 0, 0, 0]
    assert found["reordered"].tolist() == [1, 1, 1, 0]
    assert found["saturated"].isna().tolist() == [False, False, True, False]
    assert found["ndcg"].isna().all()


def test_a_tie_that_begins_below_k_counts_for_nothing():
    found = measure(logits_of([9.0, 8.0, 6.0, 2.0001, 2.0]), NEW["float16"], k=3)
    assert (found["tied_in_top"] == 0).all()
    assert (found["reordered"] == 0).all()


def test_ndcg_is_bounded_by_its_ends_and_float32_orders_everything():
    found = measure(random_logits(), OLD).set_index("remedy")
    assert (found["ndcg_min"] <= found["ndcg"]).all()
    assert (found["ndcg"] <= found["ndcg_max"]).all()
    assert found.loc[AS_IT_IS, "ndcg_min"] < found.loc[AS_IT_IS, "ndcg_max"]
    assert found.loc[FLOAT32.name, "ndcg_min"] == found.loc[FLOAT32.name, "ndcg_max"]


def test_verified_top_k_has_the_places_of_float32():
    logits = random_logits(40, spread=0.5)
    trial = try_out(logits, "bfloat16", k=5)
    found = measure(logits, NEW["bfloat16"], k=5, trial=trial, factor=0.5).set_index("remedy")
    missed = (~trial.queries["within"]).sum()
    assert found.loc[VERIFIED.name, "reordered"] <= missed < found.loc[AS_IT_IS, "reordered"]
    if not missed:
        assert found.loc[VERIFIED.name, "ndcg"] == found.loc[FLOAT32.name, "ndcg"]
    assert CALIBRATION.name in found.index


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=7),
    st.lists(st.integers(0, 3), min_size=7, max_size=7),
    st.integers(1, 8),
)
def test_reordered_compares_the_spans_of_ranks(first, second, k):
    second = second[: len(first)]

    def spans(scores):
        better = [sum(other > score for other in scores) for score in scores]
        return [(n + 1, n + scores.count(score)) for n, score in zip(better, scores, strict=True)]

    differ = any(
        a != b and min(a[0], b[0]) <= k for a, b in zip(spans(first), spans(second), strict=True)
    )
    frames = [
        with_tie_groups(
            pd.DataFrame({"query_id": "q", "passage_id": range(len(scores)), "score": scores})
        )
        for scores in (first, second)
    ]
    assert reordered(*frames, k) == differ


def test_versions_are_measured_on_the_same_path():
    high = random_logits()
    low = high.assign(logit=high["logit"] / 4)
    found = measure_versions({"high": high, "low": low}, OLD).set_index("model")
    own = measure(high, OLD).set_index("remedy")
    assert found.loc["high", "tied_in_top"] == own.loc[AS_IT_IS, "tied_in_top"]
    assert found.loc["high", "ndcg_float32"] == own.loc[FLOAT32.name, "ndcg"]
    float32 = high.loc[high["forward_dtype"] == "float32", "logit"]
    assert found.loc["high", "highest"] == float32.max()
    assert found.loc["low", "median_top"] == found.loc["high", "median_top"] / 4
    assert found.loc["low", "saturated"] < found.loc["high", "saturated"]


def test_versions_are_compared_in_float32_and_only_where_a_test_is_possible():
    good = random_logits()
    worse = good.assign(logit=-good["logit"])
    found = version_differences({"good": good, "worse": worse, "same": good}, k=5)
    assert found["model"].tolist() == ["worse", "same"]
    ndcg = measure_versions({"good": good, "worse": worse}, OLD, k=5)["ndcg_float32"]
    assert found["difference"].iloc[0] == pytest.approx(ndcg[1] - ndcg[0], abs=1e-12)
    assert found["difference"].iloc[1] == 0
    assert version_differences({"good": good}).empty
    assert version_differences({"a": logits_of([1.0, 2.0], [3.0, 4.0])} | {"b": good}).empty


# Calibration


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("factor", [0.1, 0.25, 1.0, 1.7])
def test_calibrated_is_haystack_s_formula_in_torch(dtype, factor):
    path = path_of("haystack", "2.31.0", dtype)
    logits = path.logits(np.random.default_rng(1).normal(0, 6, 8192))
    tensor = torch.from_numpy(logits).to(getattr(torch, dtype))
    expected = torch.sigmoid(tensor * factor).double().numpy()
    assert np.array_equal(calibrated(logits, factor, path), expected)


def test_a_factor_of_one_changes_nothing():
    logits = random_logits().query("forward_dtype == 'float16'")["logit"].to_numpy()
    assert np.array_equal(calibrated(logits, 1.0, OLD), OLD.scores(logits))


@pytest.mark.parametrize("factor", [0.0, -1.0, np.inf, np.nan])
def test_other_factors_are_refused(factor):
    assert refused(calibrated, [1.0], factor, OLD).field == "factor"


@given(st.floats(0.01, 4), st.lists(st.floats(-12, 20, width=16), min_size=2, max_size=8))
def test_no_factor_separates_logits_that_tie(factor, logits):
    scores = calibrated([*logits, logits[0]], factor, OLD)
    assert scores[0] == scores[-1]


def test_the_curve_counts_what_each_factor_leaves():
    logits = logits_of([9.0, 8.5, 8.0, 1.0, 1.0])
    found = calibration_curve(logits, OLD, [1.0, 0.25, 2.0**-9], k=3)
    assert found["saturated"].tolist() == [3, 0, 0]
    assert found["tied_in_top"].tolist()[:2] == [3, 0]
    assert found["tied_in_top"].iloc[2] > 0, "so small a factor makes new ties"


# The table


def test_the_table_tells_everything_of_every_remedy():
    assert len({remedy.name for remedy in REMEDIES}) == len(REMEDIES) == 6
    for remedy in REMEDIES:
        assert all(getattr(remedy, field.name) for field in fields(remedy))
    assert remedy_table()["remedy"].tolist() == [remedy.name for remedy in REMEDIES]
    assert len(code_table()) == 3 * len(REMEDIES)


def test_the_lines_for_sentence_transformers_name_parameters_that_exist():
    cross_encoder = pytest.importorskip("sentence_transformers.cross_encoder")
    import inspect

    predict = inspect.signature(cross_encoder.CrossEncoder.predict).parameters
    assert "activation_fn" in predict
    assert "model_kwargs" in inspect.signature(cross_encoder.CrossEncoder).parameters


# The recommendation


def verdict(kind="sigmoid", paths=(), decimals=None, wanted="raw logits"):
    return Verdict(kind, None, tuple(paths), decimals, None, 100, 90, 9.0, "because", wanted)


HALF_STORED = ScorePath("float32", "fused", "float32", "float16")
HALF_LOGITS = ScorePath("float16", "none", "float16", "float16")
HALVES = [OLD, path_of("haystack", "2.31.0", "float16")]


@pytest.mark.parametrize(
    ("situation", "remedy", "says"),
    [
        (Situation(None, 0, 0, verdict=verdict("sigmoid twice")), "one sigmoid", "sigmoid once"),
        (Situation(OLD, 0, 0), "nothing", "Nothing to mend.*float16: evaluate it in float32"),
        (Situation(NEW["float16"], 0, 0), "nothing", r"Nothing to mend.*top ranks\.$"),
        (
            Situation(NEW["bfloat16"], 0, 0, reordered=3, queries=9),
            "nothing",
            "In 3 of 9 queries the top 10 by raw bfloat16 logits is not that of float32",
        ),
        (Situation(None, 1, 0, verdict=verdict("mixture")), "separate audits", "more than one"),
        (Situation(OLD, 0, 4, verdict=verdict(decimals=3)), "more decimals", "than 3 decimals"),
        (
            Situation(None, 0, 4, verdict=verdict("cannot tell")),
            RAW.name,
            "what is missing: raw logits",
        ),
        (Situation(None, 0, 4, verdict=verdict(paths=HALVES)), HPS.name, "sigmoid in float32"),
        (Situation(None, 0, 4), RAW.name, "Order by raw logits"),
        (Situation(OLD, 3, 4, tied_hps=0, tied_raw=0), HPS.name, "or order by raw logits"),
        (Situation(OLD, 3, 4, tied_hps=3, tied_raw=0), RAW.name, "rather than by its scores"),
        (
            Situation(OLD, 3, 4, tied_hps=2, tied_raw=2),
            HPS.name,
            "2 candidates tie in their float16 logits as well.*float32, or verify the top 10",
        ),
        (
            Situation(OLD, 3, 4, tied_hps=1, tied_raw=1, tied_float32=1),
            HPS.name,
            "1 candidate ties by logits, and no fewer in float32",
        ),
        (Situation(HALF_STORED, 0, 4, tied_raw=0), "float32 scores", "instead of float16"),
        (Situation(NEW["bfloat16"], 0, 4, tied_raw=0), RAW.name, "they are all different"),
        (Situation(NEW["float32"], 4, 4, tied_raw=2), RAW.name, "fewer of them tie"),
        (
            Situation(NEW["bfloat16"], 0, 9, tied_raw=2, tied_float32=2),
            RAW.name,
            "fewer of them tie",
        ),
        (
            Situation(NEW["bfloat16"], 0, 4, tied_raw=4),
            FLOAT32.name,
            "Run the model in float32, or verify.*evaluated in float32 already, and bfloat16",
        ),
        (Situation(HALF_LOGITS, 0, 4), FLOAT32.name, r"float32: float16 logits tie\."),
        (Situation(NEW["float32"], 4, 4), FINE_TUNING.name, "calibrate or fine-tune"),
        (Situation(NEW["float32"], 0, 4, tied_raw=4), "equal texts", "equal texts"),
    ],
)  # fmt: skip
def test_the_recommendation_follows_from_the_situation(situation, remedy, says):
    found = recommend(situation)
    assert found.remedy == remedy
    assert found.action.endswith(".")
    assert all(reason.endswith(".") for reason in found.reasons)
    assert re.search(says, str(found)), str(found)
    assert found.numbers["tied_in_top"] == situation.tied_in_top


BFLOAT16 = Situation(NEW["bfloat16"], 0, 40, tied_raw=40, tied_float32=0, rescored=0.25)


@pytest.mark.parametrize(
    ("seconds", "remedy", "says"),
    [
        (None, FLOAT32.name, "it pays where a bfloat16 pair takes less than 75%"),
        ({"bfloat16": 0.5, "float32": 1.0}, VERIFIED.name, "Verify the top 10.*would save 25%"),
        ({"bfloat16": 0.75, "float32": 1.0}, FLOAT32.name, "Run the model in.*no faster"),
        ({"bfloat16": 3.0, "float32": 1.0}, FLOAT32.name, "3 times as long.*no faster"),
        ({"float16": 0.1, "float32": 1.0}, FLOAT32.name, "it pays where"),
    ],
)
def test_measured_times_decide_between_float32_and_verifying(seconds, remedy, says):
    found = recommend(replace(BFLOAT16, seconds=seconds))
    assert found.remedy == remedy
    assert re.search(says, str(found)), str(found)


def test_the_situation_is_what_is_measured():
    logits = random_logits(30)
    found = situation_of(logits, OLD, k=5, trial=try_out(logits, "float16", k=5))
    effects = measure(logits, OLD, k=5).set_index("remedy")
    assert found.tied_in_top == effects.loc[AS_IT_IS, "tied_in_top"]
    assert found.saturated == effects.loc[AS_IT_IS, "saturated"]
    assert found.tied_hps == effects.loc[HPS.name, "tied_in_top"]
    assert found.tied_raw == effects.loc[RAW.name, "tied_in_top"]
    assert found.reordered == effects.loc[RAW.name, "reordered"]
    assert (found.tied_float32, found.queries, found.k) == (0, 30, 5)
    assert recommend(found).numbers["rescored"] == found.rescored


def test_float32_logits_that_only_the_sigmoid_ties_count_as_apart():
    found = situation_of(logits_of([18.0, 17.5, 17.0]), FLOAT32_REFERENCE)
    assert (found.tied_in_top, found.tied_float32) == (3, 0)
    assert recommend(found).remedy == RAW.name


def test_the_sentence_on_versions_says_what_is_left():
    versions = measure_versions(
        {"demo": logits_of([8.0, 7.8, 1.0]), "soft": logits_of([5.0, 4.999, 1.0])}, OLD
    )
    said = version_sentence(versions, OLD)
    assert said.startswith("**soft** has 0 saturated scores")
    assert "in place of 2, and 2 candidates that tie in place of 2" in said
    assert "highest logit is 5.00" in said
    assert version_sentence(versions.head(1), OLD) == ""
