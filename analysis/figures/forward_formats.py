"""Forward formats: what they do to order and measure, to one passage, and to the highest logits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from analysis.errors import counted
from analysis.figures.canvas import canvas, grid, key, name_rows, panels
from analysis.figures.looks import look
from analysis.figures.style import MARKS, OKABE_ITO, Mark, Picture, drawn
from analysis.forwardformats import FORWARD_FORMATS

_SCALES = {
    "none": Mark(OKABE_ITO[5], "o", "-"),
    "static": Mark(OKABE_ITO[6], "v", "--"),
    "token": Mark(OKABE_ITO[3], "^", "-."),
    "block": Mark(OKABE_ITO[7], "s", ":"),
    "tensor": Mark(OKABE_ITO[1], "D", "-"),
}
"""A mark by what shares the scale of 8-bit activations; none: they are not quantised."""
_SCALE_NAMES = {
    "none": "activations not quantised",
    "static": "scale fixed before",
    "token": "scale of a token",
    "block": "scale of a block",
    "tensor": "scale of the batch",
}
_FAINTLY = 0.45


def mark_of(text: str) -> Mark:
    """The mark of a format, by the scale of its activations."""
    return _SCALES[FORWARD_FORMATS[text].activation_scale]


@drawn
def order_and_measure(table: pd.DataFrame, k: int) -> Picture:
    """One row per format: share of queries with another order, and nDCG less float32's.

    ``table`` as :func:`analysis.studies.formats.side_by_side` gives it; rows in the order of the
    share. Without nDCG there is one panel.
    """
    rows = table.sort_values("reordered", kind="stable", ignore_index=True)
    graded = rows["difference"].notna().any()
    height = 1.6 + 0.3 * len(rows)
    figure, axes = panels(1 + graded, 10 if graded else 7, height)
    reordered_marks(axes[0], rows)
    axes[0].set_title(f"Top {k} reordered")
    name_rows(axes[0], [FORWARD_FORMATS[text].name for text in rows["forward_format"]])
    if graded:
        _measure_marks(axes[1], rows)
        axes[1].set_title(f"nDCG@{k} gained")
        names = [FORWARD_FORMATS[text].name for text in rows["forward_format"]]
        name_rows(axes[1], names, shown=False)
    _key(figure, rows["forward_format"])
    return Picture(figure, _order_caption(k, graded), _order_alt(rows, k))


def _order_caption(k: int, graded: bool) -> str:
    order = f"Queries whose first {k} places are not float32's; ring: whose first place is not."
    measure = f" nDCG@{k} less float32's, mean over queries, with its 95 % interval."
    return order + measure if graded else order


def _order_alt(rows: pd.DataFrame, k: int) -> str:
    said = (
        f"{FORWARD_FORMATS[row.forward_format].name}: {row.reordered} of {row.queries}"
        + ("" if pd.isna(row.difference) else f", nDCG {row.difference:+.4f}")
        for row in rows.itertuples()
    )
    return f"Queries whose top {k} is reordered, by format. {'; '.join(said)}."


def reordered_marks(ax: Axes, rows: pd.DataFrame) -> list[Line2D]:
    """Shares of queries, from 0: another order (filled), another first place (ring)."""
    marks = []
    for place, row in enumerate(rows.itertuples()):
        mark = mark_of(row.forward_format)
        share, first = row.reordered / row.queries, row.first_lost / row.queries
        ax.plot([0, share], [place, place], color=mark.color, linewidth=1.4, alpha=_FAINTLY)
        marks += ax.plot(share, place, mark.marker, color=mark.color, markersize=7)
        ring = {"markerfacecolor": look().colors.page, "markeredgecolor": mark.color}
        ax.plot(first, place, "o", markersize=5, **ring)
    ax.set(xlim=(-0.03, 1.03), xlabel="share of the queries")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return marks


def _measure_marks(ax: Axes, rows: pd.DataFrame) -> list[Line2D]:
    """Differences of nDCG with their intervals; a line stands at 0."""
    ax.axvline(0, color=look().faint, linewidth=1)
    marks = []
    for place, row in enumerate(rows.itertuples()):
        mark = mark_of(row.forward_format)
        ax.plot([row.low, row.high], [place, place], color=mark.color, alpha=_FAINTLY)
        marks += ax.plot(row.difference, place, mark.marker, color=mark.color, markersize=7)
    ax.set_xlabel("difference, mean over queries")
    ax.locator_params(axis="x", nbins=6)
    return marks


def _key(figure: object, texts: pd.Series) -> None:
    """Put the key to the scales of these formats above the panels."""
    there = {FORWARD_FORMATS[text].activation_scale for text in texts}
    kinds = [kind for kind in _SCALES if kind in there]
    handles = [
        Line2D([], [], color=_SCALES[kind].color, marker=_SCALES[kind].marker, linestyle="none")
        for kind in kinds
    ]
    key(figure, handles, [_SCALE_NAMES[kind] for kind in kinds])


@drawn
def companies(strips: pd.DataFrame) -> Picture:
    """One pair's logit in many batches, a row per format.

    ``strips`` as :func:`analysis.studies.formats.strips` gives them.
    """
    texts = list(strips["forward_format"].unique())
    figure, ax = canvas(9, 1.5 + 0.65 * len(texts))
    strip_rows(ax, strips)
    widths = strips.groupby("forward_format", sort=False)["logit"].agg(
        lambda own: own.max() - own.min()
    )
    number = strips.groupby("forward_format")["company"].nunique().max()
    said = "; ".join(f"{FORWARD_FORMATS[text].name}: {width:.2g}" for text, width in widths.items())
    return Picture(
        figure,
        f"The logit of one passage in {number} batches, a dot for each; the other passages of a "
        "batch are drawn at random, the same ones in every format.",
        f"A strip of dots for each of {counted(len(texts), 'format')}. From the lowest logit to "
        f"the highest: {said}.",
    )


def strip_rows(ax: Axes, strips: pd.DataFrame) -> list[PathCollection]:
    """A row of dots per format, spread a little by their number; beside it, how wide it is."""
    drawn, names = [], []
    for place, (text, own) in enumerate(strips.groupby("forward_format", sort=False)):
        named = FORWARD_FORMATS[text]
        mark = MARKS[named.forward_dtype] if named.is_torch else mark_of(text)
        heights = place + 0.5 * ((own["company"] * 0.618) % 1 - 0.5)
        drawn.append(
            ax.scatter(own["logit"], heights, s=14, color=mark.color, alpha=0.55, linewidths=0)
        )
        names.append(f"{named.name}\n{np.ptp(own['logit']):.2g} wide")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="logit of the passage")
    return drawn


@drawn
def static_scales(errors: dict[str, pd.DataFrame]) -> Picture:
    """A panel per static format: its logits over float32's, and the line on which both agree.

    ``errors`` are :func:`analysis.studies.formats.errors` by the format's plain text.
    """
    columns = min(2, len(errors))
    rows = -(-len(errors) // columns)
    figure, axes = grid(9, 3.4 * rows, rows, columns, sharex=True, sharey=True)
    for ax in axes.flat[len(errors) :]:
        ax.set_axis_off()
    for ax, (text, own) in zip(axes.flat, errors.items(), strict=False):
        _top_marks(ax, own, mark_of(text).color)
        ax.set_title(_panel_name(text))
    for ax in axes[:, 0]:
        ax.set_ylabel("logit in 8 bits")
    for ax in axes[-1]:
        ax.set_xlabel("logit in float32")
    largest = "; ".join(
        f"{_panel_name(text)}: {own['other'].max():.2f} of {own['logit'].max():.2f}"
        for text, own in errors.items()
    )
    return Picture(
        figure,
        "Logits with fixed 8-bit scales over those in float32, each pair a dot; above each panel "
        "what the scales were found on. Line: both agree. Dashes: the highest logit in 8 bits.",
        f"Highest logit in 8 bits, and in float32. {largest}.",
    )


def _panel_name(text: str) -> str:
    named = FORWARD_FORMATS[text]
    return f"{named.calibrated_on}, head in {named.head}"


def _top_marks(ax: Axes, own: pd.DataFrame, color: str) -> PathCollection:
    """Dots of one format; the diagonal, and a line at its highest logit."""
    ends = [own["logit"].min(), own["logit"].max()]
    ax.plot(ends, ends, color=look().faint, linewidth=1.2)
    ax.axhline(own["other"].max(), color=look().ink, linewidth=0.8, linestyle=(0, (5, 3)))
    return ax.scatter(own["logit"], own["other"], s=8, color=color, alpha=0.5, linewidths=0)
