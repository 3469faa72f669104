"""Time the tie-aware measures beside pytrec_eval and tie-aware-retrieval-metrics, in one run.

    python tools/bench.py

1,000 queries of 1,000 passages, stepwise-float16 scores, about ten graded relevant passages a
query, one in ten of them not retrieved. Four measures: nDCG@10, RR@10, AP, R@100. Everybody starts
from input in their own form, already joined: dictionaries for pytrec_eval, lists for
tie-aware-retrieval-metrics, a ``JudgedRun`` for this package; making those is timed apart. Times
are CPU seconds on one thread, the best of several rounds taken in turn, so that another
computation on the machine disturbs all alike; what takes seconds is timed once. Before timing, the
results are compared with pytrec_eval's.

pytrec_eval has RR over the whole list only and is asked for that instead of RR@10;
tie-aware-retrieval-metrics knows no grades, so that its nDCG is of the binary kind.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytrec_eval
import torch
import trm

from analysis.devices import describe
from analysis.metrics import measure_of
from analysis.metrics.evaluation import bounds, evaluate_judged
from analysis.metrics.judged import JudgedRun, judge
from analysis.metrics.orders import Retrieved
from analysis.scorepath import ScorePath

QUERIES, PASSAGES, RELEVANT = 1_000, 1_000, 10
MEASURES = [measure_of(name) for name in ("nDCG@10", "RR@10", "AP", "R@100")]
PYTREC_EVAL = {"nDCG@10": "ndcg_cut_10", "RR@10": "recip_rank", "AP": "map", "R@100": "recall_100"}
PATH = ScorePath("float16", "stepwise", "float16", "float16")
SEED = 0
ROUNDS = 5
AT_LEAST = {"pytrec_eval": 3.0, "tie-aware-retrieval-metrics": 30.0}
AGREEMENT = 1e-9


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a run and its qrels."""
    generator = np.random.default_rng(SEED)
    shape = (QUERIES, PASSAGES)
    grade = generator.integers(1, 4, shape) * (generator.random(shape) < RELEVANT / PASSAGES)
    logits = generator.normal(-2, 3, shape) + 2 * grade
    pairs = pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(QUERIES)], PASSAGES),
            "passage_id": np.tile([f"p{number}" for number in range(PASSAGES)], QUERIES),
            "score": PATH.scores(logits).ravel(),
            "grade": grade.ravel(),
        }
    )
    missed = (pairs["grade"] > 0) & (generator.random(len(pairs)) < 0.1)
    return pairs[~missed].drop(columns="grade"), pairs[pairs["grade"] > 0].drop(columns="score")


def dictionaries(frame: pd.DataFrame, value: str) -> dict[str, dict[str, Any]]:
    """Nest a frame as pytrec_eval takes it."""
    return {
        query_id: dict(zip(rows["passage_id"], rows[value].tolist(), strict=True))
        for query_id, rows in frame.groupby("query_id", sort=False)
    }


def lists(run: JudgedRun) -> tuple[list[list[float]], list[list[bool]]]:
    """Split a run by query as tie-aware-retrieval-metrics takes it."""
    rows = np.split(np.arange(len(run.query)), np.flatnonzero(np.diff(run.query)) + 1)
    relevant = run.grade > 0
    return [run.score[r].tolist() for r in rows], [relevant[r].tolist() for r in rows]


def expected_and_ends(run: JudgedRun) -> list[tuple[np.ndarray, ...]]:
    """Expected value, minimum and maximum of the four measures for every query, from the rows."""
    retrieved = Retrieved.of_run(run)
    orders = retrieved.groups(), retrieved.worst(), retrieved.best()
    return [bounds(measure, *orders, run.judgements) for measure in MEASURES]


def all_columns(run: JudgedRun) -> pd.DataFrame:
    """Evaluate as users do: standard deviation, oblivious value and bias too, as a frame."""
    return evaluate_judged(run, MEASURES)


def others_expected(scores: list, relevant: list) -> None:
    """Ask tie-aware-retrieval-metrics for the four measures, each at its own cut-off only."""
    for metric, k in (("ndcg", 10), ("mrr", 10), ("map", PASSAGES), ("recall", 100)):
        trm.evaluate(scores, relevant, [metric], [k])


def check(run: JudgedRun, evaluator: pytrec_eval.RelevanceEvaluator, ranking: dict) -> None:
    """Compare our oblivious values with pytrec_eval's; RR@10 with RR, which 0 may stand for."""
    ours = all_columns(run).pivot(index="query_id", columns="measure", values="oblivious")
    theirs = pd.DataFrame(evaluator.evaluate(ranking)).T.reindex(ours.index)
    theirs = pd.DataFrame({name: theirs[key] for name, key in PYTREC_EVAL.items()})
    theirs["RR@10"] = theirs["RR@10"].where(theirs["RR@10"] >= 1 / 10, 0)
    np.testing.assert_allclose(ours[list(theirs)], theirs, rtol=0, atol=AGREEMENT)


def best_of(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """CPU seconds of each task, the least over rounds in which each has its turn."""
    seconds = {name: float("inf") for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name] = min(seconds[name], seconds_of(task))
    return seconds


def seconds_of(task: Callable[[], object]) -> float:
    """CPU seconds that one call takes."""
    begin = time.process_time()
    task()
    return time.process_time() - begin


def main() -> None:
    """Print the times and ratios."""
    run, qrels = frames()
    ours = judge(run, qrels)
    ranking, judgements = dictionaries(run, "score"), dictionaries(qrels, "grade")
    evaluator = pytrec_eval.RelevanceEvaluator(judgements, set(PYTREC_EVAL.values()))
    scores, relevant = lists(ours)
    check(ours, evaluator, ranking)

    own = "expected, min, max"
    tasks = {
        own: lambda: expected_and_ends(ours),
        "all columns, as a frame": lambda: all_columns(ours),
        "pytrec_eval": lambda: evaluator.evaluate(ranking),
    }
    seconds = best_of(tasks, ROUNDS)
    slow = "tie-aware-retrieval-metrics"
    seconds |= best_of({slow: lambda: others_expected(scores, relevant)}, 1)
    joining = {
        "judge (ours)": lambda: judge(run, qrels),
        "dictionaries (pytrec_eval)": lambda: dictionaries(run, "score"),
    }
    seconds |= best_of(joining, 1)

    cpu = describe(torch.device("cpu"))["name"]
    print(f"{cpu}, {platform.system()}, Python {platform.python_version()}")
    print(f"{len(run):,} rows, {QUERIES:,} queries; {', '.join(m.name for m in MEASURES)}")
    for name, time_taken in seconds.items():
        print(f"  {name:30} {time_taken:8.3f} s")
    for name, goal in AT_LEAST.items():
        ratio = seconds[name] / seconds[own]
        word = "as held to" if ratio >= goal else "BELOW what it is held to"
        print(f"{own}: {ratio:.1f} times as fast as {name} ({word}: {goal:g})")


if __name__ == "__main__":
    main()
