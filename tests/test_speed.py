"""Precision against speed: what is timed, what counts as memory, what is kept, what is said."""

from __future__ import annotations

import os
from dataclasses import replace
from time import sleep
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from reader_files import refused

from analysis import models
from analysis.datasets import from_pairs
from analysis.engines import find_engine, path_of
from analysis.formats import FORMATS
from analysis.metrics import average, evaluate
from analysis.studies.speed import (
    LayerTimes,
    arithmetic,
    chance_sentence,
    faithfulness,
    instructions,
    layer_times,
    measure_speed,
    pass_bytes,
    passes,
    seconds_per_pair,
    spread_rows,
    time_repeats,
    trade_off,
    typical_query,
    verdict,
    weight_bytes,
    why,
)

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


def layers() -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Linear(64, 1000), torch.nn.ReLU(), torch.nn.Linear(1000, 10)
    )


# Memory


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.float64, 8)])
def test_memory_of_a_pass_on_a_cpu_is_that_of_the_tensors_alive_at_once(dtype, size):
    network, inputs = layers().to(dtype), torch.zeros(100, 64, dtype=dtype)
    with torch.inference_mode():
        found = pass_bytes(lambda: network(inputs), network, CPU)
    assert found == 2 * 100 * 1000 * size  # the ReLU's operand and its result


def test_what_a_pass_keeps_and_what_stood_before_it_are_told_apart():
    before = torch.zeros(10_000)
    kept = []
    assert pass_bytes(lambda: kept.append(torch.zeros(250)), layers(), CPU) == 1000
    assert pass_bytes(before.zero_, layers(), CPU) == 0
    assert pass_bytes(kept.clear, layers(), CPU) == 0


def test_the_profiler_leaves_no_notice(capfd):
    pass_bytes(lambda: torch.zeros(10), layers(), CPU)
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_weights_are_counted_once_with_their_buffers():
    network = layers()
    network.register_buffer("positions", torch.zeros(5, dtype=torch.int64))
    numbers = 64 * 1000 + 1000 + 1000 * 10 + 10
    assert weight_bytes(network) == 4 * numbers + 5 * 8
    network[2].weight = torch.nn.Parameter(network[0].weight.detach().view(1000, 64))
    assert weight_bytes(network) == 4 * (64 * 1000 + 1000 + 10) + 5 * 8
    assert weight_bytes(layers().half()) == 2 * numbers


class Allocator:
    """Stands for an accelerator's allocator, and writes down in which order it was asked."""

    def __init__(self) -> None:
        self.now, self.peak, self.asked = 500, 9_000, []

    def allocate(self, amount: int) -> None:
        self.now += amount
        self.peak = max(self.peak, self.now)

    def reset(self, *_: object) -> None:
        self.asked.append("reset")
        self.peak = self.now

    def synchronize(self, *_: object) -> None:
        self.asked.append("synchronize")


@pytest.fixture
def allocator(monkeypatch) -> Allocator:
    made = Allocator()
    monkeypatch.setattr(torch.cuda, "synchronize", made.synchronize)
    monkeypatch.setattr(torch.mps, "synchronize", made.synchronize)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", made.reset)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: made.now)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: made.peak)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: made.now)
    return made


def test_cuda_is_asked_for_its_peak_between_synchronisations(allocator):
    def run() -> None:
        allocator.asked.append("run")
        allocator.allocate(300)
        allocator.allocate(-200)

    assert pass_bytes(run, layers(), torch.device("cuda")) == 300
    assert allocator.asked == ["synchronize", "reset", "run", "synchronize"]


def test_mps_is_looked_at_after_every_module_and_its_hooks_are_taken_away(allocator):
    network = layers()
    amounts = iter([100, 50, -120])
    for module in network:
        module.register_forward_hook(lambda *_: allocator.allocate(next(amounts)))
    assert pass_bytes(lambda: network(torch.zeros(1, 64)), network, torch.device("mps")) == 150
    assert not network._forward_hooks
    assert [len(module._forward_hooks) for module in network] == [1, 1, 1]


# Time


def test_every_timed_call_is_synchronised_on_both_sides(allocator, monkeypatch):
    monkeypatch.setattr(passes, "LEAST_SECONDS", 0.0)
    run = lambda: allocator.asked.append("run")  # noqa: E731
    for device in ("cuda", "mps"):
        allocator.asked.clear()
        assert len(time_repeats(run, torch.device(device), 2)) == 2
        assert allocator.asked == ["synchronize", "run", "synchronize"] * 2


def test_times_are_those_of_the_calls_and_short_ones_are_repeated(monkeypatch):
    monkeypatch.setattr(passes, "LEAST_SECONDS", 0.1)
    taken = time_repeats(lambda: sleep(0.02), CPU, 1)
    assert 1 < len(taken) <= 5
    assert min(taken) >= 0.02
    assert sum(taken[:-1]) < 0.1 <= sum(taken)


# The batches


def test_a_batch_has_the_mixture_of_lengths_of_the_set():
    texts = ["x" * length for length in (9, 1, 5, 3, 7, 2, 8, 4, 6)]
    ids = [f"p{number}" for number in range(9)]
    pairs = pd.DataFrame({"query_id": "q", "query": "w", "passage_id": ids, "passage": texts})
    some = from_pairs("lengths", pairs)
    lengths = {size: [len(texts[row]) for row in spread_rows(some, size)] for size in (1, 3, 99)}
    assert lengths == {1: [5], 3: [2, 5, 8], 99: list(range(1, 10))}
    for size in (0, -1):
        assert refused(spread_rows, some, size).field == "batch_sizes"


def test_the_typical_query_is_the_one_of_median_length(tiny_pairs):
    pairs = tiny_pairs.pairs
    lengths = pairs["query"].str.len() + pairs["passage"].str.len()
    totals = lengths.groupby(pairs["query_id"]).sum()
    shorter = (totals < totals[typical_query(tiny_pairs)]).sum()
    assert shorter <= (len(totals) - 1) // 2 < (totals <= totals[typical_query(tiny_pairs)]).sum()


def test_every_dtype_and_batch_is_measured(reranker, tiny_pairs, monkeypatch):
    monkeypatch.setattr(passes, "LEAST_SECONDS", 0.0)
    found = measure_speed(tiny_pairs, reranker, DTYPES, [1, 3, 1000, 2000], repeats=2)
    n_query = (tiny_pairs.pairs["query_id"] == typical_query(tiny_pairs)).sum()
    assert found["forward_dtype"].tolist() == list(np.repeat(DTYPES, 4))
    assert found["pairs"].tolist() == [1, 3, tiny_pairs.n_pairs, n_query] * 3
    assert found["batch"].tolist() == ["sample", "sample", "sample", "one query"] * 3
    assert (found["repeats"] == 2).all()
    assert found["seconds"].between(found["fastest"], found["slowest"]).all()
    assert np.allclose(found["pairs_per_second"] * found["seconds"], found["pairs"])
    weights = found.groupby("forward_dtype", sort=False)["weight_bytes"].first()
    buffers = 2 * weights["float16"] - weights["float32"]  # integers keep their size
    assert 0 <= buffers < 0.05 * weights["float32"]
    assert weights["float16"] == weights["bfloat16"]
    by_size = found[found["batch"] == "sample"].groupby("forward_dtype")["pass_bytes"]
    assert by_size.is_monotonic_increasing.all()
    assert (found["peak_bytes"] == found["weight_bytes"] + found["pass_bytes"]).all()


def test_memory_is_the_same_in_every_run(reranker, tiny_pairs, monkeypatch):
    monkeypatch.setattr(passes, "LEAST_SECONDS", 0.0)
    runs = [measure_speed(tiny_pairs, reranker, ["float32"], [2], repeats=1) for _ in range(2)]
    assert runs[0]["peak_bytes"].tolist() == runs[1]["peak_bytes"].tolist()


# What is kept


def test_float32_agrees_with_itself_and_ties_cost_overlap(logits):
    kept = faithfulness(
        logits, list(find_engine("haystack", "2.31.0").paths.values()), k=5
    ).set_index(["forward_dtype", "order"])
    own = kept.loc[("float32", "raw logits")]
    assert own["kendall_tau_b"] == pytest.approx(1, abs=1e-12)  # a quotient of square roots
    assert own["overlap"] == 1
    assert np.isnan(own["saturated"])
    for dtype in ("float16", "bfloat16"):
        scores, raw = kept.loc[(dtype, "scores")], kept.loc[(dtype, "raw logits")]
        assert scores["overlap"] < raw["overlap"] <= 1
        assert scores["ndcg_min"] < scores["ndcg"] < scores["ndcg_max"]
        rounded = logits.loc[logits["forward_dtype"] == dtype, "logit"]
        made = path_of("haystack", "2.31.0", dtype).scores(rounded)
        assert scores["saturated"] == np.mean((made == 1) | (made == 0)) > 0


def test_ndcg_is_that_of_the_measures_and_unknown_without_grades(logits):
    path = path_of("haystack", "2.31.0", "float16")
    run = logits[logits["forward_dtype"] == "float16"]
    run = run.assign(score=path.scores(run["logit"]))
    (expected,) = average(evaluate(run, run, ["nDCG@5"]))["expected"]
    assert faithfulness(logits, [path], k=5)["ndcg"].iloc[0] == expected
    ungraded = logits.assign(grade=pd.array([pd.NA] * len(logits), dtype="Int64"))
    assert faithfulness(ungraded, [path], k=5)["ndcg"].isna().all()


def test_float32_logits_are_needed_to_say_what_is_kept(logits):
    half = logits[logits["forward_dtype"] != "float32"]
    assert "float32" in str(refused(faithfulness, half, [path_of("haystack", "2.31.0", "float16")]))


def traded(logits: pd.DataFrame, seconds: float, memory: int) -> pd.DataFrame:
    """float32 takes 1 s (0.9 to 1.1) and 100 bytes; float16 what is given, ±10 % too."""
    rows = [
        {"forward_dtype": dtype, "batch": batch, "seconds": took, "fastest": 0.9 * took}
        | {"slowest": 1.1 * took, "pairs_per_second": 12 / took, "peak_bytes": size}
        for dtype, took, size in (("float32", 1.0, 100), ("float16", seconds, memory))
        for batch in ("sample", "one query")
    ]
    paths = [path_of("haystack", "2.31.0", dtype) for dtype in DTYPES]
    return trade_off(pd.DataFrame(rows), faithfulness(logits, paths))


def test_the_trade_off_has_one_row_per_dtype_and_order_that_was_measured(logits):
    trade = traded(logits, 2.0, 60)
    assert trade["forward_dtype"].tolist() == ["float32", "float32", "float16", "float16"]
    assert trade["seconds"].tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("seconds", "memory", "pace", "saves"),
    [
        (2.0, 60, "2 times as long for one query as float32 (slower) and 60%", "**memory**"),
        (2.0, 100, "(slower) and 100%", "**nothing**"),
        (0.5, 60, "(faster)", "**time and memory**"),
        (0.5, 120, "(faster) and 120%", "**time**"),
        (1.1, 120, "no difference beyond the spread", "**nothing**"),
    ],
)
def test_the_verdict_says_what_is_saved(logits, seconds, memory, pace, saves):
    said = verdict(traded(logits, seconds, memory), "float16", 10)
    assert pace in said
    assert said.endswith(f"What it saves on this machine: {saves}.")


# Why


def pretend(monkeypatch, capabilities: dict | None) -> None:
    ask = None if capabilities is None else lambda: MappingProxyType(capabilities)
    monkeypatch.setattr(torch.cpu, "get_capabilities", ask, raising=False)


@pytest.mark.parametrize(
    ("capabilities", "float16", "bfloat16"),
    [
        ({"avx2": True, "f16c": True, "avx512_fp16": False}, (), ()),
        ({"avx512_fp16": True, "avx512_bf16": True}, ("avx512_fp16",), ("avx512_bf16",)),
        ({"architecture": "aarch64", "fp16_arith": True, "bf16": False}, ("fp16_arith",), ()),
        (None, None, None),
    ],
)
def test_converting_alone_is_no_arithmetic(monkeypatch, capabilities, float16, bfloat16):
    pretend(monkeypatch, capabilities)
    assert (instructions("float16"), instructions("bfloat16")) == (float16, bfloat16)


@pytest.mark.parametrize(
    ("capabilities", "own", "conversion", "parts"),
    [
        ({}, 8.0, 0.5, ["no instructions that compute in float16", "than the kernel"]),
        (
            {},
            1.4,
            0.5,
            [
                "no instructions that compute in float16",
                "1.5 times as long as float32, which gains nothing",
            ],
        ),
        ({}, 0.6, 0.5, ["no instructions", "not the slow one here"]),
        ({"avx512_fp16": True}, 0.5, 0.5, ["computes in float16 (avx512_fp16)", "not the slow"]),
        ({"avx512_fp16": True}, 8.0, 0.5, ["computes in float16 (avx512_fp16)", "the kernel"]),
        (None, 8.0, 0.5, ["does not tell", "8 times as long"]),
    ],
)
def test_the_reason_is_true_on_other_machines_too(
    monkeypatch, capabilities, own, conversion, parts
):
    pretend(monkeypatch, capabilities)
    said = why(LayerTimes("float16", 384, own, 1.0, conversion), CPU)
    assert all(part in said for part in parts)


def test_nothing_is_said_about_a_cpu_where_an_accelerator_computes():
    said = why(LayerTimes("float16", 384, 0.5, 1.0, 0.1), torch.device("cuda"))
    assert said.startswith("This is cuda.")
    assert "CPU" not in said


def test_one_layer_is_timed_in_both_dtypes(reranker, monkeypatch):
    monkeypatch.setattr(passes, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(arithmetic, "PRODUCT_TOKENS", 8)
    found = layer_times(reranker, "bfloat16", repeats=1)
    assert (found.dtype, found.width) == ("bfloat16", reranker.config.hidden_size)
    assert min(found.own, found.float32, found.conversion) > 0
    assert found.ratio == found.own / found.float32
    assert replace(found, own=3.0, float32=2.0).ratio == 1.5


def test_seconds_per_pair_are_measured_on_the_network(tiny_checkpoint, tiny_pairs):
    reranker = models.load(tiny_checkpoint, device="cpu")
    taken = seconds_per_pair(tiny_pairs, reranker, "float32", n_pairs=100, repeats=2)
    assert 0 < taken < 1


def test_chance_overlap_is_that_of_random_orders():
    """Of 4 candidates half of a top 2 is shared by chance, of 2 all."""
    rows = pd.DataFrame({"forward_dtype": "float32", "query_id": list("aaaabb")})
    said = chance_sentence(rows, 2)
    assert "2 to 4 candidates" in said
    assert "**75%** of its top 2" in said
