"""What the terminal summary and the page both show: one sentence or a table for each question."""

from __future__ import annotations

import math

import pandas as pd

from analysis.auditing.findings import TOP_K, Findings
from analysis.counting import headings
from analysis.errors import counted
from analysis.remedies import table

_STEPS_SHOWN = 6
_BETTER = ("ones", "tied_in_top", "first_shared", "first_lost", "reordered")

Rows = list[tuple[str, ...]]


def headline(findings: Findings) -> str:
    """Say in a sentence what the scores suffer from."""
    tied, shared = findings.counted("tied_in_top"), findings.counted("first_shared")
    ties = f"{_candidates(tied)} in the top {TOP_K}"
    if pd.isna(findings.effects.iloc[0]["ones"]):
        return f"These values are not scores of a sigmoid, so none counts as saturated; {ties}."
    if not findings.saturated and not tied:
        return f"No score is saturated, and nothing ties in the top {TOP_K}."
    ends = (
        f"{findings.saturated:,} of {counted(findings.counted('candidates'), 'score')} "
        f"{'is' if findings.saturated == 1 else 'are'}"
    )
    if findings.may_be_list_best:
        return (
            f"{ends} exactly 1.0, the best of each query: saturated, or every score was divided by "
            f"the best of its query; {ties}."
        )
    return (
        f"{ends} saturated, {ties}, and in {shared:,} of "
        f"{counted(findings.counted('queries'), 'query', 'queries')} the first place is tied."
    )


def path_found(findings: Findings) -> str:
    """Name the path, and whether it was applied by the audit or found by the fingerprint."""
    if findings.scored.path is None:
        return str(findings.verdict)
    return f"applied: {findings.scored.path}\nfingerprint: {findings.verdict}"


def hidden_sentence(findings: Findings) -> str:
    """Say which relevance differences disappear in the top ranks."""
    hidden = findings.hidden
    if findings.path is None:
        return "The score path is not known, so its blind spots are unknown."
    if hidden is None:
        return "This path cannot produce some of these scores, so its steps do not describe them."
    parts = []
    if math.isfinite(hidden.one_from):
        parts.append(f"Every logit from {hidden.one_from:.7g} on becomes exactly 1.0.")
    if math.isfinite(hidden.median_width):
        parts.append(
            f"In the {_top(findings)}, a score that is not saturated stands for logits up to "
            f"{hidden.median_width:.2g} apart (median step), or even {hidden.largest_width:.2g} "
            "(widest step)."
        )
    if len(hidden.steps) < hidden.distinct:
        parts.append(
            f"Looked at: {len(hidden.steps):,} of the {hidden.distinct:,} different scores there, "
            "evenly spread."
        )
    return " ".join(parts)


def counts(findings: Findings) -> Rows:
    """What is counted, and the counts of the scores as they are."""
    words = headings(TOP_K)
    columns = ("queries", "candidates", "ones", "zeros", "tied", "tied_in_top", "first_shared")
    known = findings.effects.iloc[0].notna()
    return [(words[c], f"{findings.counted(c):,}" if known[c] else "–") for c in columns]


def steps(findings: Findings) -> tuple[tuple[str, ...], Rows]:
    """Heads and rows of the most shared steps, the highest score first.

    Of equally shared ones the highest; no rows where the steps are unknown.
    """
    heads = (
        "score",
        "unrounded logits that give it",
        "width in logits",
        f"share of the {_top(findings)}",
    )
    if findings.hidden is None:
        return heads, []
    chosen = findings.hidden.steps.nlargest(_STEPS_SHOWN, "share").sort_index()
    rows = [
        (
            score_text(step.score),
            f"{_logit(step.logit_low)} to {_logit(step.logit_high)}",
            f"{step.width:.2g}" if math.isfinite(step.width) else "unbounded",
            f"{step.share:.1%}",
        )
        for step in chosen.itertuples()
    ]
    return heads, rows


def better_paths(findings: Findings) -> tuple[tuple[str, ...], Rows]:
    """Heads and rows of the effects under other paths; no rows where logits are unknown."""
    words = headings(TOP_K)
    heads = ("path", *(words[column] for column in _BETTER))
    if len(findings.effects) == 1:
        return heads, []
    rows = [
        (name, *("" if pd.isna(row[column]) else f"{row[column]:,}" for column in _BETTER))
        for name, row in findings.effects.iterrows()
    ]
    return heads, rows


def reference_note(findings: Findings) -> str:
    """Say what first places and orders are compared with in :func:`better_paths`."""
    known = table.FLOAT32.name in findings.effects.index
    order = "float32 logits" if known else "raw logits given"
    return f"Lost and reordered: against the order of the {order}."


def score_text(score: float) -> str:
    """Spell a score; exactly 1.0 looks unlike what only rounds to it."""
    return str(score) if score in (0.0, 1.0) else f"{score:.9g}"


def _top(findings: Findings) -> str:
    """The ranks whose scores show what a path hides, and of which queries."""
    return f"top {TOP_K}" if findings.scored.stream is None else f"top {TOP_K} of the sample"


def _candidates(number: int) -> str:
    return f"{number:,} candidate{' ties' if number == 1 else 's tie'}"


def _logit(value: float) -> str:
    text = f"{value:.6g}" if math.isfinite(value) else f"{value}".replace("inf", "∞")
    return text.replace("-", "−")
