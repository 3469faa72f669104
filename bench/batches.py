"""Batches by token budget: which is the fastest on this machine, beside the default.

    python bench/batches.py [--pairs N] [--rounds N]

The pairs and rounds of :mod:`bench.scoring`, without peers: torch alone, the same network, in each
round once with every budget. A budget changes the last bits of logits, so the logits are compared.
"""

from __future__ import annotations

import argparse
import inspect
from functools import partial

import numpy as np

from analysis.datasets import RerankingSet
from analysis.models import load
from analysis.rerankers import Reranker
from analysis.scoring import score
from bench.asking import Scored, disagreement
from bench.lines import Line, keep, show
from bench.ours import Ours
from bench.pairs import MAX_LENGTH, mixed_pairs, stretches
from bench.rounds import Spread, in_turn, ratios
from bench.scoring import PAIRS, ROUNDS, WARMING

PART = "batches"
DEFAULT: int = inspect.signature(score).parameters["batch_tokens"].default
BUDGETS = sorted({1024, 2048, 4096, 8192, DEFAULT})
DTYPES = ("float32", "bfloat16")


def lines_of(dtype: str, dataset: RerankingSet, reranker: Reranker, rounds: int) -> list[Line]:
    """Time every budget in a dtype; each but the default stands beside it."""
    parts = stretches(dataset, rounds)
    ours = {budget: Ours(reranker, f"torch:{dtype}", budget) for budget in BUDGETS}
    for one in ours.values():
        one.score(mixed_pairs(WARMING))
    turns = {str(budget): partial(_nth, one, parts) for budget, one in ours.items()}
    passes = in_turn(turns, len(parts))
    usual = passes[str(DEFAULT)]
    return [
        _line(f"{dtype}: {one.name}", passes[str(budget)], usual, dtype)
        for budget, one in ours.items()
        if budget != DEFAULT
    ]


def _line(name: str, own: list[Scored], usual: list[Scored], dtype: str) -> Line:
    """One budget beside the default."""
    seconds, theirs = ([one.seconds for one in passes] for passes in (own, usual))
    logits, reference = (np.concatenate([one.logits for one in passes]) for passes in (own, usual))
    return Line(
        name,
        Spread.of([sum(seconds)]),
        rival=f"the default, {DEFAULT:,} tokens a batch",
        theirs=Spread.of([sum(theirs)]),
        ratio=ratios(theirs, seconds),
        note=disagreement(logits, reference, dtype),
    )


def _nth(ours: Ours, parts: list[RerankingSet], number: int) -> Scored:
    return ours.score(parts[number])


def main() -> None:
    """Time both dtypes; keep and print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    reranker, dataset = load("demo", device="cpu", max_length=MAX_LENGTH), mixed_pairs(args.pairs)
    lines = [line for dtype in DTYPES for line in lines_of(dtype, dataset, reranker, args.rounds)]
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
