"""Scoring against sentence-transformers, Haystack and Infinity: same pairs, same model, in turn.

    python bench/scoring.py [--pairs N] [--rounds N]

The pairs are split into as many stretches as there are rounds; in a round everybody scores the same
stretch, with a model that is loaded, after one that does not count. So a ratio has a spread, and
seconds are those of all pairs. Logits are compared with torch's float32 ones first: of whoever gave
others no times are compared. sentence-transformers is tried in three batch sizes, the fastest
counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial

import numpy as np

from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.models import load
from analysis.rerankers import Reranker
from bench.asking import PEERS, Scored, disagreement, running, saved
from bench.limit import Network, limit_seconds
from bench.lines import Line, keep, show
from bench.ours import Ours, lengths
from bench.pairs import MAX_LENGTH, mixed_pairs, stretches
from bench.rounds import Spread, in_turn, ratios

PART = "scoring"
PAIRS, ROUNDS, WARMING = 2_000, 4, 50
CANDIDATES = {
    "float32": (
        ("torch:float32", 8192),
        ("torch:float32", 2048),
        ("onednn:float32", 2048),
        ("openvino:f32", 2048),
    ),
    "bfloat16": (
        ("torch:bfloat16", 8192),
        ("torch:bfloat16", 2048),
        ("onednn:bfloat16", 2048),
        ("openvino:bf16", 1024),
    ),
}
"""Our forward formats by dtype, with the tokens of their batches. The first is the default."""
GOALS = {"float32": (1.4, 0.8), "bfloat16": (1.6, 0.7)}
"""Times as fast as the best peer, and share of the limit."""

Task = Callable[[RerankingSet], Scored]
Passes = dict[str, list[Scored]]


def lines_of(dtype: str, dataset: RerankingSet, reranker: Reranker, rounds: int) -> list[Line]:
    """Time everybody in a dtype."""
    parts = stretches(dataset, rounds)
    limit = [limit_seconds(Network.of(reranker.config), lengths(dataset, reranker), dtype)]
    with ExitStack() as stack:
        ours = {one.name: one for one in _ours(dtype, reranker)}
        peers = dict(_peers(dtype, reranker, stack))
        tasks: dict[str, Task] = {name: one.score for name, one in ours.items()} | peers
        for task in tasks.values():
            task(mixed_pairs(WARMING))
        turns = {name: partial(nth, task, parts) for name, task in tasks.items()}
        passes = in_turn(turns, len(parts))
    limit.append(limit_seconds(Network.of(reranker.config), lengths(dataset, reranker), dtype))
    reference = _reference(parts, reranker)
    told = {name: disagreement(_logits(found), reference, dtype) for name, found in passes.items()}
    seconds = {name: [one.seconds for one in found] for name, found in passes.items()}
    reason = _reason(dtype, ours, parts[0])
    return [
        *against_peers(dtype, seconds, told, set(ours), reason),
        against_limit(dtype, seconds, told, set(ours), min(limit), reason),
    ]


def against_peers(
    dtype: str,
    seconds: Mapping[str, list[float]],
    told: Mapping[str, str],
    ours: set[str],
    reason: str,
) -> list[Line]:
    """Our fastest format beside every peer, and our others beside the fastest peer.

    ``seconds`` are those of each round, ``told`` why somebody's may not be compared, if so;
    ``reason`` is where the time goes, for a goal that is missed.
    """
    own = _fastest_first(seconds, told, ours)
    peers = _fastest_first(seconds, told, set(seconds) - ours)
    goal = GOALS[dtype][0]
    lines = [_line(dtype, own[0], peer, seconds, goal=goal, note=reason) for peer in peers]
    lines += [_line(dtype, other, peers[0], seconds) for other in own[1:] if peers]
    return lines + [
        Line(f"{dtype}: {name}", Spread.of([sum(seconds[name])]), note=fault)
        for name, fault in told.items()
        if fault
    ]


def against_limit(
    dtype: str,
    seconds: Mapping[str, list[float]],
    told: Mapping[str, str],
    ours: set[str],
    limit: float,
    reason: str,
) -> Line:
    """Our fastest format beside the limit."""
    fastest = _fastest_first(seconds, told, ours)[0]
    total = sum(seconds[fastest])
    return Line(
        f"{dtype}: {fastest}",
        Spread.of([total]),
        rival="the limit, its multiply-adds at the speed of `torch.mm`",
        theirs=Spread.of([limit]),
        ratio=Spread.of([limit / total]),
        goal=GOALS[dtype][1],
        note=reason if limit / total < GOALS[dtype][1] else "",
    )


def _line(
    dtype: str,
    own: str,
    peer: str,
    seconds: Mapping[str, list[float]],
    *,
    goal: float | None = None,
    note: str = "",
) -> Line:
    """One of ours beside a peer; the note is for a goal that is missed."""
    ratio = ratios(seconds[peer], seconds[own])
    missed = goal is not None and ratio.middle < goal
    return Line(
        f"{dtype}: {own}",
        Spread.of([sum(seconds[own])]),
        rival=peer,
        theirs=Spread.of([sum(seconds[peer])]),
        ratio=ratio,
        goal=goal,
        note=note if missed else "",
    )


def _fastest_first(
    seconds: Mapping[str, list[float]], told: Mapping[str, str], names: set[str]
) -> list[str]:
    """Those of the names that agree, by time; of a peer in several batch sizes the fastest."""
    agreeing = sorted((name for name in names if not told[name]), key=lambda one: sum(seconds[one]))
    firsts: dict[str, str] = {}
    for name in agreeing:
        firsts.setdefault(name.partition(", batches of")[0], name)
    return list(firsts.values())


def _ours(dtype: str, reranker: Reranker) -> Iterator[Ours]:
    """Our formats; one whose runtime is not installed, or not for this CPU, is left out."""
    for text, batch_tokens in CANDIDATES[dtype]:
        try:
            yield Ours(reranker, text, batch_tokens)
        except InputError as error:
            print(f"left out: {text}: {error}")


def _peers(dtype: str, reranker: Reranker, stack: ExitStack) -> Iterator[tuple[str, Task]]:
    """Every peer in every batch size that it is tried in, loaded until the stack is left."""
    model = saved(reranker)
    for peer in PEERS:
        started = stack.enter_context(running(peer, model, dtype))
        for size in peer.batch_sizes:
            yield f"{peer.name}, batches of {size}", partial(started.score, batch_size=size)


def nth(task: Task, parts: list[RerankingSet], number: int) -> Scored:
    """What somebody makes of one stretch of the pairs."""
    return task(parts[number])


def _logits(found: list[Scored]) -> np.ndarray:
    return np.concatenate([one.logits for one in found])


def _reference(parts: list[RerankingSet], reranker: Reranker) -> np.ndarray:
    """Torch's float32 logits of all pairs."""
    ours = Ours(reranker, *CANDIDATES["float32"][0])
    return _logits([ours.score(part) for part in parts])


def _reason(dtype: str, ours: Mapping[str, Ours], dataset: RerankingSet) -> str:
    """Where the time of a pass on oneDNN goes, as profiling finds it."""
    one = next(one for one in ours.values() if one.text == f"onednn:{dtype}")
    shares = one.shares(dataset)
    spent = ", ".join(f"{share:.0%} on {kind}" for kind, share in shares.items())
    return f"a pass of `{one.text}` spends {spent}"


def main() -> None:
    """Time both dtypes; keep and print the lines."""
    time_dtypes(PART, GOALS, lines_of, __doc__)


def time_dtypes(
    part: str,
    dtypes: Iterable[str],
    lines_of: Callable[[str, RerankingSet, Reranker, int], list[Line]],
    about: str,
) -> None:
    """Run a part that times dtypes, as its command line asks; keep and print its lines."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    reranker, dataset = load("demo", device="cpu", max_length=MAX_LENGTH), mixed_pairs(args.pairs)
    lines = [line for dtype in dtypes for line in lines_of(dtype, dataset, reranker, args.rounds)]
    keep(part, lines, f"{args.pairs:,} pairs in {args.rounds} rounds.")
    show(lines)


if __name__ == "__main__":
    main()
