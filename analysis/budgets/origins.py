"""Which stage a tie, or a score of exactly 1.0, comes from.

A candidate that is tied (or saturated) on the path *owes it to* the stage since whose swap it has
been so without a break, in the order of swaps given: it was not right before that stage, and is
after it and after every later one. What is so in the reference already comes from no stage. Thus
every such candidate has exactly one origin. It depends on the order; all possible ones are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import ties
from analysis.budgets.stages import Order, Swapped, Values, swaps

REFERENCE = "reference"

Flags = NDArray[np.bool_]


def origins(holds: Callable[[Swapped], Flags], counted: Flags, order: Order) -> pd.Series:
    """Count the origins of the ``counted`` candidates, (n_pairs,), in one order.

    ``holds`` says of every candidate, (n_pairs,), whether it is tied (or saturated) with these
    stages swapped in; with all of them it must be so for those counted. Index: :data:`REFERENCE`,
    then the stages in the order.
    """
    steps = np.array([holds(swapped) for swapped in swaps(order)])  # (n_stages + 1, n_pairs)
    unbroken = np.logical_and.accumulate(steps[::-1])[::-1]
    first = unbroken.argmax(axis=0)[counted]
    counts = np.bincount(first, minlength=len(order) + 1)
    return pd.Series(counts, index=[REFERENCE, *order])


def count_origins(
    holds: Callable[[Swapped], Flags], counted: Flags, orders: Sequence[Order]
) -> pd.DataFrame:
    """:func:`origins` over all orders, one row per origin.

    ``count`` in the path's order (the first), ``averaged`` over all, and the ``least`` and ``most``
    that an order gives.
    """
    each = pd.DataFrame([origins(holds, counted, order) for order in orders])
    table = pd.DataFrame({"count": each.iloc[0], "averaged": each.mean()})
    table["least"], table["most"] = each.min(), each.max()
    return table.rename_axis("origin")


def tied(query_ids: pd.Series, scores: Values) -> Flags:
    """Tell which candidates share their score with another one of their query."""
    return _scored(query_ids, scores).duplicated(keep=False).to_numpy()


def tied_in_top(query_ids: pd.Series, scores: Values, k: int) -> Flags:
    """Tell which candidates are in a tie group that reaches into the first ``k`` ranks."""
    return ties.tied_in_top(_scored(query_ids, scores), k).to_numpy()


def _scored(query_ids: pd.Series, scores: Values) -> pd.DataFrame:
    return pd.DataFrame({"query_id": query_ids.to_numpy(), "score": scores})
