"""The generated parts of the demo reranker's card: what its figures say, in Markdown.

:mod:`evaluate_demo_reranker` measures the figures and puts these texts between the comments that
the cards hold for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

SIGNIFICANT = 0.05
SOFTENED_BELOW, SOFTENED_WITHIN = 6, 0.01
NAMES = {
    "demo": "demo reranker",
    "base_cosine": "base model's cosine, untrained",
    "bm25": "BM25",
    "random_order": "random order (expectation)",
}

Figures = dict[str, Any]


class Requirement(NamedTuple):
    """What was required of the demo reranker and what was aimed at, measured; None without aim."""

    what: str
    measured: str
    met: bool
    aim: str = "–"
    reached: bool | None = None


def requirements(figures: Figures) -> list[Requirement]:
    """Hold the figures against everything that was set before the model was trained."""
    quality = figures["ndcg_at_10"]["demo"]["mean"]
    grades, high = figures["logits_by_grade"], figures["high_logits"]
    medians = {grade: row["quantiles"][3] for grade, row in grades.items()}
    ordered = [medians[grade] for grade in sorted(medians)]
    positive = grades["0"]["share_above_zero"]
    return [
        Requirement(
            "nDCG@10 at least 0.85", f"{quality:.3f}", quality >= 0.85, "0.88", quality >= 0.88
        ),
        *(above(figures, baseline) for baseline in ("bm25", "base_cosine")),
        Requirement(
            f"at least 15 queries with two or more passages of grade 3 above {high['logit']}",
            f"{high['queries_with_two']} of {figures['queries']}",
            high["queries_with_two"] >= 15,
        ),
        Requirement(
            f"passages of grade 3 above {high['logit']}",
            f"{high['passages_of_grade_3']} of {grades['3']['passages']}",
            True,
            "25%",
            high["share_of_grade_3"] >= 0.25,
        ),
        Requirement(
            "median logit of grade 0 below −1",
            f"{medians['0']:.2f}",
            medians["0"] < -1,
            "below −3",
            medians["0"] < -3,
        ),
        Requirement(
            "at most 25% of grade 0 above 0",
            f"{positive:.1%}",
            positive <= 0.25,
            "10%",
            positive <= 0.1,
        ),
        Requirement(
            "medians in the order of the grades",
            ", ".join(f"{median:.2f}" for median in ordered),
            ordered == sorted(set(ordered)),
        ),
        *softened_requirements(figures["softened"]),
    ]


def above(figures: Figures, baseline: str) -> Requirement:
    """The demo reranker ranks better than a baseline, by a paired test."""
    row = figures["demo_minus"][baseline]
    return Requirement(
        f"nDCG@10 above that of {NAMES[baseline]}, p below {SIGNIFICANT}",
        f"{row['mean']:+.3f}, p = {row['p']:.2g}",
        row["mean"] > 0 and row["p"] < SIGNIFICANT,
    )


def softened_requirements(softened: Figures) -> list[Requirement]:
    """What was required of the version that is trained out of saturation."""
    largest, difference = softened["largest_logit"], softened["minus_demo"]["mean"]
    return [
        Requirement(
            f"softened version: no logit above {SOFTENED_BELOW}",
            f"largest {largest:.2f}",
            largest <= SOFTENED_BELOW,
        ),
        Requirement(
            f"softened version: nDCG@10 within {SOFTENED_WITHIN}",
            f"{difference:+.3f}",
            abs(difference) <= SOFTENED_WITHIN,
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
    missed = sum(not requirement.met for requirement in required)
    sentence = (
        f"**The model misses {missed} of the {len(required)} requirements set for it.**"
        if missed
        else f"The model meets the {len(required)} requirements set for it."
    )
    said = {True: "yes", False: "**no**", None: "–"}
    rows = [[r.what, r.measured, said[r.met], r.aim, said[r.reached]] for r in required]
    return f"{sentence}\n\n{table(['required', 'measured', 'met', 'aim', 'reached'], rows)}"


def ranking_text(figures: Figures) -> str:
    """Write how well it ranks, against its base, BM25 and a random order."""
    rows = [
        [NAMES[name], f"{row['mean']:.3f}", interval(row)]
        for name, row in figures["ndcg_at_10"].items()
    ]
    return (
        f"Order of the candidates of {figures['queries']} queries ({figures['passages']} "
        "passages), mean over queries with a bootstrap interval:\n\n"
        f"{table(['order', 'nDCG@10', '95 %'], rows)}\n\n"
        "How much higher the demo reranker is, with the p-value of a paired randomisation test "
        f"({figures['permutations']:,} resamples):\n\n{differences_table(figures['demo_minus'])}"
    )


def interval(row: Figures) -> str:
    """Write an interval from its lower to its upper end."""
    low, high = row["interval_95"]
    return f"{low:.3f} to {high:.3f}"


def differences_table(differences: Figures) -> str:
    """Write the paired comparisons, a row each."""
    rows = []
    for baseline, row in differences.items():
        counts = [row[f"queries_{outcome}"] for outcome in ("better", "equal", "worse")]
        values = [f"{row['mean']:+.3f}", interval(row), f"{row['p']:.2g}"]
        rows.append([f"than {NAMES[baseline]}", *values, *counts])
    head = ["nDCG@10 higher", "by", "95 %", "p", "queries better", "equal", "worse"]
    return table(head, rows)


def logits_text(figures: Figures) -> str:
    """Write where the logits lie, and how far half types move them."""
    moved = [
        [dtype, f"{row['median']:.4f}", f"{row['largest']:.4f}"]
        for dtype, row in figures["moved_against_float32"].items()
    ]
    above = figures["high_logits"]
    return (
        f"Quantiles of the float32 logits; {above['passages_of_lower_grades']} passages of a grade "
        f"below 3 lie above {above['logit']}:\n\n"
        f"{grades_table(figures['logits_by_grade'], figures['quantiles'])}\n\n"
        "How far the same pairs' logits move in half types, in logits:\n\n"
        f"{table(['forward dtype', 'median', 'largest'], moved)}"
    )


def grades_table(grades: Figures, quantiles: list[float]) -> str:
    """Write where the logits of each grade lie, a row each."""
    names = {0.0: "least", 0.5: "median", 1.0: "largest"}
    points = [names.get(point, f"{point:.0%}") for point in quantiles]
    rows = [
        [
            grade,
            row["passages"],
            *[f"{value:.2f}" for value in row["quantiles"]],
            f"{row['share_above_zero']:.1%}",
        ]
        for grade, row in grades.items()
    ]
    return table(["grade", "passages", *points, "above 0"], rows)


def softened_text(figures: Figures) -> str:
    """Write the softened version's figures."""
    softened = figures["softened"]
    quality, difference = softened["ndcg_at_10"], softened["minus_demo"]
    return (
        f"nDCG@10 on the German set: {quality['mean']:.3f} ({interval(quality)}), "
        f"{difference['mean']:+.3f} against the demo reranker ({interval(difference)}). "
        "Quantiles of the float32 logits:\n\n"
        f"{grades_table(softened['logits_by_grade'], figures['quantiles'])}"
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
        wrong = [sum(len(topic[kind]) for topic in topics) for kind in ("background", "lookalikes")]
        rows.append([f"`{file.name}`", len(topics), len(groups), questions, answers, *wrong])
    total = ["all", *[sum(column) for column in list(zip(*rows, strict=True))[1:]]]
    head = ["file", "topics", "groups", "questions", "answers", "background", "lookalikes"]
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
