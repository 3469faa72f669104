"""Combs of attainable scores, the odds as scores are read, and how many scores are enough."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from analysis.figures.style import FAINT, INK, MARKS, OKABE_ITO
from analysis.fingerprinting.combs import Line, Window, teeth
from analysis.fingerprinting.evidence import DECIDED
from analysis.fingerprinting.known import EVERY_SCORE, OUTCOMES
from analysis.scorepath import ScorePath

MOST_TEETH = 400
"""More of them would touch each other: a comb is then drawn as a band."""
MISSED = OKABE_ITO[7]
OUTCOME_COLORS = dict(zip(OUTCOMES, (OKABE_ITO[5], OKABE_ITO[2], "#DDDDDD", INK), strict=True))
_TOOTH, _DOT = 0.24, 0.40


def combs(ax: Axes, paths: Sequence[ScorePath], window: Window) -> list[LineCollection | Rectangle]:
    """One row per path, from the top down, with an upright for every score that it can return.

    A comb of more than four hundred teeth is drawn as a band. The colour is the forward dtype's.
    """
    low, high = window.ends
    drawn: list[LineCollection | Rectangle] = []
    labels = []
    for height, path in zip(_heights(paths), paths, strict=True):
        comb, color = teeth(path, window), MARKS[path.forward_dtype].color
        if comb.size > MOST_TEETH:
            band = Rectangle((low, height - _TOOTH), high - low, 2 * _TOOTH, color=color, lw=0)
            drawn.append(ax.add_patch(band))
        else:
            lines = [((x, height - _TOOTH), (x, height + _TOOTH)) for x in comb]
            drawn.append(ax.add_collection(LineCollection(lines, colors=color, linewidths=1.1)))
        labels.append(f"{_two_lines(path)}\n{comb.size:,} {_exist(comb.size)} here")
    margin = 0.015 * (high - low)  # teeth at the very ends are seen too
    ax.set(xlim=(low - margin, high + margin), ylim=(-0.6, len(paths) - 0.3), xlabel="score")
    ax.set_yticks(_heights(paths), labels, fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.ticklabel_format(axis="x", useOffset=False)
    ax.locator_params(axis="x", nbins=6)
    return drawn


def laid_on(
    ax: Axes, paths: Sequence[ScorePath], window: Window, scores: ArrayLike
) -> list[PathCollection]:
    """Put the scores above each comb of :func:`combs`: a dot on a tooth, a cross beside all.

    On a tooth means equal to it, bit for bit. At the right: how many of them are. Returns the dots
    and the crosses of each row, in turn.
    """
    inside = window.of(scores)
    drawn = []
    for height, path in zip(_heights(paths), paths, strict=True):
        attained = np.isin(inside, teeth(path, window))
        hits, misses = inside[attained], inside[~attained]
        place = {"zorder": 4, "clip_on": False}
        drawn.append(ax.scatter(hits, np.full(hits.size, height + _DOT), s=14, color=INK, **place))
        crosses = {"s": 20, "marker": "x", "color": MISSED, "linewidth": 1.2, **place}
        drawn.append(ax.scatter(misses, np.full(misses.size, height + _DOT), **crosses))
        ax.annotate(
            f"{hits.size} of {inside.size}\nattained",
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            annotation_clip=False,
        )
    return drawn


def odds_panels(named: Sequence[tuple[str, ScorePath, Sequence[Line]]]) -> Figure:
    """One panel per run, (name, its path, lines of :func:`analysis.fingerprinting.combs.odds_lines`).

    The run's own path is drawn thick, others faint; a cross ends those that a score refutes.
    """
    figure, axes = plt.subplots(1, len(named), figsize=(4.2 * len(named), 4), squeeze=False)
    for ax, (name, own, lines) in zip(axes.flat, named, strict=True):
        odds(ax, own, lines)
        ax.set_title(name, fontsize=10)
    axes.flat[0].set_ylabel("log₁₀ odds against chance")
    return figure


def odds(ax: Axes, own: ScorePath, lines: Sequence[Line]) -> list[Line2D]:
    """Odds of each path by the number of distinct scores read; dotted: where a verdict is given.

    The axis of odds is linear up to that and logarithmic beyond. A path that the first score
    already refutes is a cross at 0.
    """
    drawn = []
    for line in lines:
        mine = line.path.computation == own.computation
        color = MARKS[own.forward_dtype].color if mine else FAINT
        read = np.arange(line.odds.size + 1)
        values = np.concatenate(([0.0], line.odds))
        look = {"color": color, "linewidth": 2.4 if mine else 1.2, "zorder": 4 if mine else 2}
        drawn += ax.plot(read + 1, values, label="its own path" if mine else "_", **look)
        if line.refuted:
            ax.plot(read[-1:] + 1, values[-1:], "x", color=MISSED, markersize=7, zorder=5)
    ax.axhline(DECIDED, color=INK, linewidth=0.9, linestyle=":")
    ax.set_yscale("symlog", linthresh=DECIDED)
    ax.set_xscale("log")
    ax.set_yticks([0, DECIDED, 100, 1000], ["0", f"{DECIDED:g}", "100", "1000"])
    reached = [line.odds for line in lines if line.odds.size]
    values = np.concatenate([[0.0, DECIDED], *reached])
    ax.set_ylim(min(-1.0, 1.5 * values.min()), 3 * values.max())
    ticks = [1, 11, 101, 1001]  # the axis begins before the first score, at one more than none
    ax.set_xticks(ticks, [f"{tick - 1:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("distinct scores read (log scale)")
    return drawn


def enough_scores(outcomes: pd.DataFrame, columns: int = 3) -> Figure:
    """Shares of outcomes by number of scores, a panel per computation.

    ``outcomes`` come from :func:`analysis.fingerprinting.known.subsampled`.
    """
    groups = list(outcomes.groupby("computation", sort=False))
    rows = -(-len(groups) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.7 * columns, 2.1 * rows + 0.7), squeeze=False, sharey=True
    )
    bars: list[BarContainer] = []
    for ax, (computation, own) in zip(axes.flat, groups, strict=False):
        bars = outcome_bars(ax, own)
        forward, formula, stored = computation.split(" → ")
        ax.set_title(f"{forward}, {stored}\n{formula}", fontsize=9)
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("share of lists")
    for ax in axes.flat[max(0, len(groups) - columns) : len(groups)]:
        ax.set_xlabel("scores in the list")
    if bars:
        figure.legend(bars, OUTCOMES, loc="outside upper left", ncols=len(OUTCOMES))
    return figure


def outcome_bars(ax: Axes, own: pd.DataFrame) -> list[BarContainer]:
    """One bar per size, smallest first, stacked from *right* to *wrong*."""
    sizes = sorted(own["size"].unique(), key=lambda size: (size == EVERY_SCORE, len(size), size))
    shares = pd.crosstab(own["size"], own["outcome"], normalize="index")
    shares = shares.reindex(index=sizes, columns=list(OUTCOMES), fill_value=0.0)
    below = np.zeros(len(sizes))
    bars = []
    for name in OUTCOMES:
        heights = shares[name].to_numpy()
        look = {"color": OUTCOME_COLORS[name], "width": 0.8}
        bars.append(ax.bar(range(len(sizes)), heights, bottom=below, **look))
        below = below + heights
    ax.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    ax.set_xticks(range(len(sizes)), sizes, fontsize=9)
    return bars


def _heights(paths: Sequence[ScorePath]) -> list[int]:
    return list(range(len(paths)))[::-1]


def _two_lines(path: ScorePath) -> str:
    forward, formula, stored = path.computation.split(" → ")
    return f"{forward}, {stored}\n{formula}"


def _exist(count: int) -> str:
    return "score exists" if count == 1 else "scores exist"
