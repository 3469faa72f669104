"""What brings tied candidates apart again: a float32 sigmoid, the raw logits, or a wider network.

A float32 sigmoid restores what the half-precision sigmoid merged. It cannot restore what the
network's dtype merged, logits that are equal; and where the sigmoid is flat it merges neighbouring
half-precision logits anew, which only the order of the logits themselves keeps apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.formats import format_of
from analysis.scorepath import ScorePath
from analysis.sigmoids import sigmoid
from analysis.ties import apply, tied_in_top

REMEDIES = (
    "a float32 sigmoid (HPS)",
    "only the order of raw logits",
    "only a float32 network",
    "nothing",
)
"""What sets a tied candidate apart, the cheapest first."""


def restored(logits: pd.DataFrame, path: ScorePath, *, k: int = 10) -> pd.Series:
    """Count the candidates that tie in the top ``k`` on a path, by what brings them back.

    ``logits`` has rows of float32 and of the path's forward dtype. A candidate comes back with the
    first of :data:`REMEDIES` under which it shares its score with no other candidate of its query:
    ``nothing`` is for those whose float32 logits are equal too, as those of duplicates are.
    Index: :data:`REMEDIES`.
    """
    own = apply(logits, path)
    counted = tied_in_top(own, k).to_numpy()
    keys = ["query_id", "passage_id"]
    ways = [path.hps(), path.raw(), path.within("float32").raw()]
    alone = []
    for way in ways:
        sizes = own[keys].merge(apply(logits, way)[[*keys, "tie_size"]], on=keys)
        alone.append(sizes["tie_size"].to_numpy() == 1)
    first = np.argmax([*alone, np.ones(len(own), dtype=bool)], axis=0)
    return pd.Series(np.bincount(first[counted], minlength=len(REMEDIES)), index=list(REMEDIES))


def first_merged(forward_dtype: str) -> float:
    """First logit of a 16-bit dtype that a float32 sigmoid merges with the next one above it.

    Looked for from 1 on, among all values of the dtype: close to 0 logits are so dense that any
    sigmoid merges them, but there they are all but equal.
    """
    logits = format_of(forward_dtype).values(1.0, 20.0)
    merged = np.diff(sigmoid(logits, "fused", "float32")) == 0
    return float(logits[np.argmax(merged)])
