"""Remedies: what each changes, what verified top k rescores, where calibration ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from analysis import sinks
from analysis.errors import counted
from analysis.figures.canvas import Label, canvas, in_two_lines, label_ends, name_rows, panels
from analysis.figures.looks import look
from analysis.figures.style import MARKS, OKABE_ITO, Picture, drawn
from analysis.scorepath import ScorePath
from analysis.verifying import Trial

TIES, MOVED = OKABE_ITO[1], OKABE_ITO[2]


@drawn
def remedy_views(measured: pd.DataFrame, name: str, k: int) -> Picture:
    """Ties, reordered queries and nDCG@k by remedy; nDCG only where the grades are known.

    ``measured`` comes from :func:`analysis.remedies.measure`, ``name`` is the path's.
    """
    graded, n_queries = bool(measured["ndcg"].notna().all()), int(measured["queries"].iloc[0])
    columns = 3 if graded else 2
    figure, axes = panels(columns, 4 * columns, 0.5 * len(measured) + 1.2)
    counts(axes[0], measured["tied_in_top"], TIES)
    axes[0].set_title(f"Tied in the top {k}")
    axes[0].set_xlabel("candidates")
    counts(axes[1], measured["reordered"], MOVED)
    axes[1].set_title(f"Another top {k} than float32")
    axes[1].set(xlabel=f"of {counted(n_queries, 'query', 'queries')}", xlim=(0, 1.15 * n_queries))
    if graded:
        ndcg_spans(axes[2], measured)
        axes[2].set_title(f"nDCG@{k}")
    for ax in axes:
        ax.set_ylim(len(measured) - 0.4, -0.6)
        name_rows(ax, measured["remedy"], shown=ax is axes[0])
    ties = "; ".join(f"{row.remedy}: {row.tied_in_top}" for row in measured.itertuples())
    return Picture(
        figure,
        f"{name}, as it is and with one stage changed."
        + " nDCG: expected value, minimum, maximum." * graded,
        f"Bars per remedy. Candidates tied in the top {k}: {ties}.",
    )


def counts(ax: Axes, values: Sequence[int], color: str) -> BarContainer:
    """One bar per row, from the top down, with its number at the end (0 too)."""
    bars = ax.barh(range(len(values)), values, color=color, height=0.6)
    ax.bar_label(bars, labels=[f"{value:,}" for value in values], padding=4, fontsize="small")
    ax.set_xlim(0, max(1.0, 1.2 * max(values)))
    return bars


def ndcg_spans(ax: Axes, measured: pd.DataFrame) -> ErrorbarContainer:
    """Expected value of each row as a point, its minimum and maximum over tie orders as a bar."""
    middle = measured["ndcg"].to_numpy()
    reach = [middle - measured["ndcg_min"], measured["ndcg_max"] - middle]
    drawn = ax.errorbar(
        middle, range(len(middle)), xerr=reach, fmt="o", color=look().ink, capsize=4
    )
    for height, value in enumerate(middle):
        ax.text(value, height - 0.16, f"{value:.4f}", ha="center", va="bottom", fontsize="small")
    low, high = measured["ndcg_min"].min(), measured["ndcg_max"].max()
    margin = max(0.3 * (high - low), 0.002)
    ax.set(xlim=(low - margin, high + margin), xlabel="expected, with minimum and maximum")
    ax.locator_params(axis="x", nbins=4)
    return drawn


@drawn
def verified_views(
    trials: Sequence[Trial], shares: Mapping[str, Mapping[int, float]], k: int
) -> Picture:
    """Logit errors with their bounds, and what verified top k rescores, side by side.

    ``trials`` are those of ``k``; ``shares`` as for :func:`rescored_lines`.
    """
    figure, (left, right) = panels(2, 11, 4.2)
    error_steps(left, trials)
    left.set_title("Errors, and the bounds learnt from them")
    rescored_lines(right, shares)
    right.set_title("What verified top k rescores")
    said = "; ".join(f"{t.name}: {t.rescored:.0%} of the candidates at k = {k}" for t in trials)
    return Picture(
        figure,
        "Left: queries by their largest logit error; faint uprights: the bounds of the two halves. "
        "Right: share of all candidates that is rescored, by k.",
        "Left: steps of the share of queries by logit error. Right: lines over k. "
        f"Rescored: {said}.",
    )


def error_steps(ax: Axes, trials: Sequence[Trial]) -> list[Line2D]:
    """Share of the queries whose largest logit error is at most so much, by cheap dtype.

    The faint uprights are each dtype's two bounds. Errors of 0 would be lost on the log axis, so
    they are drawn at its left end.
    """
    errors = np.concatenate([trial.queries["error"] for trial in trials])
    least = errors[errors > 0].min(initial=1.0) / 2
    lines = []
    for trial in trials:
        reached = np.sort(trial.queries["error"].clip(lower=least))
        shares = np.arange(1, len(reached) + 1) / len(reached)
        mark = MARKS[trial.name]
        traits = {"color": mark.color, "marker": mark.marker, "markersize": 3}
        lines += ax.step(reached, shares, where="post", label=trial.name, **traits)
        for bound in trial.bounds:
            if np.isfinite(bound.bound):
                ax.axvline(max(bound.bound, least), color=mark.color, alpha=0.35, linewidth=1)
    ax.set(xscale="log", ylim=(0, 1.04), ylabel="share of queries")
    ax.set_xlabel("largest logit error of a query (log scale)")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    return lines


def rescored_lines(ax: Axes, shares: Mapping[str, Mapping[int, float]]) -> list[Line2D]:
    """Share of the candidates that is rescored, by k and cheap dtype; ``shares[dtype][k]``."""
    lines = []
    for dtype, by_k in shares.items():
        mark = MARKS[dtype]
        lines += ax.plot(
            list(by_k),
            list(by_k.values()),
            color=mark.color,
            linestyle=mark.linestyle,
            marker=mark.marker,
            label=dtype,
        )
    ax.set(ylim=(0, 1.02), xlabel="k", ylabel="share of candidates rescored")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.set_major_formatter("{x:.0%}")
    label_ends(
        ax, [Label(*line.get_xydata()[-1], line.get_label(), line.get_color()) for line in lines]
    )
    return lines


@drawn
def calibration_view(
    curves: Sequence[tuple[ScorePath, pd.DataFrame]], floors: Mapping[str, int], k: int
) -> Picture:
    """Ties in the top ``k`` by calibration factor, as for :func:`factor_lines`."""
    figure, ax = canvas(9, 4.4)
    factor_lines(ax, curves, floors, k)
    ax.set_title("What a calibration factor does to ties")
    least = "; ".join(f"{path.name}: {curve['tied_in_top'].min()}" for path, curve in curves)
    return Picture(
        figure,
        "Ties by calibration factor (log scale, 1: none). Faint: ties of the raw logits, on the "
        "axis where there are none.",
        f"Lines of tied candidates by factor. The least that any factor reaches: {least}.",
    )


def factor_lines(
    ax: Axes, curves: Sequence[tuple[ScorePath, pd.DataFrame]], floors: Mapping[str, int], k: int
) -> list[Line2D]:
    """Ties in the top ``k`` by calibration factor, one line per path; stepwise ones are filled.

    ``curves`` are results of :func:`analysis.remedies.calibration_curve`; ``floors`` are the ties
    of the raw logits by dtype, which no factor can undo: the faint lines.
    """
    lines = []
    ends = []
    for path, curve in curves:
        mark = MARKS[path.forward_dtype]
        lines += ax.plot(
            curve["factor"],
            curve["tied_in_top"],
            color=mark.color,
            linestyle=mark.linestyle,
            marker=mark.marker,
            markerfacecolor=mark.color if path.formula == "stepwise" else look().colors.page,
            label=path.name,
        )
        first = curve.loc[curve["factor"].idxmax()]
        ends.append(Label(first["factor"], first["tied_in_top"], path.name, mark.color))
    for dtype, floor in floors.items():
        ax.axhline(floor, color=MARKS[dtype].color, alpha=0.4, linewidth=1.2)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda factor, _: _power_of_two(factor))
    ax.set(xlabel="calibration factor", ylabel=f"candidates tied in the top {k}")
    ax.set_ylim(bottom=0)
    label_ends(ax, (end._replace(text=in_two_lines(end.text)) for end in ends))
    return lines


@drawn
def version_view(
    versions: Mapping[str, pd.Series], ends: Mapping[str, tuple[float, str]]
) -> Picture:
    """Logits of several models and where paths begin to saturate, as for :func:`logit_rows`."""
    figure, ax = canvas(11, 1 + 1.2 * len(versions))
    logit_rows(ax, versions, ends)
    said = "; ".join(f"{name}: up to {logits.max():.2f}" for name, logits in versions.items())
    return Picture(
        figure,
        "A dot per pair at its float32 logit, short uprights at the medians; lines: from where on "
        "a path's score is exactly 1.0.",
        f"Rows of dots along the logit axis, one per model. Logits by model: {said}.",
    )


def logit_rows(
    ax: Axes, versions: Mapping[str, pd.Series], ends: Mapping[str, tuple[float, str]]
) -> list[PathCollection]:
    """Logits of several models, one row each, and where paths begin to saturate.

    ``versions`` are float32 logits by model; ``ends`` are a path's first saturated logit and its
    dtype, by the path's name. A thick upright is a row's median.
    """
    rows = []
    for height, logits in enumerate(versions.values()):
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(logits))
        rows.append(
            ax.scatter(logits, height + jitter, s=9, color=look().ink, alpha=0.35, linewidth=0)
        )
        ax.plot(
            [logits.median()] * 2, [height - 0.35, height + 0.35], color=look().ink, linewidth=2
        )
    bottom = len(versions) - 0.4
    for place, (name, (logit, dtype)) in enumerate(sorted(ends.items(), key=lambda end: end[1][0])):
        mark, top = MARKS[dtype], -0.75 - 0.25 * place
        ax.plot([logit] * 2, [bottom, top], color=mark.color, linestyle=mark.linestyle)
        ax.annotate(
            f"{name}: 1.0 from {logit:.4g}",
            (logit, top),
            (-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize="small",
            color=mark.text,
        )
    ax.set(ylim=(bottom, -0.8 - 0.25 * len(ends)), xlabel="float32 logit")
    ax.set_yticks(range(len(versions)))
    ax.set_yticklabels(map(sinks.svg, versions), parse_math=False)  # a model may be called anything
    ax.tick_params(axis="y", length=0)
    return rows


def _power_of_two(factor: float) -> str:
    """Spell a factor as a fraction where it is one, such as 1/4."""
    inverse = round(1 / factor)
    return "1" if inverse <= 1 else f"1/{inverse}"
