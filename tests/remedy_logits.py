"""Logits for the tests of remedies: one set, forwarded in several dtypes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.formats import FORWARD_DTYPES, format_of


def logits_of(
    *queries: list[float], grades: list[int] | None = None, dtypes: tuple[str, ...] = FORWARD_DTYPES
) -> pd.DataFrame:
    """Frame of logits, one list per query, each rounded to every dtype."""
    rows = [
        (f"q{q}", f"p{p}", pd.NA if grades is None else grades[p], logit)
        for q, logits in enumerate(queries)
        for p, logit in enumerate(logits)
    ]
    frame = pd.DataFrame(rows, columns=["query_id", "passage_id", "grade", "logit"])
    frame["grade"] = frame["grade"].astype("Int64")
    forwards = [
        frame.assign(
            forward_dtype=dtype, logit=format_of(dtype).round(frame["logit"]).astype(float)
        )
        for dtype in dtypes
    ]
    return pd.concat(forwards, ignore_index=True)


def random_logits(n_queries: int = 8, spread: float = 3) -> pd.DataFrame:
    """Graded logits around 7, where half sigmoids saturate; the same ones every time."""
    drawn = np.random.default_rng(0).normal(7, spread, (n_queries, 10))
    return logits_of(*drawn.tolist(), grades=[3, 2, 2, 1, 1, 0, 0, 0, 0, 0])
