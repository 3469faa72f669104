"""Issue 203 reproduced: score against score, one order, versions, what a release changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.lane import draw_axis, position
from analysis.figures.reranking import score_lane, slope
from analysis.figures.style import FAINT, INK, MARKS, OKABE_ITO
from analysis.studies.issue_203.decomposition import FORMULAS, STAGES, Scored
from analysis.studies.issue_203.versions import ABSENT, ADVERTISED, NO_EFFECT, STATES, WORKS

STATE_COLORS = {
    WORKS: OKABE_ITO[2],
    NO_EFFECT: OKABE_ITO[1],
    ADVERTISED: OKABE_ITO[7],
    ABSENT: FAINT,
}
FORMULA_NAMES = {"fused": "fused (torch)", "stepwise": "step by step (NumPy)"}


def axis_ends(*scores: pd.Series) -> dict[str, float]:
    """Ends of an axis of 1 − s that shows the highest of these scores: ``largest, smallest``.

    From 0.9 on, or from 0 where no score is that high; down to the power of ten below the
    smallest 1 − s above 0.
    """
    distance = 1 - np.concatenate(scores)
    above_zero = distance[distance > 0]
    smallest = 10.0 ** np.floor(np.log10(above_zero.min(initial=1e-2)))
    return {"largest": 0.1 if distance.min() <= 0.1 else 1.0, "smallest": min(smallest, 1e-2)}


def scores_against(
    ax: Axes, both: pd.DataFrame, dtype: str, *, largest: float, smallest: float
) -> PathCollection:
    """A dot per candidate: its reference score along the axis, the other run's score up it.

    ``both`` is :func:`analysis.studies.issue_203.comparison.side_by_side`. Either axis is one of 1 − s
    with a lane for exactly 1.0; equal scores lie on the faint diagonal. Candidates below the
    axis' beginning in the reference are left out, and dots clipped to it in the other run.
    """
    draw_axis(ax, largest, smallest, axis="x")
    draw_axis(ax, largest, smallest, axis="y")
    diagonal = np.log10([largest, smallest])
    ax.plot(diagonal, diagonal, color=FAINT, linewidth=1, zorder=1)
    shown = both[1 - both["score_reference"] <= largest]
    mark = MARKS[dtype]
    return ax.scatter(
        position(1 - shown["score_reference"], smallest),
        position((1 - shown["score"]).clip(upper=largest), smallest),
        marker=mark.marker,
        color=mark.color,
        s=22,
        alpha=0.55,
        linewidth=0,
        zorder=3,
    )


def thresholds(
    ax: Axes, scores: Mapping[str, float], *, largest: float, smallest: float
) -> list[Line2D]:
    """Uprights at true scores on an axis of 1 − s, each named; those outside are left out."""
    lines = []
    for number, (name, score) in enumerate(scores.items()):
        if not smallest <= 1 - score <= largest:
            continue
        x = float(position(1 - score, smallest))
        lines.append(ax.axvline(x, color=INK, linewidth=1, linestyle=(0, (3, 3)), zorder=2))
        ax.annotate(
            name,
            (x, 0.03 + 0.11 * number),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8.5,
        )
    return lines


def query_views(
    reference: pd.DataFrame, compared: pd.DataFrame, names: Sequence[str], top: int = 15
) -> Figure:
    """One query in two placed runs: ranks as a slope graph, and its scores.

    ``names`` are those of the reference and of the other run.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 5.2), width_ratios=(1.1, 1))
    slope(left, reference, compared, top=top)
    left.set_xticks([0, 1], names)
    score_lane(right, {names[0]: reference, names[1]: compared})
    return figure


def decomposition_grid(scored: Scored) -> Figure:
    """The six cells: formulas in rows, dtypes in columns, each against the float32 reference."""
    reference = next(iter(scored.values()))
    ends = axis_ends(*(frame["score"] for frame in scored.values()))
    figure, axes = plt.subplots(
        len(FORMULAS), len(STAGES), figsize=(13, 8), sharex=True, sharey=True
    )
    for path, frame in scored.items():
        row = FORMULAS.index(path.formula)
        column = STAGES.index((path.forward_dtype, path.activation_dtype))
        ax = axes[row, column]
        both = frame.assign(score_reference=reference["score"].to_numpy())
        scores_against(ax, both, path.activation_dtype, **ends)
        ones = int((frame["score"] == 1.0).sum())
        ax.annotate(
            f"{ones} × 1.0",
            (0.03, 0.955),
            xycoords="axes fraction",
            va="top",
            fontsize=10,
            color=INK,
        )
        if not row:
            ax.set_title(f"{path.forward_dtype} logits,\nsigmoid in {path.activation_dtype}")
        ax.set_xlabel("float32 reference" if row == len(FORMULAS) - 1 else "")
        ax.set_ylabel(FORMULA_NAMES[path.formula] if not column else "")
    return figure


def half_timeline(ax: Axes, states: pd.DataFrame, marked: str) -> list[Line2D]:
    """State of INFINITY_DISABLE_HALF by release: a dot per release read, a line where none changed.

    ``states`` is :func:`analysis.studies.issue_203.versions.half_states`; ``marked`` is a version to
    point at. Releases between two that were read alike are taken to be like them.
    """
    rows = [state for state in STATES if (states["state"] == state).any()]
    lines = []
    for height, state in enumerate(reversed(rows)):
        own = states["state"] == state
        runs = (own != own.shift()).cumsum()
        for _, span in states[own].groupby(runs[own]):
            patches = span["patch"].to_numpy()
            lines += ax.plot(
                patches,
                np.full(len(patches), height),
                color=STATE_COLORS[state],
                linewidth=6,
                marker="o",
                markersize=11,
                markeredgecolor="white",
                solid_capstyle="round",
            )
            ends = dict.fromkeys(patches[[0, -1]].tolist())
            for patch in ends:
                ax.annotate(
                    str(patch),
                    (patch, height),
                    xytext=(0, 10),
                    textcoords="offset points",
                    ha="center",
                    fontsize=9,
                )
    (patch,) = states.loc[states["version"] == marked, "patch"]
    ax.axvline(patch, color=INK, linewidth=1, linestyle=(0, (3, 3)), zorder=0)
    ax.annotate(
        f"{marked}: reproduced here",
        (patch, len(rows) - 0.45),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
    )
    ax.set_yticks(range(len(rows)), list(reversed(rows)))
    ax.set(ylim=(-0.5, len(rows) - 0.2), xlabel="Infinity 0.0.x")
    ax.tick_params(axis="y", length=0)
    return lines


def release_views(facts: pd.DataFrame, errors: Mapping[str, pd.Series], k: int = 10) -> Figure:
    """Saturated scores, ties in the top ``k`` and logit errors, one row per run.

    ``facts`` is :func:`analysis.studies.issue_203.versions.run_facts`; ``errors`` are the absolute logit
    errors of each run, by its name.
    """
    figure, axes = plt.subplots(
        1, 3, figsize=(12.5, 0.55 * len(facts) + 1.3), width_ratios=(1, 1, 1.5)
    )
    _counts(axes[0], facts, "exactly_one")
    axes[0].set_title("Exactly 1.0")
    _counts(axes[1], facts, "tied_in_top")
    axes[1].set_title(f"Tied in the top {k}")
    error_rows(axes[2], facts, errors)
    axes[2].set_title("Distance to the float32 logit")
    for ax in axes:
        ax.set(ylim=(len(facts) - 0.4, -0.6), yticks=range(len(facts)))
        ax.set_yticklabels(facts["run"] if ax is axes[0] else [])
        ax.tick_params(axis="y", length=0)
    return figure


def error_rows(
    ax: Axes, facts: pd.DataFrame, errors: Mapping[str, pd.Series]
) -> list[PathCollection]:
    """Absolute logit errors, a dot per candidate and a row per run, on a log axis.

    An error of 0 would be lost on it; those stand in a shaded lane at the left.
    """
    found = np.concatenate([errors[run] for run in facts["run"]])
    smallest = 10.0 ** np.floor(np.log10(found[found > 0].min(initial=1e-2)))
    lane = np.log10(smallest) - 0.5
    ax.axvspan(lane - 0.3, lane + 0.3, color="#F1E9DA", zorder=0, linewidth=0)
    rows = []
    for height, row in enumerate(facts.itertuples(index=False)):
        own, mark = errors[row.run].to_numpy(), MARKS[row.forward_dtype]
        with np.errstate(divide="ignore"):
            places = np.where(own > 0, np.log10(own), lane)
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(own))
        look = {"color": mark.color, "marker": mark.marker, "s": 12, "alpha": 0.4, "linewidth": 0}
        rows.append(ax.scatter(places, height + jitter, **look))
        middle = float(np.median(places))
        ax.plot([middle] * 2, [height - 0.36, height + 0.36], color=INK, linewidth=2)
    top = np.ceil(np.log10(found.max(initial=smallest)) + 1e-9)
    decades = np.arange(np.log10(smallest), top + 1)
    ax.set_xticks([lane, *decades], ["0", *(f"10$^{{{decade:.0f}}}$" for decade in decades)])
    ax.set(xlim=(lane - 0.3, top + 0.1), xlabel="logits (log scale); upright: median")
    return rows


def _counts(ax: Axes, facts: pd.DataFrame, column: str) -> BarContainer:
    """One bar per run, from the top down, in its dtype's colour, with its number at the end."""
    colors = [MARKS[dtype].color for dtype in facts["forward_dtype"]]
    bars = ax.barh(range(len(facts)), facts[column], color=colors, height=0.6)
    ax.bar_label(bars, labels=[f"{value:,}" for value in facts[column]], padding=4, fontsize=9)
    ax.set(xlim=(0, max(1.0, 1.2 * facts[column].max())), xlabel="candidates")
    return bars
