"""Time and memory of forward passes, per forward dtype and batch.

Time is wall-clock time from tokens on the device to logits on the CPU, the device synchronised
before and after; loading and tokenising are not in it. Memory is that of
:mod:`analysis.studies.speed.memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.models import Reranker
from analysis.studies.speed.memory import Run, pass_bytes, synchronize, weight_bytes

SAMPLE, QUERY = "sample", "one query"
LEAST_SECONDS = 0.3
"""Short passes are repeated until they have taken so long together."""

Rows = NDArray[np.intp]


def measure_speed(
    dataset: RerankingSet,
    reranker: Reranker,
    forward_dtypes: Sequence[str] = ("float32", "float16", "bfloat16"),
    batch_sizes: Sequence[int] = (1, 4),
    *,
    repeats: int = 3,
) -> pd.DataFrame:
    """Measure time and memory of a pass per forward dtype and batch, on the reranker's device.

    The batches are samples of ``batch_sizes`` pairs (:func:`spread_rows`; at most the whole set)
    and the candidates of one query (:func:`typical_query`), whose time is the latency of a request.
    One row per dtype and batch: ``forward_dtype, batch`` (``"sample"`` or ``"one query"``),
    ``pairs``, and what :func:`measure_pass` gives. Dtypes are measured one after the other, so that
    one network is in memory at a time. Raises :class:`InputError` for a batch size below 1 and as
    :meth:`~analysis.models.Reranker.network` does.
    """
    sizes = dict.fromkeys(min(size, dataset.n_pairs) for size in batch_sizes)
    batches = [(SAMPLE, spread_rows(dataset, size)) for size in sizes]
    one = dataset.pairs["query_id"] == typical_query(dataset)
    batches.append((QUERY, np.flatnonzero(one)))
    rows = []
    for dtype in forward_dtypes:
        network = reranker.network(dtype)
        for batch, chosen in batches:
            found = measure_pass(reranker, network, dataset.pairs.iloc[chosen], repeats=repeats)
            rows.append({"forward_dtype": dtype, "batch": batch, "pairs": len(chosen), **found})
    return pd.DataFrame(rows)


def spread_rows(dataset: RerankingSet, size: int) -> Rows:
    """Row numbers of ``size`` pairs (at most all), evenly spaced in the order of their lengths.

    Length is counted in characters. So a batch of any size has the set's mixture of lengths, and
    one of a single pair is of the median length. Raises :class:`InputError` for a size below 1.
    """
    if size < 1:
        raise InputError(f"a batch of {size} pairs", "give 1 or more", field="batch_sizes")
    size, order = min(size, dataset.n_pairs), np.argsort(_lengths(dataset), kind="stable")
    return order[((np.arange(size) + 0.5) / size * len(order)).astype(int)]


def typical_query(dataset: RerankingSet) -> str:
    """Id of the query whose pairs have the median number of characters (the lower of two)."""
    pairs = dataset.pairs.assign(length=_lengths(dataset))
    totals = pairs.groupby("query_id", sort=False)["length"].sum().sort_values(kind="stable")
    return totals.index[(len(totals) - 1) // 2]


def measure_pass(
    reranker: Reranker, network: torch.nn.Module, pairs: pd.DataFrame, *, repeats: int = 3
) -> dict[str, float]:
    """Measure passes of ``pairs`` (``query, passage``) as one batch, padded to its longest pair.

    The first pass warms up and is the one whose memory is recorded; it is not timed. Returned are
    ``tokens`` (width of the batch), ``repeats`` (passes timed: at least as many as asked for, more
    if they are short), ``seconds`` (median), ``fastest, slowest``, ``pairs_per_second``,
    ``weight_bytes``, ``pass_bytes`` (above the weights, see :func:`pass_bytes`) and ``peak_bytes``,
    their sum.
    """
    length = {"truncation": "longest_first", "max_length": min(512, reranker.max_tokens or 512)}
    texts = pairs["query"].tolist(), pairs["passage"].tolist()
    inputs = reranker.tokenizer(*texts, padding=True, return_tensors="pt", **length)
    inputs = inputs.to(reranker.device)

    def run() -> object:
        """One pass, from tokens on the device to logits."""
        # A caller's autocast would silently change the forward dtype.
        with torch.inference_mode(), torch.autocast(reranker.device.type, enabled=False):
            return reranker.logits(network(**inputs))

    weights, above = weight_bytes(network), pass_bytes(run, network, reranker.device)
    taken = time_repeats(run, reranker.device, repeats)
    return {
        "tokens": inputs["input_ids"].shape[1],
        "repeats": len(taken),
        "seconds": float(np.median(taken)),
        "fastest": min(taken),
        "slowest": max(taken),
        "pairs_per_second": len(pairs) / float(np.median(taken)),
        "weight_bytes": weights,
        "pass_bytes": above,
        "peak_bytes": weights + above,
    }


def time_repeats(run: Run, device: torch.device, repeats: int) -> list[float]:
    """Seconds of each call of ``run``: ``repeats`` calls or more, until ``LEAST_SECONDS`` are full.

    The device is synchronised on both sides of each call: CUDA and MPS return before they are done.
    """
    taken: list[float] = []
    while len(taken) < max(1, repeats) or sum(taken) < LEAST_SECONDS:
        synchronize(device)
        start = perf_counter()
        run()
        synchronize(device)
        taken.append(perf_counter() - start)
    return taken


def _lengths(dataset: RerankingSet) -> NDArray[np.int64]:
    """Characters of each pair, shape (n_pairs,)."""
    pairs = dataset.pairs
    return (pairs["query"].str.len() + pairs["passage"].str.len()).to_numpy(np.int64)


def seconds_per_pair(
    dataset: RerankingSet, reranker: Reranker, dtype: str, *, n_pairs: int = 8, repeats: int = 3
) -> float:
    """Seconds that the forward pass of one pair takes in a dtype, on the reranker's device.

    The median of ``repeats`` passes or more of one batch of ``n_pairs`` pairs that have the set's
    mixture of lengths; see :func:`measure_pass`, which says what is counted.
    """
    some = dataset.pairs.iloc[spread_rows(dataset, n_pairs)]
    measured = measure_pass(reranker, reranker.network(dtype), some, repeats=repeats)
    return measured["seconds"] / len(some)
