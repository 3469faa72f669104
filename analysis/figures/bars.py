"""Stacked bars of counts, with their numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from analysis.figures.looks import contrast, look

_SLIVER = {False: 0.025, True: 0.07}
"""A part narrower than this share of the longest bar has no room for its number, if narrow."""


def stacked_bars(
    ax: Axes, counts: pd.DataFrame, colors: Mapping[str, str], *, height: float
) -> list[BarContainer]:
    """One horizontal bar per row of ``counts``, a part per column; sums stand behind the bars.

    The first row is at height 0. Returns the parts by column.
    """
    heights, left = np.arange(len(counts)), np.zeros(len(counts))
    widest = longest(counts)
    drawn = []
    for name in counts.columns:
        width = counts[name].to_numpy()
        bars = ax.barh(heights, width, left=left, height=height, color=colors[name], label=name)
        labels = [
            f"{number:.0f}" if number > _SLIVER[look().is_narrow] * widest else ""
            for number in width
        ]
        ink = max(("#000000", "#FFFFFF"), key=lambda one: contrast(one, colors[name]))
        ax.bar_label(bars, labels, label_type="center", color=ink, fontsize="small")
        left = left + width
        drawn.append(bars)
    for place, total in zip(heights, left, strict=True):
        ax.text(total + 0.01 * widest, place, f"{total:.0f}", va="center", fontsize="small")
    return drawn


def longest(counts: pd.DataFrame) -> float:
    """Length of the longest bar, at least 1, so that an empty axis has a width."""
    return max(1.0, counts.sum(axis=1).max())
