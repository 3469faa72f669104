"""The audit as one HTML page that needs nothing from elsewhere; all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.auditing import tables
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import TOP_K, Findings
from analysis.figures.lane import draw_axis, position
from analysis.figures.looks import look
from analysis.figures.style import MARKS, img, style
from analysis.formats import format_of
from analysis.policies import policy
from analysis.templates import environment

_HERE = Path(__file__).parent
_TIES_SHOWN = 10
_WIDEST_DISTANCE = 1.0


def page_html(findings: Findings, conditions: Sequence[Condition] = ()) -> str:
    """Render the findings."""
    css = (_HERE / "page.css").read_text("utf-8")
    return (
        environment(_HERE)
        .get_template("page.html.j2")
        .render(
            policy=policy(css, attributes=True),  # the chart says its background in one
            css=Markup(css),
            findings=findings,
            k=TOP_K,
            tables=tables,
            ties=list(findings.ties.head(_TIES_SHOWN).itertuples()),
            chart=_chart(findings),
            conditions=[
                (str(condition), findings.value(condition), findings.holds(condition))
                for condition in conditions
            ],
        )
    )


def _shared_scores(ax: Axes, scores: np.ndarray, dtype: str) -> LineCollection:
    """Draw one upright per distinct score (shape (n,), in [0, 1]), as high as its candidates.

    The axis is the distance to 1 on a log scale, ending at the last value of ``dtype`` below 1;
    the lane holds exactly 1.0.
    """
    shared = pd.Series(scores).value_counts()
    smallest = 1 - format_of(dtype).largest_below_one
    draw_axis(ax, _WIDEST_DISTANCE, smallest, axis="x")
    places = position(1 - shared.index.to_numpy(), smallest)
    uprights = [((x, 0), (x, n)) for x, n in zip(places, shared, strict=True)]
    color = MARKS[dtype].color if dtype in MARKS else look().ink
    drawn = ax.add_collection(LineCollection(uprights, colors=color, linewidths=2.5))
    ax.set_ylim(0, 1.1 * float(shared.max()))
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("candidates with that score")
    return drawn


def _chart(findings: Findings) -> Markup | None:
    """The figure, for scores that a sigmoid can have made."""
    scores = findings.top_scores
    if scores.min() < 0 or scores.max() > 1:
        return None
    shared = pd.Series(scores).value_counts()
    alt = (
        f"Uprights for {len(shared):,} different scores in the top {TOP_K}"
        f"{' of the sample' if findings.scored.stream else ''}; the most shared one, "
        f"{shared.index[0]:.6g}, has {shared.iloc[0]:,} candidates, exactly 1.0 has "
        f"{int((scores == 1.0).sum()):,}."
    )
    with style():
        figure = Figure(figsize=(9, 3.2))
        dtype = "float32" if findings.path is None else findings.path.activation_dtype
        _shared_scores(figure.subplots(), scores, dtype)
        return Markup(img(figure, alt))  # it escapes its alt text itself
