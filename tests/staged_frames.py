"""Logits with the stages of a network swapped in one by one, as a budget takes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.scorepath import ScorePath


def staged_frame(
    reference: ArrayLike,
    path: ScorePath,
    *,
    weights: ArrayLike | None = None,
    forward: ArrayLike | None = None,
    query_ids: ArrayLike = "q",
) -> pd.DataFrame:
    """One query; where nothing else is said, the network only rounds its logit."""
    reference = np.array(reference, dtype=np.float64)
    return pd.DataFrame(
        {
            "query_id": query_ids,
            "passage_id": [f"p{number}" for number in range(len(reference))],
            "forward_dtype": path.forward_dtype,
            "reference": reference,
            "weights": reference if weights is None else np.array(weights, dtype=np.float64),
            "forward": path.logits(reference) if forward is None else np.array(forward, np.float64),
        }
    )
