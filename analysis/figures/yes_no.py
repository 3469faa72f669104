"""The grid of yes/no rerankers: what is left of the difference of two large logits."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.canvas import key, panels
from analysis.figures.looks import look
from analysis.figures.style import MARKS, Picture, drawn

_SIZES = (10, 6.5, 3)
"""Sizes of the marks of three heads, so that all show at one place."""


@drawn
def two_logits(
    left: Mapping[str, pd.DataFrame], dtype: str, counts: Mapping[str, pd.DataFrame], pairs: int
) -> Picture:
    """What heads leave of recorded pairs, and how many differences there are by level.

    ``left`` has by the head's name a frame ``exact, logit`` of at most three heads of a network in
    ``dtype``, the roughest first; ``counts`` by dtype ``level, possible, found``
    (:func:`analysis.studies.yes_no.by_level`), found among so many ``pairs``.
    """
    figure, (steps, by_level) = panels(2, 10, 4.4)
    handles = step_marks(steps, left, dtype)
    steps.set_title(f"What is left in {dtype}")
    level_lines(by_level, counts, pairs)
    by_level.set_title("Differences by the logits' size")
    lines = [_line(one) for one in counts]
    key(figure, [*handles, *lines], [*left, *(f"two logits in {one}" for one in counts)])
    distinct = "; ".join(f"{name}: {own['logit'].nunique()}" for name, own in left.items())
    return Picture(
        figure,
        f"The logit that each head makes of {pairs} recorded pairs, over float32's; and how many "
        "differences a range as wide as theirs has, by the size of the two logits (lines), and how "
        "many are found among these pairs, moved to that size (marks; rounding both ends may add "
        "one or two).",
        f"Distinct logits of {pairs} pairs in {dtype}, by head. {distinct}.",
    )


def step_marks(ax: Axes, left: Mapping[str, pd.DataFrame], dtype: str) -> list[Line2D]:
    """Logits of each head over the exact ones; those of the first lie on steps."""
    drawn = []
    for size, own in zip(_SIZES, left.values(), strict=False):
        first, last = size == _SIZES[0], size == _SIZES[-1]
        color = look().ink if last else MARKS[dtype].color
        face = color if last else "none"
        marker = MARKS[dtype].marker if first else "o"
        traits = {"markerfacecolor": face, "markeredgecolor": color, "markeredgewidth": 0.9}
        drawn += ax.plot(
            own["exact"], own["logit"], marker, markersize=size, linestyle="none", **traits
        )
    ax.set(xlabel="logit of a float32 network", ylabel="logit that is left")
    ax.grid(axis="y", color=look().faint, linewidth=0.4)
    return drawn


def level_lines(ax: Axes, counts: Mapping[str, pd.DataFrame], pairs: int) -> list[Line2D]:
    """The closed form as a line and what was found as marks, both axes logarithmic."""
    drawn = []
    for dtype, own in counts.items():
        mark = MARKS[dtype]
        drawn += ax.plot(own["level"], own["possible"], mark.linestyle, color=mark.color)
        ax.plot(own["level"], own["found"], mark.marker, color=mark.color, markersize=6)
    ax.axhline(pairs, color=look().faint, linewidth=1)
    ax.annotate(
        "as many as pairs",
        (0.02, pairs),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize="small",
    )
    ax.set(xlabel="size of the two logits (log scale)", ylabel="differences (log scale)")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
    return drawn


def _line(dtype: str) -> Line2D:
    mark = MARKS[dtype]
    return Line2D([], [], color=mark.color, linestyle=mark.linestyle, marker=mark.marker)
