"""Every path of the catalogue over one set: one pass a dtype, where others run each configuration.

    python bench/paths.py [--pairs N] [--rounds N]

Ours is the time from texts to the table of effects of all paths, the networks loaded, in torch's
three dtypes and in oneDNN's. Theirs is sentence-transformers' time for one configuration of each
dtype, times the configurations of that dtype.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pandas as pd

from analysis.counting import effects
from analysis.datasets import RerankingSet
from analysis.engines import known_paths
from analysis.formats import FORWARD_DTYPES
from analysis.models import load
from analysis.rerankers import Reranker
from bench.asking import PEERS, Running, running, saved
from bench.lines import Line, keep, show
from bench.ours import Ours
from bench.pairs import MAX_LENGTH, mixed_pairs
from bench.rounds import Spread, in_turn, ratios, seconds_of

PART = "paths"
PAIRS, ROUNDS, WARMING = 100, 2, 4
BATCH_TOKENS, BATCH_SIZE = 2048, 32
GOAL = 5.0
PATHS = [path for path in known_paths() if not path.head.has_pair]
"""Those of one logit; yes/no language models, which the model here is not, have two."""


def all_paths(dataset: RerankingSet, formats: list[Ours]) -> pd.DataFrame:
    """Score a set in every format, and count what every path does to it."""
    frames = []
    for one in formats:
        dtype = one.text.partition(":")[2]
        keys = dataset.pairs[["query_id", "passage_id", "grade"]]
        logits = one.score(dataset).logits
        frames.append(keys.assign(forward_format=one.text, forward_dtype=dtype, logit=logits))
    return effects(pd.concat(frames, ignore_index=True), PATHS)


def each_configuration(dataset: RerankingSet, peers: dict[str, Running]) -> float:
    """Seconds that a peer would take, were it asked for every path: a pass each."""
    configurations = Counter(path.forward_dtype for path in PATHS)
    return sum(
        peers[dtype].score(dataset, BATCH_SIZE).seconds * number
        for dtype, number in configurations.items()
    )


def lines_of(dataset: RerankingSet, reranker: Reranker, rounds: int) -> list[Line]:
    """Time torch's formats, oneDNN's and the peer in turn."""
    warming, model, (peer, *_) = mixed_pairs(WARMING), saved(reranker), PEERS
    with ExitStack() as stack:
        peers = {
            dtype: stack.enter_context(running(peer, model, dtype)) for dtype in FORWARD_DTYPES
        }
        runtimes = {
            runtime: [Ours(reranker, f"{runtime}:{dtype}", BATCH_TOKENS) for dtype in peers]
            for runtime in ("torch", "onednn")
        }
        tasks: dict[str, Callable[[int], float]] = {
            runtime: lambda _, own=own: seconds_of(lambda: all_paths(dataset, own))
            for runtime, own in runtimes.items()
        }
        tasks["peer"] = lambda _: each_configuration(dataset, peers)
        for own in runtimes.values():
            all_paths(warming, own)
        each_configuration(warming, peers)
        seconds = in_turn(tasks, rounds)
    rival = f"{peer.name}, batches of {BATCH_SIZE}, once for each"
    return [_line(runtime, seconds, rival, dataset.n_pairs) for runtime in runtimes]


def _line(runtime: str, seconds: dict[str, list[float]], rival: str, n_pairs: int) -> Line:
    """One runtime beside the peer; a goal that is missed has its reason."""
    ratio = ratios(seconds["peer"], seconds[runtime])
    shared = f"no more than {len(PATHS)} paths share the passes of {len(FORWARD_DTYPES)} dtypes"
    return Line(
        f"three dtypes, {len(PATHS)} paths, {n_pairs} pairs: `{runtime}`",
        Spread.of(seconds[runtime]),
        rival=rival,
        theirs=Spread.of(seconds["peer"]),
        ratio=ratio,
        goal=GOAL,
        note=shared if ratio.middle < GOAL else "",
    )


def main() -> None:
    """Time the paths; keep and print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    reranker = load("demo", device="cpu", max_length=MAX_LENGTH)
    lines = lines_of(mixed_pairs(args.pairs), reranker, args.rounds)
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
