"""The error budget: stages beside the noise floor, shares, origins of ties, and predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter

from analysis.budgets import ErrorBudget
from analysis.budgets.networks import STAGES as NETWORK_STAGES
from analysis.budgets.networks import NetworkBudget
from analysis.figures.bars import longest, stacked_bars
from analysis.figures.canvas import canvas, grid, key, name_rows, panels
from analysis.figures.looks import look
from analysis.figures.style import MARKS, OKABE_ITO, Picture, drawn, mark_of
from analysis.forwardformats import as_format, format_names
from analysis.scorepath import ScorePath

_COLORS = {
    "reference": "#999999",
    "weights": OKABE_ITO[2],
    "logit": OKABE_ITO[5],
    "arithmetic": OKABE_ITO[3],
    "formula": OKABE_ITO[6],
    "stored dtype": OKABE_ITO[7],
}
"""One colour per stage that a tie can come from."""

_LANE_DECADES = 0.8
_BAR = 0.62


@drawn
def stages_beside_noise(budgets: Sequence[ErrorBudget], noise: pd.DataFrame) -> Picture:
    """Draw what the stages move a logit by, above what chance circumstances move it by.

    Of budgets with one forward dtype, whose logits are the same, the last is drawn. ``noise`` as
    :func:`analysis.budgets.noise_floor` gives it. One axis of logits for both.
    """
    logits = {budget.path.forward_dtype: budget.logits for budget in budgets}
    stages = pd.concat(table.assign(forward_dtype=dtype) for dtype, table in logits.items())
    tables = [
        frame.set_axis(frame.index.astype(str))
        for frame in (stages, noise.set_index(noise.columns[0]))
    ]
    rows = [frame.index.nunique() for frame in tables]
    figure, axes = grid(9.5, 1.7 + 0.52 * sum(rows), 2, 1, sharex=True, height_ratios=rows)
    axes, limits = axes.ravel(), _limits(pd.concat(tables))
    for ax, frame in zip(axes, tables, strict=True):
        magnitudes(ax, frame, limits)
    axes[0].set_title("Stages of the error")
    axes[1].set_title("Noise floor: the same pairs, the same dtype, other circumstances")
    axes[1].set_xlabel(
        "absolute difference of a logit: mean, and a line to the largest (log scale)"
    )
    key(figure, [_handle(dtype) for dtype in logits], list(logits))
    means = (f"{dtype} {table.loc['total', 'mean_abs']:.2g}" for dtype, table in logits.items())
    return Picture(
        figure,
        f"What moves a logit: stages of precision over {budgets[0].n_pairs:,} pairs, and other "
        f"circumstances over a sample of {noise['pairs'].iloc[0]}.",
        f"Mean and largest change of a logit by stage and by circumstance. Mean error: "
        f"{', '.join(means)}.",
    )


@drawn
def network_stages(budgets: Sequence[NetworkBudget]) -> Picture:
    """Draw what each stage of a network moves a logit by, in several forward formats."""
    tables = [budget.table.assign(forward_format=budget.forward_format.text) for budget in budgets]
    table = pd.concat(tables)
    order = [stage for stage in (*NETWORK_STAGES, "total") if stage in table.index]
    table = table.loc[order].pipe(lambda rows: rows.set_axis(rows.index.astype(str)))
    figure, ax = canvas(9.5, 1.9 + (0.3 + 0.12 * len(budgets)) * len(order))
    magnitudes(ax, table, _limits(table))
    ax.set_xlabel("absolute difference of a logit: mean, and a line to the largest (log scale)")
    names = [budget.forward_format.name for budget in budgets]
    key(figure, [_handle(name) for name in names], names)
    totals = ", ".join(
        f"{budget.forward_format.name} {budget.table.loc['total', 'mean_abs']:.2g}"
        for budget in budgets
    )
    return Picture(
        figure,
        "What moves a logit in another forward format: weights, activations, the head, and what "
        "shares its batch.",
        f"Mean and largest change of a logit by stage and forward format. Mean error: {totals}.",
    )


def magnitudes(ax: Axes, table: pd.DataFrame, limits: tuple[float, float]) -> list[Line2D]:
    """Mean and largest difference per row and format on a log axis; zeros stand in a lane.

    The index of ``table`` names the rows, its columns are ``mean_abs, largest`` and
    ``forward_format`` or ``forward_dtype``; ``limits`` are the ends of the axis, the lane for exact
    zeros lies left of the first.
    """
    table = table.assign(format=format_names(table))
    names, formats = (list(dict.fromkeys(one)) for one in (table.index, table["format"]))
    step = min(0.2, 0.8 / len(formats))
    places = step * (np.arange(len(formats)) - (len(formats) - 1) / 2)
    offsets = dict(zip(formats, places, strict=True))
    lane = limits[0] / 10**_LANE_DECADES
    zero = np.sqrt(lane * limits[0])
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlim=(lane, limits[1]), ylim=(len(names) + 0.1, -0.6))
    ax.axvspan(lane, limits[0], color=look().colors.lane, zorder=0, linewidth=0)
    ax.annotate(
        "exactly 0",
        (zero, len(names) + 0.1),
        (0, 4),
        textcoords="offset points",
        ha="center",
        fontsize="small",
    )
    drawn = []
    for row in table.itertuples():
        height = names.index(row.Index) + offsets[row.format]
        mark = mark_of(as_format(row.format))
        ends = [value or zero for value in (row.mean_abs, row.largest)]
        ax.plot(ends, [height, height], color=mark.color, linewidth=1.6, alpha=0.6)
        drawn += ax.plot(ends[:1], [height], mark.marker, color=mark.color, markersize=6)
    ax.set_yticks(range(len(names)), names)
    ax.grid(axis="x", color=look().faint, linewidth=0.5, alpha=0.6)
    return drawn


def shares(ax: Axes, table: pd.DataFrame) -> BarContainer:
    """Share of the squared error per stage: the path's order, with the range over all orders.

    ``table`` is one of :func:`analysis.budgets.stages.attribute`; its total is left out. Without
    any error there is nothing to share, and the axes say so.
    """
    stages = table.index[:-1]
    parts = table.loc[stages].fillna(0.0)
    heights = np.arange(len(stages))
    bars = ax.barh(
        heights,
        parts["most"] - parts["least"],
        left=parts["least"],
        height=0.42,
        color=look().colors.pale,
    )
    ax.plot(parts["averaged"], heights, "|", color=look().ink, markersize=15, markeredgewidth=2)
    colors = [_COLORS[stage] for stage in stages]
    ax.scatter(parts["share"], heights, color=colors, s=60, zorder=3)
    ax.axvline(0, color=look().ink, linewidth=0.8)
    ax.set_yticks(heights, stages)
    ax.set_ylim(len(stages) - 0.5, -0.5)
    ends = min(-0.1, parts["least"].min() - 0.1), max(1.1, parts["most"].max() + 0.1)
    ax.set_xlim(min(ends[0], ax.get_xlim()[0]), max(ends[1], ax.get_xlim()[1]))
    ax.xaxis.set_major_locator(MaxNLocator(4 if look().is_narrow else 6))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.grid(axis="x", color=look().faint, linewidth=0.5, alpha=0.6)
    if table["share"].isna().all():
        ax.text(0.5, 0.5, "no error", transform=ax.transAxes, ha="center", va="center")
    return bars


@drawn
def all_shares(budgets: Sequence[ErrorBudget]) -> Picture:
    """Draw the shares of the scores' error of several paths, two beside each other."""
    rows = -(-len(budgets) // 2)
    figure, axes = grid(10.5, 0.9 + 2.1 * rows, rows, 2, sharex=True, sharey=True)
    for ax, budget in zip(axes.flat, budgets, strict=False):
        shares(ax, budget.scores)
        ax.set_title(budget.name)
    for ax in axes.flat[len(budgets) :]:
        ax.set_axis_off()
    keys = {
        "path's order": Line2D([], [], linestyle="", marker="o", color=look().ink),
        "mean over all orders": Line2D([], [], linestyle="", marker="|", color=look().ink),
        "range over all orders": Line2D([], [], linewidth=8, color=look().colors.pale),
    }
    keys["mean over all orders"].set(markersize=13, markeredgewidth=2)
    figure.supxlabel("share of the squared error of the scores")
    key(figure, list(keys.values()), list(keys))
    leading = (
        f"{budget.name}: {budget.scores['share'].iloc[:-1].idxmax()}"
        for budget in budgets
        if budget.scores.loc["total", "largest"]
    )
    return Picture(
        figure,
        "Shares of the squared error of the scores by stage, and what the order of the swaps "
        "changes.",
        f"Share of each stage in the squared error, by path. The largest: "
        f"{'; '.join(leading) or 'no error'}.",
    )


@drawn
def all_tie_origins(budgets: Sequence[ErrorBudget]) -> Picture:
    """Draw the candidates that tie in the top ranks of each path, by the stage they come from."""
    figure, ax = canvas(10, 1.2 + 0.5 * len(budgets))
    if drawn := tie_origins(ax, budgets):
        key(figure, drawn, [bars.get_label() for bars in drawn], "come from")
    totals = (f"{budget.name}: {budget.ties['count'].sum():.0f}" for budget in budgets)
    return Picture(
        figure,
        f"Candidates that tie in the top {budgets[0].k}, by the stage their tie comes from "
        f"(path's order).",
        f"Stacked bars of tied candidates by origin. Totals: {'; '.join(totals)}.",
    )


def tie_origins(ax: Axes, budgets: Sequence[ErrorBudget]) -> list[BarContainer]:
    """One bar per path: its candidates that tie in the top ranks, by the stage they come from."""
    counts = pd.DataFrame([budget.ties["count"] for budget in budgets])
    drawn = stacked_bars(ax, counts.loc[:, counts.any()], _COLORS, height=_BAR)
    name_rows(ax, [budget.name for budget in budgets])
    ax.set(ylim=(len(counts) - 0.5, -0.5), xlim=(0, 1.12 * longest(counts)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(f"candidates that tie in the top {budgets[0].k}")
    return drawn


@drawn
def predictions(table: pd.DataFrame, k: int) -> Picture:
    """Draw predicted beside measured counts of each path: saturation left, ties right.

    ``table`` is one of :func:`analysis.budgets.predict`; the rows are drawn dtype by dtype.
    """
    order = list(MARKS)
    table = table.sort_values(
        "path", key=lambda paths: [order.index(path.forward_dtype) for path in paths], kind="stable"
    )
    rows = len(table) + len({path.forward_dtype for path in table["path"]})
    height = 0.36 if look().is_narrow else 0.27  # there names take two lines
    figure, axes = panels(2, 11.5, 1.2 + height * rows, sharey=True)
    titles = {"ones": "Scores of exactly 1.0", "tied_in_top": f"Candidates that tie in the top {k}"}
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        _predicted_and_measured(ax, table, name)
        ax.set_title(title)
    narrow = table[[path.forward_dtype != "float32" for path in table["path"]]].dropna()
    sums = narrow.drop(columns="path").sum()
    return Picture(
        figure,
        "Counts predicted from float32 logits (rings) and measured (filled), for every known path.",
        f"Predicted beside measured counts for {len(table)} paths, saturation left, ties right. "
        f"In the narrower dtypes {sums['ones_predicted']} scores of exactly 1.0 are predicted and "
        f"{sums['ones_measured']} measured, {sums['tied_in_top_predicted']} candidates that tie in "
        f"the top {k} are predicted and {sums['tied_in_top_measured']} measured.",
    )


def _predicted_and_measured(ax: Axes, table: pd.DataFrame, name: str) -> list[Line2D]:
    """One row per path: a ring where the count was predicted, a dot where it was measured.

    The rows of a forward dtype stand below its name, as long as it does not change.
    """
    drawn, names, dtype = [], [], None
    for row in table.to_dict("records"):
        path = row["path"]
        if path.forward_dtype != dtype:
            dtype = path.forward_dtype
            names.append(f"{dtype} logits")
        mark, height = MARKS[dtype], len(names)
        predicted, measured = row[f"{name}_predicted"], row[f"{name}_measured"]
        known = [value for value in (predicted, measured) if not pd.isna(value)]
        ax.plot(known, [height] * len(known), color=mark.color, linewidth=2, alpha=0.5)
        ring = {"markersize": 9, "markerfacecolor": "none", "color": mark.color}
        drawn += ax.plot(predicted, height, mark.marker, **ring)
        if len(known) == 2:
            drawn += ax.plot(measured, height, mark.marker, color=mark.color, markersize=4)
        names.append(_after_the_logits(path))
    name_rows(ax, names)
    ax.text(0, 0, "rings: predicted, filled: measured", va="center", fontsize="small")
    for label in ax.get_yticklabels():
        label.set(fontsize="small")
        if (dtype := label.get_text().removesuffix(" logits")) in MARKS:
            label.set(color=MARKS[dtype].text, weight="bold")
    ax.set_ylim(len(names) - 0.5, -0.5)
    right = max(1, ax.get_xlim()[1])
    ax.set_xlim(-0.04 * right, right)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="x", color=look().faint, linewidth=0.5, alpha=0.6)
    return drawn


def _after_the_logits(path: ScorePath) -> str:
    """What a path does with its logits, in one line; that it stores the last dtype is usual."""
    *steps, stored = path.parts[1:]
    return ", ".join(steps if path.stores_its_last_dtype else [*steps, stored])


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Ends of the log axis: the decades around all differences that are not zero."""
    sizes = table[["mean_abs", "largest"]].to_numpy()
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 1e-8, 1e-6
    return 10 ** np.floor(np.log10(sizes.min())), 10 ** np.ceil(np.log10(sizes.max()) + 1e-9)


def _handle(name: str) -> Line2D:
    mark = mark_of(as_format(name))
    return Line2D([], [], linestyle="", marker=mark.marker, color=mark.color, label=name)
