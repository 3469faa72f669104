"""Issue 203 reproduced: counts against a case worked by hand, and sentences true either way."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from analysis.staircase import staircase

from analysis.engines import default_paths, path_of
from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.recordings import JSON_NUMBER, disable_half, recorded_path, trust_remote_code
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.sigmoids import saturation
from analysis.studies.issue_203 import comparison, decomposition, team, versions, words

LOGITS = [7.9, 9.0, 6.4, 6.55, -1.0, 2.0, 1.0, 0.5]
QUERIES = ["q1"] * 5 + ["q2"] * 3
HALF = {"engine": "infinity", "version": "0.0.32", "dtype": "float16"}
FULL = {"engine": "haystack", "version": "2.0.1", "dtype": "float32"}


def run(
    engine: str, version: str, dtype: str, logits: list[float] = LOGITS, api: str = "in-process"
) -> pd.DataFrame:
    """A recording as an engine would have made it: its catalogue path over the logits."""
    path = recorded_path(engine, version, dtype)
    held = FORMATS[dtype].round(logits).astype(float)
    served = api == "http"
    return pd.DataFrame(
        {
            "engine": engine,
            "version": version,
            "api": api,
            "forward_dtype": dtype,
            "query_id": QUERIES[: len(logits)],
            "passage_id": [f"p{number}" for number in range(len(logits))],
            "logit": [float(str(np.float32(x))) for x in held] if served else held,
            "logit_dtype": JSON_NUMBER if served else dtype,
            "score": [float(str(np.float32(x))) for x in path.scores(held)]
            if served
            else path.scores(held),
            "score_dtype": JSON_NUMBER if served else dtype,
            "rank": pd.array([pd.NA] * len(logits), dtype="Int64"),
        }
    )


def pair(reference: dict, compared: dict, **logits: list[float]) -> pd.DataFrame:
    frames = [comparison.placed(run(**one, **logits)) for one in (reference, compared)]
    return comparison.side_by_side(*frames)


@pytest.fixture(scope="module")
def both() -> pd.DataFrame:
    return pair(FULL, HALF)


@pytest.fixture(scope="module")
def effects() -> pd.DataFrame:
    return effects_of(LOGITS)


def effects_of(logits: list[float]) -> pd.DataFrame:
    runs = [run("infinity", "0.0.32", dtype, logits) for dtype in ("float32", "float16")]
    return decomposition.effects(decomposition.cells(pd.concat(runs, ignore_index=True)))


def test_ranks_are_by_score_and_equal_scores_keep_the_input_order():
    placed = comparison.placed(run(**HALF))
    assert placed["rank"].tolist() == [1, 2, 4, 3, 5, 1, 2, 3]
    assert placed["tie_size"].tolist() == [2, 2, 1, 1, 1, 1, 1, 1]


def test_a_servers_numbers_are_placed_as_it_held_them():
    inside, outside = (
        comparison.placed(run("infinity", "0.0.78", "float16", api=api))
        for api in ("in-process", "http")
    )
    found = comparison.likeness(comparison.side_by_side(inside, outside))
    assert found.equal_logits == found.equal_scores == found.pairs == len(LOGITS)
    assert "all 8 logits and scores" in words.served_sentence("float16", found)


def test_runs_of_other_pairs_are_refused():
    whole, part = comparison.placed(run(**FULL)), comparison.placed(run(**HALF, logits=[1.0]))
    with pytest.raises(InputError, match="not of the same pairs"):
        comparison.side_by_side(whole, part)


def test_the_report_in_small(both):
    """7.9 and 9.0 become 1.0, 6.4 stays 0.998, 6.55 (0.9986) was 0.999 already."""
    found = comparison.changes(both)
    assert (found.queries, found.candidates, found.became_one) == (2, 8, 2)
    assert found.lowest_one == FLOAT32_REFERENCE.scores([7.9])[0]
    assert found.highest_other == FLOAT32_REFERENCE.scores([6.55])[0]
    assert (found.moved, found.first_shared, found.first_fell) == (2, 1, 0)
    assert found.first_replaced == 1
    assert comparison.telling_query(both) == "q1"


@pytest.mark.parametrize("logit", [6.4, 6.5, 6.5234375, 6.53125])
def test_what_the_stepwise_formula_prints_is_its_own_staircase(logit):
    table = comparison.digits_table(pair(FULL, HALF, logits=[logit]), 0.0)
    steps = staircase("stepwise", "float16", 0.99)
    (step,) = steps[(steps["logit_low"] <= logit) & (steps["logit_high"] >= logit)]["score"]
    assert list(table.columns) == ["reference", f"{step:.3f}"]


def test_0_998_to_0_999_is_counted():
    """The step below 1.0 is 0.99902: it takes in what is 0.99854 to 0.99951 in float32."""
    found = comparison.changes(pair(FULL, HALF, logits=[6.4, 6.55, 6.8, 6.95]))
    assert found.raised == 2
    assert found.lowest_raised == pytest.approx(0.99857, abs=1e-5)
    assert words.raised_sentence(found).startswith("**2 scores** of Haystack")


def test_prints_are_crossed_and_exact_ones_kept_apart(both):
    table = comparison.digits_table(both, 0.99).set_index("reference")
    assert table.loc["0.999", comparison.EXACTLY_ONE] == 2
    assert table.to_numpy().sum() == 4
    assert comparison.printed(pd.Series([1.0, 0.9999])).tolist() == ["exactly 1.0", "1.000"]
    assert comparison.digits(pd.Series([1.0, 0.9999])).tolist() == ["exactly 1.0", "0.999"]
    assert comparison.digits_table(both, 1.0).empty


def test_likeness_separates_the_sigmoid_from_the_network():
    logits = list(np.linspace(-9, 9, 5))
    moved = [logits[0] + 1e-5, *logits[1:]]
    frames = [
        comparison.placed(run("haystack", "2.0.1", "float32", logits)),
        comparison.placed(run("infinity", "0.0.32", "float32", moved)),
    ]
    found = comparison.likeness(comparison.side_by_side(*frames))
    assert (found.pairs, found.equal_logits, found.moved) == (5, 4, 0)
    assert found.logit_apart == pytest.approx(1e-5, rel=0.05)
    assert found.score_apart_on_equal_logits <= 2**-23
    said = words.likeness_sentence(found, "A", "B", "a cause")
    assert "Before any sigmoid 1 logit differs by up to" in said
    assert said.count("a cause") == 1
    same = comparison.likeness(pair(FULL, FULL))
    assert words.likeness_sentence(same, "A", "B", "a cause").endswith("is bitwise equal.")


def test_the_cells_are_the_paths_of_engines():
    engines = [
        path_of("haystack", "2.31.0", "float32"),
        path_of("infinity", "0.0.68", "float32"),
        path_of("sentence-transformers", "6.2.0", "float16"),
        path_of("infinity", "0.0.78", "float16"),
        path_of("haystack", "2.31.0", "float16"),
        path_of("infinity", "0.0.68", "float16"),
    ]
    assert list(decomposition.CELLS) == engines
    assert decomposition.CELLS[0] == FLOAT32_REFERENCE


def test_effects_by_hand(effects):
    ones = effects.set_index(["logits", "sigmoid", "formula"])["exactly_one"].sort_index()
    assert ones["float16", "float16", "stepwise"] == 2
    assert ones["float16", "float16", "fused"] == 1  # 7.9 lies between the two thresholds
    assert ones.drop(("float16", "float16")).eq(0).all()
    first = effects.iloc[0]
    assert not first[["printed_otherwise", "largest_error", "moved", "first_lost"]].any()
    assert effects["first_lost"].tolist() == [0, 0, 0, 0, 0, 1]
    # Rounded once, 6.4 and 6.55 share 0.9985; step by step they do not, but 7.9 and 9.0 share 1.0.
    assert effects["tied_in_top"].tolist() == [0, 0, 0, 0, 2, 2]


def test_witnesses_are_the_runs_that_take_a_cell_and_follow_it():
    asked = [("infinity", "0.0.32", "float16"), ("haystack", "2.0.1", "bfloat16")]
    asked += [("sentence-transformers", "6.2.0", "float16"), ("haystack", "2.0.1", "float32")]
    runs = [run(*one) for one in asked]
    found = decomposition.witnesses(runs)
    assert found["engine"].tolist() == ["haystack", "sentence-transformers", "infinity"]
    assert found["bitwise"].tolist() == [8, 8, 8]
    assert "**3** are paths" in words.witness_sentence(found)
    assert words.witness_sentence(found).endswith("all of them.")
    runs[0].loc[2, "score"] += 2**-11
    off = decomposition.witnesses(runs)
    assert off["bitwise"].tolist() == [8, 8, 7]
    assert off["largest_difference"].max() == 2**-11
    assert "off by more than 0.00049" in words.witness_sentence(off)


def test_the_verdict_follows_the_counts(effects):
    said = words.decomposition_sentences(effects, 8)
    assert "half right" in said[-1]
    assert "1 more score of exactly 1.0" in said[-1]
    low = words.decomposition_sentences(effects_of([3.0, 1.0, -2.0]), 3)
    assert "finds no support" in low[-1]
    wide = effects.assign(printed_otherwise=[0, 1, 0, 0, 0, 0])
    assert "differ even in float32" in words.decomposition_sentences(wide, 8)[-1]


def test_sentences_of_the_report_stay_true_where_nothing_happens():
    found = comparison.changes(pair(FULL, HALF, logits=[3.0, 1.0]))
    assert words.one_sentence(found).startswith("None of the 2 scores became exactly 1.0")
    assert "7.625" in words.one_sentence(found)
    assert words.raised_sentence(found).startswith("No score")
    assert "still alone in the first place" in words.order_sentence(found)
    everything = comparison.changes(pair(FULL, HALF, logits=[9.0, 8.0]))
    assert "all of them" in words.one_sentence(everything)
    assert "nan" not in words.one_sentence(everything)


def test_sentences_of_the_report_have_its_numbers(both):
    found = comparison.changes(both)
    said = words.one_sentence(found)
    assert said.startswith("**2 scores** of 8 became exactly 1.0. The lowest of them was 0.99963")
    assert "In **1** of 2 queries" in words.order_sentence(found)
    mended = comparison.changes(pair(FULL, {**HALF, "dtype": "float32"}))
    remedied = words.remedy_sentence(found, mended)
    assert "become exactly 1.0, 2 and **0**;" in remedied
    assert "lose their first place, 1 and **0**." in remedied


def test_the_variable_through_the_versions():
    states = versions.half_states(disable_half())
    ranges = versions.half_ranges(states)
    assert ranges["state"].tolist() == [
        versions.ABSENT,
        versions.NO_EFFECT,
        versions.WORKS,
        versions.ADVERTISED,
        versions.ABSENT,
    ]
    assert ranges["first"].iloc[3] == "0.0.27"
    said = words.half_sentence(states, "0.0.32")
    assert "works in 0.0.13–0.0.26; in 0.0.27–0.0.45 the log recommends it" in said
    assert said.endswith("it is **advertised, read by nothing**.")
    assert "gone from" not in words.half_sentence(states.iloc[:-5].iloc[:6], "0.0.13")


def test_the_argument_passed_twice():
    said = words.trust_sentence(trust_remote_code())
    assert "This reranker does not load in Infinity 0.0.32 with sentence-transformers 2.7.0" in said
    assert "whether `trust_remote_code` is True or False" in said
    assert "Infinity 0.0.33 with sentence-transformers 2.7.0" in said
    fine = trust_remote_code().query("loads")
    assert words.trust_sentence(fine).startswith("In every version tried")


def test_release_0_0_69_formula_and_dtype_apart():
    logits = [logit + 0.0013 for logit in LOGITS]  # values of neither half type
    float32 = run("infinity", "0.0.68", "float32", logits)
    asked = [("0.0.68", "float16"), ("0.0.69", "float16"), ("0.0.69", "bfloat16")]
    runs = [run("infinity", *one, logits) for one in asked]
    facts = versions.run_facts(runs, float32)
    assert facts["exactly_one"].tolist() == [2, 0, 0]
    assert facts["sigmoid"].tolist() == ["stepwise in float16", *["stepwise in float32"] * 2]
    for row, one in zip(facts.itertuples(), runs, strict=True):
        assert row.largest_logit_error == (one["logit"] - float32["logit"]).abs().max()
        assert row.distinct_logits == one["logit"].nunique()
    said = words.release_sentence(*(facts.iloc[row] for row in range(3)))
    assert "**2** scores of exactly 1.0 in infinity 0.0.68, float16" in said
    assert "steps of 0.0078 at 1, where float16 has 0.00098" in said
    ratio = facts["median_logit_error"][2] / facts["median_logit_error"][0]
    assert f"**{ratio:.0f} times**" in said
    same = words.release_sentence(facts.iloc[0], facts.iloc[1], facts.iloc[0])
    assert "times" not in same
    no_error = facts.assign(median_logit_error=0.0)
    exact = words.release_sentence(no_error.iloc[0], facts.iloc[1], facts.iloc[2])
    assert "times" not in exact
    today = words.today_sentence(facts.iloc[0])
    assert "2 scores of exactly 1.0; 2 candidates tie in the top ten; 1 query loses" in today


def test_a_run_is_named_with_its_interface():
    assert versions.run_name(run("infinity", "0.0.78", "float16")) == "infinity 0.0.78, float16"
    served = run("infinity", "0.0.78", "float16", api="http")
    assert versions.run_name(served) == "infinity 0.0.78 over HTTP, float16"


def listed(attention: list[str], transformers: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "engine": ["infinity", "haystack"],
            "version": ["1", "2"],
            "api": "in-process",
            "forward_dtype": "float32",
            "attention": attention,
            "versions": [{"transformers": version} for version in transformers],
        }
    )


@pytest.mark.parametrize(
    ("attention", "transformers", "says"),
    [
        (["eager", "sdpa"], ["4", "5"], "attention is computed in two ways (sdpa, eager)"),
        (["sdpa", "sdpa"], ["4", "5"], "two versions of transformers ran it (5, 4)"),
        (["sdpa", "sdpa"], ["4", "4"], "the same network, but two processes"),
    ],
)
def test_the_cause_of_other_logits_is_what_the_runs_state(attention, transformers, says):
    one, other = ("haystack", "2", "float32"), ("infinity", "1", "float32")
    assert words.network_words(listed(attention, transformers), one, other).startswith(says)


def test_the_teams_table_has_a_row_per_path():
    table = team.team_table(
        [["infinity", "0.0.78", "cuda"], ["sentence-transformers", "6.2.0", "cpu"]], [3, 7]
    )
    assert table["checkpoint"].tolist() == ["any", "any", "float32", "bfloat16"]
    paths = default_paths("infinity", "0.0.78", device="cuda")
    assert table["score path"].tolist()[:2] == [path.computation for path in paths]
    assert table["recorded here"].tolist() == ["yes"] * 4


def test_an_engine_without_a_sigmoid_has_no_one_but_the_width_of_its_logits():
    (row,) = team.team_table([["llama.cpp", "1", "cpu"]], [7]).itertuples(index=False)
    assert math.isnan(row[5])
    assert math.isnan(row[6])
    assert row[7] == float(FORMATS["float32"].spacing_above(7.0))


@pytest.mark.parametrize(
    "path",
    [
        path_of("infinity", "0.0.68", "float16"),
        path_of("haystack", "2.31.0", "float16"),
        path_of("infinity", "0.0.78", "bfloat16"),
    ],
    ids=lambda path: path.name,
)
def test_the_first_saturated_logit_is_the_first_by_enumeration(path):
    every = FORMATS[path.forward_dtype].values(-20, 20)
    scores = path.scores(every)
    assert team.first_saturated(path) == every[scores == 1.0][0]
    if path.activation_dtype == path.forward_dtype:
        assert team.first_saturated(path) == saturation(path.formula, "float16").one_from


def test_the_hidden_width_is_that_of_the_step_with_half_a_spacing_at_either_end():
    path = path_of("infinity", "0.0.68", "float16")
    every = FORMATS["float16"].values(6, 8)
    same = every[path.scores(every) == path.scores([7.0])[0]]
    spacing = float(FORMATS["float16"].spacing_above(7.0))
    assert team.hidden_at(path, 7.0) == same[-1] - same[0] + spacing
    assert team.hidden_at(path, 9.0) == math.inf


def test_the_recording_is_described():
    about = {
        "date": "2026-11-01",
        "cpu": "a CPU",
        "threads": 2,
        "runs": [1, 2],
        "data": {"name": "german", "queries": 3},
    }
    said = words.recording_sentence(about)
    assert "**2** runs" in said
    assert "3 queries of the German set" in said
