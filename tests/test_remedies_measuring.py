"""Remedies measured: counts as written down, calibration against torch, versions of a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reader_files import refused
from remedy_logits import logits_of, random_logits

from analysis.engines import path_of
from analysis.remedies import (
    calibration_curve,
    measure,
    measure_versions,
    measuring,
    version_differences,
)
from analysis.remedies.measuring import FORETOLD, MEASURED
from analysis.remedies.table import AS_IT_IS, CALIBRATION, FLOAT32, HPS, RAW, VERIFIED
from analysis.verifying import try_out

OLD = path_of("infinity", "0.0.68", "float16")
NEW = {dtype: path_of("infinity", "0.0.78", dtype) for dtype in ("float32", "float16", "bfloat16")}


def test_each_remedy_is_counted_as_written_down():
    #                     1.0 ↓    ↓   float16 logits tie ↓       ↓
    measured = measure(logits_of([9.0, 8.0, 6.0, 2.0001, 2.0, -3.0]), OLD, k=4)
    found = measured.set_index("remedy")
    assert found.index.tolist() == [AS_IT_IS, HPS.name, RAW.name, FLOAT32.name]
    assert found["tied_in_top"].tolist() == [4, 2, 2, 0]
    assert found["first_shared"].tolist() == [1, 0, 0, 0]
    assert found["reordered"].tolist() == [1, 1, 1, 0]
    assert found["ones"].fillna(-1).tolist() == [2, 0, -1, 0]  # logits do not saturate
    assert found["zeros"].fillna(-1).tolist() == [0, 0, -1, 0]
    assert found["ndcg"].isna().all()


def test_logits_stay_logits_in_float32():
    # A float32 sigmoid would tie all three.
    path = path_of("mxbai-rerank-v2", None, "bfloat16")
    logits = logits_of([18.0, 17.999, 17.0])
    pairs = logits.assign(logit_no=0.0, logit_yes=logits["logit"])
    found = measure(pairs, path).set_index("remedy")
    assert found["tied_in_top"].to_dict() == {AS_IT_IS: 2, RAW.name: 2, FLOAT32.name: 0}


def test_without_float32_logits_nothing_is_said_of_them():
    found = measure(logits_of([9.0, 8.0, 1.0], dtypes=("float16",)), OLD).set_index("remedy")
    assert found.index.tolist() == [AS_IT_IS, HPS.name, RAW.name]
    assert found[["moved", "first_lost", "reordered"]].isna().all(axis=None)


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


def test_versions_are_measured_on_the_same_path():
    high = random_logits()
    low = high.assign(logit=high["logit"] / 4)
    every = measure_versions({"high": high, "low": low}, OLD)
    assert every["logits"].tolist() == [FORETOLD, MEASURED] * 2
    found = every[every["logits"] == MEASURED].set_index("model")
    own = measure(high, OLD).set_index("remedy")
    assert found.loc["high", "tied_in_top"] == own.loc[AS_IT_IS, "tied_in_top"]
    assert found.loc["high", "ndcg_float32"] == own.loc[FLOAT32.name, "ndcg"]
    float32 = high.loc[high["forward_dtype"] == "float32", "logit"]
    assert found.loc["high", "highest"] == float32.max()
    assert found.loc["low", "median_top"] == found.loc["high", "median_top"] / 4
    assert found.loc["low", "ones"] < found.loc["high", "ones"]


def test_a_version_that_was_run_in_float32_alone_is_foretold():
    both = random_logits()
    float32 = both[both["forward_dtype"] == "float32"]
    found = measure_versions({"whole": both, "float32 alone": float32}, OLD)
    assert found["logits"].tolist() == [FORETOLD, MEASURED, FORETOLD]
    whole, alone = found[found["logits"] == FORETOLD].drop(columns="model").to_dict("records")
    assert whole == pytest.approx(alone, nan_ok=True)
    rounded = float32.assign(logit=OLD.logits(float32["logit"]), forward_dtype="float16")
    assert alone["ones"] == measure(rounded, OLD).set_index("remedy").loc[AS_IT_IS, "ones"]
    in_float32 = measure_versions({"model": both}, NEW["float32"])
    assert in_float32["logits"].tolist() == [MEASURED]


def test_versions_are_compared_in_float32_and_only_where_a_test_is_possible():
    good = random_logits()
    worse = good.assign(logit=-good["logit"])
    found = version_differences({"good": good, "worse": worse, "same": good}, k=5)
    assert found["model"].tolist() == ["worse", "same"]
    ndcg = measure_versions({"good": good, "worse": worse}, OLD, k=5)["ndcg_float32"]
    assert found["difference"].iloc[0] == pytest.approx(ndcg.iloc[-1] - ndcg[0], abs=1e-12)
    assert found["difference"].iloc[1] == 0
    assert version_differences({"good": good}).empty
    assert version_differences({"a": logits_of([1.0, 2.0], [3.0, 4.0])} | {"b": good}).empty


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("factor", [0.1, 0.25, 1.0, 1.7])
def test_calibrated_is_haystack_s_formula_in_torch(dtype, factor):
    path = path_of("haystack", "2.31.0", dtype)
    logits = path.logits(np.random.default_rng(1).normal(0, 6, 8192))
    tensor = torch.from_numpy(logits).to(getattr(torch, dtype))
    expected = torch.sigmoid(tensor * factor).double().numpy()
    assert np.array_equal(measuring._calibrated(logits, factor, path), expected)


def test_a_factor_of_one_changes_nothing():
    logits = random_logits().query("forward_dtype == 'float16'")["logit"].to_numpy()
    assert np.array_equal(measuring._calibrated(logits, 1.0, OLD), OLD.scores(logits))


@pytest.mark.parametrize("factor", [0.0, -1.0, np.inf, np.nan])
def test_other_factors_are_refused(factor):
    assert refused(measure, logits_of([1.0]), OLD, factor=factor).field == "factor"


@given(st.floats(0.01, 4), st.lists(st.floats(-12, 20, width=16), min_size=2, max_size=8))
def test_no_factor_separates_logits_that_tie(factor, logits):
    scores = measuring._calibrated([*logits, logits[0]], factor, OLD)
    assert scores[0] == scores[-1]


def test_the_curve_counts_what_each_factor_leaves():
    logits = logits_of([9.0, 8.5, 8.0, 1.0, 1.0])
    found = calibration_curve(logits, OLD, [1.0, 0.25, 2.0**-9], k=3)
    assert found["factor"].tolist() == [1.0, 0.25, 2.0**-9]
    assert found["ones"].tolist() == [3, 0, 0]
    assert found["tied_in_top"].tolist()[:2] == [3, 0]
    assert found["tied_in_top"].iloc[2] > 0, "so small a factor makes new ties"
