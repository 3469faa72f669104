"""Three small queries with ties, for tests of the view."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.formats import format_of
from analysis.forwardformats import format_texts, in_format, of_format

NASTY = 'Öl & Essig <script>alert("x")</script>'
# Saturated in float16 (three, stepwise four), sharing 0.998 (two), far apart (two).
LOGITS = {"q1": [8.4, 6.25, 9.0, -2.1, 6.3, 8.9, 1.0, 7.8], "q2": [0.5, 3.0], "q3": [2.0]}


def few_pairs() -> pd.DataFrame:
    """Candidates of three queries; one passage attacks."""
    rows = [
        (query, f"p{n}", n % 4, f"Frage {query} <b>&", NASTY if n == 0 else f"Text {n}")
        for query, logits in LOGITS.items()
        for n in range(len(logits))
    ]
    columns = ["query_id", "passage_id", "grade", "query", "passage"]
    return pd.DataFrame(rows, columns=columns).astype({"grade": "Int64"})


def few_logits(pairs: pd.DataFrame, *dtypes: str) -> pd.DataFrame:
    """Their logits in forward dtypes; all three usual ones if none is named."""
    exact = np.concatenate(list(LOGITS.values()))
    frames = [
        pairs[["query_id", "passage_id", "grade"]].assign(
            forward_dtype=dtype, logit=format_of(dtype).round(exact).astype(np.float64)
        )
        for dtype in dtypes or ("float32", "float16", "bfloat16")
    ]
    return pd.concat(frames, ignore_index=True)


INT8 = "onnxruntime:int8-dynamic"


def few_logits_of_runtimes(pairs: pd.DataFrame) -> pd.DataFrame:
    """The same logits, and those of a network that is quantised: each moved by another step."""
    logits = few_logits(pairs)
    logits = logits.assign(forward_format=format_texts(logits))
    float32 = of_format(logits, "float32")
    steps = np.arange(len(float32)) % 5 * 0.25 - 0.5
    return pd.concat([logits, in_format(float32.assign(logit=float32["logit"] + steps), INT8)])
