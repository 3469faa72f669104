"""The answer of a report: its numbers are those of the rooms it asks, its words fit them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from remedy_logits import logits_of, random_logits
from sites import FLOAT16, answer_of

from analysis import effects, recommend
from analysis.forwardformats import format_texts, in_format, of_format
from analysis.reporting import words
from analysis.reporting.answer import subject
from analysis.reporting.pages import about, index_html, sheet_html
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath

GRADES = [2, 1, 0]
TIES = logits_of([9.0, 8.9, 1.0], [9.5, 9.1, 2.0], grades=GRADES)
NONE = logits_of([3.0, 2.0, 1.0], [2.5, 1.5, 0.5], grades=GRADES)
ONE = logits_of([9.0, 8.9, 1.0], grades=GRADES)
UNGRADED = logits_of([9.0, 8.9, 1.0], [9.5, 9.1, 2.0])
SATURATED = logits_of([9.0, 2.0, 1.0], [9.5, 1.5, 0.5], grades=GRADES)


def sheet(answer) -> str:
    return sheet_html({"answer": answer, "command": "", "about": about(answer)})


def verdict(answer) -> str:
    """The verdict as the sheet has it, without tags."""
    (found,) = re.findall(r'<p class="verdict">(.*?)</p>', sheet(answer), re.DOTALL)
    return " ".join(re.sub("<[^>]+>", "", found).split())


def test_counts_difference_and_remedy_are_those_of_the_rooms():
    logits = random_logits()
    answer = answer_of(logits)
    (counts,) = effects(logits, FLOAT16).to_dict("records")
    for column, value in answer.counts.items():
        assert value == counts[column], column
    (reference,) = effects(logits, ScorePath("float32").raw()).to_dict("records")
    assert answer.difference.value == pytest.approx(counts["ndcg"] - reference["ndcg"], abs=1e-12)
    assert answer.difference.low <= answer.difference.value <= answer.difference.high
    assert (answer.ndcg.low, answer.ndcg.high) == (counts["ndcg_min"], counts["ndcg_max"])
    seconds = {"float16": 0.01, "float32": 0.03}
    assert answer.recommendation == recommend(logits, FLOAT16, trial=answer.trial, seconds=seconds)


@pytest.mark.parametrize(
    ("logits", "harm", "begins"),
    [
        (
            TIES,
            "ties",
            "Yes: with half, 2 of 2 queries have another top 10 than in float32",
        ),
        (SATURATED, "saturation", "Not in the top 10: with half every query has the top 10"),
        (NONE, "none", "No harm found: with half, all 2 queries have the top 10 of float32"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_verdict_says_the_harm(logits, harm, begins):
    answer = answer_of(logits)
    assert answer.harm == harm
    said = verdict(answer)
    assert said.startswith(begins)
    assert said.endswith(answer.recommendation.action)


def test_ties_of_float32_are_no_harm():
    answer = answer_of(logits_of([3.0, 3.0, 1.0], [2.5, 1.5, 0.5], grades=GRADES))
    assert (answer.counts["tied_in_top"], answer.harm) == (2, "none")
    assert "what ties there ties in float32 too." in verdict(answer)


def test_order_is_harmed_without_a_tie():
    logits = logits_of([3.0, 2.0, 1.0], [2.5, 1.5, 0.5], grades=GRADES)
    swapped = (logits["forward_dtype"] == "float16") & (logits["passage_id"] == "p1")
    logits.loc[swapped, "logit"] = 0.75
    logits.loc[swapped & (logits["query_id"] == "q1"), "logit"] = 0.25
    answer = answer_of(logits)
    assert answer.harm == "order"
    assert verdict(answer).startswith("A little: with half, 2 of 2 queries have another")


def test_nothing_is_said_of_other_queries_from_one_and_of_ndcg_without_grades():
    assert "one query says nothing about others" in verdict(answer_of(ONE))
    assert answer_of(ONE).difference.low is None
    ungraded = answer_of(UNGRADED)
    assert ungraded.ndcg is ungraded.difference is None
    assert "nDCG is not known without grades" in verdict(ungraded)


def test_a_set_of_one_pair_without_a_grade_reads_well():
    found = answer_of(logits_of([1.0]), replace(FLOAT16, name=""))
    said = " ".join(re.sub("<[^>]+>", " ", sheet(replace(found, is_named=True))).split())
    assert "No harm found: with your path, the query has the top 10 of float32" in said
    assert "1 query with 1 candidate, not every pair graded" in said
    assert said.count("one query: no interval") == 3
    assert "– not known without grades no pair has one; with a grade for each" in said
    assert "it is as named, and was not observed" in said
    assert said.count(found.path.computation) == 2  # what was tested, and under the figure


def test_a_path_that_nobody_named_is_assumed_and_some_grades_are_counted():
    logits = logits_of([9.0, 8.9, 1.0], [9.5, 9.1, 2.0], grades=[2, 1, None])
    said = " ".join(re.sub("<[^>]+>", " ", sheet(answer_of(logits))).split())
    assert "it is assumed, not observed" in said
    assert "2 of 6 pairs have none" in said


def test_what_shares_a_scale_in_a_batch_is_said_of_a_format():
    logits = ONE.assign(forward_format=format_texts(ONE))
    int8 = in_format(of_format(logits, "float32"), "onnxruntime:int8-dynamic")
    answer = replace(answer_of(logits), beside=int8.assign(logit=[8.0, 9.5, 1.0]))
    assert answer.formats["format"].map(str).str.startswith("torch").sum() == 3
    (row,) = answer.formats.tail(1).to_dict("records")
    assert (row["mean_abs"], row["largest"]) == (pytest.approx(1.6 / 3), 1.0)
    assert (row["reordered"], row["first_lost"]) == (1, 1)
    page = index_html({"answer": answer, "command": "", "about": about(answer)}, [])
    said = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "onnxruntime:int8-dynamic 0.53 1 1 1" in said
    assert "In onnxruntime:int8-dynamic the activations of a batch share one scale" in said


def test_where_no_query_differs_no_interval_is_said():
    same = answer_of(NONE)
    assert (same.difference.low, same.difference.value, same.difference.high) == (0, 0, 0)
    assert "nDCG@10 is that of float32 for every query." in verdict(same)
    assert "<b>0</b>\n<span>no query differs</span>" in sheet(same)
    assert "<span>no tie changes it</span>" in sheet(same)


def test_the_path_that_was_named_stands_first_among_the_engines():
    answer = replace(answer_of(TIES), is_named=True)
    assert answer.engines["path"].iloc[0] == answer.name
    assert answer.name not in set(answer_of(TIES).engines["path"])


def test_an_effect_is_claimed_only_if_its_interval_has_one_sign():
    answer = answer_of(random_logits())
    shown = answer.difference.high < 0 or answer.difference.low > 0
    assert ("No effect on nDCG@10 is shown" in verdict(answer)) == (not shown)


def test_a_share_has_wilsons_interval():
    share = answer_of(TIES).share("first_shared")
    assert share.value == share.high == 1.0
    assert share.low == pytest.approx(2 / (2 + 1.959964**2), abs=1e-6)


def test_a_float32_path_needs_no_trial_and_no_second_network():
    answer = answer_of(NONE, FLOAT32_REFERENCE)
    assert answer.trial is None
    assert (answer.harm, answer.dtype) == ("none", "float32")
    assert set(answer.prices["seconds"]) == {0.3}


def test_verified_top_k_costs_both_networks_and_the_share_that_is_rescored():
    answer = answer_of(random_logits())
    price = answer.prices.loc["verified top k"]
    assert price["seconds"] == pytest.approx(0.1 + answer.trial.rescored * 0.3)
    assert price["bytes"] == 3 * 10**8
    assert list(answer.prices.loc[["as it is", "float32 throughout"], "seconds"]) == [0.1, 0.3]


def test_where_float32_is_faster_the_pages_say_so():
    answer = answer_of(TIES)
    assert not answer.is_float32_faster
    faster = replace(answer, speed=answer.speed.assign(slowest=[0.1, 0.05]))
    assert faster.is_float32_faster
    assert "float32 throughout costs no time" in sheet(faster)
    assert "float32 throughout costs no time" not in sheet(answer)


def test_the_subject_is_ones_own_path_or_a_usual_one():
    assert subject("haystack:bfloat16", ["float32"]).forward_dtype == "bfloat16"
    assert subject(None, ["float32", "float16"]).name.startswith("Infinity")
    assert subject(None, ["bfloat16"]).forward_dtype == "bfloat16"
    assert subject(None, ["float64"]).forward_dtype == "float64"


def test_numbers_are_never_written_as_all_or_none_unless_they_are():
    shares = [words.share(value) for value in (0.0, 0.001, 0.5, 0.999, 1.0)]
    written = [share.replace(words.NARROW, " ") for share in shares]
    assert written == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %"]
    times = [words.time(value) for value in (0.0012, 0.499, 0.9999, 23.64)]
    assert times == ["1.2 ms", "499 ms", "1 s", "23.6 s"]
    assert [words.memory(value) for value in (5e4, 1.5e8, 2.34e9)] == [
        "under 1 MB",
        "150 MB",
        "2.3 GB",
    ]
    assert words.signed(-0.04328) == "\N{MINUS SIGN}0.0433"
