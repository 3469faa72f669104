"""Sentences and tables that the terminal summary and the page share; every number is computed."""

from __future__ import annotations

import math

from analysis.auditing.findings import TOP_K, Findings
from analysis.hidden import Hidden

STEPS_SHOWN = 6


def headline(findings: Findings) -> str:
    """Say in a sentence what the scores suffer from."""
    counts = findings.counts
    tied = counts.tied_in_top[TOP_K]
    if findings.verdict.kind == "logits":
        return (
            "These values are not all between 0 and 1, so saturation cannot be read from them; "
            f"{tied:,} candidates tie in the top {TOP_K}."
        )
    if not counts.saturated and not tied:
        return f"No score is saturated, and nothing ties in the top {TOP_K}."
    return (
        f"{counts.saturated:,} of {counts.scores:,} scores are saturated, {tied:,} candidates tie "
        f"in the top {TOP_K}, and {counts.queries_with_tied_first:,} of {counts.queries:,} queries "
        "share their first place."
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
        return "The score path is not known, so what it hides is not either."
    if hidden is None:
        return "Some scores are none that this path returns, so its steps do not describe them."
    parts = []
    if math.isfinite(hidden.one_from):
        parts.append(f"every logit from {hidden.one_from:.7g} on becomes exactly 1.0")
    if math.isfinite(hidden.median_width):
        parts.append(
            f"in the top {TOP_K} logits that differ by less than {hidden.median_width:.2g} (median "
            f"step) to {hidden.largest_width:.2g} (widest step) share a score"
        )
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def count_rows(findings: Findings) -> list[tuple[str, str]]:
    """Give what is counted and the counts."""
    counts = findings.counts
    rows = [
        ("queries", counts.queries),
        ("scores", counts.scores),
        ("scores of exactly 1.0", counts.ones),
        ("scores of exactly 0.0", counts.zeros),
        ("candidates that tie", counts.tied),
        *((f"candidates that tie in the top {k}", n) for k, n in counts.tied_in_top.items()),
        ("queries that share their first place", counts.queries_with_tied_first),
    ]
    return [(name, f"{number:,}") for name, number in rows]


def step_rows(hidden: Hidden) -> list[tuple[str, str, str, str]]:
    """Give the most shared steps, the highest score first: score, logits, width, share.

    Of equally shared ones the highest.
    """
    chosen = hidden.steps.nlargest(STEPS_SHOWN, "share").sort_index()
    return [
        (
            score_text(step.score),
            f"{_logit(step.logit_low)} to {_logit(step.logit_high)}",
            f"{step.width:.2g}" if math.isfinite(step.width) else "unbounded",
            f"{step.share:.1%}",
        )
        for step in chosen.itertuples()
    ]


def alternative_rows(findings: Findings) -> list[tuple[str, str, str, str, str]]:
    """Per path: name, saturated, tied in the top, shared first places, first places changed."""
    return [
        (
            item.name,
            f"{item.counts.saturated:,}",
            f"{item.counts.tied_in_top[TOP_K]:,}",
            f"{item.counts.queries_with_tied_first:,}",
            "" if item.first_lost is None else f"{item.first_lost:,}",
        )
        for item in findings.alternatives
    ]


def score_text(score: float) -> str:
    """Spell a score; exactly 1.0 looks unlike what only rounds to it."""
    return str(score) if score in (0.0, 1.0) else f"{score:.9g}"


STEP_HEADS = (
    "score",
    "unrounded logits that give it",
    "width in logits",
    f"share of the top {TOP_K}",
)
ALTERNATIVE_HEADS = (
    "path",
    "saturated",
    f"top-{TOP_K} ties",
    "first tied",
    "first lost",
)


def _logit(value: float) -> str:
    text = f"{value:.6g}" if math.isfinite(value) else f"{value}".replace("inf", "∞")
    return text.replace("-", "−")
