"""Batches by token budget: which is the fastest on this machine, beside the default.

    python bench/batches.py [--pairs N] [--rounds N]

The pairs and rounds of :mod:`bench.scoring`, without peers: torch alone, the same network, in each
round once with every budget. A budget changes the last bits of logits, so the logits are compared.
"""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np

from analysis.datasets import RerankingSet
from analysis.rerankers import Reranker
from analysis.scoring import score
from bench.asking import Scored, disagreement
from bench.lines import Line
from bench.ours import Ours
from bench.pairs import mixed_pairs, stretches
from bench.rounds import Spread, in_turn, ratios
from bench.scoring import WARMING, nth, time_dtypes

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
    turns = {str(budget): partial(nth, one.score, parts) for budget, one in ours.items()}
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


def main() -> None:
    """Time both dtypes; keep and print the lines."""
    time_dtypes(PART, DTYPES, lines_of, __doc__)


if __name__ == "__main__":
    main()
