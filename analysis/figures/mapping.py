"""From logit to score: where dtypes and formulas stop telling logits apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D

from analysis.figures.lane import draw_axis, position
from analysis.figures.style import INK, MARKS
from analysis.formats import FORMATS
from analysis.scorepath import ScorePath
from analysis.steps import saturation

LINE_POINTS = 400


def logit_histogram(ax: Axes, logits: pd.DataFrame) -> Axes:
    """Distribution of logits by grade; passages without a grade count as one group."""
    grades = logits["grade"].astype("object").where(logits["grade"].notna(), "no grade")
    levels = sorted(grades.unique(), key=str)
    colors = sns.color_palette("YlGnBu", len(levels) + 1)[1:]
    sns.histplot(
        x=logits["logit"].to_numpy(),
        hue=grades.to_numpy(),
        hue_order=levels,
        palette=dict(zip(levels, colors, strict=True)),
        multiple="stack",
        bins=np.arange(np.floor(logits["logit"].min()), np.ceil(logits["logit"].max()) + 0.5, 0.5),
        edgecolor="white",
        linewidth=0.5,
        ax=ax,
    )
    ax.get_legend().set_title("grade")
    ax.set(xlabel="logit", ylabel="passages")
    return ax


def saturation_ladder(
    ax: Axes, paths: Sequence[ScorePath], limits: tuple[float, float]
) -> list[Line2D]:
    """For each path the logits that it still tells apart, as a bar between the ends.

    The bar runs from the last logit with score exactly 0.0 to the first with exactly 1.0; both
    are written beside it. ``limits`` clip the view (logits).
    """
    bars = []
    for height, path in enumerate(reversed(paths)):
        edges, mark = saturation(path), MARKS[path.forward_dtype]
        ends = np.clip([np.nan_to_num(edges.zero_up_to, nan=-np.inf), edges.one_from], *limits)
        bars += ax.plot(
            ends, [height, height], color=mark.color, linewidth=7, solid_capstyle="butt", alpha=0.85
        )
        ax.text(ends[1] + 0.25, height, f"{edges.one_from:.8g}", va="center", fontsize=9)
        if edges.zero_up_to > limits[0]:  # else the bar runs out of the view
            ax.text(
                ends[0] - 0.25,
                height,
                f"{edges.zero_up_to:.8g}".replace("-", "−"),
                va="center",
                ha="right",
                fontsize=9,
            )
    ax.set_yticks(range(len(paths)), [path.name for path in reversed(paths)])
    ax.set(xlim=(limits[0] - 4, limits[1] + 4), ylim=(-0.7, len(paths) - 0.3), xlabel="logit")
    return bars


def scores_left(ax: Axes, counts: pd.DataFrame) -> BarContainer:
    """How many scores each path has left in an interval; columns ``label, dtype, scores``."""
    ordered = counts.iloc[::-1]
    bars = ax.barh(
        ordered["label"],
        ordered["scores"],
        color=[MARKS[dtype].color for dtype in ordered["dtype"]],
        height=0.65,
    )
    ax.bar_label(bars, labels=[f"{count:,}" for count in ordered["scores"]], padding=4)
    ax.set_xscale("log")
    ax.set_xlim(0.8, 12 * ordered["scores"].max())
    ax.set_xlabel("different scores")
    return bars


def hidden_logits(
    ax: Axes, steps: dict[ScorePath, pd.DataFrame], largest: float = 1e-2
) -> list[Line2D]:
    """Width of each score step in logits against the score, one line per path.

    ``steps`` are staircases; a long one is thinned to exact steps at about equal distances on
    the log axis. The saturated step is infinitely wide and has no point here.
    """
    lines = []
    smallest = min(1 - FORMATS[path.stored_dtype].largest_below_one for path in steps)
    for path, table in steps.items():
        finite = _thin(table[np.isfinite(table["width"]) & (table["width"] > 0)])
        mark = MARKS[path.forward_dtype]
        lines += ax.plot(
            position(finite["one_minus_score"], smallest),
            finite["width"],
            color=mark.color,
            linestyle="-" if path.formula == "fused" else "--",
            marker=mark.marker if len(finite) < 30 else None,
            label=path.name,
        )
    ax.set_yscale("log")
    ax.set_ylabel("logits that share the score (width)")
    draw_axis(ax, largest, smallest, axis="x")
    ax.legend(loc="lower right", bbox_to_anchor=(0.86, 0.0))
    return lines


def logits_on_ladder(ax: Axes, logits: pd.Series, height: float) -> PathCollection:
    """Add one tick per logit at a height, as the set's rug under a ladder."""
    return ax.scatter(
        logits, np.full(len(logits), height), marker="|", s=60, color=INK, alpha=0.35, linewidth=0.8
    )


def _thin(steps: pd.DataFrame) -> pd.DataFrame:
    """At most :data:`LINE_POINTS` of the steps, evenly spread over the logarithm of 1 − s."""
    if len(steps) <= LINE_POINTS:
        return steps
    distance = np.log(steps["one_minus_score"].to_numpy())
    targets = np.linspace(distance[0], distance[-1], LINE_POINTS)
    chosen = np.unique(np.searchsorted(-distance, -targets).clip(0, len(steps) - 1))
    return steps.iloc[chosen]
