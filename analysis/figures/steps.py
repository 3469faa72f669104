"""The staircase near 1.0: exact steps, rulers of representable scores, who shares a step."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.figures.canvas import canvas, grid, in_two_lines, panels
from analysis.figures.lane import draw_axis, position, smallest_distance
from analysis.figures.looks import look
from analysis.figures.style import MARKS, Picture, drawn
from analysis.scorepath import ScorePath
from analysis.steps import staircase
from analysis.ties import apply

_RULER_LIMIT = 5_000
_LABEL_DISTANCE = 0.07  # of the axis' height: less and labels touch
_FARTHEST = 2e-2  # from 1: where a staircase begins


@drawn
def rulers(paths: Mapping[str, ScorePath], steps: Mapping[str, pd.DataFrame]) -> Picture:
    """One ruler per path of every score from 0.99 on; its staircase has the same label.

    A ruler of more than five thousand marks is drawn as a solid band with its count: there every
    mark would touch the next. The lane at the right holds the score of exactly 1.0.
    """
    figure, ax = canvas(10, 4)
    smallest = smallest_distance("float32")
    draw_axis(ax, 1e-2, smallest, axis="x")
    for height, (label, path) in enumerate(reversed(paths.items())):
        places = position(steps[label]["one_minus_score"], smallest)
        _draw_ruler(ax, height, places, MARKS[path.forward_dtype].color)
    names = [f"{label}\n{len(steps[label]):,} scores" for label in reversed(paths)]
    ax.set_yticks(range(len(paths)), names)
    ax.set_ylim(-0.6, len(paths) - 0.4)
    ax.set_title("Every score from 0.99 to 1, by formula and dtype")
    listed = "; ".join(f"{label} {len(steps[label]):,}" for label in paths)
    return Picture(
        figure,
        "Scores that each formula can return, by distance to 1 (log). Band: too dense to draw.",
        f"Rulers of attainable scores between 0.99 and 1, with these numbers of marks: {listed}.",
    )


@drawn
def rounding_bins(steps: pd.DataFrame, examples: pd.DataFrame) -> Picture:
    """Bins of true scores that come back as one score of float16, with examples falling in.

    ``steps`` is the stepwise staircase near 1.0; its logit edges are mapped to true scores.
    ``examples`` has columns ``true_score`` and ``score``: an arrow leads from each to what it
    becomes.
    """
    figure, ax = canvas(9, 2.8)
    edges = np.append(1 / (1 + np.exp(-steps["logit_low"].to_numpy())), 1.0)
    _draw_bins(ax, edges, steps["score"])
    for example in examples.itertuples():
        _draw_example(ax, example.true_score, example.score)
    ax.set(ylim=(0, 1.12), yticks=[0.22, 0.75], xlabel="score")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_yticklabels(["true score\n(before)", "returned score\n(after)"])
    ax.set_xlim(max(edges[0], edges[1] - 0.0006), 1.0003)
    ax.xaxis.set_major_formatter("{x:.4f}")
    ax.set_title("What true scores become: stepwise, float16")
    moves = ", ".join(f"{e.true_score:.4f} becomes {e.score:.4f}" for e in examples.itertuples())
    return Picture(
        figure,
        "Bins of true scores (below) that come back as one returned score (above).",
        f"Shaded bins of true scores, each returned as one value; {moves}.",
    )


@drawn
def staircases(logits: pd.DataFrame, paths: list[ScorePath]) -> Picture:
    """Exact steps of each path near 1.0, and a set's passages on them.

    Every tread is the interval of logits that shares its score, every dot a passage at its logit;
    beside the highest steps in use stands how many passages share each.
    """
    figure, axes = _upright_panels(len(paths))
    limits = (3.8, max(9.0, np.ceil(logits["logit"].max())))
    ones = {}
    for ax, path in zip(axes, paths, strict=True):
        scored = apply(logits, path)
        _draw_staircase(ax, path, limits)
        _draw_passages(ax, path, scored[scored["score"] >= 1 - _FARTHEST])
        ax.set_title(in_two_lines(path.name) if look().has_fixed_height else path.name)
        ones[path.name] = (scored["score"] == 1).sum()
    if look().has_fixed_height:
        for ax in axes[1:]:
            ax.set_ylabel("")
    listed = ", ".join(f"{name}: {number}" for name, number in ones.items())
    return Picture(
        figure,
        "Exact steps of each score path and the set's passages on them; right: passages per step.",
        f"Staircases of score against logit with dots; passages in the lane of exactly 1.0: "
        f"{listed}.",
    )


def _upright_panels(count: int) -> tuple[Figure, np.ndarray]:
    """Staircases below each other; on a slide, which is not that high, beside each other."""
    if look().has_fixed_height:
        return panels(count, 9.5, 3.6)
    figure, axes = grid(9.5, 3.6 * count, count, 1)
    return figure, axes.ravel()


def _draw_ruler(ax: Axes, height: float, places: np.ndarray, color: str) -> None:
    smallest = smallest_distance("float32")
    inside = places[places >= float(position(0.0, smallest))]
    marks = inside if len(inside) <= _RULER_LIMIT else inside[-200:]
    segments = [((x, height - 0.28), (x, height + 0.28)) for x in marks]
    ax.add_collection(LineCollection(segments, colors=color, linewidths=1.4))
    if len(inside) > _RULER_LIMIT:
        band = (marks[0], height - 0.28), inside[0] - marks[0], 0.56
        ax.add_patch(Rectangle(*band, color=color, linewidth=0))


def _draw_bins(ax: Axes, edges: np.ndarray, scores: pd.Series) -> None:
    color = MARKS["float16"].color
    for number, (left, right) in enumerate(pairwise(edges)):
        ax.axvspan(
            left, right, ymin=0, ymax=0.45, color=color, alpha=0.16 + 0.2 * (number % 2), lw=0
        )
    ax.vlines(scores, 0.55, 0.95, color=color, linewidth=3)
    for score in scores:
        ax.text(score, 1.0, f"{score:.8g}", ha="center", fontsize="small")


def _draw_example(ax: Axes, true_score: float, score: float) -> None:
    ax.scatter([true_score], [0.22], s=36, color=look().ink, zorder=4)
    arrow = {"arrowstyle": "->", "color": look().ink, "lw": 1.3}
    ax.annotate("", (score, 0.55), (true_score, 0.24), arrowprops=arrow)
    ax.text(true_score, 0.06, f"{true_score:.4f}", ha="center", fontsize="small")


def _draw_staircase(ax: Axes, path: ScorePath, limits: tuple[float, float]) -> None:
    """Draw each step as the interval of its logits; thin uprights join neighbouring steps."""
    steps, smallest = staircase(path, 1 - _FARTHEST), smallest_distance(path.stored_dtype)
    low = steps["logit_low"].clip(*limits).to_numpy()
    high = steps["logit_high"].clip(*limits).to_numpy()
    height = position(steps["one_minus_score"], smallest)
    treads = [((a, y), (b, y)) for a, b, y in zip(low, high, height, strict=True)]
    edges = zip(high[:-1], low[1:], height[:-1], height[1:], strict=True)
    risers = [((a, y), (b, z)) for a, b, y, z in edges]
    color = MARKS[path.forward_dtype].color
    ax.add_collection(LineCollection(risers, colors=color, linewidths=0.8, alpha=0.5))
    ax.add_collection(LineCollection(treads, colors=color, linewidths=3))
    draw_axis(ax, _FARTHEST, smallest)
    ax.set(xlim=limits, xlabel="logit")


def _draw_passages(ax: Axes, path: ScorePath, scored: pd.DataFrame) -> None:
    """Put every passage on its step, and beside the steps from the top how many share each.

    A step that lies too close to the label above stays without one.
    """
    smallest = smallest_distance(path.stored_dtype)
    height = position(1 - scored["score"], smallest)
    ax.scatter(scored["logit"], height, s=16, color=look().ink, alpha=0.55, linewidth=0, zorder=4)
    right, (bottom, top) = ax.get_xlim()[1], ax.get_ylim()
    above = np.inf
    for score, count in scored["score"].value_counts().sort_index(ascending=False).items():
        height = float(position(1 - score, smallest))
        if abs(above - height) < _LABEL_DISTANCE * abs(top - bottom):
            continue
        above = height
        ax.annotate(
            f"{score:.4g}: {count}" if look().has_fixed_height else _shared(score, count),
            (right, height),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            annotation_clip=False,
        )


def _shared(score: float, count: int) -> str:
    return f"{score:.4g}: {count} {'passage' if count == 1 else 'passages'}"
