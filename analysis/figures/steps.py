"""The staircase near 1.0: exact steps, rulers of representable scores, who shares a step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

from analysis.figures.lane import draw_axis, position
from analysis.figures.style import INK, MARKS
from analysis.formats import FORMATS

RULER_LIMIT = 5_000
LABEL_DISTANCE = 0.07  # of the axis' height: less and labels touch


def staircase_steps(
    ax: Axes,
    steps: pd.DataFrame,
    dtype: str,
    limits: tuple[float, float],
    *,
    largest: float,
    smallest: float,
) -> LineCollection:
    """Draw every step of a staircase as the exact interval of logits that shares its score.

    ``steps`` come from :func:`analysis.staircase.staircase`; ``limits`` clip the logits shown.
    Thin uprights join neighbouring steps.
    """
    low = steps["logit_low"].clip(*limits).to_numpy()
    high = steps["logit_high"].clip(*limits).to_numpy()
    height = position(steps["one_minus_score"], smallest)
    treads = [((a, y), (b, y)) for a, b, y in zip(low, high, height, strict=True)]
    edges = zip(high[:-1], low[1:], height[:-1], height[1:], strict=True)
    risers = [((a, y), (b, z)) for a, b, y, z in edges]
    color = MARKS[dtype].color
    ax.add_collection(LineCollection(risers, colors=color, linewidths=0.8, alpha=0.5))
    drawn = ax.add_collection(LineCollection(treads, colors=color, linewidths=3))
    draw_axis(ax, largest, smallest)
    ax.set(xlim=limits, xlabel="logit")
    return drawn


def passages_on_steps(
    ax: Axes, scored: pd.DataFrame, smallest: float, logits: pd.Series
) -> PathCollection:
    """Put every passage on its step: its logit (any reference) against the score of a path."""
    height = position(1 - scored["score"], smallest)
    return ax.scatter(logits, height, s=16, color=INK, alpha=0.55, linewidth=0, zorder=4)


def step_counts(ax: Axes, scored: pd.DataFrame, smallest: float) -> list[Annotation]:
    """Write beside the highest steps in use how many passages share each.

    From the top down, a step that lies too close to the label above stays without one.
    """
    shared = scored["score"].value_counts().sort_index(ascending=False)
    right, (bottom, top) = ax.get_xlim()[1], ax.get_ylim()
    labels: list[Annotation] = []
    for score, count in shared.items():
        height = float(position(1 - score, smallest))
        if labels and abs(labels[-1].xy[1] - height) < LABEL_DISTANCE * abs(top - bottom):
            continue
        labels.append(
            ax.annotate(
                f"{score:.4g}: {count} {'passage' if count == 1 else 'passages'}",
                (right, height),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                annotation_clip=False,
            )
        )
    return labels


def rulers(
    ax: Axes, rows: Sequence[tuple[str, str, pd.DataFrame]], *, largest: float, smallest: float
) -> list[LineCollection]:
    """One ruler per row of every score that a path can return, on the axis of 1 − s.

    ``rows`` are (label, dtype, staircase). A ruler of more than five thousand marks is drawn as
    a solid band with its count: there every mark would touch the next. The lane at the right
    holds the score of exactly 1.0.
    """
    drawn = []
    draw_axis(ax, largest, smallest, axis="x")
    for height, (_, dtype, steps) in enumerate(reversed(rows)):
        color = MARKS[dtype].color
        places = position(steps["one_minus_score"], smallest)
        inside = places[places >= float(position(0.0, smallest))]
        marks = inside if len(inside) <= RULER_LIMIT else inside[-200:]
        segments = [((x, height - 0.28), (x, height + 0.28)) for x in marks]
        drawn.append(ax.add_collection(LineCollection(segments, colors=color, linewidths=1.4)))
        if len(inside) > RULER_LIMIT:
            band = (marks[0], height - 0.28), inside[0] - marks[0], 0.56
            ax.add_patch(Rectangle(*band, color=color, linewidth=0))
    ax.set_yticks(
        range(len(rows)), [f"{label}\n{len(steps):,} scores" for label, _, steps in reversed(rows)]
    )
    ax.set_ylim(-0.6, len(rows) - 0.4)
    return drawn


def rounding_bins(
    ax: Axes, steps: pd.DataFrame, dtype: str, examples: pd.DataFrame
) -> list[PathCollection]:
    """Bins of true scores that come back as one score, with examples falling into them.

    ``steps`` is a staircase near 1.0; its logit edges are mapped to true scores. ``examples``
    has columns ``true_score`` and ``score``: an arrow leads from each to what it becomes.
    """
    edges = np.append(_true(steps["logit_low"].to_numpy()), 1.0)
    color = MARKS[dtype].color
    for number, (left, right) in enumerate(pairwise(edges)):
        ax.axvspan(
            left, right, ymin=0, ymax=0.45, color=color, alpha=0.16 + 0.2 * (number % 2), lw=0
        )
    ax.vlines(steps["score"], 0.55, 0.95, color=color, linewidth=3)
    for score in steps["score"]:
        ax.text(score, 1.0, f"{score:.8g}", ha="center", fontsize=9)
    points = []
    for example in examples.itertuples():
        points.append(ax.scatter([example.true_score], [0.22], s=36, color=INK, zorder=4))
        ax.annotate(
            "",
            (example.score, 0.55),
            (example.true_score, 0.24),
            arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.3},
        )
        ax.text(example.true_score, 0.06, f"{example.true_score:.4f}", ha="center", fontsize=9)
    ax.set(ylim=(0, 1.12), yticks=[0.22, 0.75], xlabel="score")
    ax.set_yticklabels(["true score\n(before)", "returned score\n(after)"])
    ax.set_xlim(max(edges[0], edges[1] - 0.0006), 1.0003)
    ax.xaxis.set_major_formatter("{x:.4f}")
    return points


def smallest_distance(dtype: str) -> float:
    """1 − s of the largest score below 1 in a dtype: where its axis ends and the lane begins."""
    return 1 - FORMATS[dtype].largest_below_one


def _true(logits: np.ndarray) -> np.ndarray:
    """Sigmoid in float64: the score before any rounding that matters here."""
    return 1 / (1 + np.exp(-logits))
