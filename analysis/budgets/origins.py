"""Which stage a tie, or a score of exactly 1.0, comes from.

In a given order of swaps, a tie (or a score of exactly 1.0) of the path is attributed to the swap
after which it stays: it was not there right before, and is there after it and after every later
one. What the reference has already comes from no stage. So each has exactly one origin. It depends
on the order; all possible ones are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.budgets.stages import Order, Swapped, swaps

_Flags = NDArray[np.bool_]


def count_origins(
    holds: Mapping[Swapped, _Flags], counted: _Flags, orders: Sequence[Order]
) -> pd.DataFrame:
    """Count where the ``counted`` candidates, (n_pairs,), come from: one row per origin.

    ``holds`` says of every candidate, (n_pairs,), whether it is tied (or saturated) with these
    stages swapped in; with all of them it must be so for those counted. Index: ``reference``, then
    the stages in the path's order (the first of ``orders``). Columns: ``count`` in the path's
    order, ``averaged`` over all orders, and the ``least`` and ``most`` that an order gives.
    """
    each = pd.DataFrame([_origins(holds, counted, order) for order in orders])
    table = pd.DataFrame({"count": each.iloc[0], "averaged": each.mean()})
    table["least"], table["most"] = each.min(), each.max()
    return table.rename_axis("origin")


def _origins(holds: Mapping[Swapped, _Flags], counted: _Flags, order: Order) -> pd.Series:
    """Count the origins in one order."""
    steps = np.array([holds[swapped] for swapped in swaps(order)])  # (n_stages + 1, n_pairs)
    unbroken = np.logical_and.accumulate(steps[::-1])[::-1]
    first = unbroken.argmax(axis=0)[counted]
    counts = np.bincount(first, minlength=len(order) + 1)
    return pd.Series(counts, index=["reference", *order])
