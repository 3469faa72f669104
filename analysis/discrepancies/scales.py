"""What scores say themselves about a function that keeps their order: that it is another scale.

Percentages, where the fingerprint of a side has decided, and scores divided by the best of their
query.
"""

from __future__ import annotations

import pandas as pd

from analysis.discrepancies.intervals import Side
from analysis.discrepancies.shapes import Shape

_NEAR = 2.0**-8
"""Spacing of bfloat16 scores below 1: so near are scores that were only divided and rounded."""


def scale_of(shape: Shape, table: pd.DataFrame, sides: tuple[Side, Side]) -> str:
    """Say which scale leads from one side to the other; empty where none does.

    ``table`` has ``query_id, score_a, score_b``, a row per pair of ``sides``. Only a function that
    keeps the order, of all pairs or within each query, is looked at.
    """
    first, second = table["score_a"], table["score_b"]
    queries = table["query_id"]
    if shape.kind == "one monotonic function":
        is_percent = [side.verdict.kind == "percent" for side in sides]
        if is_percent == [True, False]:
            return _in_percent("A", "B", first, second)
        if is_percent == [False, True]:
            return _in_percent("B", "A", second, first)
    if shape.kind == "a monotonic function within each query":
        return _divided("A", "B", first, second, queries) or _divided(
            "B", "A", second, first, queries
        )
    return ""


def _in_percent(name: str, other: str, scaled: pd.Series, plain: pd.Series) -> str:
    apart = (scaled / 100 - plain).abs().max()
    return (
        f"{name} is in percent, by its fingerprint: divided by 100 its scores differ from those of "
        f"{other} by {apart:.2g} at most"
    )


def _divided(name: str, other: str, scaled: pd.Series, plain: pd.Series, queries: pd.Series) -> str:
    """Whether one side has 1.0 for the best of each query, and the other's scores divided so."""
    best = plain.groupby(queries).transform("max")
    if best.le(0).any() or scaled.groupby(queries).max().ne(1.0).any():
        return ""
    apart = (plain / best - scaled).abs().max()
    if apart > _NEAR:
        return ""
    return (
        f"The scores of {other}, divided by the best of their query, differ from those of {name} "
        f"by {apart:.2g} at most"
    )
