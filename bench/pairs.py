"""The pairs that scoring is timed on: German, of mixed length, by query as engines are asked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.datasets import RerankingSet, from_pairs
from analysis.readers import load_german

MAX_LENGTH = 256
"""Tokens that a pair is cut to, by everybody."""
CANDIDATES = 25
_KINDS, _SHARES = ("short", "whole", "long"), (0.3, 0.6, 0.1)
_JOINED = 5
_SEED = 0


def mixed_pairs(number: int) -> RerankingSet:
    """A set of about so many pairs: the German queries, with 25 candidates each, in turn.

    Of the passages 30 % are cut to their first sentence, 60 % are whole, and 10 % are several in
    one, which is longer than 256 tokens. The same number gives the same pairs; a query past the
    last one of the German set is asked again under another id.
    """
    generator = np.random.default_rng(_SEED)
    german = load_german().pairs
    queries, passages = german["query"].unique(), german["passage"].tolist()
    rows = [
        (f"q{query}", f"p{candidate}", queries[query % len(queries)], _passage(passages, generator))
        for query in range(max(1, round(number / CANDIDATES)))
        for candidate in range(min(CANDIDATES, number))
    ]
    pairs = pd.DataFrame(rows, columns=["query_id", "passage_id", "query", "passage"])
    return from_pairs("mixed", pairs)


def stretches(dataset: RerankingSet, number: int) -> list[RerankingSet]:
    """Split a set into so many by its queries, of as equal a number as can be."""
    ids = dataset.pairs["query_id"].unique()
    return [
        from_pairs(dataset.name, dataset.pairs[dataset.pairs["query_id"].isin(some)])
        for some in np.array_split(ids, min(number, len(ids)))
    ]


def _passage(passages: list[str], generator: np.random.Generator) -> str:
    """A passage at random, of a length at random."""
    kind = generator.choice(_KINDS, p=_SHARES)
    drawn = [passages[row] for row in generator.integers(len(passages), size=_JOINED)]
    if kind == "short":
        return drawn[0].partition(". ")[0]
    return " ".join(drawn) if kind == "long" else drawn[0]
