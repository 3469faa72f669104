"""The tie-aware measures beside pytrec_eval and tie-aware-retrieval-metrics.

    python bench/measures.py [--shape QUERIES PASSAGES] [--rounds N]

Stepwise-float16 scores, about ten graded relevant passages a query, one in ten of them not
retrieved. Four measures: nDCG@10, RR@10, AP, R@100. Everybody starts from input in their own form,
already joined: dictionaries for pytrec_eval, lists for tie-aware-retrieval-metrics, a
``JudgedRun`` for this package; making those is timed apart. Times are CPU seconds, in rounds taken
in turn; what takes seconds is timed once. Before timing, the results are compared with
pytrec_eval's.

pytrec_eval has RR over the whole list only and is asked for that instead of RR@10;
tie-aware-retrieval-metrics knows no grades, so that its nDCG is of the binary kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytrec_eval
import trm

from analysis.metrics import measure_of
from analysis.metrics.evaluation import bounds, evaluate_judged
from analysis.metrics.judged import JudgedRun, judge
from analysis.metrics.orders import Retrieved
from analysis.scorepath import ScorePath
from bench.lines import Line, keep, show
from bench.rounds import Spread, cpu_seconds_of, in_turn, ratios, where_time_goes

PART = "measures"
SHAPES = ((1_000, 1_000), (10_000, 100), (100, 10_000))
"""Queries and passages of each."""
RELEVANT = 10
MEASURES = [measure_of(name) for name in ("nDCG@10", "RR@10", "AP", "R@100")]
PYTREC_EVAL = {"nDCG@10": "ndcg_cut_10", "RR@10": "recip_rank", "AP": "map", "R@100": "recall_100"}
PATH = ScorePath("float16", "stepwise", "float16", "float16")
SEED = 0
ROUNDS = 5
GOALS = {"pytrec_eval": 5.0, "tie-aware-retrieval-metrics": 66.0}
AGREEMENT = 1e-9


def frames(queries: int, passages: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a run and its qrels."""
    generator = np.random.default_rng(SEED)
    shape = (queries, passages)
    grade = generator.integers(1, 4, shape) * (generator.random(shape) < RELEVANT / passages)
    logits = generator.normal(-2, 3, shape) + 2 * grade
    pairs = pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(queries)], passages),
            "passage_id": np.tile([f"p{number}" for number in range(passages)], queries),
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


def others_expected(scores: list, relevant: list, passages: int) -> None:
    """Ask tie-aware-retrieval-metrics for the four measures, each at its own cut-off only."""
    for metric, k in (("ndcg", 10), ("mrr", 10), ("map", passages), ("recall", 100)):
        trm.evaluate(scores, relevant, [metric], [k])


def check(run: JudgedRun, evaluator: pytrec_eval.RelevanceEvaluator, ranking: dict) -> None:
    """Compare our oblivious values with pytrec_eval's; RR@10 with RR, which 0 may stand for."""
    ours = all_columns(run).pivot(index="query_id", columns="measure", values="oblivious")
    theirs = pd.DataFrame(evaluator.evaluate(ranking)).T.reindex(ours.index)
    theirs = pd.DataFrame({name: theirs[key] for name, key in PYTREC_EVAL.items()})
    theirs["RR@10"] = theirs["RR@10"].where(theirs["RR@10"] >= 1 / 10, 0)
    np.testing.assert_allclose(ours[list(theirs)], theirs, rtol=0, atol=AGREEMENT)


def lines_of(queries: int, passages: int, rounds: int) -> list[Line]:
    """Compare with pytrec_eval, then time everybody in turn."""
    run, qrels = frames(queries, passages)
    ours = judge(run, qrels)
    ranking, judgements = dictionaries(run, "score"), dictionaries(qrels, "grade")
    evaluator = pytrec_eval.RelevanceEvaluator(judgements, set(PYTREC_EVAL.values()))
    check(ours, evaluator, ranking)
    own, frame, slow = (
        "expected, min, max",
        "all columns, as a frame",
        "tie-aware-retrieval-metrics",
    )
    seconds = _timed(
        {
            own: lambda: expected_and_ends(ours),
            frame: lambda: all_columns(ours),
            "pytrec_eval": lambda: evaluator.evaluate(ranking),
        },
        rounds,
    )
    joined = _timed(
        {
            slow: partial(others_expected, *lists(ours), passages),
            own: lambda: judge(run, qrels),
            "pytrec_eval": lambda: dictionaries(run, "score"),
        },
        1,
    )
    shape = f"{queries:,} × {passages:,}"
    quickest, reason = [min(seconds[own])], where_time_goes(lambda: expected_and_ends(ours))
    return [
        _line(f"{own}; {shape}", seconds[own], "pytrec_eval", seconds["pytrec_eval"], reason),
        _line(f"{own}; {shape}", quickest, slow, joined[slow], reason),
        Line(f"{frame}; {shape}", Spread.of(seconds[frame])),
        Line(
            f"joining run and qrels; {shape}",
            Spread.of(joined[own]),
            rival="dictionaries for pytrec_eval",
            theirs=Spread.of(joined["pytrec_eval"]),
            ratio=ratios(joined["pytrec_eval"], joined[own]),
        ),
    ]


def _timed(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each task in every round."""
    return in_turn(
        {name: lambda _, task=task: cpu_seconds_of(task) for name, task in tasks.items()}, rounds
    )


def _line(what: str, own: list[float], rival: str, theirs: list[float], reason: str) -> Line:
    """Ours beside another's; the reason is for a goal that is missed."""
    ratio, goal = ratios(theirs, own), GOALS[rival]
    return Line(
        what,
        Spread.of(own),
        rival=rival,
        theirs=Spread.of(theirs),
        ratio=ratio,
        goal=goal,
        note=reason if ratio.middle < goal else "",
    )


def main() -> None:
    """Time every shape, or one; keep and print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=2, metavar=("QUERIES", "PASSAGES"))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    shapes = [tuple(args.shape)] if args.shape else SHAPES
    lines = [line for shape in shapes for line in lines_of(*shape, args.rounds)]
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
