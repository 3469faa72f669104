"""The axis of 1 − score: logarithmic, with a lane of its own for scores of exactly 1.0.

A logarithmic axis drops what this project is about, the scores with 1 − s = 0. Here a position
is ``log10(1 - s)``, and exact ones stand in a shaded lane one and a half decades beyond.
"""

from __future__ import annotations

from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from numpy.typing import ArrayLike, NDArray

from analysis.figures.looks import look
from analysis.formats import format_of

_LANE_GAP = 0.9
_LETTERS = 9
"""Room that the name of a decade takes, in letters."""
LANE_LABEL = "= 1.0\nexactly"


def position(one_minus_score: ArrayLike, smallest: float) -> NDArray[np.float64]:
    """Coordinate of each 1 − s; 0 lands in the lane beyond ``smallest``, the axis' last value."""
    distance = np.asarray(one_minus_score, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.where(distance > 0, np.log10(distance), np.log10(smallest) - _LANE_GAP)


def smallest_distance(dtype: str) -> float:
    """1 − s of the largest score below 1 in a dtype: where its axis ends and the lane begins."""
    return 1 - format_of(dtype).largest_below_one


def draw_axis(ax: Axes, largest: float, smallest: float, axis: Literal["x", "y"] = "y") -> Polygon:
    """Lay the axis from 1 − s = ``largest`` to ``smallest`` and the lane; returns the lane.

    Scores grow to the right (``x``) or upwards (``y``). Limits are set here, so that saturated
    points are always inside.
    """
    decades = np.arange(np.floor(np.log10(largest)), np.ceil(np.log10(smallest)) - 1, -1)
    decades = decades[(decades <= np.log10(largest)) & (decades >= np.log10(smallest) - 1e-9)]
    lane = float(position(0.0, smallest))
    every = -(-len(decades) // _most_labels(ax, axis))
    names = [_name(int(d)) if not n % every else "" for n, d in enumerate(decades)]
    ends = (np.log10(largest), lane - _LANE_GAP / 2)
    shade = {"color": look().colors.lane, "zorder": 0, "linewidth": 0}
    inside = (lane - _LANE_GAP / 2, lane + _LANE_GAP / 2)
    if axis == "y":
        ax.set_ylim(*ends)
        ax.set_yticks([*decades, lane], [*names, LANE_LABEL])
        ax.set_ylabel("score (distance to 1 on a log scale)")
        return ax.axhspan(*inside, **shade)
    ax.set_xlim(*ends)
    ax.set_xticks([*decades, lane], [*names, LANE_LABEL])
    ax.set_xlabel("score (distance to 1 on a log scale)")
    return ax.axvspan(*inside, **shade)


def _most_labels(ax: Axes, axis: Literal["x", "y"]) -> int:
    """How many decades can be named along an axis of this size, the lane at its end apart."""
    if axis == "y":
        return 6
    inches = ax.get_position().width * ax.figure.get_figwidth()
    width = _LETTERS * mpl.rcParams["xtick.labelsize"] * 0.6 / 72
    return min(6, max(1, int(inches / width) - 1))


def _name(decade: int) -> str:
    """Score at 1 − s = 10^decade: 0, 0.9, 0.99 ..., and a power where the nines grow many."""
    if decade >= -4:
        return f"{1 - 10.0**decade:.{-decade}f}"
    return f"1 − 10$^{{{decade}}}$"
