"""The generated parts of the demo reranker's card: what its figures say, in Markdown.

:mod:`evaluate_demo_reranker` measures the figures and puts these texts between the comments that
the cards hold for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LEAST_HIGH_SHARE = 0.25
LEAST_HIGH_QUERIES = 15
SIGNIFICANT = 0.05
NAMES = {"demo": "demo reranker", "bm25": "BM25", "random_order": "random order (expectation)"}

Figures = dict[str, Any]


def requirements(figures: Figures) -> list[tuple[str, str, bool]]:
    """What was required of the demo reranker, what was measured, and whether it is met."""
    ranking, difference = figures["ndcg_at_10"], figures["differences"]["demo_minus_bm25"]
    high = figures["high_logits"]
    full = figures["logits_by_grade"]["3"]["passages"]
    return [
        (
            f"nDCG@10 above BM25's, paired test below {SIGNIFICANT}",
            f"{ranking['demo']:.3f} against {ranking['bm25']:.3f}, p = {difference['p']:.2g}",
            difference["mean"] > 0 and difference["p"] < SIGNIFICANT,
        ),
        (
            f"at least {LEAST_HIGH_SHARE:.0%} of the grade-3 passages with a float32 logit above "
            f"{high['logit']}",
            f"{high['passages_of_grade_3']} of {full} ({high['share_of_grade_3']:.1%})",
            high["passages_of_grade_3"] >= LEAST_HIGH_SHARE * full,
        ),
        (
            f"at least {LEAST_HIGH_QUERIES} queries with two or more of these",
            f"{high['queries_with_two']} of {figures['queries']}",
            high["queries_with_two"] >= LEAST_HIGH_QUERIES,
        ),
    ]


def table(head: list[str], rows: list[list[object]]) -> str:
    """Write a Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def figures_text(figures: Figures) -> str:
    """Write the card's section of figures."""
    parts = [verdict(figures), ranking_text(figures), logits_text(figures), machine_text(figures)]
    return "\n\n".join(parts)


def verdict(figures: Figures) -> str:
    """Say whether the requirements are met, each with what was measured."""
    required = requirements(figures)
    missed = sum(not met for *_, met in required)
    sentence = (
        f"**The model misses {missed} of the {len(required)} requirements set for it.**"
        if missed
        else f"The model meets the {len(required)} requirements set for it."
    )
    rows = [[what, value, "yes" if met else "**no**"] for what, value, met in required]
    return f"{sentence}\n\n{table(['required', 'measured', 'met'], rows)}"


def ranking_text(figures: Figures) -> str:
    """Write how well it ranks, against BM25 and a random order."""
    rows = [[NAMES[name], f"{value:.3f}"] for name, value in figures["ndcg_at_10"].items()]
    return (
        f"Order of the candidates of {figures['queries']} queries ({figures['passages']} "
        f"passages), mean over queries:\n\n{table(['order', 'nDCG@10'], rows)}\n\n"
        "Differences of these means, with a bootstrap interval and the p-value of a paired "
        f"randomisation test ({figures['permutations']:,} resamples):\n\n"
        f"{differences_table(figures['differences'])}\n\n{baseline_text(figures)}"
    )


def differences_table(differences: Figures) -> str:
    """Write the paired comparisons, a row each."""
    rows = []
    for name, row in differences.items():
        ours, baseline = name.split("_minus_")
        low, high = row["interval_95"]
        counts = [row[f"queries_{outcome}"] for outcome in ("better", "equal", "worse")]
        values = [f"{row['mean']:+.3f}", f"{low:+.3f} to {high:+.3f}", f"{row['p']:.2g}"]
        rows.append([f"{NAMES[ours]} − {NAMES[baseline]}", *values, *counts])
    return table(
        ["nDCG@10", "difference", "95 %", "p", "queries better", "equal", "worse"],
        rows,
    )


def baseline_text(figures: Figures) -> str:
    """Say what being above BM25 is worth on this set."""
    row = figures["differences"]["bm25_minus_random_order"]
    if row["mean"] > 0 and row["p"] < SIGNIFICANT:
        return "BM25 itself is better than a random order here."
    return (
        "BM25 itself is not reliably better than a random order here: passages of every grade "
        "share the query's topic and words. So it is a low bar, and the difference from the "
        "random order is the one to read."
    )


def logits_text(figures: Figures) -> str:
    """Write where the logits lie, and how far half types move them."""
    names = {0.0: "least", 0.5: "median", 1.0: "largest"}
    head = [
        "grade",
        "passages",
        *[names.get(point, f"{point:.0%}") for point in figures["quantiles"]],
    ]
    rows = [
        [grade, row["passages"], *[f"{value:.2f}" for value in row["quantiles"]]]
        for grade, row in figures["logits_by_grade"].items()
    ]
    moved = [
        [dtype, f"{row['median']:.4f}", f"{row['largest']:.4f}"]
        for dtype, row in figures["moved_against_float32"].items()
    ]
    above = figures["high_logits"]
    return (
        f"Quantiles of the float32 logits; {above['passages_of_lower_grades']} passages of a grade "
        f"below 3 lie above {above['logit']}:\n\n{table(head, rows)}\n\n"
        "How far the same pairs' logits move in half types, in logits:\n\n"
        f"{table(['forward dtype', 'median', 'largest'], moved)}"
    )


def machine_text(figures: Figures) -> str:
    """Name the machine and the libraries."""
    device = figures["device"]
    versions = ", ".join(f"{name} {version}" for name, version in figures["libraries"].items())
    return (
        f"Scored on {device['name']} ({device.get('capability', device['kind'])}), {versions}. "
        "Other machines' kernels round differently: the last digits may differ there."
    )


def recipe_text(figures: Figures) -> str:
    """Write what was trained, from the adapter's own files."""
    size = figures["adapter"]
    rows = [
        ["LoRA rank / alpha", f"{size['rank']} / {size['alpha']}"],
        ["linear layers adapted", size["adapted_layers"]],
        ["weights trained", f"{size['trained_weights']:,}"],
        ["of these in pooler and classifier", f"{size['of_these_in_pooler_and_classifier']:,}"],
        ["SHA-256 of the base weights", f"`{figures['sha256']['base']}`"],
        ["SHA-256 of the adapter's weights", f"`{figures['sha256']['adapter']}`"],
    ]
    return table(["", ""], rows)


def training_counts(folder: Path) -> str:
    """Write how much training text there is, a row per file."""
    rows: list[list[object]] = []
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            topics = [json.loads(line) for line in lines]
        groups = [group for topic in topics for group in topic["groups"]]
        questions = sum(len(group["questions"]) for group in groups)
        answers = sum(len(group["passages"]) for group in groups)
        others = sum(len(topic["other_passages"]) for topic in topics)
        rows.append([f"`{file.name}`", len(topics), len(groups), questions, answers, others])
    total = ["all", *[sum(column) for column in list(zip(*rows, strict=True))[1:]]]
    head = ["file", "topics", "groups", "questions", "answering passages", "other passages"]
    return table(head, [*rows, total])


def fill(card: Path, name: str, text: str) -> None:
    """Put a text between a card's two comments of that name; raises ValueError without them."""
    card.write_text(filled(card.read_text("utf-8"), name, text), "utf-8")


def filled(card: str, name: str, text: str) -> str:
    """Return the card with the text between its two comments of that name."""
    begin, end = f"<!-- {name}: written by the tool -->", f"<!-- end of {name} -->"
    before, opened, rest = card.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"the card lacks {begin} or, after it, {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
