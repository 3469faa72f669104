"""Combs of attainable scores, the odds as scores are read, and how many scores are enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from analysis.figures.canvas import canvas, grid, key, panels
from analysis.figures.looks import look
from analysis.figures.style import MARKS, OKABE_ITO, Picture, drawn
from analysis.fingerprinting.evidence import DECIDED
from analysis.scorepath import ScorePath
from analysis.studies.fingerprints import (
    EVERY_SCORE,
    OUTCOMES,
    Known,
    Reading,
    Window,
    busiest_window,
    comb_table,
    enough,
    teeth,
)

_MOST_TEETH = 400
"""More of them would touch each other: a comb is then drawn as a band."""
_MISSED = OKABE_ITO[7]
_OUTCOME_COLORS = dict(
    zip(OUTCOMES, (OKABE_ITO[5], OKABE_ITO[2], "#C8C8C8", OKABE_ITO[6]), strict=True)
)
_TOOTH, _DOT = 0.24, 0.40


@drawn
def all_scores(paths: Sequence[ScorePath], window: Window, title: str) -> Picture:
    """Every score in a window that each path can return: :func:`combs`."""
    figure, ax = canvas(10, 5)
    combs(ax, paths, window)
    ax.set_title(title)
    table = comb_table(paths, window)
    counts = zip(table["path"], table["teeth"], strict=True)
    numbers = "; ".join(f"{path.computation}: {count:,}" for path, count in counts)
    return Picture(
        figure,
        "An upright for each score that a path can return; "
        "a band where there are too many to draw.",
        f"Combs of attainable scores, with these numbers of teeth: {numbers}.",
    )


@drawn
def run_on_combs(paths: Sequence[ScorePath], run: Known) -> Picture:
    """Scores of a run in its busiest window, above the comb of each path: :func:`laid_on`."""
    window = busiest_window(run.scores)
    figure, ax = canvas(10.5, 5.4)
    combs(ax, paths, window, counted=False)
    laid_on(ax, paths, window, run.scores)
    ax.set_title(f"Scores of {run.name}")
    table = comb_table(paths, window, run.scores)
    counts = zip(table["path"], table["attained"], strict=True)
    numbers = "; ".join(f"{path.computation}: {count}" for path, count in counts)
    return Picture(
        figure,
        f"Scores of {run.name} in the busiest quarter of a logit. "
        f"Its path: {run.path.computation}.",
        f"The same scores above each comb. Attained of {table['inside'].iloc[0]}: {numbers}.",
    )


def combs(
    ax: Axes, paths: Sequence[ScorePath], window: Window, *, counted: bool = True
) -> list[LineCollection | Rectangle]:
    """One row per path, from the top down, with an upright for every score that it can return.

    At the right stands how many they are, if ``counted``. A comb of more than four hundred teeth is
    drawn as a band. The colour is the forward dtype's.
    """
    low, high = window.ends
    drawn: list[LineCollection | Rectangle] = []
    labels = []
    for height, path in zip(_heights(paths), paths, strict=True):
        comb, color = teeth(path, window), MARKS[path.forward_dtype].color
        if comb.size > _MOST_TEETH:
            band = Rectangle((low, height - _TOOTH), high - low, 2 * _TOOTH, color=color, lw=0)
            drawn.append(ax.add_patch(band))
        else:
            lines = [((x, height - _TOOTH), (x, height + _TOOTH)) for x in comb]
            drawn.append(ax.add_collection(LineCollection(lines, colors=color, linewidths=1.1)))
        labels.append(_two_lines(path))
        if counted:
            _at_the_right(ax, height, f"{comb.size:,}\n{_exist(comb.size)}")
    margin = 0.015 * (high - low)  # teeth at the very ends are seen too
    ax.set(xlim=(low - margin, high + margin), ylim=(-0.6, len(paths) - 0.3), xlabel="score")
    ax.set_yticks(_heights(paths), labels, fontsize="small")
    ax.tick_params(axis="y", length=0)
    ax.ticklabel_format(axis="x", useOffset=False)
    ax.locator_params(axis="x", nbins=2 if look().is_narrow else 6)
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
        drawn.append(
            ax.scatter(hits, np.full(hits.size, height + _DOT), s=14, color=look().ink, **place)
        )
        crosses = {"s": 20, "marker": "x", "color": _MISSED, "linewidth": 1.2, **place}
        drawn.append(ax.scatter(misses, np.full(misses.size, height + _DOT), **crosses))
        _at_the_right(ax, height, f"{hits.size} of {inside.size}\nattained")
    return drawn


def _at_the_right(ax: Axes, height: int, text: str) -> None:
    ax.annotate(
        text,
        (1, height),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
        annotation_clip=False,
    )


@drawn
def odds_panels(readings: Sequence[Reading]) -> Picture:
    """One panel per run read: :func:`odds`."""
    figure, axes = panels(len(readings), 4.2 * len(readings), 4)
    for ax, reading in zip(axes, readings, strict=True):
        odds(ax, reading)
        ax.set_title(reading.run.name)
    axes[0].set_ylabel("log₁₀ odds against chance")
    return Picture(
        figure,
        "Thick: the path that made the scores; faint: other engines' paths; cross: refuted there; "
        "dotted: odds that a verdict needs. The axis is linear up to there, logarithmic beyond.",
        f"Log odds by number of scores read. {' '.join(map(_told, readings))}",
    )


def _told(reading: Reading) -> str:
    after, refuted = reading.own.decided_after, sum(line.refuted for line in reading.lines)
    decided = (
        "its own path is not decided"
        if after is None
        else f"its own path is decided after {after:,}"
    )
    others = len(reading.lines) - 1
    return f"{reading.run.name}: {decided}; refuted: {refuted} of {others} others."


def odds(ax: Axes, reading: Reading) -> list[Line2D]:
    """Odds of each path by the number of distinct scores read; dotted: where a verdict is given.

    The run's own path is drawn thick, others faint; a cross ends those that a score refutes, at 0
    where the first score does. The axis is linear up to the dotted line and logarithmic beyond.
    """
    drawn = []
    for line in reading.lines:
        mine = line is reading.own
        color = MARKS[line.path.forward_dtype].color if mine else look().faint
        read = np.arange(line.odds.size + 1)
        values = np.concatenate(([0.0], line.odds))
        traits = {"color": color, "linewidth": 2.4 if mine else 1.2, "zorder": 4 if mine else 2}
        drawn += ax.plot(read + 1, values, label="its own path" if mine else "_", **traits)
        if line.refuted:
            ax.plot(read[-1:] + 1, values[-1:], "x", color=_MISSED, markersize=7, zorder=5)
    ax.axhline(DECIDED, color=look().ink, linewidth=0.9, linestyle=":")
    ax.set_yscale("symlog", linthresh=DECIDED)
    ax.set_xscale("log")
    ax.set_yticks([0, DECIDED, 100, 1000], ["0", f"{DECIDED:g}", "100", "1000"])
    reached = [line.odds for line in reading.lines if line.odds.size]
    values = np.concatenate([[0.0, DECIDED], *reached])
    ax.set_ylim(min(-1.0, 1.5 * values.min()), 3 * values.max())
    ticks = [1, 11, 101, 1001]  # the axis begins before the first score, at one more than none
    ax.set_xticks(ticks, [f"{tick - 1:,}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("distinct scores read (log scale)")
    return drawn


@drawn
def enough_scores(outcomes: pd.DataFrame, *, logits: bool = False, columns: int = 3) -> Picture:
    """Shares of outcomes by number of scores, a panel per path.

    ``outcomes`` come from :func:`analysis.studies.fingerprints.subsampled`; ``logits`` says that
    the raw logits helped.
    """
    groups = list(outcomes.groupby("path", sort=False))
    columns = min(columns, 2) if look().is_narrow else columns
    rows = -(-len(groups) // columns)
    figure, axes = grid(3.7 * columns, 2.1 * rows + 0.7, rows, columns, sharey=True)
    bars: list[BarContainer] = []
    for ax, (path, own) in zip(axes.flat, groups, strict=False):
        bars = outcome_bars(ax, own)
        ax.set_title(_two_lines(path), fontsize="small")
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("share of lists")
    for ax in axes.flat[max(0, len(groups) - columns) : len(groups)]:
        ax.set_xlabel("scores in the list")
    if bars:
        key(figure, bars, OUTCOMES)
    found = enough(outcomes)
    least = ["never" if pd.isna(number) else str(number) for number in found["in_all"]]
    named = zip(found["path"], least, strict=True)
    numbers = "; ".join(f"{path.computation}: {number}" for path, number in named)
    counted = "pairs" if logits else "scores"
    return Picture(
        figure,
        "Verdicts on the same parts with their raw logits."
        if logits
        else "Verdicts on random parts of recorded runs, by their number of scores.",
        f"Stacked shares by path and size. All parts right from so many {counted} on: {numbers}.",
    )


def outcome_bars(ax: Axes, own: pd.DataFrame) -> list[BarContainer]:
    """One bar per size, smallest first, stacked from *right* to *wrong*."""
    sizes = sorted(own["size"].unique(), key=lambda size: (size == EVERY_SCORE, len(size), size))
    shares = pd.crosstab(own["size"], own["outcome"], normalize="index")
    shares = shares.reindex(index=sizes, columns=list(OUTCOMES), fill_value=0.0)
    below = np.zeros(len(sizes))
    bars = []
    for name in OUTCOMES:
        heights = shares[name].to_numpy()
        traits = {"color": _OUTCOME_COLORS[name], "width": 0.8}
        bars.append(ax.bar(range(len(sizes)), heights, bottom=below, **traits))
        below = below + heights
    ax.set(ylim=(0, 1), yticks=[0, 0.5, 1])
    ax.set_xticks(range(len(sizes)), sizes, fontsize="small")
    return bars


def _heights(paths: Sequence[ScorePath]) -> list[int]:
    return list(range(len(paths)))[::-1]


def _two_lines(path: ScorePath) -> str:
    sigmoid = "no sigmoid"
    if path.has_sigmoid:
        sigmoid = f"{path.formula} sigmoid in {path.activation_dtype}"
    if path.stores_its_last_dtype:
        return f"{path.forward_dtype} logits\n{sigmoid}"
    return f"{path.forward_dtype} logits, stored as {path.stored_dtype}\n{sigmoid}"


def _exist(count: int) -> str:
    return "score exists" if count == 1 else "scores exist"
