"""The batch probe: whether a passage's score depends on what it shares a batch with.

A float32 network moves by some 1e-5 logits, a half type by its own steps; a network that is
quantised with one scale for all activations of a batch moves by whole logits (onnxruntime issues
8625 and 10111).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.auditing.servers import Server
from analysis.auditing.transport import ServerError

_LONG_WORDS = 400
"""Words of the long companion: longer than most passages, short enough for most servers."""


def measure_batch_shift(
    server: Server, pairs: pd.DataFrame, answered: pd.DataFrame
) -> float | None:
    """Measure how far one passage moves, in logits, alone and beside a long one, from where it was.

    ``pairs`` and ``answered`` are a set's pairs and the server's scores of them, in one order. The
    passage is the one whose score leaves its logit clearest. None where no score has a logit.
    """
    known = answered["logit"].where(answered["logit"].notna(), _logits(answered["score"]))
    known = known[np.isfinite(known)]
    if known.empty:
        return None
    row = known.abs().idxmin()
    query, passage = pairs.loc[row, ["query", "passage"]]
    words = " ".join(pairs["passage"].iloc[:50]).split()
    companions = [[], [" ".join(words[:_LONG_WORDS])]]
    moved = [_ask(server, query, [passage, *others]) for others in companions]
    shifts = np.abs(np.subtract([logit for logit in moved if logit is not None], known[row]))
    return float(shifts.max()) if shifts.size and np.all(np.isfinite(shifts)) else None


def _ask(server: Server, query: str, documents: list[str]) -> float | None:
    """The first document's logit; None where the server refuses the long companion."""
    try:
        scores = server.scores(query, documents, raw=server.offers_raw, asked="batch probe")
    except ServerError:
        if len(documents) == 1:
            raise
        return None
    return scores[0] if server.offers_raw else float(_logits(pd.Series(scores[:1])).iloc[0])


def _logits(scores: pd.Series) -> pd.Series:
    """Logits of scores; those outside [0, 1] are logits themselves."""
    if not scores.between(0, 1).all():
        return scores
    with np.errstate(divide="ignore"):
        return np.log(scores) - np.log1p(-scores)
