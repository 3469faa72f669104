"""Time and memory of passes: what is timed, what counts as memory, which pairs are measured."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
import torch
from reader_files import refused

from analysis import models, timing
from analysis.datasets import from_pairs
from analysis.timing import measure_speed, seconds_per_pair, time_repeats

CPU = torch.device("cpu")
DTYPES = ["float32", "float16", "bfloat16"]


@pytest.fixture(scope="module")
def reranker(tiny_checkpoint):
    return models.load(tiny_checkpoint, device="cpu")


def layers() -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Linear(64, 1000), torch.nn.ReLU(), torch.nn.Linear(1000, 10)
    )


# Memory


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.float64, 8)])
def test_memory_of_a_pass_on_a_cpu_is_that_of_the_tensors_alive_at_once(dtype, size):
    network, inputs = layers().to(dtype), torch.zeros(100, 64, dtype=dtype)
    with torch.inference_mode():
        found = timing._pass_bytes(lambda: network(inputs), network, CPU)
    assert found == 2 * 100 * 1000 * size  # the ReLU's operand and its result


def test_what_a_pass_keeps_and_what_stood_before_it_are_told_apart():
    before = torch.zeros(10_000)
    kept = []
    assert timing._pass_bytes(lambda: kept.append(torch.zeros(250)), layers(), CPU) == 1000
    assert timing._pass_bytes(before.zero_, layers(), CPU) == 0
    assert timing._pass_bytes(kept.clear, layers(), CPU) == 0


def test_the_profiler_leaves_no_notice(capfd):
    timing._pass_bytes(lambda: torch.zeros(10), layers(), CPU)
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_weights_are_counted_once_with_their_buffers():
    network = layers()
    network.register_buffer("positions", torch.zeros(5, dtype=torch.int64))
    numbers = 64 * 1000 + 1000 + 1000 * 10 + 10
    assert timing._weight_bytes(network) == 4 * numbers + 5 * 8
    network[2].weight = torch.nn.Parameter(network[0].weight.detach().view(1000, 64))
    assert timing._weight_bytes(network) == 4 * (64 * 1000 + 1000 + 10) + 5 * 8
    assert timing._weight_bytes(layers().half()) == 2 * numbers


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

    assert timing._pass_bytes(run, layers(), torch.device("cuda")) == 300
    assert allocator.asked == ["synchronize", "reset", "run", "synchronize"]


def test_mps_is_looked_at_after_every_module_and_its_hooks_are_taken_away(allocator):
    network = layers()
    amounts = iter([100, 50, -120])
    for module in network:
        module.register_forward_hook(lambda *_: allocator.allocate(next(amounts)))
    mps = torch.device("mps")
    assert timing._pass_bytes(lambda: network(torch.zeros(1, 64)), network, mps) == 150
    assert not network._forward_hooks
    assert [len(module._forward_hooks) for module in network] == [1, 1, 1]


# Time


def test_every_timed_call_is_synchronised_on_both_sides(allocator, monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    run = lambda: allocator.asked.append("run")  # noqa: E731
    for device in ("cuda", "mps"):
        allocator.asked.clear()
        assert len(time_repeats(run, torch.device(device), 2)) == 2
        assert allocator.asked == ["synchronize", "run", "synchronize"] * 2


def test_times_are_those_of_the_calls_and_short_ones_are_repeated(monkeypatch):
    clock = [0.0]

    def run():
        clock[0] += 0.125

    monkeypatch.setattr(timing, "perf_counter", lambda: clock[0])
    assert time_repeats(run, CPU, 1) == [0.125] * 3  # 0.3 s are not full before
    assert time_repeats(run, CPU, 5) == [0.125] * 5


# The batches


def test_a_batch_has_the_mixture_of_lengths_of_the_set():
    texts = ["x" * length for length in (9, 1, 5, 3, 7, 2, 8, 4, 6)]
    ids = [f"p{number}" for number in range(9)]
    pairs = pd.DataFrame({"query_id": "q", "query": "w", "passage_id": ids, "passage": texts})
    some = from_pairs("lengths", pairs)
    lengths = {
        size: [len(texts[row]) for row in timing._spread_rows(some, size)] for size in (1, 3, 99)
    }
    assert lengths == {1: [5], 3: [2, 5, 8], 99: list(range(1, 10))}
    for size in (0, -1):
        assert refused(timing._spread_rows, some, size).field == "batch_sizes"


def test_the_typical_query_is_the_one_of_median_length(tiny_pairs):
    pairs = tiny_pairs.pairs
    lengths = pairs["query"].str.len() + pairs["passage"].str.len()
    totals = lengths.groupby(pairs["query_id"]).sum()
    typical = totals[timing._typical_query(tiny_pairs)]
    assert (totals < typical).sum() <= (len(totals) - 1) // 2 < (totals <= typical).sum()


def test_every_dtype_and_batch_is_measured(reranker, tiny_pairs, monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    found = measure_speed(tiny_pairs, reranker, DTYPES, [1, 3, 1000, 2000], repeats=2)
    n_query = (tiny_pairs.pairs["query_id"] == timing._typical_query(tiny_pairs)).sum()
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


def test_another_runtime_has_times_and_no_memory(reranker, tiny_pairs, monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    asked = []

    def forward(reranker, forward_format):
        return lambda batch: asked.append((forward_format.text, batch["input_ids"].shape[0]))

    monkeypatch.setattr(timing.runtimes, "forward", forward)
    found = measure_speed(tiny_pairs, reranker, ["onnxruntime:w8"], [3], repeats=2)
    assert found["forward_format"].tolist() == ["onnxruntime:w8"] * 2
    assert found["forward_dtype"].tolist() == ["float32"] * 2
    assert found[["weight_bytes", "pass_bytes", "peak_bytes"]].isna().all(axis=None)
    assert asked[:3] == [("onnxruntime:w8", 3)] * 3  # the first warms up


def test_memory_is_the_same_in_every_run(reranker, tiny_pairs, monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    runs = [measure_speed(tiny_pairs, reranker, ["float32"], [2], repeats=1) for _ in range(2)]
    assert runs[0]["peak_bytes"].tolist() == runs[1]["peak_bytes"].tolist()


def test_seconds_per_pair_are_measured_on_the_network(reranker, tiny_pairs):
    taken = seconds_per_pair(tiny_pairs, reranker, "float32", n_pairs=100, repeats=2)
    assert 0 < taken < 1
