"""Order against order: who moves when the score path changes, and who is tied with whom."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from analysis import sinks
from analysis.counting import count
from analysis.figures.canvas import canvas, panels
from analysis.figures.lane import draw_axis, position, smallest_distance
from analysis.figures.looks import look
from analysis.figures.style import MARKS, OKABE_ITO, Picture, drawn
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath

_LONGEST_LABEL = 32
MOVED_UP, MOVED_DOWN = OKABE_ITO[3], OKABE_ITO[6]


@drawn
def reranking(
    reference: pd.DataFrame,
    scored: pd.DataFrame,
    path: ScorePath,
    query: str,
    against: ScorePath = FLOAT32_REFERENCE,
) -> Picture:
    """Order and scores of one query, its text given: a reference, by ``against``, and a path.

    Raw logits have no place on an axis of 1 − s: the slope graph stands alone.
    """
    other = against.name or against.computation
    caption = f"“{query}”: {other} against {path.name or path.computation}."
    counts = count(scored, reference, bounded=path.saturates, tie_rule=path.tie_rule)
    ranks = (
        f"ranks of {len(scored)} passages under the {other} and under the path, tied "
        f"ones as bands, {counts['moved']} of them moved."
    )
    if not path.has_sigmoid:
        figure, ax = canvas(6, 4.8)
        slope(ax, reference, scored)
        ax.set_xticks([0, 1], [_wrapped(other), "raw logits"])
        return Picture(figure, caption, f"Lines between {ranks}")
    figure, (left, right) = panels(2, 11, 4.8, ratios=(1, 1.1))
    slope(left, reference, scored)
    left.set_xticks([0, 1], [_wrapped(other), "chosen path"])
    score_lane(right, {_wrapped(other, 16): reference, "chosen\npath": scored})
    lane = f"their scores on a log axis of the distance to 1, {counts['ones']} exactly 1.0."
    return Picture(figure, caption, f"Left: {ranks} Right: {lane}")


def _wrapped(name: str, width: int = 24) -> str:
    """A path's name in lines: before an arrow, or between words."""
    return "\n".join(textwrap.wrap(name.replace(" → ", " →\u00a0"), width))


def slope(ax: Axes, reference: pd.DataFrame, scored: pd.DataFrame, top: int = 20) -> list[Line2D]:
    """Ranks of one query under the reference (left) and another path (right).

    Both frames hold ``passage_id, rank, tie_size, tie_group, score`` of the same candidates.
    Tied candidates form a band across the ranks that they share; lines lead into the middle of
    it, since nothing says who is first inside. Movers are coloured, the others stay faint.
    """
    both = reference.merge(scored, on="passage_id", suffixes=("_reference", ""), sort=False)
    both = both.assign(left=_middle_rank(both, "_reference"), right=_middle_rank(both, ""))
    both = both[both[["left", "right"]].min(axis=1) <= top]
    lines = []
    for row in both.itertuples():
        color = _mover_color(row.left, row.right)
        lines += ax.plot(
            [0, 1],
            [row.left, row.right],
            color=color,
            linewidth=1.2 if color == look().faint else 2.4,
            marker="o",
            markersize=4,
            zorder=2 if color == look().faint else 3,
        )
    for left, ids in both.groupby("left")["passage_id"]:
        label = sinks.svg(", ".join(ids))
        label = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
        ax.text(-0.06, left, label, ha="right", va="center", fontsize="small", parse_math=False)
    for x, suffix in ((0, "_reference"), (1, "")):
        _bands(ax, both, suffix, x)
    lowest = both[["left", "right"]].max().max() if len(both) else 1
    ax.set(xlim=(-0.75, 1.75), ylim=(lowest + 0.9, 0.2), xticks=[0, 1], ylabel="rank")
    ax.set_yticks(range(1, int(lowest) + 1))
    ax.spines["bottom"].set_visible(False)
    return lines


def _middle_rank(frame: pd.DataFrame, suffix: str = "") -> pd.Series:
    """Mean of the ranks that each candidate's tie group occupies; its own rank without ties."""
    group = frame.groupby(f"tie_group{suffix}")[f"rank{suffix}"]
    return group.transform("mean")


def _mover_color(before: float, after: float) -> str:
    """Colour of a candidate's line: up, down, or unmoved."""
    if after == before:
        return look().faint
    return MOVED_UP if after < before else MOVED_DOWN


def score_lane(ax: Axes, frames: dict[str, pd.DataFrame]) -> None:
    """Scores of one query's candidates on the axis of 1 − s, one row per path.

    Keys name the rows. Candidates with score exactly 1.0 stand in the lane, one above the other,
    with their number. The axis ends at float32's last score below 1.
    """
    smallest = smallest_distance("float32")
    draw_axis(ax, 1.0, smallest, axis="x")
    for height, (name, scored) in enumerate(reversed(frames.items())):
        dtype = scored["forward_dtype"].iloc[0]
        places = position(1 - scored["score"], smallest)
        exact = scored["score"].to_numpy() == 1.0
        spread = np.where(exact, 0.05 * (np.cumsum(exact) - (exact.sum() + 1) / 2), 0.0)
        mark = MARKS[dtype]
        ax.scatter(
            places,
            height + spread,
            marker=mark.marker,
            color=mark.color,
            s=34,
            alpha=0.75,
            linewidth=0,
            label=name,
        )
        ax.annotate(
            f"{int(exact.sum())} × 1.0",
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    ax.set_yticks(range(len(frames)), list(reversed(frames)))
    ax.set_ylim(-0.6, len(frames) - 0.4)


def _bands(ax: Axes, both: pd.DataFrame, suffix: str, x: float) -> None:
    """Draw one rounded band per tie group beside the ranks it occupies, with its score."""
    for _, group in both[both[f"tie_size{suffix}"] > 1].groupby(f"tie_group{suffix}"):
        size, middle = group[f"tie_size{suffix}"].iloc[0], _middle_rank(group, suffix).iloc[0]
        ax.add_patch(
            FancyBboxPatch(
                (x - 0.035, middle - size / 2 + 0.12),
                0.07,
                size - 0.24,
                boxstyle="round,pad=0,rounding_size=0.03",
                color=look().colors.band,
                zorder=1,
            )
        )
        if x:
            score = group[f"score{suffix}"].iloc[0]
            ax.text(
                x + 0.06,
                middle,
                f"{size} tied at {score:.6g}",
                va="center",
                fontsize="small",
                color=look().ink,
            )
