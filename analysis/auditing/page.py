"""The audit as one HTML page that needs nothing from elsewhere; all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis.auditing import words
from analysis.auditing.chart import shared_scores_img
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import TOP_K, Findings, top_scores

HERE = Path(__file__).parent
TIES_SHOWN = 10


def page_html(findings: Findings, conditions: Sequence[Condition] = ()) -> str:
    """Render the findings."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, HERE.parent]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        findings=findings,
        counts=findings.counts,
        k=TOP_K,
        words=words,
        ties=list(findings.ties.head(TIES_SHOWN).itertuples()),
        chart=_chart(findings),
        conditions=[
            (str(condition), condition.value(findings.counts), condition.holds(findings.counts))
            for condition in conditions
        ],
    )


def _chart(findings: Findings) -> Markup | None:
    """The figure, for scores that a sigmoid can have made."""
    scores = top_scores(findings.scored.frame)
    if scores.min() < 0 or scores.max() > 1:
        return None
    dtype = "float32" if findings.path is None else findings.path.activation_dtype
    return Markup(shared_scores_img(scores, dtype, TOP_K))  # it escapes its alt text itself
