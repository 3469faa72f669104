"""The page's figure: which scores the top ranks have, and how many candidates share each."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.figures.lane import draw_axis, position
from analysis.figures.style import INK, MARKS, img, style
from analysis.formats import format_of

WIDEST_DISTANCE = 1.0


def shared_scores(ax: Axes, scores: np.ndarray, dtype: str) -> LineCollection:
    """Draw one upright per distinct score (shape (n,), in [0, 1]), as high as its candidates.

    The axis is the distance to 1 on a log scale, ending at the last value of ``dtype`` below 1;
    the lane holds exactly 1.0.
    """
    shared = pd.Series(scores).value_counts()
    smallest = 1 - format_of(dtype).largest_below_one
    draw_axis(ax, WIDEST_DISTANCE, smallest, axis="x")
    places = position(1 - shared.index.to_numpy(), smallest)
    uprights = [((x, 0), (x, n)) for x, n in zip(places, shared, strict=True)]
    color = MARKS[dtype].color if dtype in MARKS else INK
    drawn = ax.add_collection(LineCollection(uprights, colors=color, linewidths=2.5))
    ax.set_ylim(0, 1.1 * float(shared.max()))
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("candidates with that score")
    return drawn


def shared_scores_img(scores: np.ndarray, dtype: str, k: int) -> str:
    """Return the figure as an HTML ``<img>`` with its alt text."""
    shared = pd.Series(scores).value_counts()
    alt = (
        f"Uprights for {len(shared):,} different scores in the top {k}; the most shared one, "
        f"{shared.index[0]:.6g}, has {shared.iloc[0]:,} candidates, exactly 1.0 has "
        f"{int((scores == 1.0).sum()):,}."
    )
    with style():
        figure = Figure(figsize=(9, 3.2))
        shared_scores(figure.subplots(), scores, dtype)
        return img(figure, alt)
