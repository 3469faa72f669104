"""Outcomes of ties by path: spans, tie rules, what comes back, the comparison, other tools."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from analysis.comparisons import compare_measures
from analysis.datasets import from_pairs
from analysis.engines import path_of
from analysis.formats import FORMATS
from analysis.metrics import average, evaluate
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.sigmoids import sigmoid
from analysis.studies import outcomes
from analysis.ties import apply, tied_in_top, with_tie_groups

STEPWISE = path_of("infinity", "0.0.68", "float16")


def run_of(grades: dict[str, list[int]], scores: dict[str, list[float]]) -> pd.DataFrame:
    """Scored frame whose passages are sent as c, b, d, a."""
    rows = [
        (query_id, f"{'cbda'[number]}", grade, score)
        for query_id, row in grades.items()
        for number, (grade, score) in enumerate(zip(row, scores[query_id], strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["query_id", "passage_id", "grade", "score"])
    return with_tie_groups(frame.astype({"grade": "Int64"}))


GRADES = {"q1": [0, 3, 0, 1], "q2": [1, 0, 2, 0]}
TIED = run_of(GRADES, {"q1": [1.0] * 4, "q2": [1.0, 1.0, 1.0, 0.5]})
APART = run_of(GRADES, {"q1": [0.1, 0.9, 0.2, 0.8], "q2": [0.3, 0.9, 0.2, 0.1]})
RUNS = {"reference": APART, "tied": TIED}


def logits_of(float32: list[float], float16: list[float]) -> pd.DataFrame:
    pairs = pd.DataFrame({"query_id": "q", "passage_id": [f"p{n}" for n in range(len(float32))]})
    frames = [
        pairs.assign(forward_dtype="float32", logit=float32),
        pairs.assign(forward_dtype="float16", logit=float16),
    ]
    return pd.concat(frames, ignore_index=True)


def test_paths_are_those_of_the_dtypes_the_reference_first():
    for dtypes in (["float32"], ["float16"], ["float32", "float16", "bfloat16"]):
        reference, *half = outcomes.outcome_paths(dtypes)
        assert reference == FLOAT32_REFERENCE
        assert {path.forward_dtype for path in half} == set(dtypes) - {"float32"}
        for path in half:
            assert path.name.endswith(" (HPS)") == path.is_hps
    names = [path.name for path in half]
    assert len(set(names)) == len(names) == 5


def pairs_of(ids: list[str]) -> pd.DataFrame:
    passages = {"a": "nichts davon", "b": "der neue ZUG, ein Zug", "c": "wie neue Züge: der Zug"}
    frame = pd.DataFrame({"query_id": "q", "query": "Wie neue der Zug?", "passage_id": ids})
    return from_pairs("set", frame.assign(passage=[passages[name] for name in ids])).pairs


def test_a_set_listed_by_id_is_sent_by_shared_words():
    assert outcomes.as_sent(pairs_of(["a", "b", "c"]))["passage_id"].tolist() == ["c", "b", "a"]


def test_a_set_with_an_order_keeps_it():
    for ids in (["b", "a", "c"], ["c", "b", "a"]):
        assert outcomes.as_sent(pairs_of(ids))["passage_id"].tolist() == ids


def test_sending_keeps_queries_and_pairs_together():
    two = pd.concat([pairs_of(["a", "b"]), pairs_of(["a", "c"]).assign(query_id="p")])
    sent = outcomes.as_sent(two.reset_index(drop=True))
    assert sent.to_numpy().tolist() == [["q", "b"], ["q", "a"], ["p", "c"], ["p", "a"]]


def test_spans_are_the_averages_and_count_open_queries():
    spans = outcomes.spans(outcomes.evaluated(RUNS)).set_index(["path", "measure"])
    for name, run in RUNS.items():
        for row in average(evaluate(run, run, outcomes.MEASURES)).itertuples():
            found = spans.loc[(name, row.measure)]
            assert found[["expected", "min", "max"]].tolist() == [row.expected, row.min, row.max]
    assert spans["open"].tolist() == [0, 0, 2, 2]


def orders(run: pd.DataFrame) -> list[pd.DataFrame]:
    """All orders of one query that its ties allow, as runs without ties."""
    allowed = []
    for order in permutations(run.index):
        ordered = run.loc[list(order)]
        if ordered["score"].is_monotonic_decreasing:
            allowed.append(ordered.assign(score=np.arange(len(run), 0, -1.0)))
    return allowed


def test_tie_rules_are_orders_and_expected_is_their_mean():
    rules = outcomes.by_tie_rule({"tied": TIED}).pivot(
        index="measure", columns="tie_rule", values="value"
    )
    assert set(rules.columns) == set(outcomes.RULES)
    every = [
        pd.concat([evaluate(run, run, outcomes.MEASURES) for run in orders(query)])
        .groupby("measure")["expected"]
        .mean()
        for _, query in TIED.groupby("query_id")
    ]
    np.testing.assert_allclose(rules["expected"], (every[0] + every[1]) / 2, rtol=0, atol=1e-12)
    # q1 is sent as c b d a with grades 0 3 0 1; q2 with 1 0 2 0, its last one apart.
    first_hit = {"input order": (2, 1), "docid ascending": (1, 2), "docid descending": (3, 1)}
    for rule, ranks in first_hit.items():
        assert rules.loc["RR@10", rule] == sum(1 / rank for rank in ranks) / 2


@pytest.mark.parametrize(
    ("float16", "float32", "remedy"),
    [
        ([9.0, 9.5], [9.0, 9.5], 0),  # saturated in float16, apart in float32
        ([15.9921875, 16.0], [15.99, 16.0], 1),  # neighbours; float32's sigmoid merges them
        ([9.0, 9.0], [9.0, 9.001], 2),  # merged in the network
        ([9.0, 9.0], [9.0, 9.0], 3),  # a duplicate
    ],
)
def test_tied_candidates_come_back_with_the_first_remedy_that_sets_them_apart(
    float16, float32, remedy
):
    logits = logits_of([*float32, 1.0], [*float16, 1.0])
    found = outcomes.restored(logits, STEPWISE)
    assert found.to_dict() == {
        name: 2 * (number == remedy) for number, name in enumerate(outcomes.REMEDIES)
    }


def test_only_ties_that_reach_into_the_top_are_counted():
    logits = logits_of([12.0, 9.0, 8.9], [12.0, 9.0, 9.0])
    apart = ScorePath("float16", "none", "float64", "float64")
    assert outcomes.restored(logits, apart, k=1).sum() == 0
    assert outcomes.restored(logits, apart, k=2).sum() == 2
    assert outcomes.restored(logits, STEPWISE, k=1).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_first_merged_logit_is_the_first_by_enumeration(dtype):
    first = outcomes.first_merged(dtype)
    logits = FORMATS[dtype].values(1.0, first)
    scores = sigmoid(logits, "fused", "float32")
    assert (np.diff(scores) > 0).all()
    above = FORMATS[dtype].next_above(np.array([first]))
    assert sigmoid(above, "fused", "float32")[0] == scores[-1]


def test_the_effect_is_the_comparison_with_the_reference():
    worth = outcomes.evaluated({**RUNS, "same": APART})
    found = outcomes.against(worth, "reference", seed=1).set_index("path")
    for name in ("tied", "same"):
        (expected,) = [compare_measures(worth[name], worth["reference"], seed=1)]
        own = found.loc[name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own[expected.columns.tolist()], expected)
    assert (found.loc["same", ["difference", "min", "max", "low", "high"]] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("p_values", "significant"),
    [
        ([0.05, 0.4], 0),
        ([0.04, 0.01, 0.03], 1),
        ([0.04, 0.01, 0.02], 3),
        ([0.03, 0.04], 0),  # a large one after a failure does not count: 0.03 is above 0.05 / 2
    ],
)
def test_p_values_are_corrected_for_their_number(p_values, significant):
    corrected = outcomes._holm(np.array(p_values))
    assert (corrected < 0.05).sum() == significant
    assert (corrected >= p_values).all()
    assert (np.diff(corrected[np.argsort(p_values)]) >= 0).all()


def test_verdicts_count_every_query_once():
    queries = outcomes.per_query(outcomes.evaluated(RUNS), "reference")
    found = outcomes.verdicts(queries).set_index("measure")
    assert (found[["better", "equal", "worse"]].sum(axis=1) == found["queries"]).all()
    assert found.loc["nDCG@10", ["better", "worse"]].tolist() == [1, 1]
    assert found.loc["nDCG@10", "worse_for_certain"] == 0  # the best order ties with the reference


def test_other_tools_agree_where_they_follow_the_same_rule():
    beside = outcomes.beside_other_tools(RUNS)
    assert set(beside["tool"]) == {"pytrec_eval", "sklearn"}
    np.testing.assert_allclose(beside["theirs"], beside["ours"], rtol=0, atol=1e-12)


def test_other_tools_take_lists_of_one_and_first_hits_below_the_cutoff():
    grades = [0] * 11 + [1]
    scores = [float(-number) for number in range(12)]
    ids = [f"p{number}" for number in range(12)]
    deep = pd.DataFrame({"query_id": "deep", "passage_id": ids, "grade": grades, "score": scores})
    alone = pd.DataFrame({"query_id": ["one"], "passage_id": "p", "grade": 2, "score": 0.5})
    beside = outcomes.beside_other_tools({"run": pd.concat([deep, alone], ignore_index=True)})
    assert beside["theirs"].tolist() == pytest.approx(beside["ours"].tolist(), abs=1e-12)
    assert beside["ours"].tolist() == [0.5, 0.5, 0.5]


def test_trec_eval_is_not_asked_about_grades_with_fractions():
    halves = {name: run.assign(grade=run["grade"] / 2) for name, run in RUNS.items()}
    beside = outcomes.beside_other_tools(halves)
    assert set(beside["tool"]) == {"sklearn"}
    np.testing.assert_allclose(beside["theirs"], beside["ours"], rtol=0, atol=1e-12)


def test_tools_that_are_not_installed_have_no_rows(monkeypatch):
    monkeypatch.setattr(outcomes, "find_spec", lambda name: None)
    assert outcomes.beside_other_tools(RUNS).empty


def test_without_grades_nothing_is_evaluated():
    bare = {name: run.assign(grade=pd.NA) for name, run in RUNS.items()}
    worth = outcomes.evaluated(bare)
    assert worth == {}
    spans, rules = outcomes.spans(worth), outcomes.by_tie_rule(bare)
    effects, queries = outcomes.against(worth, "reference"), outcomes.per_query(worth, "reference")
    tables = (spans, rules, effects, queries, outcomes.verdicts(queries))
    assert all(table.empty for table in tables)
    assert outcomes.beside_other_tools(bare).empty


def test_one_query_is_not_tested():
    one = {name: run[run["query_id"] == "q1"] for name, run in RUNS.items()}
    worth = outcomes.evaluated(one)
    assert outcomes.against(worth, "reference").empty
    assert len(outcomes.per_query(worth, "reference")) == 2


def test_a_real_path_goes_through_all_of_it():
    drawn = np.random.default_rng(2).normal(8, 2, 48)
    pairs = pd.DataFrame(
        {
            "query_id": [f"q{number // 12}" for number in range(48)],
            "passage_id": [f"p{number % 12:02}" for number in range(48)],
            "grade": pd.array([number % 4 for number in range(48)], dtype="Int64"),
        }
    )
    frames = [
        pairs.assign(forward_dtype=dtype, logit=FORMATS[dtype].round(drawn).astype(float))
        for dtype in ("float32", "bfloat16")
    ]
    logits = pd.concat(frames, ignore_index=True)
    paths = [FLOAT32_REFERENCE, path_of("haystack", "2.31.0", "bfloat16")]
    runs = {path.name: apply(logits, path) for path in paths}
    found = outcomes.restored(logits, paths[1])
    assert found.sum() == tied_in_top(runs[paths[1].name], 10).sum() > 0
    spans = outcomes.spans(outcomes.evaluated(runs))
    assert spans["open"].tolist() == [0, 0, 4, 4]
