"""Precision against speed: why a dtype is slow, what it keeps, and what it saves."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from reader_files import refused

from analysis import models, timing
from analysis.engines import find_engine, path_of
from analysis.formats import FORMATS
from analysis.forwardformats import format_texts, in_format, of_format
from analysis.metrics import average, evaluate
from analysis.studies import speed
from analysis.studies.speed import faithfulness, instructions, layer_times, savings, trade_off

CPU = torch.device("cpu")
DTYPES = ["float32", "float16", "bfloat16"]


@pytest.fixture(scope="module")
def reranker(tiny_checkpoint):
    return models.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def logits() -> pd.DataFrame:
    drawn = np.random.default_rng(3).normal(7, 2, 120)
    pairs = pd.DataFrame(
        {
            "query_id": [f"q{number // 12}" for number in range(120)],
            "passage_id": [f"p{number % 12}" for number in range(120)],
            "grade": pd.array([number % 4 for number in range(120)], dtype="Int64"),
        }
    )
    rounded = {dtype: FORMATS[dtype].round(drawn).astype(float) for dtype in DTYPES}
    frames = [pairs.assign(forward_dtype=dtype, logit=rounded[dtype]) for dtype in DTYPES]
    return pd.concat(frames, ignore_index=True)


def test_float32_agrees_with_itself_and_ties_cost_overlap(logits):
    kept = faithfulness(
        logits, list(find_engine("haystack", "2.31.0").paths.values()), k=5
    ).set_index(["forward_dtype", "order"])
    own = kept.loc[("float32", "raw logits")]
    assert own["kendall_tau_b"] == pytest.approx(1, abs=1e-12)  # a quotient of square roots
    assert own["overlap"] == 1
    assert own[["ones", "zeros"]].isna().all()
    for dtype in ("float16", "bfloat16"):
        scores, raw = kept.loc[(dtype, "scores")], kept.loc[(dtype, "raw logits")]
        assert scores["overlap"] < raw["overlap"] <= 1
        assert scores["ndcg_min"] < scores["ndcg"] < scores["ndcg_max"]
        rounded = logits.loc[logits["forward_dtype"] == dtype, "logit"]
        made = path_of("haystack", "2.31.0", dtype).scores(rounded)
        assert scores["ones"] == np.sum(made == 1) > 0
        assert scores["zeros"] == np.sum(made == 0)


def test_ndcg_is_that_of_the_measures_and_unknown_without_grades(logits):
    path = path_of("haystack", "2.31.0", "float16")
    run = logits[logits["forward_dtype"] == "float16"]
    run = run.assign(score=path.scores(run["logit"]))
    (expected,) = average(evaluate(run, run, ["nDCG@5"]))["expected"]
    assert faithfulness(logits, [path], k=5)["ndcg"].iloc[0] == expected
    ungraded = logits.assign(grade=pd.array([pd.NA] * len(logits), dtype="Int64"))
    assert faithfulness(ungraded, [path], k=5)["ndcg"].isna().all()


def test_every_forward_format_of_a_path_has_rows_of_its_own(logits):
    logits = logits.assign(forward_format=format_texts(logits))
    float32 = of_format(logits, "float32")
    other = in_format(float32, "openvino:bf16").assign(logit=-float32["logit"])
    path = path_of("haystack", "2.31.0", "float32")
    kept = faithfulness(pd.concat([logits, other]), [path], k=5)
    assert kept["forward_format"].tolist() == ["torch:float32"] * 2 + ["openvino:bf16"] * 2
    assert kept["order"].tolist() == ["scores", "raw logits"] * 2
    assert kept["overlap"].iloc[1] == 1 > kept["overlap"].iloc[3]
    times = costs(1.0, 60).assign(forward_format=["torch:float32"] * 2 + ["openvino:bf16"] * 2)
    assert trade_off(times, kept)["forward_format"].tolist() == kept["forward_format"].tolist()


def test_float32_logits_are_needed_to_say_what_is_kept(logits):
    half = logits[logits["forward_dtype"] != "float32"]
    assert "float32" in str(refused(faithfulness, half, [path_of("haystack", "2.31.0", "float16")]))


def costs(seconds: float, memory: int) -> pd.DataFrame:
    """float32 takes 1 s (0.9 to 1.1) and 100 bytes; float16 what is given, ±10 % too."""
    rows = [
        {"forward_dtype": dtype, "batch": batch, "seconds": took, "fastest": 0.9 * took}
        | {"slowest": 1.1 * took, "pairs_per_second": 12 / took, "peak_bytes": size}
        for dtype, took, size in (("float32", 1.0, 100), ("float16", seconds, memory))
        for batch in ("sample", "one query")
    ]
    return pd.DataFrame(rows)


def test_the_trade_off_has_one_row_per_dtype_and_order_that_was_measured(logits):
    paths = [path_of("haystack", "2.31.0", dtype) for dtype in DTYPES]
    kept = faithfulness(logits, paths)
    trade = trade_off(costs(2.0, 60), kept)
    assert trade["forward_dtype"].tolist() == ["float32", "float32", "float16", "float16"]
    assert trade["seconds"].tolist() == [1, 1, 2, 2]
    ones, zeros, candidates = (kept[name].iloc[2] for name in ("ones", "zeros", "candidates"))
    assert trade["saturated"].iloc[2] == (ones + zeros) / candidates > 0
    assert trade["saturated"].isna().tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("seconds", "pace"),
    [(2.0, "slower"), (0.5, "faster"), (1.1, "no difference"), (0.9, "no difference")],
)
def test_a_dtype_is_slower_or_faster_only_beyond_the_spread(seconds, pace):
    (row,) = savings(costs(seconds, 60)).to_dict("records")
    assert row == {"forward_format": "torch:float16", "time": seconds, "pace": pace, "memory": 0.6}


def test_float32_alone_saves_nothing():
    float32 = costs(2.0, 60).query("forward_dtype == 'float32'")
    assert savings(float32).empty


def pretend(monkeypatch, capabilities: dict | None) -> None:
    ask = None if capabilities is None else lambda: MappingProxyType(capabilities)
    monkeypatch.setattr(torch.cpu, "get_capabilities", ask, raising=False)


@pytest.mark.parametrize(
    ("capabilities", "float16", "bfloat16"),
    [
        ({"avx2": True, "f16c": True, "avx512_fp16": False}, "none", "none"),
        ({"avx512_fp16": True, "avx512_bf16": True}, "avx512_fp16", "avx512_bf16"),
        ({"architecture": "aarch64", "fp16_arith": True, "bf16": False}, "fp16_arith", "none"),
        ({"bf16": True, "sve_bf16": True}, "none", "bf16, sve_bf16"),
        (None, "unknown", "unknown"),
    ],
)
def test_converting_alone_is_no_arithmetic(monkeypatch, capabilities, float16, bfloat16):
    pretend(monkeypatch, capabilities)
    assert instructions("float16", CPU) == float16
    assert instructions("bfloat16", CPU) == bfloat16


def test_nothing_is_said_about_a_cpu_where_an_accelerator_computes(monkeypatch):
    pretend(monkeypatch, {"avx512_fp16": True})
    assert instructions("float16", torch.device("cuda")) == "unknown"


def test_one_layer_is_timed_in_both_dtypes(reranker, monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(speed, "_LAYER_TOKENS", 8)
    found = layer_times(reranker, ["float16", "bfloat16"], repeats=1)
    assert found["forward_dtype"].tolist() == ["float16", "bfloat16"]
    assert (found["width"] == reranker.config.hidden_size).all()
    assert (found[["own", "float32", "conversion"]] > 0).all(axis=None)
    assert found["ratio"].equals(found["own"] / found["float32"])
    assert found["detour"].equals((found["float32"] + found["conversion"]) / found["float32"])


def test_without_narrow_dtypes_no_layer_is_timed(reranker):
    assert layer_times(reranker, []).empty
