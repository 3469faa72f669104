"""From logit to score: where dtypes and formulas stop telling logits apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.figures.canvas import Label, canvas, name_rows
from analysis.figures.lane import draw_axis, position, smallest_distance
from analysis.figures.looks import look
from analysis.figures.style import MARKS, Picture, drawn
from analysis.scorepath import ScorePath
from analysis.steps import saturation

_LINE_POINTS = 400
_FORMULA_LINES = {"fused": "-", "stepwise": "--"}
_MOST_BINS = 200
_LADDER = (-20.0, 17.0)
"""The logits in view."""


@drawn
def logits_by_grade(logits: pd.DataFrame) -> Picture:
    """Distribution of a set's float32 logits; columns ``grade, logit``."""
    figure, ax = canvas(9, 3.6)
    _draw_histogram(ax, logits)
    ax.set_title(f"Logits of {len(logits):,} passages, float32")
    lowest, highest = logits["logit"].min(), logits["logit"].max()
    return Picture(
        figure,
        "Logits of the whole set in a float32 forward pass, stacked by grade.",
        f"Histogram of {len(logits):,} logits from {lowest:.1f} to {highest:.1f}, stacked by "
        "grade.",
    )


@drawn
def saturation_ladder(paths: Mapping[str, ScorePath], logits: pd.Series) -> Picture:
    """Logits that each path, by its label, still tells apart, and a set's logits beneath."""
    figure, ax = canvas(9.5, 4)
    _draw_ladder(ax, paths)
    ax.scatter(
        logits, np.full(len(logits), -0.6), marker="|", s=60, color=look().ink, alpha=0.35, lw=0.8
    )
    ax.set_title("Logits that each sigmoid can still tell apart")
    ends = ", ".join(f"{label} {saturation(path).one_from:.5g}" for label, path in paths.items())
    return Picture(
        figure,
        "Each bar ends where the score becomes exactly 1.0 (right) and exactly 0.0 (left, if "
        "above −20). The ticks below are the set's logits.",
        f"Bars over the logit axis; scores are exactly 1.0 from these logits on: {ends}.",
    )


@drawn
def scores_left(paths: Mapping[str, ScorePath], steps: Mapping[str, pd.DataFrame]) -> Picture:
    """How many scores each path has left from 0.99 on; its staircase has the same label."""
    counts = {label: len(steps[label]) for label in paths}
    figure, ax = canvas(9, 3.4)
    _draw_counts(ax, counts, [MARKS[path.forward_dtype].color for path in paths.values()])
    ax.set_title("Different scores that can be returned in [0.99, 1]")
    listed = ", ".join(f"{label} {number:,}" for label, number in counts.items())
    return Picture(
        figure,
        "Attainable scores in [0.99, 1], by exact enumeration; logarithmic axis.",
        f"Bars of the number of different scores between 0.99 and 1: {listed}.",
    )


@drawn
def step_widths(paths: Mapping[str, ScorePath], steps: Mapping[str, pd.DataFrame]) -> Picture:
    """How wide the score steps of each path are; its staircase has the same label.

    A long staircase is thinned to exact steps at about equal distances on the log axis.
    """
    figure, ax = canvas(9, 4.2)
    _draw_widths(ax, paths, steps)
    ax.set_title("Width of a score step, in logits")
    last = {label: _finite(steps[label]).iloc[-1] for label in paths}
    listed = ", ".join(
        f"{label} {step['width']:.2g} from {step['logit_low']:.4g} on"
        for label, step in last.items()
    )
    return Picture(
        figure,
        "How many logits share one score, against the score. Lines end at the last score before "
        "1.0.",
        "Lines rise towards score 1. The last step below 1.0, its width in logits and the logit "
        f"where it begins: {listed}.",
    )


def _draw_histogram(ax: Axes, logits: pd.DataFrame) -> None:
    """Passages without a grade count as one group."""
    grades = logits["grade"].astype("object").where(logits["grade"].notna(), "no grade")
    levels = sorted(grades.unique(), key=str)
    order = "YlGnBu_r" if look().is_dark else "YlGnBu"  # the higher, the farther from the page
    colors = sns.color_palette(order, len(levels) + 1)[1:]
    sns.histplot(
        x=logits["logit"].to_numpy(),
        hue=grades.to_numpy(),
        hue_order=levels,
        palette=dict(zip(levels, colors, strict=True)),
        multiple="stack",
        bins=_bins(logits["logit"]),
        edgecolor=look().colors.page,
        linewidth=0.5,
        ax=ax,
    )
    ax.get_legend().set_title("grade")
    ax.set(xlabel="logit", ylabel="passages")


def _bins(logits: pd.Series) -> NDArray[np.float64]:
    """Edges half a logit apart, or twice, four times … so much where the logits lie far apart."""
    lowest, highest = np.floor(logits.min()), np.ceil(logits.max())
    span = max(highest - lowest, 1.0)  # all may be the same whole number
    width = 0.5 * 2.0 ** max(0, np.ceil(np.log2(span / (0.5 * _MOST_BINS))))
    return lowest + width * np.arange(np.ceil(span / width) + 1)


def _draw_ladder(ax: Axes, paths: Mapping[str, ScorePath]) -> None:
    """Draw a bar per path, from the last logit with score exactly 0.0 to the first with 1.0."""
    for height, path in enumerate(reversed(paths.values())):
        edges, color = saturation(path), MARKS[path.forward_dtype].color
        ends = np.clip([np.nan_to_num(edges.zero_up_to, nan=-np.inf), edges.one_from], *_LADDER)
        ax.plot(ends, [height] * 2, color=color, linewidth=7, solid_capstyle="butt", alpha=0.85)
        _number(ax, ends[1] + 0.25, height, edges.one_from, "left")
        if edges.zero_up_to > _LADDER[0]:  # else the bar runs out of the view
            _number(ax, ends[0] - 0.25, height, edges.zero_up_to, "right")
    name_rows(ax, reversed(paths))
    margin = 10 if look().is_narrow else 4  # for the numbers
    ax.set(
        xlim=(_LADDER[0] - margin, _LADDER[1] + margin),
        ylim=(-0.7, len(paths) - 0.3),
        xlabel="logit",
    )


def _draw_counts(ax: Axes, counts: Mapping[str, int], colors: list[str]) -> None:
    """Draw bars by label on a logarithmic axis, from the bottom up, numbers beside them."""
    bars = ax.barh(list(counts), list(counts.values()), color=colors, height=0.65)
    ax.bar_label(bars, labels=[f"{number:,}" for number in counts.values()], padding=4)
    ax.set_xscale("log")
    ax.set_xlim(0.8, 12 * max(counts.values()))
    ax.set_xlabel("different scores")


def _draw_widths(
    ax: Axes, paths: Mapping[str, ScorePath], steps: Mapping[str, pd.DataFrame]
) -> None:
    """Draw one line per path; the saturated step is infinitely wide and has no point."""
    smallest = min(smallest_distance(path.stored_dtype) for path in paths.values())
    ends = []
    for label, path in paths.items():
        finite = _thin(_finite(steps[label]).query("width > 0"))
        mark = MARKS[path.forward_dtype]
        (line,) = ax.plot(
            position(finite["one_minus_score"], smallest),
            finite["width"],
            color=mark.color,
            linestyle=_FORMULA_LINES[path.formula],
            marker=mark.marker if len(finite) < 30 else None,
            label=label,
        )
        ends.append(Label(*line.get_xydata()[-1], label, mark.color))
    ax.set_yscale("log")
    ax.set_ylabel("logits that share the score (width)")
    draw_axis(ax, 1e-2, smallest, axis="x")
    _name_ends(ax, ends)


def _name_ends(ax: Axes, ends: list[Label]) -> None:
    """Name the lines in the room above their ends, which lie side by side; the first end on top."""
    bottom, top = ax.get_ylim()
    room = top * (top / bottom) ** 0.5
    ax.set_ylim(bottom, room)
    ends = sorted(ends, reverse=True)  # from 0.99 on
    heights = np.geomspace(room, top, len(ends) + 2)[1:-1]
    *short, longest = ends
    column = short[-1].x - 0.08 * abs(np.subtract(*ax.get_xlim())) if short else longest.x
    for end, height in zip(ends, heights, strict=True):
        side, x = ("right", longest.x) if end is longest else ("left", column)
        leader = {"arrowstyle": "-", "color": end.color, "lw": 0.7, "shrinkB": 0}
        ax.annotate(
            end.text,
            end[:2],
            (x, height),
            va="center",
            ha=side,
            fontsize="small",
            color=look().legible(end.color),
            arrowprops=leader | {"relpos": (float(side == "right"), 0.5), "shrinkA": 1},
        )


def _number(ax: Axes, x: float, y: float, value: float, side: str) -> None:
    text = f"{value:.8g}".replace("-", "−")
    ax.text(x, y, text, va="center", ha=side, fontsize="small")


def _finite(steps: pd.DataFrame) -> pd.DataFrame:
    return steps[np.isfinite(steps["width"])]


def _thin(steps: pd.DataFrame) -> pd.DataFrame:
    """At most :data:`_LINE_POINTS` of the steps, evenly spread over the logarithm of 1 − s."""
    if len(steps) <= _LINE_POINTS:
        return steps
    distance = np.log(steps["one_minus_score"].to_numpy())
    targets = np.linspace(distance[0], distance[-1], _LINE_POINTS)
    chosen = np.unique(np.searchsorted(-distance, -targets).clip(0, len(steps) - 1))
    return steps.iloc[chosen]
