"""The generated parts of the yes/no demo's card: what its figures say, in Markdown.

:mod:`evaluate_yes_no_reranker` measures the figures and puts these texts between the comments that
the card holds for them.
"""

from __future__ import annotations

from typing import Any

from demo_card import SIGNIFICANT, interval, machine_text, table

from analysis.rerankers import Reranker

NAMES = {
    "yes_no": "yes/no demo",
    "bm25": "BM25",
    "random_order": "random order (expectation)",
}

Figures = dict[str, Any]


def card_figures(figures: Figures) -> str:
    """Write the card's section of figures."""
    parts = [
        verdict(figures),
        ranking_text(figures),
        levels_text(figures),
        ways_text(figures),
        shifted_text(figures),
        machine_text(figures),
    ]
    return "\n\n".join(parts)


def verdict(figures: Figures) -> str:
    """Say whether the model ranks above chance, and how it stands to BM25."""
    chance, bm25 = figures["above_chance"], figures["minus_bm25"]
    above = "ranks above chance" if chance["p"] < SIGNIFICANT else "does not rank above chance"
    told = bm25["p"] < SIGNIFICANT
    against = ("better" if bm25["mean"] > 0 else "worse") if told else "neither better nor worse"
    return (
        f"**The model {above}** (p = {chance['p']:.2g}, {chance['shuffles']:,} random orders), and "
        f"{against} than BM25 ({bm25['mean']:+.3f}, {interval(bm25)}, p = {bm25['p']:.2g})."
    )


def ranking_text(figures: Figures) -> str:
    """Write how well it ranks, beside BM25 and a random order."""
    rows = [
        [NAMES[name], f"{row['mean']:.3f}", interval(row)]
        for name, row in figures["ndcg_at_10"].items()
    ]
    return (
        f"Order of the candidates of {figures['queries']} queries ({figures['passages']} "
        "passages) by the float32 logits, mean over queries with a bootstrap interval:\n\n"
        f"{table(['order', 'nDCG@10', '95 %'], rows)}"
    )


def levels_text(figures: Figures) -> str:
    """Write where the two logits lie, and how far a half type moves their difference."""
    rows = [
        [
            dtype,
            f"{row['least']:.2f} to {row['largest']:.2f}",
            f"{row['median_spacing']:.3g}",
            f"{row['least_difference']:.2f} to {row['largest_difference']:.2f}",
            f"{row['median_moved']:.4f}",
            f"{row['most_moved']:.4f}",
        ]
        for dtype, row in figures["by_dtype"].items()
    ]
    head = ["forward dtype", "no and yes", "spacing there", "yes − no", "moved, median", "largest"]
    return (
        "Where the two logits lie, the median spacing of the dtype there, where their difference "
        f"lies, and how far it moves against float32:\n\n{table(head, rows)}"
    )


def ways_text(figures: Figures) -> str:
    """Write how many logits each way from two logits to one leaves."""
    rows = [
        [row["forward_dtype"], row["says"], row["distinct"], f"{row['most_moved']:.4f}"]
        for row in figures["ways"]
    ]
    head = ["forward dtype", "one logit", "distinct", "moved at most"]
    return (
        f"How many logits are left of {figures['passages']} pairs, by the way from two logits to "
        f"one:\n\n{table(head, rows)}"
    )


def shifted_text(figures: Figures) -> str:
    """Write how many differences are left the higher the two logits lie."""
    rows = [[f"{row['by']:+}", row["float16"], row["bfloat16"]] for row in figures["shifted"]]
    head = ["both shifted by", "float16", "bfloat16"]
    return (
        "The higher the logits, the fewer the scores. Both float32 logits of every pair are "
        "shifted by a constant, which changes no difference, then rounded to a half type and "
        f"subtracted in float32; distinct differences:\n\n{table(head, rows)}"
    )


def card_recipe(figures: Figures, reranker: Reranker) -> str:
    """Write what was trained and how it is asked, from the adapter's own files."""
    size, asked, training = figures["adapter"], reranker.yes_no, figures["training"]
    no, yes = reranker.tokenizer.convert_ids_to_tokens(asked.labels)
    rows = [
        ["LoRA rank / alpha", f"{size['rank']} / {size['alpha']}"],
        ["linear layers adapted", size["adapted_layers"]],
        ["weights trained", f"{size['trained_weights']:,}"],
        ["steps; pairs", f"{training['steps']}; {training['pairs']:,}"],
        ["answers (no, yes)", f"`{no}` ({asked.no}), `{yes}` ({asked.yes})"],
        ["SHA-256 of the base weights", f"`{figures['sha256']['base']}`"],
        ["SHA-256 of the adapter's weights", f"`{figures['sha256']['adapter']}`"],
    ]
    prompt = "".join(asked.ask("{query}", "{passage}"))
    return f"{table(['', ''], rows)}\n\nThe prompt:\n\n```text\n{prompt}```"
