"""Measures under ties: spans by path, tie rules, what comes back, and differences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.comparisons import EQUAL, FIRST, NOT_CERTAIN, SECOND
from analysis.figures.bars import longest, stacked_bars
from analysis.figures.canvas import canvas, key, name_rows, panels
from analysis.figures.looks import look
from analysis.figures.style import MARKS, OKABE_ITO, Picture, drawn
from analysis.scorepath import ScorePath
from analysis.studies.outcomes import MEASURES, REMEDIES, K

RULE_LOOKS = {
    "expected": ("o", None),
    "input order": (">", OKABE_ITO[1]),
    "docid ascending": ("^", OKABE_ITO[2]),
    "docid descending": ("v", OKABE_ITO[7]),
}
"""Marker and colour of each tie rule; None is the colour of ink, here and below."""
_REMEDY_COLORS = dict(
    zip(REMEDIES, (OKABE_ITO[3], OKABE_ITO[1], OKABE_ITO[5], "#999999"), strict=True)
)
CERTAINTY_COLORS = {FIRST: OKABE_ITO[3], SECOND: OKABE_ITO[6], NOT_CERTAIN: "#8A8A8A", EQUAL: None}
CERTAINTY_LABELS = {
    FIRST: "better under every order of the ties",
    SECOND: "worse under every order",
    NOT_CERTAIN: "not certain under ties",
    EQUAL: "equal",
}

_NEEDS_GRADES = "needs a grade for every pair"


@drawn
def span_views(spans: pd.DataFrame, paths: list[ScorePath]) -> Picture:
    """Expected value of each path as a point, minimum and maximum as a bar; a panel per measure.

    ``spans`` comes from :func:`analysis.studies.outcomes.spans`; without rows the panels say what
    they need.
    """
    figure, axes = _panels(spans, len(paths))
    for ax, (measure, own) in zip(axes, _by_measure(spans), strict=True):
        path_spans(ax, own, paths)
        ax.set_title(measure)
        ax.set_xlabel("expected, with minimum and maximum")
    said = "; ".join(
        f"{row.path}, {row.measure}: {row.expected:.4f} ({row.min:.4f} to {row.max:.4f})"
        for row in spans.itertuples()
    )
    return Picture(
        figure,
        "Expected value, minimum and maximum over all orders of the ties; mean over queries.",
        f"A point with a bar for each path and measure. {said or _NEEDS_GRADES}.",
    )


def path_spans(ax: Axes, spans: pd.DataFrame, paths: list[ScorePath]) -> list[Line2D]:
    """Draw one measure: a point and a bar per path, in the colour of its forward dtype.

    An upright marks the first path, the reference.
    """
    _rows(ax, [path.name for path in paths])
    if spans.empty:
        return _nothing(ax, _NEEDS_GRADES)
    found, drawn = spans.set_index("path"), []
    ax.axvline(found.loc[paths[0].name, "expected"], color=look().faint, linewidth=1, zorder=0)
    for height, path in enumerate(paths):
        row, mark = found.loc[path.name], MARKS[path.forward_dtype]
        ax.plot([row["min"], row["max"]], [height] * 2, "|-", color=mark.color, markersize=9)
        drawn += ax.plot(row["expected"], height, mark.marker, color=mark.color, markersize=7)
        ax.text(
            row["expected"], height - 0.2, f"{row['expected']:.4f}", ha="center", fontsize="small"
        )
    _limits(ax, found["min"].min(), found["max"].max())
    return drawn


@drawn
def rule_views(rules: pd.DataFrame, spans: pd.DataFrame, names: list[str]) -> Picture:
    """Value of each path under each tie rule, before its span; a panel per measure.

    ``rules`` comes from :func:`analysis.studies.outcomes.by_tie_rule`, ``spans`` as for
    :func:`span_views`; ``names`` are the paths shown.
    """
    figure, axes = _panels(rules, len(names), height=0.8)
    spans_of = dict(_by_measure(spans))
    for ax, (measure, own) in zip(axes, _by_measure(rules), strict=True):
        tie_rules(ax, own, spans_of[measure], names)
        ax.set_title(measure)
        ax.set_xlabel("mean over queries")
    said = "; ".join(
        f"{row.path}, {row.measure}, {row.tie_rule}: {row.value:.4f}" for row in rules.itertuples()
    )
    return Picture(
        figure,
        "The same scores under four tie rules; grey: the span over all orders.",
        f"Four marks per path and measure, one for each rule. {said or _NEEDS_GRADES}.",
    )


def tie_rules(
    ax: Axes, rules: pd.DataFrame, spans: pd.DataFrame, names: list[str]
) -> list[PathCollection]:
    """Draw one measure: the rules' values of each path, one below the other, on its span."""
    _rows(ax, names)
    if rules.empty:
        return _nothing(ax, _NEEDS_GRADES)
    ends = spans.set_index("path").loc[names]
    for height, row in enumerate(ends.itertuples()):
        pale = look().colors.pale
        ax.barh(height, row.max - row.min, left=row.min, height=0.7, color=pale, zorder=0)
    offsets = np.linspace(-0.26, 0.26, len(RULE_LOOKS))
    widest = int(np.argmax(ends["max"] - ends["min"]))
    drawn = []
    for (rule, (marker, hue)), offset in zip(RULE_LOOKS.items(), offsets, strict=True):
        values = rules[rules["tie_rule"] == rule].set_index("path").loc[names, "value"]
        heights, color = np.arange(len(names)) + offset, hue or look().ink
        drawn.append(ax.scatter(values, heights, marker=marker, color=color, s=42, zorder=3))
        _name_rule(ax, rule, ends["min"].iloc[widest], heights[widest], look().legible(color))
    low, high = ends["min"].min(), ends["max"].max()
    _limits(ax, low - (0.4 if look().is_wide else 0.7) * (high - low), high)  # their names
    return drawn


def _name_rule(ax: Axes, rule: str, left: float, height: float, color: str) -> None:
    """Name a rule at the left of the span, as high as its mark."""
    ax.annotate(
        rule,
        (left, height),
        (-4, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize="small",
        color=color,
    )


@drawn
def restored_view(restored: Mapping[str, pd.Series]) -> Picture:
    """Tied candidates of each path, by what brings them back, as for :func:`restored_bars`."""
    figure, ax = canvas(11, 1.4 + 0.5 * len(restored))
    key(figure, restored_bars(ax, restored), list(REMEDIES), "set apart by")
    said = "; ".join(
        f"{path}: " + ", ".join(f"{remedy} {count}" for remedy, count in found.items())
        for path, found in restored.items()
    )
    return Picture(
        figure,
        f"Candidates that tie in the top {K}, by the first remedy that sets them apart.",
        f"Stacked bars, one per path. {said}.",
    )


def restored_bars(ax: Axes, restored: Mapping[str, pd.Series]) -> list[BarContainer]:
    """Tied candidates of each path, by what brings them back, with the numbers.

    ``restored`` are counts of :func:`analysis.studies.outcomes.restored` by the path's name.
    """
    counts = pd.DataFrame(restored, index=list(REMEDIES)).T
    drawn = stacked_bars(ax, counts, _REMEDY_COLORS, height=0.6)
    _rows(ax, list(counts.index))
    ax.set_xlim(0, 1.1 * longest(counts))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn


@drawn
def effect_views(effects: pd.DataFrame, *, graded: bool) -> Picture:
    """Difference of each path from the reference; a panel per measure.

    ``effects`` comes from :func:`analysis.studies.outcomes.against`; without rows the panels say
    what they need, which is more than grades if the set is ``graded``.
    """
    names = list(dict.fromkeys(effects["path"]))
    figure, axes = _panels(effects, len(names))
    for ax, (measure, own) in zip(axes, _by_measure(effects), strict=True):
        differences(ax, own, _lacking(graded))
        ax.set_title(measure)
        ax.set_xlabel("difference from the float32 reference")
    keys = {
        "ends over the orders of ties": Line2D([], [], linewidth=7, color=look().colors.pale),
        "95 % interval over queries": Line2D([], [], linewidth=2, color=look().ink),
        "expected": Line2D([], [], linestyle="", marker="o", color=look().ink),
    }
    key(figure, list(keys.values()), list(keys))
    said = "; ".join(f"{e.path}, {e.measure}: {e.difference:+.4f}" for e in effects.itertuples())
    return Picture(
        figure,
        "Difference of each path from the float32 reference: what ties and what queries leave "
        "open.",
        f"A point, an interval and a tie span per path and measure. {said or _lacking(graded)}.",
    )


def differences(ax: Axes, effects: pd.DataFrame, without: str) -> list[Line2D]:
    """Draw one measure: tie span (broad), bootstrap interval (thin) and expected difference.

    Without rows the axes say ``without``.
    """
    _rows(ax, list(effects["path"]))
    if effects.empty:
        return _nothing(ax, without)
    ax.axvline(0, color=look().ink, linewidth=0.8)
    drawn = []
    for height, row in enumerate(effects.itertuples()):
        ax.barh(
            height, row.max - row.min, left=row.min, height=0.34, color=look().colors.pale, zorder=0
        )
        ax.plot([row.low, row.high], [height, height], color=look().ink, linewidth=2)
        drawn += ax.plot(row.difference, height, "o", color=look().ink, markersize=6)
    ends = effects[["min", "max", "low", "high"]].to_numpy(dtype=float)
    _limits(ax, min(0.0, ends.min()), max(0.0, ends.max()))
    return drawn


@drawn
def query_views(queries: pd.DataFrame, path: str, *, graded: bool) -> Picture:
    """Every query's difference from the reference on one path, sorted; a panel per measure.

    ``queries`` comes from :func:`analysis.studies.outcomes.per_query`, ``path`` is the name of the
    one shown, ``graded`` as for :func:`effect_views`.
    """
    own = queries[queries["path"] == path]
    figure, axes = panels(len(MEASURES), 11.5, 4.2)
    for ax, measure in zip(axes, MEASURES, strict=True):
        sorted_queries(ax, own[own["measure"] == measure], _lacking(graded))
        ax.set_title(measure)
    handles = [
        Line2D([], [], linestyle="", marker="o", color=color or look().ink, label=label)
        for label, color in zip(CERTAINTY_LABELS.values(), CERTAINTY_COLORS.values(), strict=True)
    ]
    key(figure, handles, list(CERTAINTY_LABELS.values()))
    ends = own.groupby("measure", sort=False)["difference"].agg(["max", "min"])
    said = "; ".join(f"{row.Index}: {row.max:+.4f} to {row.min:+.4f}" for row in ends.itertuples())
    return Picture(
        figure,
        f"{path}: every query's difference from the float32 reference, sorted.",
        f"Dots with bars, one per query, of {path}, from the largest gain to the largest loss. "
        f"{said or _lacking(graded)}.",
    )


def sorted_queries(ax: Axes, queries: pd.DataFrame, without: str) -> list[PathCollection]:
    """Draw one measure: expected difference of each query with its ends, the best gain left."""
    if queries.empty:
        return _nothing(ax, without)
    own = queries.sort_values(["difference", "max"], ascending=False, kind="stable")
    places = np.arange(1, len(own) + 1)
    colors = [CERTAINTY_COLORS[certainty] or look().ink for certainty in own["certainty"]]
    ax.axhline(0, color=look().ink, linewidth=0.8)
    ax.vlines(places, own["min"], own["max"], color=colors, linewidth=2, alpha=0.6)
    drawn = [ax.scatter(places, own["difference"], color=colors, s=18, zorder=3, linewidth=0)]
    ax.set(xlabel="queries, the largest gain first", ylabel="difference from the reference")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn


def _lacking(graded: bool) -> str:
    return "needs two queries and another path" if graded else _NEEDS_GRADES


def _panels(frame: pd.DataFrame, rows: int, height: float = 0.55) -> tuple[Figure, np.ndarray]:
    return panels(len(_by_measure(frame)), 11.5, 1.7 + height * max(rows, 2), sharey=True)


def _by_measure(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows of each measure, in their order; of the usual ones, none each, for an empty frame."""
    names = list(dict.fromkeys(frame["measure"])) or list(MEASURES)
    return [(name, frame[frame["measure"] == name]) for name in names]


def _rows(ax: Axes, names: list[str]) -> None:
    name_rows(ax, names)
    ax.set_ylim(max(len(names), 1) - 0.4, -0.6)


def _nothing(ax: Axes, why: str) -> list:
    """Say in the middle of the axes why they are empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center")
    ax.set_xticks([])
    return []


def _limits(ax: Axes, low: float, high: float) -> None:
    margin = max(0.12 * (high - low), 0.002)
    ax.set_xlim(low - margin, high + margin)
    ax.locator_params(axis="x", nbins=6)
