"""The measures against other implementations: trec_eval, scikit-learn, and one for binary ties."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
import trm
from sklearn.metrics import ndcg_score

from analysis.metrics import evaluate

IN_TREC_EVAL = {
    "nDCG": "ndcg",
    "nDCG@5": "ndcg_cut_5",
    "RR": "recip_rank",
    "AP": "map",
    "AP@5": "map_cut_5",
    "P@5": "P_5",
    "P@30": "P_30",
    "R@5": "recall_5",
    "Success@1": "success_1",
    "Success@5": "success_5",
}
# Sums of a few dozen numbers, added in another order.
TOLERANCE = 1e-12


def random_frames(queries: int, passages: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run with many ties, and qrels with grades -1 to 3, some of them of other passages."""
    generator = np.random.default_rng(seed)
    pairs = pd.DataFrame(
        [(f"q{q}", f"p{p}") for q in range(queries) for p in generator.permutation(passages)],
        columns=["query_id", "passage_id"],
    )
    pairs["score"] = generator.integers(0, 4, len(pairs)) / 4
    pairs["grade"] = generator.integers(-1, 4, len(pairs)) * (generator.random(len(pairs)) < 0.4)
    retrieved, judged = generator.random((2, len(pairs))) < [[0.8], [0.7]]
    run = pairs[retrieved][["query_id", "passage_id", "score"]]
    return run, pairs[judged][["query_id", "passage_id", "grade"]]


def in_trec_eval(run: pd.DataFrame, qrels: pd.DataFrame, level: int = 1) -> pd.DataFrame:
    """Every measure of every query as trec_eval gives it, under our names."""
    evaluator = pytrec_eval.RelevanceEvaluator(
        nested(qrels, "grade"), pytrec_eval.supported_measures, relevance_level=level
    )
    values = pd.DataFrame(evaluator.evaluate(nested(run, "score"))).T
    return pd.DataFrame({ours: values[theirs] for ours, theirs in IN_TREC_EVAL.items()})


def nested(frame: pd.DataFrame, column: str) -> dict:
    return {
        query_id: dict(zip(rows["passage_id"], rows[column].tolist(), strict=True))
        for query_id, rows in frame.groupby("query_id")
    }


def column(evaluated: pd.DataFrame, name: str, like: pd.DataFrame) -> pd.DataFrame:
    table = evaluated.pivot(index="query_id", columns="measure", values=name)
    return table.loc[like.index, like.columns]


def test_oblivious_values_are_trec_evals():
    run, qrels = random_frames(200, 30)
    theirs = in_trec_eval(run, qrels)
    ours = column(evaluate(run, qrels, IN_TREC_EVAL, stored_dtype="float32"), "oblivious", theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def test_the_threshold_is_trec_evals_relevance_level():
    run, qrels = random_frames(200, 30, seed=3)
    theirs = in_trec_eval(run, qrels, level=2)
    found = evaluate(run, qrels, IN_TREC_EVAL.values(), stored_dtype="float32", relevant_from=2)
    ours = column(found, "oblivious", theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def test_trec_eval_counts_ties_after_a_cast_to_float32():
    run = pd.DataFrame(
        {"query_id": "q", "passage_id": ["p1", "p2"], "score": [1 + 2**-30, 1.0]},
    )
    qrels = pd.DataFrame({"query_id": ["q"], "passage_id": ["p1"], "grade": [1]})
    cast = evaluate(run, qrels, ["RR"], stored_dtype="float32")
    assert cast[["expected", "oblivious"]].to_numpy().tolist() == [[0.75, 0.5]]
    assert in_trec_eval(run, qrels)["RR"].tolist() == [0.5]
    assert evaluate(run, qrels, ["RR"])["expected"].tolist() == [1.0]


def test_expected_values_are_trec_evals_averaged_over_every_order():
    run, qrels = random_frames(40, 5, seed=1)
    rows = []
    for query_id, query in run.groupby("query_id"):
        for number, order in enumerate(permutations(query.itertuples(index=False))):
            if all(a.score >= b.score for a, b in pairwise(order)):
                rows += [
                    (f"{query_id} {number}", row.passage_id, len(order) - place)
                    for place, row in enumerate(order)
                ]
    ordered = pd.DataFrame(rows, columns=["query_id", "passage_id", "score"])
    of_order = pd.DataFrame({"order": ordered["query_id"].unique()})
    of_order["query_id"] = of_order["order"].str.partition(" ")[0]
    repeated = of_order.merge(qrels).drop(columns="query_id").rename(columns={"order": "query_id"})
    values = in_trec_eval(ordered, repeated)
    theirs = values.groupby(values.index.str.partition(" ").get_level_values(0)).mean()
    ours = column(evaluate(run, qrels, IN_TREC_EVAL), "expected", theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("k", [None, 1, 7, 50])
def test_expected_ndcg_is_scikit_learns(k):
    generator = np.random.default_rng(2)
    shape = (60, 20)
    scores, grades = generator.integers(0, 5, shape), generator.integers(0, 4, shape)
    frame = pd.DataFrame(
        {
            "query_id": np.repeat(np.arange(60), 20),
            "passage_id": np.tile(np.arange(20), 60),
            "score": scores.ravel(),
            "grade": grades.ravel(),
        }
    )
    ours = evaluate(frame, frame, ["nDCG" if k is None else f"nDCG@{k}"])
    theirs = [ndcg_score(grades[[q]], scores[[q]], k=k) for q in range(60)]
    np.testing.assert_allclose(ours["expected"], theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_binary_expected_values_are_those_of_tie_aware_retrieval_metrics(k):
    generator = np.random.default_rng(3)
    shape = (50, 10)
    scores, relevant = generator.integers(0, 4, shape), generator.random(shape) < 0.4
    frame = pd.DataFrame(
        {
            "query_id": np.repeat(np.arange(50), 10),
            "passage_id": np.tile(np.arange(10), 50),
            "score": scores.ravel(),
            "grade": relevant.ravel().astype(int),
        }
    )
    theirs = trm.evaluate(
        scores.tolist(), relevant.tolist(), ["mrr", "recall", "precision", "ndcg"], [k]
    ).per_query
    pairs = {"RR": "mrr", "R": "recall", "P": "precision", "nDCG": "ndcg"}
    for label, metric in pairs.items():
        ours = evaluate(frame, frame, [f"{label}@{k}"])
        expected = [(r.expected, r.minimum, r.maximum) for r in theirs[metric][k]]
        np.testing.assert_allclose(
            ours[["expected", "min", "max"]], expected, rtol=0, atol=TOLERANCE
        )
