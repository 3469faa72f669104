"""The noise floor: how far a logit moves when nothing about its precision changes.

The same pairs are scored again in the same dtype under other circumstances that an engine does not
control, or does not promise to keep. What is smaller than these differences has no meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from analysis.datasets import RerankingSet, from_pairs
from analysis.devices import threads
from analysis.formats import FORWARD_DTYPES
from analysis.forwardformats import ForwardFormat
from analysis.models import Reranker
from analysis.scoring import score
from analysis.store import Store

_FORMAT = ["forward_format", "forward_dtype"]
_KEYS = [*_FORMAT, "query_id", "passage_id"]


def noise_floor(
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[str | ForwardFormat] = FORWARD_DTYPES,
    *,
    n_pairs: int = 12,
    seed: int = 0,
    store: Store | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score a sample of ``n_pairs`` pairs under other circumstances, in each forward format.

    Each is compared with the sample scored as :func:`analysis.scoring.score` does it. One row per
    circumstance and format: ``circumstance, forward_format, forward_dtype, pairs``, ``changed``
    (pairs whose logit is another), ``mean_abs`` and ``largest`` (of the differences, in logits).
    The circumstances:

    - alone: each pair is a batch of its own;
    - in another batch: as the whole set was scored (left out if the sample is the whole set);
    - in reverse order: the same batch, its pairs from last to first;
    - padded to N tokens: twice the longest pair, at most what the reranker takes (left out if
      the longest pair fills that already);
    - eager attention, where the model runs with SDPA;
    - another number of threads, 1 or else 2, on a CPU.
    """
    sample = _sample(dataset, n_pairs, seed)
    options = {"store": store, "progress": progress}
    usual = score(sample, reranker, formats, **options)
    rows = [
        _differences(name, usual, again)
        for name, again in _repeated(sample, dataset, reranker, formats, options)
    ]
    return pd.concat(rows, ignore_index=True)


def _repeated(
    sample: RerankingSet,
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[str | ForwardFormat],
    options: dict[str, object],
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each circumstance with the logits under it."""
    yield "alone", score(sample, reranker, formats, batch_tokens=1, **options)
    if dataset.n_pairs > sample.n_pairs:
        yield "in another batch", score(dataset, reranker, formats, **options)
    yield "in reverse order", score(sample, reranker, formats, backwards=True, **options)
    longest, limit = _lengths(sample, reranker)
    if longest < limit:
        width = min(2 * longest, limit)
        padded = score(sample, reranker, formats, least_width=width, **options)
        yield f"padded to {width} tokens", padded
    if reranker.attention == "sdpa":
        eager = replace(reranker, attention="eager")
        yield "eager attention", score(sample, eager, formats, **options)
    if reranker.device.type == "cpu":
        other = 2 if torch.get_num_threads() == 1 else 1
        with threads(other):
            threaded = score(sample, reranker, formats, **options)
        yield f"{other} thread{'s' if other > 1 else ''}", threaded


def _sample(dataset: RerankingSet, n_pairs: int, seed: int) -> RerankingSet:
    """Draw pairs at random, kept in the set's order."""
    chosen = np.random.default_rng(seed).permutation(dataset.n_pairs)[:n_pairs]
    pairs = dataset.pairs.iloc[np.sort(chosen)].reset_index(drop=True)
    return from_pairs(f"{dataset.name}, {len(pairs)} pairs", pairs)


def _lengths(sample: RerankingSet, reranker: Reranker) -> tuple[int, int]:
    """Tokens of the longest pair, and how many it may have."""
    texts = sample.pairs["query"].tolist(), sample.pairs["passage"].tolist()
    limit = reranker.length
    return max(map(len, reranker.tokens(*texts, limit)["input_ids"])), limit


def _differences(name: str, usual: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Compare the sample's logits with those under a circumstance, format by format."""
    both = usual.merge(again, on=_KEYS, suffixes=("", "_again"))
    difference = (both["logit_again"] - both["logit"]).abs()
    grouped = difference.groupby([both[name] for name in _FORMAT], sort=False)
    table = grouped.agg(pairs="size", changed=np.count_nonzero, mean_abs="mean", largest="max")
    return table.reset_index().assign(circumstance=name)[
        ["circumstance", *_FORMAT, "pairs", "changed", "mean_abs", "largest"]
    ]
