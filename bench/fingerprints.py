"""The fingerprint of a long list of scores.

    python bench/fingerprints.py [--scores N] [--rounds N]

Scores of a stepwise float16 sigmoid, of a float32 one over float16 logits, and plain float32 ones:
a list with few values, one with many, and one in which every score is another.
"""

from __future__ import annotations

import argparse

import numpy as np

from analysis.fingerprinting import fingerprint
from analysis.scorepath import ScorePath
from bench.lines import Line, keep, show
from bench.rounds import Spread, cpu_seconds_of, in_turn

PART = "fingerprints"
SCORES, ROUNDS, SEED = 1_000_000, 3, 0
PATHS = (
    ScorePath("float16", "stepwise", "float16", "float16"),
    ScorePath("float16", "stepwise", "float32", "float32"),
    ScorePath("float32", "fused", "float32", "float32"),
)


def lines_of(number: int, rounds: int) -> list[Line]:
    """Time each list; what an interpreter builds once, the tables of scores, comes before."""
    logits = np.random.default_rng(SEED).normal(0, 4, number)
    lists = {path: path.scores(logits) for path in PATHS}
    fingerprint(lists[PATHS[0]][:1000])
    seconds = in_turn(
        {
            path: lambda _, scores=scores: cpu_seconds_of(lambda: fingerprint(scores))
            for path, scores in lists.items()
        },
        rounds,
    )
    return [
        Line(
            f"{number:,} scores, {len(np.unique(lists[path])):,} of them different", Spread.of(own)
        )
        for path, own in seconds.items()
    ]


def main() -> None:
    """Time the fingerprint; keep and print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=int, default=SCORES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    lines = lines_of(args.scores, args.rounds)
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
