"""Which paths are set against each other, and in which order an engine is sent the candidates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis.engines import find_engine
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath

HPS = " (HPS)"
"""Ends the name of a path whose sigmoid is computed in a wider dtype than the network."""

_WORD = re.compile(r"\w+")


def outcome_paths(forward_dtypes: Sequence[str]) -> list[ScorePath]:
    """Return the float32 reference and the engines' paths in these half dtypes.

    First the reference, whether float32 is among the dtypes or not; then the paths whose sigmoid
    is computed in the half dtype, then those that upcast before it, marked :data:`HPS`. Other
    engines take the same paths, but for the last bit of a float32 sigmoid.
    """
    engines = [("infinity", "0.0.68"), ("haystack", "2.31.0"), ("infinity", "0.0.78")]
    every = [path for engine in engines for path in find_engine(*engine).paths.values()]
    half = [p for p in every if p.forward_dtype != "float32" and p.forward_dtype in forward_dtypes]
    return [FLOAT32_REFERENCE, *map(_marked, half)]


def _marked(path: ScorePath) -> ScorePath:
    return replace(path, name=path.name + HPS) if path.is_hps else path


def as_sent(pairs: pd.DataFrame) -> pd.DataFrame:
    """Order the candidates of each query as an engine would be sent them.

    ``pairs`` as in :class:`analysis.datasets.RerankingSet`; returned are ``query_id, passage_id``.
    The set's own order is kept if it is one. A set that lists every query's candidates by
    ascending id has none, and the tie rules *input order* and *docid ascending* would be the same
    thing; there a first stage that counts the query's words in each passage stands in for the
    retriever: most words first, equal counts by id.
    """
    by_query = pairs.groupby("query_id", sort=False)
    if by_query["passage_id"].agg(lambda ids: ids.is_monotonic_increasing).all():
        first_stage = pd.DataFrame(
            {
                "query": by_query.ngroup(),
                "words": [
                    -_shared_words(*texts) for texts in pairs[["query", "passage"]].to_numpy()
                ],
            }
        )
        pairs = pairs.loc[first_stage.sort_values(["query", "words"], kind="stable").index]
    return pairs[["query_id", "passage_id"]].reset_index(drop=True)


def _shared_words(query: str, passage: str) -> int:
    """Count the different words of a query that a passage has, whatever their case."""
    return len(
        set.intersection(*(set(_WORD.findall(text.casefold())) for text in (query, passage)))
    )
