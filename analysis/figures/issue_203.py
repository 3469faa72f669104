"""Issue 203 reproduced: score against score, one order, versions, what a release changed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.canvas import canvas, grid, name_rows, panels
from analysis.figures.lane import draw_axis, position
from analysis.figures.looks import look
from analysis.figures.reranking import score_lane, slope
from analysis.figures.style import MARKS, OKABE_ITO, Picture, drawn
from analysis.studies.issue_203 import PATHS, STATES, float16_edges, half_ranges
from analysis.ties import apply

_LARGEST = 0.1
"""Where axes of 1 − s begin: scores from 0.9 on."""
_STATE_COLORS = dict(
    zip(STATES, (OKABE_ITO[2], OKABE_ITO[1], OKABE_ITO[7], "#B8B8B8"), strict=True)
)
_FORMULA_NAMES = {"fused": "fused (torch)", "stepwise": "step by step (NumPy)"}
_DASHED = {"linewidth": 1, "linestyle": (0, (3, 3))}


@drawn
def scores(both: pd.DataFrame) -> Picture:
    """A dot per candidate: Haystack's score in float32 along the axis, Infinity's in float16 up it.

    ``both`` is :func:`analysis.studies.issue_203.side_by_side`. Uprights stand at the true scores
    from which on a float16 sigmoid gives exactly 1.0.
    """
    smallest = _axis_end(both["score"], both["score_reference"])
    figure, ax = canvas(7.6, 6.4)
    _scores_against(ax, both, "float16", smallest)
    # Step by step it saturates first, so that one is named first.
    for height, edge in enumerate(float16_edges()[::-1].itertuples()):
        x = float(position(1 - edge.true_score, smallest))
        ax.axvline(x, zorder=2, color=look().ink, **_DASHED)
        ax.annotate(
            f"1.0 from here: {edge.formula}, float16",
            (x, 0.03 + 0.11 * height),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize="small",
        )
    ax.set_xlabel("Haystack 2.0.1, float32")
    ax.set_ylabel("Infinity 0.0.32, float16")
    ax.set_title("What became of each score")
    return Picture(
        figure,
        "Score of each candidate in both engines, by distance to 1 (log); shaded: exactly 1.0. "
        "Dashed: where a float16 sigmoid reaches 1.0, step by step and rounded once.",
        f"Dots of Infinity's score against Haystack's; {both['became_one'].sum()} of {len(both)} "
        "became exactly 1.0 and stand in the shaded lane.",
    )


@drawn
def order(reference: pd.DataFrame, compared: pd.DataFrame, question: str) -> Picture:
    """One query in Haystack and in Infinity: ranks as a slope graph, and its scores.

    ``reference`` and ``compared`` are the query's rows of two placed runs.
    """
    names = ["Haystack 2.0.1\nfloat32", "Infinity 0.0.32\nfloat16"]
    figure, (left, right) = panels(2, 11.5, 5.2, ratios=(1.1, 1))
    slope(left, reference, compared, top=15)
    left.set_xticks([0, 1], names)
    score_lane(right, dict(zip(names, (reference, compared), strict=True)))
    return Picture(
        figure,
        f"Ranks (left; orange: it falls, green: it rises) and scores (right) for: {question}",
        f"Slope graph and scores of one query; {(compared['score'] == 1.0).sum()} of "
        f"{len(compared)} candidates have score exactly 1.0 in Infinity.",
    )


@drawn
def decomposition(logits: pd.DataFrame) -> Picture:
    """The six paths: formulas in rows, dtypes in columns, each against the float32 reference.

    ``logits`` is as for :func:`analysis.studies.issue_203.decomposition`.
    """
    frames = [apply(logits, path) for path in PATHS]
    reference = frames[0]["score"].to_numpy()
    smallest = _axis_end(*(frame["score"] for frame in frames))
    is_narrow, shared = look().is_narrow, {"sharex": True, "sharey": True}
    figure, axes = grid(9, 11, 3, 2, **shared) if is_narrow else grid(13, 8, 2, 3, **shared)
    by_stage = axes if is_narrow else axes.T
    ones = []
    for ax, path, frame in zip(by_stage.flat, PATHS, frames, strict=True):
        dtype = path.activation_dtype
        _scores_against(ax, frame.assign(score_reference=reference), dtype, smallest)
        count = int((frame["score"] == 1.0).sum())
        ones.append(f"{path.formula} in {dtype} of {path.forward_dtype} logits: {count}")
        ax.annotate(
            f"{count} × 1.0",
            (0.03, 0.955),
            xycoords="axes fraction",
            va="top",
            color=look().ink,
        )
        ax.set(xlabel="", ylabel="")
    stages = [f"{path.forward_dtype} logits,\nsigmoid in {path.activation_dtype}" for path in PATHS]
    formulas = [_FORMULA_NAMES[path.formula] for path in PATHS[:2]]
    across, down = (formulas, stages[::2]) if is_narrow else (stages[::2], formulas)
    for ax, title in zip(axes[0], across, strict=True):
        ax.set_title(title)
    for ax in axes[-1]:
        ax.set_xlabel("float32 reference")
    for ax, name in zip(axes[:, 0], down, strict=True):
        ax.set_ylabel(name)
    sides = ("top to bottom", "left", "right") if is_narrow else ("left to right", "above", "below")
    return Picture(
        figure,
        f"Each candidate's score by six paths against the float32 reference. From {sides[0]} one "
        f"more stage in float16; {sides[1]} torch's formula, {sides[2]} NumPy's.",
        f"Six panels of score against float32 score. Scores of exactly 1.0: {'; '.join(ones)}.",
    )


@drawn
def disable_half(states: pd.DataFrame, reproduced: str) -> Picture:
    """State of INFINITY_DISABLE_HALF by release: a dot per release read, a line where none changed.

    ``states`` is :func:`analysis.studies.issue_203.half_states`; ``reproduced`` is a version to
    point at. Releases between two that were read alike are taken to be like them.
    """
    figure, ax = canvas(10, 3.2)
    patch_of = states.set_index("version")["patch"]
    ranges = half_ranges(states)
    for height, state in enumerate(STATES[::-1]):
        for span in ranges[ranges["state"] == state].itertuples():
            patches = patch_of[span.first : span.last].to_numpy()
            _span(ax, patches, height, _STATE_COLORS[state])
    ax.axvline(patch_of[reproduced], zorder=0, color=look().ink, **_DASHED)
    ax.annotate(
        f"{reproduced}: reproduced here",
        (patch_of[reproduced], len(STATES) - 0.45),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
    )
    ax.set_yticks(range(len(STATES)), STATES[::-1])
    ax.set(ylim=(-0.5, len(STATES) - 0.2), xlabel="Infinity 0.0.x")
    ax.tick_params(axis="y", length=0)
    ax.set_title("What INFINITY_DISABLE_HALF did")
    told = "; ".join(f"{span.first} to {span.last}: {span.state}" for span in ranges.itertuples())
    return Picture(
        figure,
        "A dot is a release whose source was read; lines join neighbours of the same state.",
        f"Timeline of Infinity releases. {told}.",
    )


@drawn
def release(facts: pd.DataFrame, errors: Mapping[str, pd.Series]) -> Picture:
    """Scores of exactly 1.0, ties in the top 10 and logit errors, one row per run.

    ``facts`` is :func:`analysis.studies.issue_203.run_facts`; ``errors`` are the absolute logit
    errors of each run, by its name.
    """
    figure, axes = panels(3, 12.5, 0.55 * len(facts) + 1.3, ratios=(1, 1, 1.5))
    _counts(axes[0], facts, "ones")
    axes[0].set_title("Exactly 1.0")
    _counts(axes[1], facts, "tied_in_top")
    axes[1].set_title("Tied in the top 10")
    _error_rows(axes[2], facts, errors)
    axes[2].set_title("Distance to the float32 logit")
    for ax in axes:
        ax.set_ylim(len(facts) - 0.4, -0.6)
        name_rows(ax, facts["run"], shown=ax is axes[0])
    told = "; ".join(
        f"{row.run}: {row.ones} scores of 1.0, {row.tied_in_top} tied, median logit error "
        f"{row.median_logit_error:.2g}"
        for row in facts.itertuples()
    )
    return Picture(
        figure,
        "Infinity before and after the change: scores of exactly 1.0, ties, and how far its logits "
        "are from float32.",
        f"Bars and dots per run. {told}.",
    )


def _axis_end(*scores: pd.Series) -> float:
    """Where an axis of 1 − s ends that shows all these scores: a power of ten."""
    distance = 1 - np.concatenate(scores)
    return float(10.0 ** np.floor(np.log10(distance[distance > 0].min())))


def _scores_against(ax: Axes, both: pd.DataFrame, dtype: str, smallest: float) -> None:
    """A dot per candidate with a reference score from 0.9 on: that along the axis, its score up it.

    Either axis is one of 1 − s with a lane for exactly 1.0; equal scores lie on the faint diagonal,
    and dots that fall below the axis stand on its edge.
    """
    draw_axis(ax, _LARGEST, smallest, axis="x")
    draw_axis(ax, _LARGEST, smallest, axis="y")
    diagonal = np.log10([_LARGEST, smallest])
    ax.plot(diagonal, diagonal, color=look().faint, linewidth=1, zorder=1)
    shown = both[1 - both["score_reference"] <= _LARGEST]
    mark = MARKS[dtype]
    ax.scatter(
        position(1 - shown["score_reference"], smallest),
        position((1 - shown["score"]).clip(upper=_LARGEST), smallest),
        marker=mark.marker,
        color=mark.color,
        s=22,
        alpha=0.55,
        linewidth=0,
        zorder=3,
    )


def _span(ax: Axes, patches: np.ndarray, height: int, color: str) -> None:
    """Releases in a row with one state: dots on a line, the first and the last with its number."""
    ax.plot(
        patches,
        np.full(len(patches), height),
        color=color,
        linewidth=6,
        marker="o",
        markersize=11,
        markeredgecolor=look().colors.page,
        solid_capstyle="round",
    )
    for patch in dict.fromkeys(patches[[0, -1]].tolist()):
        ax.annotate(
            str(patch),
            (patch, height),
            xytext=(0, 10),
            textcoords="offset points",
            ha="center",
            fontsize="small",
        )


def _error_rows(ax: Axes, facts: pd.DataFrame, errors: Mapping[str, pd.Series]) -> None:
    """Absolute logit errors, a dot per candidate and a row per run, on a log axis.

    An error of 0 would be lost on it; those stand in a shaded lane at the left.
    """
    found = np.concatenate([errors[run] for run in facts["run"]])
    smallest = 10.0 ** np.floor(np.log10(found[found > 0].min()))
    lane = np.log10(smallest) - 0.5
    ax.axvspan(lane - 0.3, lane + 0.3, color=look().colors.lane, zorder=0, linewidth=0)
    for height, row in enumerate(facts.itertuples(index=False)):
        own, mark = errors[row.run].to_numpy(), MARKS[row.forward_dtype]
        with np.errstate(divide="ignore"):
            places = np.where(own > 0, np.log10(own), lane)
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(own))
        traits = {"color": mark.color, "marker": mark.marker, "s": 12, "alpha": 0.4, "linewidth": 0}
        ax.scatter(places, height + jitter, **traits)
        middle = float(np.median(places))
        ax.plot([middle] * 2, [height - 0.36, height + 0.36], color=look().ink, linewidth=2)
    top = np.ceil(np.log10(found.max()) + 1e-9)
    decades = np.arange(np.log10(smallest), top + 1)
    every = 1 if look().is_wide else 2
    names = [f"10$^{{{decade:.0f}}}$" * (not n % every) for n, decade in enumerate(decades[::-1])]
    ax.set_xticks([lane, *decades], ["0", *names[::-1]])
    ax.set(xlim=(lane - 0.3, top + 0.1), xlabel="logits (log scale); upright: median")


def _counts(ax: Axes, facts: pd.DataFrame, column: str) -> None:
    """One bar per run, from the top down, in its dtype's colour, with its number at the end."""
    colors = [MARKS[dtype].color for dtype in facts["forward_dtype"]]
    bars = ax.barh(range(len(facts)), facts[column].astype(int), color=colors, height=0.6)
    ax.bar_label(
        bars, labels=[f"{value:,}" for value in facts[column]], padding=4, fontsize="small"
    )
    ax.set(xlim=(0, max(1.0, 1.2 * facts[column].max())), xlabel="candidates")
