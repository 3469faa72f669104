"""Measure what a Ray cluster costs and gains, and simulate more workers than are here.

    python tools/measure_cluster.py [PAIRS]

Writes the tables of ``docs/scale.md``, *On more machines*. PAIRS are scored for real, 4,000 unless
said otherwise, by one worker and by two on a cluster of this machine. From what one batch takes in
the network, what sending it takes, and what a pair takes on the driver, larger sets and more
workers are simulated; the real runs are simulated as well, which says how far to trust that.
"""

from __future__ import annotations

import heapq
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import ray
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))
from analysis import clusters
from analysis.answering import Here, answering
from analysis.datasets import from_pairs
from analysis.forwardformats import ForwardFormat, as_format
from analysis.models import load
from analysis.readers import load_german
from analysis.rerankers import Inputs, Reranker
from analysis.scoring import _Plan
from analysis.store import Store
from analysis.streaming import PAIRS, score_file
from bench.machines import machine

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- made by tools/measure_cluster.py -->\n", "<!-- end -->\n"
FORMAT = as_format("float32")
BATCH_TOKENS = 8192
TIMED_BATCHES = 8
SETS = {
    "mMARCO German dev: 6,980 queries, 1,000 candidates": 6_980_000,
    "MIRACL German dev: 305 queries, 100 candidates": 30_500,
}
WORKERS = (1, 8, 64)
PIECES = 4
"""Into how many pieces the real runs cut their pairs."""


@dataclass(frozen=True)
class Costs:
    """What one thing takes, in seconds.

    ``start`` is until a worker has its network; ``pair`` what the driver does for a pair: reading,
    tokenising, composing, keeping and writing; ``batch`` what it takes to send a batch and to get
    its logits; ``network`` what batches of ``per_batch`` pairs, on average, take in a worker.
    """

    start: float
    pair: float
    batch: float
    network: tuple[float, ...]
    per_batch: float


@dataclass(frozen=True)
class Simulated:
    """How long a set takes, in seconds, and which part of that a worker computes."""

    seconds: float
    busy: float


def simulated(pairs: int, workers: int, costs: Costs, piece: int = PAIRS) -> Simulated:
    """Score ``pairs`` pairs in pieces on so many workers, event by event.

    The driver does one thing at a time: a piece's pairs, then its batches one after another, each
    to the worker that is free first. It begins a piece while at most two before it are under way,
    as :class:`analysis.clusters.Cluster` does.
    """
    generator = np.random.default_rng(0)
    free, driver, computed = [costs.start] * workers, 0.0, 0.0
    under_way: deque[float] = deque()
    for first in range(0, pairs, piece):
        number = min(piece, pairs - first)
        if len(under_way) == clusters._PIECES:
            driver = max(driver, under_way.popleft())
        driver += number * costs.pair
        ends = [driver]
        for seconds in generator.choice(costs.network, max(1, round(number / costs.per_batch))):
            driver += costs.batch
            ends.append(max(heapq.heappop(free), driver) + seconds)
            heapq.heappush(free, ends[-1])
            computed += seconds
        under_way.append(max(ends))
    total = max([driver, *under_way])
    return Simulated(total, computed / (workers * total))


def copies(pairs: int) -> pd.DataFrame:
    """So many pairs with the texts of the shipped German set, each copy with queries of its own."""
    german = load_german().pairs
    made = -(-pairs // len(german))
    frames = [german.assign(query_id=f"{n}-" + german["query_id"]) for n in range(made)]
    return pd.concat(frames, ignore_index=True).head(pairs)


class AtOnce(Here):
    """An engine without a network: what remains is what the driver does."""

    def answers(
        self, forward_format: ForwardFormat, batches: Iterable[Inputs]
    ) -> Iterator[NDArray[np.float64]]:
        """Zeros."""
        return (np.zeros((len(inputs["input_ids"]), 1)) for inputs in batches)


class Idle(clusters._Worker):
    """A worker without a network: what remains is what Ray does."""

    def answer(self, *given: object) -> NDArray[np.float64]:
        """As many zeros as there are pairs."""
        return np.zeros((len(given[-1]["input_ids"]), 1))


def seconds_of(source: Path, reranker: Reranker, engine: object, pairs: int) -> float:
    """How long a Parquet set takes, with a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"out": Path(folder) / "out.parquet", "store": Store(folder), "engine": engine}
        begin = perf_counter()
        score_file(source, reranker, [FORMAT], pairs=pairs, progress=False, **options)
        return perf_counter() - begin


def batches_of(pairs: pd.DataFrame, reranker: Reranker) -> list[Inputs]:
    """The batches of a set as they are composed everywhere."""
    plan = _Plan(from_pairs("copies", pairs), reranker, reranker.max_length, BATCH_TOKENS)
    return [plan.inputs(rows) for rows in plan.batches]


def sending(reranker: Reranker, batches: list[Inputs]) -> float:
    """Seconds of a batch that is sent to a worker which does nothing, and answered."""
    real, clusters._Worker = clusters._Worker, Idle
    try:
        with answering("ray", reranker) as idle:
            list(idle.answers(FORMAT, batches))  # until every worker is there
            begin = perf_counter()
            list(idle.answers(FORMAT, batches * 3))
            return (perf_counter() - begin) / (3 * len(batches))
    finally:
        clusters._Worker = real


def measured(pairs: int) -> tuple[Costs, dict[int, float]]:
    """Measure what things take, and how long real runs by one worker and by two take."""
    reranker, rows = load("demo", device="cpu"), copies(pairs)
    batches = batches_of(rows, reranker)
    timed = [batches[n] for n in np.linspace(0, len(batches) - 1, TIMED_BATCHES).astype(int)]
    piece, runs, starts = pairs // PIECES, {}, []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pairs.parquet"
        rows.to_parquet(source, index=False)
        driver = seconds_of(source, reranker, AtOnce(reranker), piece) / pairs
        answers, network = Here(reranker).answers(FORMAT, [timed[0], *timed]), []
        next(answers)  # warms up
        for _ in timed:
            begin = perf_counter()
            next(answers)
            network.append(perf_counter() - begin)
        for workers in (1, 2):
            ray.init(address="local", num_cpus=workers, include_dashboard=False)
            batch = sending(reranker, batches)
            begin = perf_counter()
            with answering("ray", reranker) as cluster:
                next(cluster.answers(FORMAT, timed[-1:]))
                starts.append(perf_counter() - begin)
                runs[workers] = seconds_of(source, reranker, cluster, piece)
            ray.shutdown()
    per_batch = pairs / len(batches)
    return Costs(max(starts), driver, batch, tuple(network), per_batch), runs


def duration(seconds: float) -> str:
    """A duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def report(pairs: int, costs: Costs, runs: dict[int, float]) -> str:
    """The page's tables and what was measured for them."""
    warm = Costs(0.0, costs.pair, costs.batch, costs.network, costs.per_batch)
    lines = ["| set | workers | time | a worker computes |", "|---|---:|---:|---:|"]
    for name, number in SETS.items():
        for workers in WORKERS:
            found = simulated(number, workers, costs)
            lines.append(f"| {name} | {workers} | {duration(found.seconds)} | {found.busy:.0%} |")
    checks = ["| workers here | measured | simulated |", "|---:|---:|---:|"]
    for workers, seconds in runs.items():
        expected = simulated(pairs, workers, warm, pairs // PIECES).seconds
        checks.append(f"| {workers} | {seconds:.1f} s | {expected:.1f} s |")
    per_pair = np.mean(costs.network) / costs.per_batch
    said = (
        f"Measured with {pairs:,} pairs of the German set's texts and the demo reranker in float32 "
        f"on one thread: a worker answers {1 / per_pair:,.1f} pairs a second in batches of "
        f"{costs.per_batch:.0f} and is ready after {costs.start:.0f} s; the driver reads, "
        f"tokenises, keeps and writes {1 / costs.pair:,.0f} pairs a second, and a batch takes it "
        f"{1000 * costs.batch:.1f} ms to send and to get back. {machine()}"
    )
    return "\n\n".join(["\n".join(lines), said, "\n".join(checks)])


def main(pairs: int) -> None:
    """Measure, simulate and write the page's tables."""
    text = report(pairs, *measured(pairs))
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + text + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000)
