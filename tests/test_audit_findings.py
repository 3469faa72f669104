"""What an audit finds, against plain counting and against the score paths themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from analysis.auditing.words import STEPS_SHOWN, step_rows
from analysis.hidden import MOST_STEPS, hidden_logits

from analysis.auditing.findings import TOP_K, audit, count, top_scores
from analysis.auditing.sources import Scored
from analysis.engines import path_of
from analysis.formats import format_of
from analysis.scorepath import ScorePath
from analysis.ties import with_tie_groups

OLD = path_of("infinity", "0.0.68", "float16")
NEW = {dtype: path_of("infinity", "0.0.78", dtype) for dtype in ("float32", "float16", "bfloat16")}


def scored(path, logits, *, n_queries=1, known=True, applied=False):
    """Scores of a path over logits that are dealt out to the queries in turn."""
    logits = path.logits(logits)
    frame = pd.DataFrame(
        {
            "query_id": [f"q{number % n_queries}" for number in range(len(logits))],
            "passage_id": [f"p{number}" for number in range(len(logits))],
            "score": path.scores(logits),
            "logit": logits if known else np.nan,
        }
    )
    return Scored("scores", "name", frame, path=path if applied else None)


def realistic(n=400):
    return np.random.default_rng(7).normal(3, 5, n)


def test_the_most_shared_steps_are_shown_the_highest_score_first():
    scores = OLD.scores([9.0] * 5 + [6.6] * 7 + [2.0] * 2 + [1.0, 0.0, -1.0, -2.0, -3.0, -4.0])
    shown = [row[0] for row in step_rows(hidden_logits(OLD, scores))]
    expected = sorted(set(scores), reverse=True)[:STEPS_SHOWN]
    assert [float(score) for score in shown] == pytest.approx(expected, abs=1e-9)  # nine digits
    many = OLD.scores([*np.linspace(-4, 5, 40), *[-5.0] * 3])
    shown = [float(row[0]) for row in step_rows(hidden_logits(OLD, many))]
    assert shown[-1] == pytest.approx(OLD.scores([-5.0])[0], abs=1e-9)


def test_counts_against_plain_counting():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"query_id": rng.integers(0, 9, 300).astype(str), "score": rng.integers(0, 21, 300) / 20}
    )
    found = count(with_tie_groups(frame), [1, 3, 10])
    tied, first, top = 0, 0, dict.fromkeys([1, 3, 10], 0)
    for _, scores in frame.groupby("query_id")["score"]:
        ordered = sorted(scores, reverse=True)
        for score in set(ordered):
            size, place = ordered.count(score), ordered.index(score)
            tied += size if size > 1 else 0
            first += size > 1 and place == 0
            for k in top:
                top[k] += size if size > 1 and place < k else 0
    assert (found.tied, found.queries_with_tied_first, found.tied_in_top) == (tied, first, top)
    assert found.ones == (frame["score"] == 1).sum()
    assert found.zeros == (frame["score"] == 0).sum()
    assert (found.queries, found.scores) == (frame["query_id"].nunique(), 300)
    assert found.saturated == found.ones + found.zeros


def test_raw_logits_cannot_saturate():
    frame = with_tie_groups(pd.DataFrame({"query_id": "q", "score": [1.0, 0.0, 7.5]}))
    assert count(frame, [10], bounded=False).saturated == 0


def test_top_scores_include_whole_tie_groups():
    frame = pd.DataFrame({"query_id": "q", "score": [0.5] * (TOP_K + 5) + [0.4]})
    assert len(top_scores(frame)) == TOP_K + 5


@pytest.mark.parametrize(
    "path",
    [
        OLD,
        path_of("infinity", "0.0.68", "float32"),
        *NEW.values(),
        path_of("haystack", "2.31.0", "float16"),
        path_of("haystack", "2.31.0", "bfloat16"),
        ScorePath("float32", "fused", "float16", "float16"),
        ScorePath("float32", "stepwise", "float32", "float16"),
        ScorePath("float16", "none", "float16", "float16"),
    ],
    ids=str,
)
def test_every_logit_of_a_step_gives_its_score_and_its_neighbours_do_not(path):
    logits = np.array([-3.1, 0.2, 2.5, 4.4, 5.1])
    if path.formula != "none":
        logits = np.append(logits, 30.0)
    steps = hidden_logits(path, path.scores(logits)).steps
    assert steps["score"].is_monotonic_decreasing
    stored_narrower = path.stored_dtype != path.activation_dtype
    for step in steps.itertuples():
        low, high = step.logit_low, step.logit_high
        if not np.isfinite(high):
            assert (step.score, step.width) == (1.0, np.inf)
            assert path.scores(low + 0.01) == 1.0
            continue
        assert step.width == high - low
        # The bounds are rounding midpoints; float32's sigmoid may be off by a few units in the
        # last place where the step of a narrower stored dtype is computed in float64.
        inside = (high - low) * (0.01 if stored_narrower else 1e-4)
        assert path.scores([low + inside, high - inside]).tolist() == [step.score] * 2
        assert path.scores([low - inside])[0] < step.score < path.scores([high + inside])[0]


def test_a_late_sigmoid_hides_no_more_than_its_logits_do():
    # Between 8 and 16 bfloat16 logits are 2^-4 apart, and float32's sigmoid keeps them apart.
    hidden = hidden_logits(NEW["bfloat16"], NEW["bfloat16"].scores([9.0, 9.0625]))
    assert hidden.steps["width"].tolist() == [2.0**-4] * 2
    assert (hidden.median_width, hidden.largest_width) == (2.0**-4, 2.0**-4)


def test_saturation_from_the_issue():
    assert hidden_logits(OLD, np.array([0.5])).one_from == 7.625
    assert np.isnan(hidden_logits(ScorePath(formula="none"), np.array([0.5])).one_from)


def test_a_calibration_factor_stretches_the_steps():
    scores = OLD.scores([2.0, 9.0])
    plain, stretched = hidden_logits(OLD, scores), hidden_logits(OLD, scores, calibration=0.5)
    assert stretched.steps["width"].tolist() == (2 * plain.steps["width"]).tolist()
    assert stretched.one_from == 15.25


def test_printed_decimals_decide_the_step():
    step = hidden_logits(ScorePath(), np.array([0.5]), decimals=2).steps.iloc[0]
    # The forward dtype's rounding at either end is float32's, some 1e-9 here.
    assert step.logit_low == pytest.approx(np.log(0.495 / 0.505), abs=1e-8)
    assert step.logit_high == pytest.approx(np.log(0.505 / 0.495), abs=1e-8)
    one = hidden_logits(ScorePath(), np.array([1.0]), decimals=4).steps.iloc[0]
    assert one.logit_low == pytest.approx(np.log(0.99995 / 0.00005), abs=1e-6)
    assert one.width == np.inf


def test_scores_that_the_path_cannot_make_are_not_explained_by_it():
    # The stepwise formula leaves out the last float16 value before 1.0.
    assert hidden_logits(OLD, np.array([0.5, 0.99951171875])) is None


def test_scores_of_another_machines_exponential_are_placed_all_the_same():
    path = NEW["float16"]
    scores = path.scores([0.5, 2.0, 9.0])
    moved = format_of("float32").next_above(scores)
    expected = hidden_logits(path, scores).steps["width"].tolist()
    assert hidden_logits(path, moved).steps["width"].tolist() == expected


def test_float32_scores_in_their_shortest_decimals_are_recognised():
    scores = NEW["float32"].scores([1.5, 2.5, 9.0])
    shortest = np.array([float(str(np.float32(score))) for score in scores])
    assert (shortest != scores).any()
    steps = hidden_logits(NEW["float32"], shortest).steps
    assert steps["score"].tolist() == sorted(scores, reverse=True)


def test_of_many_scores_some_are_looked_at_the_ends_included():
    scores = NEW["float32"].scores(np.linspace(-4, 4, 3 * MOST_STEPS))
    steps = hidden_logits(NEW["float32"], scores).steps
    assert len(steps) == MOST_STEPS
    assert (steps["score"].iloc[0], steps["score"].iloc[-1]) == (scores.max(), scores.min())


def test_alternatives_over_known_logits():
    found = audit(scored(OLD, [9.0, 8.5, 8.0, 7.75, 6.5, 6.5, 1.0]))
    rows = {
        item.name: (
            item.counts.saturated,
            item.counts.tied_in_top[TOP_K],
            item.counts.queries_with_tied_first,
            item.first_lost,
        )
        for item in found.alternatives
    }
    assert rows == {
        "as it is": (4, 6, 1, None),
        "float32 sigmoid (HPS)": (0, 2, 0, 1),
        "raw logits": (0, 2, 0, 1),
    }
    assert found.ties[["score", "size", "first_rank"]].to_numpy().tolist()[0] == [1.0, 4, 1]


def test_float32_logits_show_what_the_forward_dtype_hid():
    logits = np.array([3.001, 3.0, 2.0])
    source = scored(NEW["bfloat16"], logits, applied=True)
    source = Scored("model", "m", source.frame, {}, source.path, pd.Series(logits))
    found = {item.name: item.counts.tied for item in audit(source).alternatives}
    assert found == {
        "as it is": 2,
        "float32 sigmoid (HPS)": 2,
        "raw logits": 2,
        "float32 throughout": 0,
    }


def test_without_logits_there_are_no_alternatives():
    found = audit(scored(OLD, realistic(), n_queries=20, known=False))
    assert found.alternatives == ()


@pytest.mark.parametrize("path", [OLD, NEW["float16"], NEW["bfloat16"]], ids=str)
def test_the_path_is_found_from_scores_and_logits(path):
    found = audit(scored(path, realistic(), n_queries=20))
    assert found.verdict.kind == "sigmoid"
    assert found.path.forward_dtype == path.forward_dtype
    assert (found.path.formula, found.path.activation_dtype) == (
        path.formula,
        path.activation_dtype,
    )
    assert found.hidden is not None


def test_the_old_path_is_found_from_scores_alone():
    found = audit(scored(OLD, realistic(), n_queries=20, known=False))
    assert (found.path.formula, found.path.activation_dtype) == ("stepwise", "float16")
    assert found.hidden.one_from == 7.625
    assert found.remedy.startswith("Evaluate the sigmoid in float32")


def test_logits_of_another_batch_do_not_spoil_the_verdict():
    source = scored(OLD, realistic(), n_queries=20)
    moved = source.frame.assign(logit=source.frame["logit"] + 2.0**-6)
    assert audit(Scored("url", "u", moved)).path == audit(source).path


def test_further_ks_are_counted():
    found = audit(scored(OLD, [9.0, 8.0, 1.0]), ks=[1, 25])
    assert found.counts.tied_in_top == {1: 2, TOP_K: 2, 25: 2}


def test_the_remedy_has_the_numbers_of_the_alternatives():
    found = audit(scored(OLD, realistic(), n_queries=20))
    assert len(found.alternatives) == 3
    as_it_is, hps, raw = (item.counts.tied_in_top[TOP_K] for item in found.alternatives)
    assert as_it_is > hps >= raw
    counted = f"{as_it_is:,} as it is, {hps:,} with a float32 sigmoid, {raw:,} by raw logits;"
    assert counted in found.remedy


def test_with_float32_logits_the_remedy_says_what_the_forward_dtype_did():
    float32 = pd.Series([9.01, 9.0, 8.0, 8.01, 1.0, 1.01])
    tied = scored(NEW["bfloat16"], float32, n_queries=1, applied=True)
    assert "0 by float32 logits" in audit(replace(tied, float32_logits=float32)).remedy
    swapped = scored(NEW["bfloat16"], [8.5, 9, 8, 8.25, 1, 1.25], n_queries=1, applied=True)
    remedy = audit(replace(swapped, float32_logits=float32)).remedy
    assert "In 1 of 1 queries the top 10 by raw bfloat16 logits is not that of float32" in remedy
