"""Names, conventions, input and exactness of the measures."""

from __future__ import annotations

from itertools import combinations
from math import fsum, log2

import numpy as np
import pandas as pd
import pytest
from reader_files import refused, write

from analysis.metrics import average, evaluate, measure_of
from analysis.metrics.judged import judge
from analysis.metrics.orders import ORDERING_RULES
from analysis.metrics.sums import PrefixSums, ranges
from analysis.readers import read_qrels, read_run

ALL = ["nDCG", "nDCG@3", "RR", "RR@3", "AP", "AP@3", "P@3", "R", "R@3", "Success", "Success@3"]


def run_of(*scores: float, query_id: object = "q") -> pd.DataFrame:
    ids = [f"p{number}" for number in range(len(scores))]
    return pd.DataFrame({"query_id": query_id, "passage_id": ids, "score": scores})


def qrels_of(*grades: float, query_id: object = "q") -> pd.DataFrame:
    ids = [f"p{number}" for number in range(len(grades))]
    return pd.DataFrame({"query_id": query_id, "passage_id": ids, "grade": grades})


def one(run: pd.DataFrame, qrels: pd.DataFrame, measure: str, **named) -> pd.Series:
    return evaluate(run, qrels, [measure], **named).iloc[0]


def test_names_are_read_and_written():
    for name in ALL:
        assert measure_of(name).name == name
    assert measure_of("P@10").cutoff == 10
    assert measure_of(measure_of("AP")) == measure_of("AP")


@pytest.mark.parametrize(
    "name",
    ["nDCG@0", "nDCG@-1", "nDCG@1.5", "nDCG@", "@10", "Rprec", "", "nDCG@03", "ndcg__10", None, 7],
)
def test_unknown_measures_are_refused(name):
    assert "nDCG, RR, AP, P, R, Success" in refused(measure_of, name).remedy


SPELLINGS = {
    "nDCG": ["ndcg", "NDCG"],
    "nDCG@10": ["ndcg_cut_10", "ndcg_cut.10", "ndcg_at_10", "ndcg@10", "NDCG@10"],
    "AP": ["map", "MAP"],
    "AP@100": ["map_cut_100", "map_cut.100", "map_at_100", "MAP@100"],
    "RR": ["recip_rank", "MRR"],
    "RR@10": ["mrr_at_10", "MRR@10"],
    "P@5": ["P_5", "P.5", "precision_at_5", "p@5"],
    "R@1000": ["recall_1000", "recall.1000", "recall_at_1000", "Recall@1000"],
    "Success@1": ["success_1", "hit_rate_at_1", "success@1"],
}


@pytest.mark.parametrize(
    ("name", "spelling"), [(name, one) for name, all_ in SPELLINGS.items() for one in all_]
)
def test_measures_by_the_names_of_trec_eval_and_mteb(name, spelling):
    assert measure_of(spelling) == measure_of(name)


@pytest.mark.parametrize("name", ["P", "precision", "ndcg_cut", "map_cut"])
def test_some_measures_need_a_cutoff(name):
    assert refused(measure_of, name).problem == f"{name} needs a cut-off"


def test_no_measure_is_refused():
    assert refused(evaluate, run_of(1), qrels_of(1), []).field == "measure"


def test_the_table():
    table = evaluate(run_of(1, 1), qrels_of(0, 1), ["RR", "P@1"], stored_dtype="float16")
    assert table.drop(columns="query_id").to_dict("list") == {
        "measure": ["RR", "P@1"],
        "expected": [0.75, 0.5],
        "min": [0.5, 0.0],
        "max": [1.0, 1.0],
        "std": [0.25, 0.5],
        "oblivious": [1.0, 1.0],
        "bias": [0.25, 0.5],
        "tie_rule": ["docid descending"] * 2,
        "stored_dtype": ["float16"] * 2,
    }
    assert table["query_id"].tolist() == ["q", "q"]


@pytest.mark.parametrize(
    ("rule", "rank"), [("input order", 2), ("docid ascending", 1), ("docid descending", 3)]
)
def test_tie_rules(rule, rank):
    run = run_of(1, 1, 1).iloc[[2, 0, 1]]
    assert one(run, qrels_of(1), "RR", tie_rule=rule)["oblivious"] == 1 / rank


def test_the_rule_expected_gives_no_order():
    error = refused(evaluate, run_of(1), qrels_of(1), ["RR"], tie_rule="expected")
    assert error.field == "tie_rule"
    assert all(rule in error.remedy for rule in ORDERING_RULES)


def test_the_cast_makes_ties():
    run = run_of(0.99991, 0.9999)
    assert one(run, qrels_of(0, 1), "RR")["std"] == 0
    assert one(run, qrels_of(0, 1), "RR", stored_dtype="float16")["expected"] == 0.75


def test_scores_that_only_float64_holds_are_in_order_too():
    scores = [0.1, 1e300, -np.inf, -0.0, 0.0, np.inf, 0.1 + 2**-55, -1e-300]
    ranks = pd.Series(scores).rank(ascending=False, method="min")
    for passage, rank in enumerate(ranks):
        qrels = qrels_of(*(float(other == passage) for other in range(len(scores))))
        assert one(run_of(*scores), qrels, "RR")["max"] == 1 / rank


def test_short_lists_and_distant_cutoffs():
    run, qrels = run_of(2, 1), qrels_of(1, 0, 1)
    assert one(run, qrels, "P@10")["expected"] == 1 / 10
    assert one(run, qrels, "R@10")["expected"] == 1 / 2
    assert one(run, qrels, "AP@10")["expected"] == one(run, qrels, "AP")["expected"] == 1 / 2
    assert one(run, qrels, "nDCG@999999999")["expected"] == 1 / (1 + 1 / log2(3))


def test_worthless_queries():
    run = pd.concat([run_of(1, 1), run_of(2, 1, query_id="not judged")])
    qrels = pd.concat([qrels_of(0, -2), qrels_of(1, query_id="not run")])
    judged = judge(run, qrels)
    assert judged.queries_without_qrels == ("not judged",)
    table = evaluate(run, qrels, ALL)
    assert table["query_id"].unique().tolist() == ["q", "not run"]
    assert (table[["expected", "min", "max", "std", "oblivious", "bias"]] == 0).all(axis=None)


def test_nothing_relevant_retrieved():
    run, qrels = run_of(1, 1), qrels_of(0, 0, 3)
    assert (evaluate(run, qrels, ALL)[["expected", "max", "std"]] == 0).all(axis=None)


def test_a_ranking_without_uncertainty_is_exact_to_the_last_bit():
    generator = np.random.default_rng(0)
    run = run_of(*generator.permutation(200).astype(float))
    run.loc[run["score"] > 190, "score"] = 1_000.0  # tied, but all alike
    grades = np.where(run["score"] == 1_000, 2, generator.integers(0, 4, 200))
    table = evaluate(run, qrels_of(*grades), ALL)
    assert (table["min"] == table["max"]).all()
    assert (table["expected"] == table["max"]).all()
    assert (table["oblivious"] == table["max"]).all()
    assert (table["std"] == 0).all()


def test_the_ideal_ranking_is_worth_exactly_one():
    run, qrels = run_of(4, 3, 3, 1), qrels_of(3, 2, 2, 1)
    table = evaluate(run, qrels, ["nDCG", "nDCG@3", "RR", "AP", "R", "Success"])
    assert (table[["expected", "min", "max"]] == 1).all(axis=None)


def test_other_columns_and_whole_number_ids_do_not_matter():
    run = run_of(2, 1, query_id=7).assign(path="x", grade=9)
    assert one(run, qrels_of(0, 1, query_id="7"), "RR")["expected"] == 0.5


def test_order_of_rows_does_not_matter():
    generator = np.random.default_rng(0)
    parts = [run_of(*generator.integers(0, 4, 9), query_id=f"q{n}") for n in range(5)]
    qrels = pd.concat([qrels_of(*generator.integers(0, 3, 9), query_id=f"q{n}") for n in range(5)])
    run = pd.concat(parts, ignore_index=True)
    shuffled = evaluate(run.sample(frac=1, random_state=1), qrels, ALL)
    pd.testing.assert_frame_equal(evaluate(run, qrels, ALL), shuffled, check_exact=True)


def test_averages():
    run = pd.concat([run_of(1, 1), run_of(1, 1, 1, query_id="q2")])
    qrels = pd.concat([qrels_of(1), qrels_of(1, query_id="q2"), qrels_of(1, query_id="q3")])
    table = evaluate(run, qrels, ["P@1", "RR"])
    means = average(table)
    assert means["measure"].tolist() == ["P@1", "RR"]
    assert means["queries"].tolist() == [3, 3]
    precision = means.iloc[0]
    assert precision["expected"] == pytest.approx((1 / 2 + 1 / 3) / 3, rel=1e-15)
    assert [precision["min"], precision["max"]] == [0, pytest.approx(2 / 3, rel=1e-15)]
    assert precision["std"] == pytest.approx(np.sqrt(1 / 4 + 2 / 9) / 3, rel=1e-14)


def test_nan_is_refused_by_name():
    error = refused(judge, run_of(1, np.nan), qrels_of(1))
    assert "query 'q', passage 'p1'" in error.problem
    assert error.field == "score"
    overflowed = refused(judge, run_of(1, 1e9), qrels_of(1), stored_dtype="float8_e4m3fn")
    assert overflowed.field == "score"


@pytest.mark.parametrize("grade", [np.nan, np.inf, 1e16])
def test_grades_that_are_none(grade):
    assert refused(judge, run_of(1, 2), qrels_of(1, grade)).field == "grade"


def test_grades_may_have_fractions():
    run, qrels = run_of(3, 2, 1), qrels_of(0.5, 0.0, 1.5)
    assert one(run, qrels, "nDCG@1")["expected"] == 0.5 / 1.5
    assert one(run, qrels, "P@2")["expected"] == 1 / 2
    assert one(run, qrels, "P@2", relevant_from=1)["expected"] == 0
    assert one(run, qrels, "RR", relevant_from=1)["expected"] == 1 / 3
    assert one(run, qrels, "nDCG@1", relevant_from=1)["expected"] == 0.5 / 1.5


@pytest.mark.parametrize("grade", [0.1, 3e9, 2.0**53])
def test_passages_of_any_one_grade_are_alike(grade):
    row = one(run_of(1, 1, 1), qrels_of(grade, grade, grade), "nDCG@2")
    assert row[["expected", "min", "max", "std"]].tolist() == [1, 1, 1, 0]


def test_large_grades_do_not_overflow():
    run, small, large = run_of(1, 1, 1, 1), qrels_of(1, 0, 3, 2), qrels_of(1e9, 0, 3e9, 2e9)
    for name in ("nDCG", "nDCG@2"):
        expected, ours = (
            one(run, qrels, name)[["expected", "min", "max", "std"]].tolist()
            for qrels in (small, large)
        )
        assert ours == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("threshold", [0, -1, np.nan, np.inf, True, "1", [1]])
def test_a_threshold_is_above_0(threshold):
    error = refused(judge, run_of(1), qrels_of(1), relevant_from=threshold)
    assert error.field == "relevant_from"


def test_missing_grades_of_a_set_are_refused():
    grades = pd.array([1, None], dtype="Int64")
    assert "p1" in refused(judge, run_of(1, 2), qrels_of(1, 1).assign(grade=grades)).problem


def test_duplicates_empty_and_foreign_frames():
    run, qrels = run_of(2, 1), qrels_of(1)
    assert "twice in the run" in refused(judge, pd.concat([run, run]), qrels).problem
    assert "twice in the qrels" in refused(judge, run, pd.concat([qrels, qrels])).problem
    assert refused(judge, run.iloc[:0], qrels).problem == "the run has no rows"
    assert refused(judge, run, qrels.iloc[:0]).problem == "the qrels has no rows"
    assert "'other'" in refused(judge, run_of(1, query_id="other"), qrels).problem
    assert "score" in refused(judge, run.drop(columns="score"), qrels).problem
    assert refused(judge, run.assign(score="high"), qrels).field == "score"
    assert refused(judge, run.assign(query_id=1.5), qrels).field == "query_id"
    assert refused(judge, run.assign(passage_id=[None, "p"]), qrels).field == "passage_id"


def test_trec_files(tmp_path):
    run = read_run(write(tmp_path / "run", "7 Q0 p1 1 0.5 tag", "", "7\tQ0 p2 2 .5 tag"))
    qrels = read_qrels(write(tmp_path / "qrels", "7 0 p2 1", "7 0 p9 -1"))
    assert one(run, qrels, "RR")[["expected", "oblivious"]].tolist() == [0.75, 1.0]


def placements(above: int, found: int, size: int, relevant: int):
    """Ranks of all relevant passages, for every placement in a group under ``above`` others."""
    best = np.arange(1, found + 1)
    for chosen in combinations(range(above + 1, above + size + 1), relevant):
        yield np.concatenate([best, chosen])


@pytest.mark.parametrize("cutoff", [None, 20])
def test_a_large_group(cutoff):
    above, found, size, relevant = 5, 2, 30, 3
    scores = [10 - place for place in range(above)] + [1] * size
    grades = [1] * found + [0] * (above - found) + [1] * relevant
    values = []
    for ranks in placements(above, found, size, relevant):
        top = ranks[ranks <= (cutoff or 99)]
        values.append(((np.arange(len(top)) + 1) / top).sum() / len(ranks))
    measure = "AP" if cutoff is None else f"AP@{cutoff}"
    row = one(run_of(*scores), qrels_of(*grades), measure)
    expected = [np.mean(values), np.std(values), min(values), max(values)]
    # Means over thousands of values, each a sum of five.
    np.testing.assert_allclose(
        row[["expected", "std", "min", "max"]].astype(float), expected, rtol=1e-12
    )


def test_small_differences_far_down_the_list_keep_their_digits():
    above = 5_000
    scores = [float(above - place) for place in range(above)] + [0.0, 0.0]
    run = run_of(*scores)
    qrels = pd.DataFrame({"query_id": "q", "passage_id": [f"p{above}"], "grade": [1]})
    ends = {
        "AP": (1 / (above + 1), 1 / (above + 2)),
        "RR": (1 / (above + 1), 1 / (above + 2)),
        "nDCG": (1 / log2(above + 2), 1 / log2(above + 3)),
    }
    for measure, (most, least) in ends.items():
        row = one(run, qrels, measure)
        assert row["expected"] == pytest.approx((most + least) / 2, rel=1e-14)
        # The difference itself is known to the precision of its two terms.
        assert row["std"] == pytest.approx((most - least) / 2, abs=1e-16 * 10 * most)


def test_prefix_sums_are_as_accurate_as_single_sums():
    terms = 1 / np.arange(1, 100_001)
    sums = PrefixSums(terms)
    generator = np.random.default_rng(0)
    start, stop = np.sort(generator.integers(0, len(terms) + 1, (2, 200)), axis=0)
    exact = [fsum(terms[a:b]) for a, b in zip(start, stop, strict=True)]
    np.testing.assert_allclose(sums.between(start, stop), exact, rtol=1e-15, atol=0)


def test_ranges():
    owner, offset = ranges(np.array([2, 0, 3]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert offset.tolist() == [0, 1, 0, 1, 2]
    assert [part.tolist() for part in ranges(np.array([], dtype=np.int64))] == [[], []]


def test_one_measure_needs_no_list_and_none_is_no_measure():
    run, qrels = run_of(0.9, 0.8), qrels_of(0, 1)
    expected = evaluate(run, qrels, ["nDCG@10"])
    pd.testing.assert_frame_equal(evaluate(run, qrels, "nDCG@10"), expected)
    for measures in (None, [None]):
        assert "nDCG" in refused(evaluate, run, qrels, measures).remedy
