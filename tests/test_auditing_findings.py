"""What an audit finds, against plain counting and against the score paths themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.auditing import tables
from analysis.auditing.findings import TOP_K, findings
from analysis.auditing.sources import Scored
from analysis.engines import path_of
from analysis.scorepath import ScorePath

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
    logits = [9.0] * 5 + [6.6] * 7 + [2.0] * 2 + [1.0, 0.0, -1.0, -2.0, -3.0, -4.0]
    found = findings(scored(OLD, logits, n_queries=4, applied=True))
    shown = [float(row[0]) for row in tables.steps(found)[1]]
    expected = sorted(set(found.top_scores), reverse=True)[:6]
    assert shown == pytest.approx(expected, abs=1e-9)  # nine digits


def test_effects_over_known_logits():
    found = findings(scored(OLD, [9.0, 8.5, 8.0, 7.75, 6.5, 6.5, 1.0]))
    columns = ["ones", "tied_in_top", "first_shared", "first_lost"]
    rows = {name: row[columns].tolist() for name, row in found.effects.iterrows()}
    assert rows == {
        "as it is": [4, 6, 1, 1],
        "upcast before the activation (HPS)": [0, 2, 0, 0],
        "order by raw logits": [pd.NA, 2, 0, 0],
    }
    assert found.ties[["score", "size", "first_rank"]].to_numpy().tolist()[0] == [1.0, 4, 1]


def test_two_identical_passages_that_lead_have_lost_nothing():
    found = findings(scored(ScorePath(), [9.0, 9.0, 1.0]))
    assert found.effects[["first_shared", "first_lost"]].to_numpy().tolist() == [[1, 0]] * 3


def test_float32_logits_show_what_the_forward_dtype_hid():
    logits = np.array([3.001, 3.0, 2.0])
    source = scored(NEW["bfloat16"], logits, applied=True)
    source = Scored("model", "m", source.frame, {}, source.path, pd.Series(logits))
    assert findings(source).effects["tied"].to_dict() == {
        "as it is": 2,
        "upcast before the activation (HPS)": 2,
        "order by raw logits": 2,
        "float32 throughout": 0,
    }


def test_without_logits_the_scores_stand_alone():
    found = findings(scored(OLD, realistic(), n_queries=20, known=False))
    assert found.effects.index.tolist() == ["as it is"]
    assert found.effects[["moved", "first_lost", "reordered"]].isna().all(axis=None)


@pytest.mark.parametrize("path", [OLD, NEW["float16"], NEW["bfloat16"]], ids=str)
def test_the_path_is_found_from_scores_and_logits(path):
    found = findings(scored(path, realistic(), n_queries=20))
    assert found.verdict.kind == "sigmoid"
    assert found.path.forward_dtype == path.forward_dtype
    assert (found.path.formula, found.path.activation_dtype) == (
        path.formula,
        path.activation_dtype,
    )
    assert found.hidden is not None


def test_the_old_path_is_found_from_scores_alone():
    found = findings(scored(OLD, realistic(), n_queries=20, known=False))
    assert (found.path.formula, found.path.activation_dtype) == ("stepwise", "float16")
    assert found.hidden.one_from == 7.625
    assert found.recommendation.action.startswith("Evaluate the sigmoid in float32")
    assert any("proved" in reason for reason in found.recommendation.reasons)


def test_logits_of_another_batch_do_not_spoil_the_verdict():
    source = scored(OLD, realistic(), n_queries=20)
    moved = source.frame.assign(logit=source.frame["logit"] + 2.0**-6)
    assert findings(Scored("url", "u", moved)).path == findings(source).path


def test_ties_in_any_top_are_counted():
    found = findings(scored(OLD, [9.0, 8.0, 1.0]))
    assert [found.tied_in_top(k) for k in (1, TOP_K, 25)] == [2, 2, 2]


def test_float32_scores_stored_as_float16_say_where_those_saturate():
    """Regression: the sentence said 16.6 above a row that began at 8.3."""
    path = ScorePath(stored_dtype="float16")
    found = findings(scored(path, [9.0, 8.5, 2.0, 1.0], applied=True))
    assert "Every logit from 8.317522 on becomes exactly 1.0" in tables.hidden_sentence(found)
    assert found.hidden.steps["logit_low"].iloc[0] == pytest.approx(8.317522, abs=1e-5)


def test_the_recommendation_has_the_numbers_of_the_effects():
    found = findings(scored(OLD, realistic(), n_queries=20))
    as_it_is, hps, raw = found.effects["tied_in_top"]
    assert as_it_is > hps >= raw
    assert found.recommendation.remedy == "upcast before the activation (HPS)"
    numbers = found.recommendation.numbers
    assert [numbers[name]["tied_in_top"] for name in found.effects.index] == [as_it_is, hps, raw]
    counted = f"{as_it_is:,} as it is, {hps:,} with a float32 sigmoid, {raw:,} by raw logits"
    assert counted in str(found.recommendation)


def test_where_the_logits_tie_only_what_sets_them_apart_is_recommended():
    """A set under a model whose half logits tie: neither sigmoid nor raw order mends anything."""
    float32 = pd.Series(np.repeat([1.0, 2.0, 3.0, 4.0], 5) + np.tile(np.arange(5) * 1e-4, 4))
    for path in (NEW["bfloat16"], path_of("haystack", "2.31.0", "bfloat16")):
        tied = scored(path, float32, n_queries=4, applied=True)
        found = findings(replace(tied, float32_logits=float32))
        ties = found.effects["tied_in_top"].tolist()
        assert ties[0] == ties[1] == ties[2] > ties[3] == 0
        assert found.recommendation.remedy == "float32 throughout"
        asked = findings(tied)
        assert asked.recommendation.remedy == "more evidence"
        assert "in float32" in asked.recommendation.action


def test_with_float32_logits_the_recommendation_says_what_the_forward_dtype_did():
    float32 = pd.Series([9.01, 9.0, 8.0, 8.01, 1.0, 1.01])
    swapped = scored(NEW["bfloat16"], [8.5, 9, 8, 8.25, 1, 1.25], n_queries=1, applied=True)
    found = findings(replace(swapped, float32_logits=float32)).recommendation
    assert found.remedy == "nothing"
    assert "By raw bfloat16 logits 1 of 1 query has another top 10" in str(found)


def test_counts_are_whole_numbers_and_missing_where_nothing_can_saturate():
    found = dict(tables.counts(findings(scored(OLD, [9.0, 8.0, 1.0]))))
    assert (found["candidates"], found["exactly 1.0"]) == ("3", "2")
    raw = dict(tables.counts(findings(scored(ScorePath().raw(), [9.0, 8.0, 1.0], applied=True))))
    assert (raw["candidates"], raw["exactly 1.0"]) == ("3", "–")


def test_a_path_that_could_not_be_told_is_neither_named_nor_mended():
    """Half values without any sigmoid: every half path attains them, by chance alone."""
    rng = np.random.default_rng(0)
    values = np.float16(rng.uniform(0.75, 1, 40)).astype(float)
    ids = {"query_id": [f"q{n % 4}" for n in range(40)], "passage_id": [f"p{n}" for n in range(40)]}
    values[4] = values[0]
    found = findings(Scored("scores", "s", pd.DataFrame(ids | {"score": values, "logit": np.nan})))
    assert found.verdict.kind == "cannot tell"
    assert found.path is None
    assert found.recommendation.remedy == "more evidence"


def test_the_best_of_a_query_divided_by_itself_is_not_called_saturated():
    """Where the fingerprint cannot tell them apart, the sentence names both."""
    logits = np.random.default_rng(3).normal(0, 2, 60)
    plain = scored(ScorePath("float64", "stepwise", "float64", "float64"), logits, n_queries=6)
    frame = plain.frame.assign(logit=np.nan)
    best = frame.groupby("query_id")["score"].transform("max")
    found = findings(Scored("scores", "name", frame.assign(score=frame["score"] / best)))
    assert found.verdict.kind == "cannot tell"
    assert tables.headline(found).startswith(
        "6 of 60 scores are exactly 1.0, the best of each query: saturated, or every score was "
        "divided by the best of its query; 0 candidates tie"
    )
    two = pd.concat([found.scored.frame, frame.head(1).assign(passage_id="x", score=1.0)])
    assert "7 of 61 scores are saturated" in tables.headline(findings(Scored("scores", "n", two)))
