"""Time and memory of forward passes, per forward format and batch, on a CPU, CUDA or MPS.

Time is wall-clock time from tokens on the device to logits on the CPU, the device synchronised
before and after; loading and tokenising are not in it.

Memory is measured where torch runs the network: other runtimes have allocators of their own, which
say nothing. It is the bytes of all tensors alive at once at the worst moment of a pass: the
weights, and above them what torch's allocator handed out. What a library allocates for itself is
not in it (packed copies of matrices, for example: a process grows by more), nor are the interpreter
and its libraries. In return it is the same in every run.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

from analysis import runtimes
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES
from analysis.forwardformats import ForwardFormat, as_format, formats_to_run
from analysis.models import Reranker
from analysis.rerankers import Inputs

QUERY = "one query"
"""The batch of :func:`measure_speed` whose time is the latency of a request."""
_LEAST_SECONDS = 0.3
"""Short passes are repeated until they have taken so long together."""

Run = Callable[[], object]
_Rows = NDArray[np.intp]


def measure_speed(
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[str | ForwardFormat] = FORWARD_DTYPES,
    batch_sizes: Sequence[int] = (1, 4),
    *,
    repeats: int = 3,
) -> pd.DataFrame:
    """Measure time and memory of a pass per forward format and batch.

    ``formats`` are what :func:`analysis.scoring.score` takes; torch's run on the reranker's device.
    The batches are samples of ``batch_sizes`` pairs (at most the whole set), evenly spaced in the
    order of their lengths, and the candidates of one query, that of the median length, whose time
    is the latency of a request; each is padded to its longest pair. The first pass warms up and is
    the one whose memory is recorded; it is not timed. One row per format and batch:

    - ``forward_format, forward_dtype, batch`` (``"sample"`` or ``"one query"``), ``pairs``;
    - ``tokens``: width of the batch; ``repeats``: passes timed, at least as many as asked for, more
      if they are short;
    - ``seconds`` (median), ``fastest, slowest``, ``pairs_per_second``;
    - ``weight_bytes``, ``pass_bytes`` (above the weights) and ``peak_bytes``, their sum; missing
      outside torch.

    Formats are measured one after the other, so that one network is in memory at a time. Raises
    :class:`InputError` for a batch size below 1 and as :func:`analysis.scoring.score` does.
    """
    sizes = dict.fromkeys(min(size, dataset.n_pairs) for size in batch_sizes)
    batches = [("sample", _spread_rows(dataset, size)) for size in sizes]
    one = dataset.pairs["query_id"] == _typical_query(dataset)
    batches.append((QUERY, np.flatnonzero(one)))
    rows = []
    for forward_format in formats_to_run(formats):
        network = _loaded(reranker, forward_format)
        named = {
            "forward_format": forward_format.text,
            "forward_dtype": forward_format.forward_dtype,
        }
        for batch, chosen in batches:
            found = _measure_pass(reranker, network, dataset.pairs.iloc[chosen], repeats=repeats)
            rows.append({**named, "batch": batch, "pairs": len(chosen), **found})
    return pd.DataFrame(rows)


def seconds_per_pair(
    dataset: RerankingSet,
    reranker: Reranker,
    forward_format: str | ForwardFormat,
    *,
    n_pairs: int = 8,
    repeats: int = 3,
) -> float:
    """Seconds that the forward pass of one pair takes in a forward format.

    The median of ``repeats`` passes or more of one batch of ``n_pairs`` pairs that have the set's
    mixture of lengths, as :func:`measure_speed` takes it.
    """
    some = dataset.pairs.iloc[_spread_rows(dataset, n_pairs)]
    network = _loaded(reranker, as_format(forward_format))
    measured = _measure_pass(reranker, network, some, repeats=repeats)
    return measured["seconds"] / len(some)


def time_repeats(run: Run, device: torch.device, repeats: int) -> list[float]:
    """Seconds of each call of ``run``: ``repeats`` calls, or more until 0.3 s are full.

    The device is synchronised on both sides of each call: CUDA and MPS return before they are done.
    """
    taken: list[float] = []
    while len(taken) < max(1, repeats) or sum(taken) < _LEAST_SECONDS:
        _synchronize(device)
        start = perf_counter()
        run()
        _synchronize(device)
        taken.append(perf_counter() - start)
    return taken


@dataclass(frozen=True)
class _Network:
    """A network to be timed: ``prepare`` puts a batch where it computes, and gives one pass of it.

    ``module`` is torch's, where torch runs it.
    """

    prepare: Callable[[Inputs], Run]
    device: torch.device
    module: torch.nn.Module | None = None

    def memory(self, run: Run) -> tuple[float, float]:
        """Bytes of the weights, and of a pass above them; it warms up as well."""
        if self.module is None:
            run()
            return math.nan, math.nan
        return _weight_bytes(self.module), _pass_bytes(run, self.module, self.device)


def _loaded(reranker: Reranker, forward_format: ForwardFormat) -> _Network:
    """The network in a forward format, ready for batches."""
    if not forward_format.is_torch:
        forward = runtimes.forward(reranker, forward_format)
        device = runtimes.device_of(reranker, forward_format)
        return _Network(lambda batch: partial(forward, batch), device)
    module, device = reranker.network(forward_format.forward_dtype), reranker.device

    def prepare(batch: Inputs) -> Run:
        """Put a batch on the device, which is not part of a pass."""
        inputs = {name: torch.from_numpy(rows).to(device) for name, rows in batch.items()}

        def run() -> object:
            """One pass, from tokens on the device to logits."""
            # A caller's autocast would silently change the forward dtype.
            with torch.inference_mode(), torch.autocast(device.type, enabled=False):
                return reranker.logits(module(**inputs))

        return run

    return _Network(prepare, device, module)


def _measure_pass(
    reranker: Reranker, network: _Network, pairs: pd.DataFrame, *, repeats: int = 3
) -> dict[str, float]:
    """Measure passes of ``pairs`` (``query, passage``) as one batch; see :func:`measure_speed`."""
    texts = pairs["query"].tolist(), pairs["passage"].tolist()
    batch = reranker.batch(reranker.tokens(*texts, reranker.length))
    run = network.prepare(batch)
    weights, above = network.memory(run)
    taken = time_repeats(run, network.device, repeats)
    return {
        "tokens": batch["input_ids"].shape[1],
        "repeats": len(taken),
        "seconds": float(np.median(taken)),
        "fastest": min(taken),
        "slowest": max(taken),
        "pairs_per_second": len(pairs) / float(np.median(taken)),
        "weight_bytes": weights,
        "pass_bytes": above,
        "peak_bytes": weights + above,
    }


def _spread_rows(dataset: RerankingSet, size: int) -> _Rows:
    """Row numbers of ``size`` pairs (at most all), evenly spaced in the order of their lengths.

    Length is counted in characters. So a batch of any size has the set's mixture of lengths, and
    one of a single pair is of the median length. Raises :class:`InputError` for a size below 1.
    """
    if size < 1:
        raise InputError(f"a batch of {size} pairs", "give 1 or more", field="batch_sizes")
    size, order = min(size, dataset.n_pairs), np.argsort(_lengths(dataset), kind="stable")
    return order[((np.arange(size) + 0.5) / size * len(order)).astype(int)]


def _typical_query(dataset: RerankingSet) -> str:
    """Id of the query whose pairs have the median number of characters (the lower of two)."""
    pairs = dataset.pairs.assign(length=_lengths(dataset))
    totals = pairs.groupby("query_id", sort=False)["length"].sum().sort_values(kind="stable")
    return totals.index[(len(totals) - 1) // 2]


def _lengths(dataset: RerankingSet) -> NDArray[np.int64]:
    """Characters of each pair, shape (n_pairs,)."""
    pairs = dataset.pairs
    return (pairs["query"].str.len() + pairs["passage"].str.len()).to_numpy(np.int64)


def _weight_bytes(network: torch.nn.Module) -> int:
    """Bytes of a network's parameters and buffers, shared ones counted once."""
    storages = [tensor.untyped_storage() for tensor in (*network.parameters(), *network.buffers())]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _pass_bytes(run: Run, network: torch.nn.Module, device: torch.device) -> int:
    """Most bytes that torch's allocator had handed out at once during ``run``, above the start.

    On a CPU every allocation and release is recorded by torch's profiler, on CUDA the allocator
    keeps the peak. On MPS it keeps none: its state is read after each module of the network, which
    misses what a module allocates and releases within itself, so that is a lower bound.
    """
    if device.type == "cuda":
        return _cuda_bytes(run, device)
    return _mps_bytes(run, network) if device.type == "mps" else _cpu_bytes(run)


def _cuda_bytes(run: Run, device: torch.device) -> int:
    _synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    _synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _mps_bytes(run: Run, network: torch.nn.Module) -> int:
    torch.mps.synchronize()
    seen = [torch.mps.current_allocated_memory()]

    def look(*_: object) -> None:
        """Note what is allocated when a module has run."""
        seen.append(torch.mps.current_allocated_memory())

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    torch.mps.synchronize()
    return max(seen) - seen[0]


def _cpu_bytes(run: Run) -> int:
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        with _without_notices():
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
                run()
            recorded.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    changes.sort(key=lambda event: event["ts"])
    return int(np.cumsum([0, *(event["args"]["Bytes"] for event in changes)]).max())


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep the profiler's start and stop notices, which no log level silences, out of a page."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was given; a CPU has already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
