"""Issue 203 reproduced: counts against a case worked by hand, and those of the recordings."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.engines import default_paths, path_of
from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.recordings import (
    JSON_NUMBER,
    disable_half,
    recorded_path,
    recording,
    recordings,
)
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.steps import staircase
from analysis.studies import issue_203 as study
from analysis.studies.issue_203 import placed

LOGITS = [7.9, 9.0, 6.4, 6.55, -1.0, 2.0, 1.0, 0.5]
QUERIES = ["q1"] * 5 + ["q2"] * 3
HALF = ("infinity", "0.0.32", "float16")
FULL = ("haystack", "2.0.1", "float32")


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


def pair(logits: list[float] = LOGITS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Haystack in float32 and Infinity in float16, placed."""
    return placed(run(*FULL, logits)), placed(run(*HALF, logits))


@pytest.fixture(scope="module")
def both() -> pd.DataFrame:
    return study.side_by_side(*pair())


@pytest.fixture(scope="module")
def by_path() -> pd.DataFrame:
    runs = [run("infinity", "0.0.32", dtype) for dtype in ("float32", "float16")]
    return study.decomposition(pd.concat(runs, ignore_index=True))


def test_ranks_are_by_score_and_equal_scores_keep_the_input_order():
    half = placed(run(*HALF))
    assert half["rank"].tolist() == [1, 2, 4, 3, 5, 1, 2, 3]
    assert half["tie_size"].tolist() == [2, 2, 1, 1, 1, 1, 1, 1]


def test_a_servers_numbers_are_placed_as_it_held_them():
    inside, outside = (
        placed(run("infinity", "0.0.78", "float16", api=api)) for api in ("in-process", "http")
    )
    found = study.likeness(inside, outside)
    assert found["equal_logits"] == found["equal_scores"] == found["pairs"] == len(LOGITS)


def test_runs_of_other_pairs_are_refused():
    with pytest.raises(InputError, match="not of the same pairs"):
        study.side_by_side(placed(run(*FULL)), placed(run(*HALF, [1.0])))


def test_the_report_in_small(both):
    """7.9 and 9.0 become 1.0, 6.4 stays 0.998, 6.55 (0.9986) becomes 0.999."""
    reference = both["score_reference"]
    assert reference.tolist() == FLOAT32_REFERENCE.scores(LOGITS).tolist()
    assert both["became_one"].tolist() == [True, True] + [False] * 6
    assert both["raised"].tolist() == [False] * 3 + [True] + [False] * 4
    assert study.telling_query(both) == "q1"


def test_changes_are_counted_by_query_and_candidate():
    found = study.changes(*pair())
    assert (found["queries"], found["candidates"]) == (2, 8)
    assert (found["became_one"], found["raised"]) == (2, 1)
    assert (found["moved"], found["first_shared"], found["first_lost"]) == (2, 1, 1)
    mended = study.changes(placed(run(*FULL)), placed(run("infinity", "0.0.32", "float32")))
    assert not any(mended[name] for name in ("became_one", "raised", "moved", "first_lost"))


@pytest.mark.parametrize("logit", [6.4, 6.5, 6.5234375, 6.53125])
def test_what_the_stepwise_formula_prints_is_its_own_staircase(logit):
    table = study.digits_table(study.side_by_side(*pair([logit])), 0.0)
    steps = staircase(path_of(*HALF), 0.99)
    (step,) = steps[(steps["logit_low"] <= logit) & (steps["logit_high"] >= logit)]["score"]
    assert list(table.columns) == ["reference", f"{step:.3f}"]


def test_0_998_to_0_999_is_counted():
    """The step below 1.0 is 0.99902: it takes in what is 0.99854 to 0.99951 in float32."""
    both = study.side_by_side(*pair([6.4, 6.55, 6.8, 6.95]))
    assert both["raised"].sum() == 2
    lowest = both.loc[both["raised"], "score_reference"].min()
    assert lowest == pytest.approx(0.99857, abs=1e-5)


def test_digits_are_crossed_and_exact_ones_kept_apart(both):
    table = study.digits_table(both, 0.99).set_index("reference")
    assert table.loc["0.999", "exactly 1.0"] == 2
    assert table.to_numpy().sum() == 4
    scores = pd.DataFrame({"score_reference": [1.0, 0.9999], "score": [1.0, 0.9999]})
    assert list(study.digits_table(scores, 0.99)["reference"]) == ["exactly 1.0", "0.999"]


def test_likeness_separates_the_sigmoid_from_the_network():
    logits = list(np.linspace(-9, 9, 5))
    moved = [logits[0] + 1e-5, *logits[1:]]
    found = study.likeness(
        placed(run("haystack", "2.0.1", "float32", logits)),
        placed(run("infinity", "0.0.32", "float32", moved)),
    )
    assert (found["pairs"], found["equal_logits"], found["moved"]) == (5, 4, 0)
    assert found["logit_apart"] == pytest.approx(1e-5, rel=0.05)
    assert found["score_apart_on_equal_logits"] <= 2**-23


def test_the_six_paths_are_those_of_engines():
    engines = [
        path_of("haystack", "2.31.0", "float32"),
        path_of("infinity", "0.0.68", "float32"),
        path_of("sentence-transformers", "6.2.0", "float16"),
        path_of("infinity", "0.0.78", "float16"),
        path_of("haystack", "2.31.0", "float16"),
        path_of("infinity", "0.0.68", "float16"),
    ]
    assert list(study.PATHS) == engines
    assert study.PATHS[0] == FLOAT32_REFERENCE


def test_edges_are_the_first_saturated_logits_by_enumeration():
    every = FORMATS["float16"].values(-20, 20)
    edges = study.float16_edges().set_index("formula")
    for path in study.PATHS[4:]:
        edge = edges.loc[path.formula]
        assert edge["logit"] == every[path.scores(every) == 1.0][0]
        assert edge["true_score"] == pytest.approx(1 / (1 + math.exp(-edge["logit"])), rel=1e-15)


def test_decomposition_by_hand(by_path):
    ones = by_path.set_index(["forward_dtype", "sigmoid", "formula"])["ones"].sort_index()
    assert ones["float16", "float16", "stepwise"] == 2
    assert ones["float16", "float16", "fused"] == 1  # 7.9 lies between the two thresholds
    assert ones.drop(("float16", "float16")).eq(0).all()
    first = by_path.iloc[0]
    assert not first[["printed_otherwise", "largest_error", "moved", "first_lost"]].any()
    assert by_path["first_lost"].tolist() == [0, 0, 0, 0, 0, 1]
    # Rounded once, 6.4 and 6.55 share 0.9985; step by step they do not, but 7.9 and 9.0 share 1.0.
    assert by_path["tied_in_top"].tolist() == [0, 0, 0, 0, 2, 2]


def test_a_score_of_exactly_one_is_printed_otherwise_than_one_that_rounds_to_it():
    runs = [run("infinity", "0.0.32", dtype, [8.5]) for dtype in ("float32", "float16")]
    found = study.decomposition(pd.concat(runs, ignore_index=True))
    assert found["printed_otherwise"].tolist() == [0, 0, 0, 0, 1, 1]


def test_witnesses_are_the_runs_that_take_a_path_and_follow_it():
    asked = [("infinity", "0.0.32", "float16"), ("haystack", "2.0.1", "bfloat16")]
    asked += [("sentence-transformers", "6.2.0", "float16"), ("haystack", "2.0.1", "float32")]
    runs = pd.concat([run(*one) for one in asked], ignore_index=True)
    found = study.witnesses(runs)
    assert found["engine"].tolist() == ["haystack", "sentence-transformers", "infinity"]
    assert found["bitwise"].tolist() == [8, 8, 8]
    assert found["apart"].tolist() == [0, 0, 0]
    runs.loc[2, "score"] += 2**-11
    off = study.witnesses(runs)
    assert off["bitwise"].tolist() == [8, 8, 7]
    assert off["apart"].max() == 2**-11


def test_the_variable_through_the_versions():
    ranges = study.half_ranges(study.half_states(disable_half()))
    works, without_effect, advertised, absent = study.STATES
    assert ranges["state"].tolist() == [absent, without_effect, works, advertised, absent]
    assert ranges["first"].tolist() == ["0.0.11", "0.0.12", "0.0.13", "0.0.27", "0.0.46"]
    assert ranges["last"].tolist() == ["0.0.11", "0.0.12", "0.0.26", "0.0.45", "0.0.78"]


def test_release_0_0_69_formula_and_dtype_apart():
    logits = [logit + 0.0013 for logit in LOGITS]  # values of neither half type
    float32 = placed(run("infinity", "0.0.68", "float32", logits))
    asked = [("0.0.68", "float16"), ("0.0.69", "float16"), ("0.0.69", "bfloat16")]
    runs = [placed(run("infinity", *one, logits)) for one in asked]
    facts = study.run_facts(runs, float32)
    assert facts["ones"].tolist() == [2, 0, 0]
    assert facts["sigmoid"].tolist() == ["stepwise in float16", *["stepwise in float32"] * 2]
    for row, one in zip(facts.itertuples(), runs, strict=True):
        errors = (one["logit"] - float32["logit"]).abs()
        assert study.logit_errors(one, float32).tolist() == errors.tolist()
        assert (row.median_logit_error, row.largest_logit_error) == (errors.median(), errors.max())
        assert row.distinct_logits == one["logit"].nunique()


def test_a_run_is_named_with_its_interface():
    assert study.run_name(run("infinity", "0.0.78", "float16")) == "infinity 0.0.78, float16"
    served = run("infinity", "0.0.78", "float16", api="http")
    assert study.run_name(served) == "infinity 0.0.78 over HTTP, float16"


def test_the_teams_table_has_a_row_per_path():
    table = study.team_table(
        [["infinity", "0.0.78", "cuda"], ["sentence-transformers", "6.2.0", "cpu"]], [3, 7]
    )
    assert table["checkpoint"].tolist() == ["any", "any", "float32", "bfloat16"]
    paths = default_paths("infinity", "0.0.78", device="cuda")
    assert table["score path"].tolist()[:2] == [path.computation for path in paths]
    assert table["recorded here"].tolist() == ["yes"] * 4


def test_an_engine_without_a_sigmoid_has_no_one_but_the_width_of_its_logits():
    (row,) = study.team_table([["llama.cpp", "1", "cpu"]], [7]).itertuples(index=False)
    assert math.isnan(row[5])
    assert math.isnan(row[6])
    assert row[7] == float(FORMATS["float32"].spacing_above(7.0))


@pytest.mark.parametrize(
    ("engine", "version", "dtype"),
    [
        ("infinity", "0.0.68", "float16"),
        ("haystack", "2.31.0", "bfloat16"),
        ("infinity", "0.0.78", "bfloat16"),
    ],
)
def test_the_first_saturated_logit_is_the_first_by_enumeration(engine, version, dtype):
    path = path_of(engine, version, dtype)
    every = FORMATS[path.forward_dtype].values(-20, 20)
    first = every[path.scores(every) == 1.0][0]
    table = study.team_table([[engine, version, "cuda"]], [3]).set_index("score path")
    assert table.loc[path.computation, "1.0 from logit"] == first
    true = 1 / (1 + math.exp(-first))
    assert table.loc[path.computation, "1 − true score"] == pytest.approx(1 - true, rel=1e-8)


def test_the_hidden_width_is_that_of_the_step_with_half_a_spacing_at_either_end():
    path = path_of("infinity", "0.0.68", "float16")
    every = FORMATS["float16"].values(6, 8)
    same = every[path.scores(every) == path.scores([7.0])[0]]
    spacing = float(FORMATS["float16"].spacing_above(7.0))
    (row,) = study.team_table([["infinity", "0.0.68", "cuda"]], [7, 9]).to_dict("records")
    assert row["hidden at 7"] == same[-1] - same[0] + spacing
    assert row["hidden at 9"] == math.inf


# The numbers of the recordings, which are frozen.


@pytest.fixture(scope="module")
def recorded() -> dict[str, pd.DataFrame]:
    return {
        "haystack": placed(recording(*FULL)),
        "float32": placed(recording("infinity", "0.0.32", "float32")),
        "float16": placed(recording(*HALF)),
    }


def test_the_report_is_reproduced(recorded):
    found = study.changes(recorded["haystack"], recorded["float16"])
    assert (found["candidates"], found["queries"]) == (945, 64)
    assert (found["became_one"], found["raised"], found["moved"]) == (318, 10, 242)
    assert (found["first_lost"], found["first_shared"]) == (62, 62)
    both = study.side_by_side(recorded["haystack"], recorded["float16"])
    before, became_one = both["score_reference"], both["became_one"]
    assert f"{before[became_one].min():.5f}" == "0.99952"
    assert f"{before[both['score'] < 1].max():.5f}" == "0.99949"
    assert f"{before[both['raised']].min():.5f}" == "0.99862"
    assert ((both["rank_reference"] == 1) & (both["rank"] > 1)).sum() == 30
    assert study.telling_query(both) == "arbeit-1"


def test_without_the_cast_nothing_is_left_of_it(recorded):
    mended = study.changes(recorded["haystack"], recorded["float32"])
    names = ("became_one", "raised", "moved", "first_lost", "reordered")
    assert not any(mended[name] for name in names)


def test_the_formula_alone_did_not_do_it(recorded):
    runs = [recorded["float32"], recorded["float16"]]
    found = study.decomposition(pd.concat(runs, ignore_index=True))
    assert found["ones"].tolist() == [0, 0, 0, 0, 284, 318]
    assert found["printed_otherwise"].tolist() == [0, 0, 78, 78, 371, 402]
    assert found["tied_in_top"].tolist() == [4, 4, 18, 18, 314, 336]
    assert found["moved"].tolist() == [4, 4, 24, 24, 227, 243]
    assert found["first_lost"].tolist() == [1, 1, 2, 2, 61, 62]
    assert found["largest_error"][1] <= 4 * 2**-24  # the last bits of two exponentials


def test_every_one_of_the_six_paths_was_recorded():
    found = study.witnesses(recordings())
    assert len(found) == 18
    assert found["path"].unique().tolist() == [path.name for path in study.PATHS]
    assert found["scores"].eq(945).all()
    # Elsewhere float32 exponentials may be another machine's; half types are the same everywhere.
    half = found["path"].str.endswith("float16")
    assert (found["bitwise"] == found["scores"])[half].all()
    assert found["apart"].max() <= 4 * 2**-24


def test_the_release_mended_the_scores_and_coarsened_the_logits():
    asked = [("0.0.68", "float16"), ("0.0.69", "float16"), ("0.0.69", "bfloat16")]
    runs = [placed(recording("infinity", *one)) for one in asked]
    facts = study.run_facts(runs, placed(recording("infinity", "0.0.68", "float32")))
    assert facts["ones"].tolist() == [318, 0, 0]
    assert facts["distinct_logits"].tolist() == [584, 584, 266]
    assert facts["distinct_scores"].tolist() == [353, 584, 266]
    assert facts["tied_in_top"].tolist() == [332, 15, 107]
    assert facts["moved"].tolist() == [236, 22, 113]
    assert facts["first_lost"].tolist() == [62, 2, 14]
    errors = facts["median_logit_error"]
    assert f"{errors[2] / errors[1]:.0f}" == "8"


@pytest.mark.parametrize(
    ("haystack", "infinity", "logits", "scores"),
    [("2.0.1", "0.0.32", 875, 758), ("2.31.0", "0.0.78", 945, 778)],
)
def test_in_float32_both_engines_are_alike_but_for_last_bits(haystack, infinity, logits, scores):
    runs = [("haystack", haystack), ("infinity", infinity)]
    found = study.likeness(*(placed(recording(*one, "float32")) for one in runs))
    assert (found["pairs"], found["equal_logits"], found["equal_scores"]) == (945, logits, scores)
    assert found["logit_apart"] < 3e-6
    assert found["score_apart"] == found["score_apart_on_equal_logits"] <= 2**-23
    assert found["moved"] == 0
