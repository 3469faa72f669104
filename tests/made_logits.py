"""Made-up logits over the German set: no network is run for them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from analysis.datasets import RerankingSet
from analysis.formats import FORWARD_DTYPES
from analysis.readers import read
from analysis.scorepath import ScorePath

NOISE = {"float32": 0.0, "float16": 0.004, "bfloat16": 0.03}
"""About what a forward pass in each dtype does to a logit."""


@cache
def german_set() -> RerankingSet:
    """The German set."""
    return read("german")


@cache
def german_logits() -> pd.DataFrame:
    """Logits that rise with the grade, from saturation to saturation; the same on every run."""
    pairs = german_set().pairs
    return logits_over(pairs, pairs["grade"].to_numpy(float))


def logits_over(pairs: pd.DataFrame, relevance: np.ndarray, seed: int = 1) -> pd.DataFrame:
    """Logits in every forward dtype for pairs with a relevance, shape (n_pairs,)."""
    rng = np.random.default_rng(seed)
    exact = rng.normal(-3, 3.5, len(pairs)) + 4.2 * relevance
    keys = pairs[["query_id", "passage_id", "grade"]]
    frames = []
    for dtype in FORWARD_DTYPES:
        logit = ScorePath(dtype).logits(exact + rng.normal(0, 1, len(pairs)) * NOISE[dtype])
        frames.append(keys.assign(forward_dtype=dtype, logit=logit))
    return pd.concat(frames, ignore_index=True)


def many_pairs(queries: int, candidates: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Logits and pairs of so many queries with so many candidates each, every text another."""
    texts = german_set().pairs["passage"]
    count = queries * candidates
    rng = np.random.default_rng(3)
    pairs = pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(queries)], candidates),
            "passage_id": [f"d{number:06d}" for number in range(count)],
            "grade": rng.integers(0, 4, count),
            "query": np.repeat([f"query {number}" for number in range(queries)], candidates),
            "passage": [f"{number}. {texts[number % len(texts)]}" for number in range(count)],
        }
    )
    return logits_over(pairs, pairs["grade"].to_numpy(float)), pairs
