"""Differences of two engines' logits, beside what rounding makes of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.discrepancies.noise import Noise
from analysis.errors import counted
from analysis.figures.canvas import Label, grid, label_ends
from analysis.figures.looks import look
from analysis.figures.style import MARKS, Picture, drawn

_FINEST = 1e-6


@drawn
def differences(panels: Mapping[str, pd.DataFrame], noise: Mapping[str, Noise]) -> Picture:
    """A panel for each comparison: size of each pair's difference over its logit, on a log axis.

    ``panels`` have the columns ``logit, difference``; ``noise`` is the largest difference that
    rounding makes in each forward dtype, drawn as a line. Pairs that do not differ stand at the
    bottom.
    """
    columns = 2 if look().is_narrow else 3
    rows = -(-len(panels) // columns)
    figure, axes = grid(10, 3.1 * rows, rows, columns, sharex=True, sharey=True)
    for number, (ax, (title, panel)) in enumerate(zip(axes.flat, panels.items(), strict=False), 1):
        draw_differences(ax, panel, noise)
        ax.set_title(title)
        if number % columns == 0 or number == len(panels):
            name_lines(ax, noise)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("difference, logits")
    for ax in axes[-1]:
        ax.set_xlabel("logit of the first engine")
    largest = "; ".join(
        f"{title}: {panel['difference'].abs().max():.2g}" for title, panel in panels.items()
    )
    return Picture(
        figure,
        "How much the logits of two engines differ, pair by pair. Lines: the most that rounding "
        "made, by forward dtype. At the bottom: a millionth or less.",
        f"{counted(len(panels), 'panel')} of differences over logits, each pair a dot. Largest "
        f"difference: {largest}.",
    )


def draw_differences(ax: Axes, panel: pd.DataFrame, noise: Mapping[str, Noise]) -> None:
    """Draw one panel: dots, and a line for each dtype."""
    size = np.maximum(panel["difference"].abs(), _FINEST)
    ax.scatter(panel["logit"], size, s=7, color=look().ink, alpha=0.45, linewidths=0)
    ax.set_yscale("log")
    ax.set_ylim(_FINEST / 2, 60)
    ax.grid(axis="y", color=look().faint, linewidth=0.4)
    for dtype, expected in noise.items():
        mark = MARKS[dtype]
        ax.axhline(expected.largest, color=mark.color, linestyle=mark.linestyle, linewidth=1.4)


def name_lines(ax: Axes, noise: Mapping[str, Noise]) -> None:
    """Name the lines of the dtypes at the right of a panel; they stand alike in all of a row."""
    right = ax.get_xlim()[1]
    ends = [Label(right, own.largest, name, MARKS[name].color) for name, own in noise.items()]
    label_ends(ax, ends)
