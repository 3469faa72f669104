"""Precision against speed: cost by batch size, and cost against what a dtype keeps.

Times vary from run to run, and two runs on one machine should still look alike: axes that carry
times are logarithmic with whole decades as limits, no number is printed, marks are small, and lines
are faint.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.canvas import Label, grid, key, label_ends, panels
from analysis.figures.looks import look
from analysis.figures.style import OKABE_ITO, Mark, Picture, drawn, mark_of
from analysis.forwardformats import as_format, format_names

_FAINTLY = 0.4
_TF32 = "float32 with TF32"
_TF32_MARK = Mark(OKABE_ITO[2], "X", (0, (5, 1)))


@drawn
def costs(speed: pd.DataFrame) -> Picture:
    """Throughput and peak memory by batch size, one line per forward format.

    ``speed`` comes from :func:`analysis.timing.measure_speed`. Memory that was not measured,
    outside torch, has no line; then a key names all.
    """
    speed = _named(speed)
    is_known = speed["peak_bytes"].notna()
    figure, (left, right) = panels(2, 10, 3.9)
    lines = throughput_lines(left, speed)
    left.set_title("Throughput")
    memory_lines(right, speed[is_known])
    right.set_title("Peak memory of a pass" if is_known.all() else "Peak memory of a pass, torch")
    if not is_known.all():
        key(figure, lines, [line.get_label() for line in lines])
    one = speed[speed["batch"] == "one query"]
    latency = ", ".join(f"{row.name} {row.seconds:.2g} s" for row in one.itertuples(index=False))
    return Picture(
        figure,
        "Pairs per second (median; bars: slowest and fastest repeat) and peak memory, by batch "
        "size; level lines: the weights alone.",
        f"Lines by forward format. One query with {one['pairs'].iloc[0]} candidates takes: "
        f"{latency}.",
    )


@drawn
def costs_by_attention(speed: pd.DataFrame) -> Picture:
    """Throughput and peak memory by batch size, a row of panels per attention, all on one scale.

    ``speed`` is that of :class:`analysis.studies.gpu.Recording`; float32 has a second line where
    its products ran in TF32.
    """
    named = speed.assign(name=speed["forward_dtype"].mask(speed["tf32"], _TF32))
    attentions = dict(list(named.groupby("attention", sort=False)))
    figure, axes = grid(10, 3.6 * len(attentions), len(attentions), 2)
    for (left, right), (attention, own) in zip(axes, attentions.items(), strict=True):
        throughput_lines(left, own, named)
        left.set_title(f"Throughput, {attention}")
        memory_lines(right, own, named)
        right.set_title(f"Peak memory of a pass, {attention}")
    best = named.loc[named.groupby(["attention", "name"], sort=False)["pairs_per_second"].idxmax()]
    peaks = ", ".join(
        f"{row.name} with {row.attention} {row.pairs_per_second:.3g}"
        for row in best.itertuples(index=False)
    )
    return Picture(
        figure,
        "Pairs per second (median; bars: slowest and fastest repeat) and peak memory, by batch "
        "size and attention; level lines: the weights alone.",
        f"Lines by forward dtype, two panels per attention. Most pairs per second: {peaks}.",
    )


def throughput_lines(
    ax: Axes, speed: pd.DataFrame, scale: pd.DataFrame | None = None
) -> list[Line2D]:
    """Pairs per second (median) by batch size; bars go from the slowest repeat to the fastest.

    The axis has room for ``scale``, so that panels of several can have the same one.
    """
    lines = []
    for name, own in _by_size(speed):
        middle, pairs = own["pairs_per_second"], own["pairs"]
        ends = [middle - pairs / own["slowest"], pairs / own["fastest"] - middle]
        traits = {"ecolor": (_mark(name).color, _FAINTLY), "elinewidth": 1}
        lines += ax.plot(pairs, middle, **_marks(name))
        ax.errorbar(pairs, middle, yerr=np.abs(ends), **_line(name), **traits)
    _sizes(ax, speed["pairs"])
    limits = _throughputs(speed if scale is None else scale)
    ax.set(yscale="log", ylim=limits, ylabel="pairs per second (log scale)")
    ax.yaxis.set_major_formatter("{x:g}")
    return lines


def memory_lines(ax: Axes, speed: pd.DataFrame, scale: pd.DataFrame | None = None) -> list[Line2D]:
    """Megabytes (10⁶) at the peak of a pass by batch size; faint lines: the weights' share.

    At their right ends stand the dtypes, for both panels: these ends do not move with the times.
    ``scale`` as for :func:`throughput_lines`.
    """
    lines = []
    for name, own in _by_size(speed):
        megabytes = own["peak_bytes"] / 1e6
        lines += ax.plot(own["pairs"], megabytes, **_marks(name))
        ax.plot(own["pairs"], megabytes, **_line(name))
        ax.axhline(own["weight_bytes"].iloc[0] / 1e6, color=_mark(name).color, alpha=_FAINTLY)
    _sizes(ax, speed["pairs"])
    ax.set(ylim=_megabytes(speed if scale is None else scale), ylabel="MB")
    _name_lines(ax, lines)
    return lines


def _name_lines(ax: Axes, lines: Sequence[Line2D]) -> None:
    """Name each line at its right end."""
    ends = ((line.get_xydata()[-1], line) for line in lines)
    label_ends(ax, [Label(*end, line.get_label(), line.get_color()) for end, line in ends])


@drawn
def trade_offs(trade: pd.DataFrame, k: int) -> Picture:
    """Time of one query against what is kept: overlap@k, nDCG@k (where graded), saturated share.

    ``trade`` comes from :func:`analysis.studies.speed.trade_off`. Filled marks: ordered by the
    path's scores; open ones: by the raw logits of the same pass.
    """
    trade = _named(trade)
    graded = trade["ndcg"].notna().all()
    wanted = [("overlap", f"Overlap@{k} with float32"), ("ndcg", f"nDCG@{k}")]
    wanted = [*wanted[: 1 + graded], ("saturated", "Scores of exactly 0 or 1")]
    figure, axes = panels(len(wanted), 3.7 * len(wanted) + 1.4, 3.9)
    for ax, (column, title) in zip(axes, wanted, strict=True):
        kept_marks(ax, trade, column)
        ax.set_title(title)
    marks = _legend(list(dict.fromkeys(trade["name"])))
    key(figure, marks, [mark.get_label() for mark in marks])
    kept = "; ".join(
        f"{row.name} by {row.order}: {row.overlap:.1%} in {row.seconds:.2g} s"
        for row in trade.itertuples(index=False)
    )
    return Picture(
        figure,
        "Seconds for one query against what is kept of the float32 ranking. Bars: fastest and "
        "slowest repeat; in nDCG, minimum and maximum over the orders of the ties.",
        f"Marks by forward format. Overlap with the float32 top {k}: {kept}.",
    )


def kept_marks(ax: Axes, trade: pd.DataFrame, column: str) -> list[Line2D]:
    """One mark per row: seconds of a query (x, log, with the spread) against ``column`` (y)."""
    marks, shown = [], _named(trade)[trade[column].notna()]
    for row in shown.to_dict("records"):
        mark, value = _mark(row["name"]), row[column]
        faint = {"color": mark.color, "linewidth": 1, "alpha": _FAINTLY}
        ax.plot([row["fastest"], row["slowest"]], [value, value], **faint)
        if column == "ndcg":
            ends = [row["ndcg_min"], row["ndcg_max"]]
            ax.plot([row["seconds"]] * 2, ends, **faint)
        marks += ax.plot(row["seconds"], value, **_look(row["name"], row["order"]))
    seconds = pd.concat([trade["fastest"], trade["slowest"]])
    ax.set(xscale="log", xlim=_decades(seconds), xlabel="seconds for one query (log scale)")
    ax.xaxis.set_major_formatter("{x:g}")
    ends = shown[["ndcg_min", "ndcg_max"]] if column == "ndcg" else shown[[column]]
    ax.set_ylim(*_room(ends.to_numpy(), from_zero=column == "saturated"))
    ax.yaxis.set_major_formatter("{x:.3g}" if column == "ndcg" else "{x:.4g}")
    if column != "ndcg":
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
    return marks


def _throughputs(speed: pd.DataFrame) -> tuple[float, float]:
    """Limits for pairs per second, of the slowest repeat and of the fastest."""
    ends = speed["pairs"] / speed["slowest"], speed["pairs"] / speed["fastest"]
    return _decades(pd.concat(ends))


def _megabytes(speed: pd.DataFrame) -> tuple[float, float]:
    """Limits for peak memory, from 0."""
    return 0, 1.1 * speed["peak_bytes"].max() / 1e6


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Whole powers of ten around positive values, two decades apart or more."""
    low, high = np.floor(np.log10(np.min(values))), np.ceil(np.log10(np.max(values)))
    if high - low < 2:  # the further one of both ends has more room already
        middle = np.log10(np.median(values)) - low
        low, high = (low - 1, low + 1) if middle < 0.5 else (low, low + 2)
    return float(10**low), float(10**high)


def _room(values: np.ndarray, *, from_zero: bool) -> tuple[float, float]:
    """Limits with a margin around values: up from 0, or down from the highest; 0.01 or wider."""
    low, high = (0.0, max(values.max(), 0.01)) if from_zero else (values.min(), values.max())
    low = min(low, high - 0.01)
    margin = 0.08 * (high - low)
    return low - margin, high + margin


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """With a column of what people call the forward format, unless there is one."""
    if "name" in rows:
        return rows
    return rows.assign(name=format_names(rows))


def _mark(name: str) -> Mark:
    return _TF32_MARK if name == _TF32 else mark_of(as_format(name))


def _by_size(speed: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    speed = _named(speed)
    found = dict(list(speed.sort_values("pairs", kind="stable").groupby("name", sort=False)))
    return [(name, found[name]) for name in dict.fromkeys(speed["name"])]


def _sizes(ax: Axes, pairs: pd.Series) -> None:
    """A logarithmic axis of batch sizes that names exactly the sizes measured."""
    sizes = sorted(set(pairs))
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.xaxis.set_minor_locator(plt.NullLocator())
    ax.set(xlabel="pairs in a batch (log scale)", xlim=(sizes[0] / 1.3, sizes[-1] * 1.3))


def _line(name: str) -> dict[str, object]:
    mark = _mark(name)
    return {"color": (mark.color, _FAINTLY), "linestyle": mark.linestyle, "linewidth": 1.2}


def _marks(name: str) -> dict[str, object]:
    mark = _mark(name)
    traits = {"color": mark.color, "marker": mark.marker, "markersize": 5}
    return traits | {"linestyle": "none", "label": name}


def _look(name: str, order: str) -> dict[str, object]:
    """Filled for scores; larger and open for raw logits, so that both show at one place."""
    mark, filled = _mark(name), order == "scores"
    face = mark.color if filled else "none"
    size = 5 if filled else 9
    traits = {"marker": mark.marker, "markersize": size, "markerfacecolor": face}
    return traits | {"markeredgecolor": mark.color, "markeredgewidth": 0.8, "linestyle": "none"}


def _legend(names: Sequence[str]) -> list[Line2D]:
    own = [Line2D([], [], label=name, **_look(name, "scores")) for name in names]
    plain = {"marker": "o", "color": look().ink, "linestyle": "none"}
    filled = Line2D([], [], label="by scores", markersize=5, **plain)
    plain |= {"markersize": 9, "markeredgewidth": 0.8, "markerfacecolor": "none"}
    ring = Line2D([], [], label="by raw logits", **plain)
    return [*own, filled, ring]
