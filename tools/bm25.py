"""BM25 as bm25s has it by default: Lucene's variant, k1 = 1.5, b = 0.75.

Lower-case words as they stand: no stop words, no stemming; a query word that no passage has is
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import bm25s
import numpy as np
from numpy.typing import NDArray


class Bm25:
    """Scores passages of a collection."""

    def __init__(self, collection: Iterable[str]) -> None:
        passages = list(dict.fromkeys(collection))
        self.numbers = {passage: number for number, passage in enumerate(passages)}
        self.index = bm25s.BM25()
        self.index.index([words(text) for text in passages], show_progress=False)

    def scores(self, query: str, passages: Sequence[str]) -> NDArray[np.float64]:
        """BM25 score of each passage, shape (n_passages,); KeyError if one is not known."""
        rows = [self.numbers[passage] for passage in passages]
        ids = self.index.get_tokens_ids(words(query))
        return self.index.get_scores_from_ids(ids)[rows].astype(float)


def words(text: str) -> list[str]:
    """Lower-case words of a text, in order."""
    return re.findall(r"\w+", text.lower())
