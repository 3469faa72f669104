"""Fingerprints of known scores: outcomes, parts, spoilt lists, combs and the odds behind them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from score_lists import reranker_logits

from analysis.engines import find_engine, path_of
from analysis.fingerprinting import fingerprint
from analysis.recordings import COLUMNS
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.studies import fingerprints as study
from analysis.studies.fingerprints import Known, Line, Reading, Window

PATH = path_of("infinity", "0.0.78", "float16")
LOGITS = reranker_logits(300, np.random.default_rng(0))
RUN = Known.by_path("infinity 0.0.78, float16", PATH, LOGITS)
FLOAT32 = Known.by_path("haystack 2.31.0, float32", FLOAT32_REFERENCE, LOGITS)


@pytest.mark.parametrize(
    ("scores", "kind", "path", "expected"),
    [
        (RUN.scores, "sigmoid", PATH, "right"),
        (RUN.scores, "sigmoid", replace(PATH, tie_rule="expected"), "right"),
        (RUN.scores, "sigmoid", path_of("sentence-transformers", "6.2.0", "float16"), "wrong"),
        (RUN.scores, "sigmoid", FLOAT32_REFERENCE, "wrong"),
        (RUN.scores, "softmax", None, "wrong"),
        (RUN.scores[:1], "sigmoid", FLOAT32_REFERENCE, "cannot tell"),
        (PATH.scores(RUN.scores), "sigmoid twice", None, "right"),
        (RUN.logits, "logits", ScorePath("float16").raw(), "right"),
    ],
)
def test_outcomes(scores, kind, path, expected):
    assert study.outcome(fingerprint(scores), Known("", path, scores, kind=kind)) == expected


def test_paths_of_one_set_are_as_right_as_the_one_that_is_named():
    """A float32 sigmoid rounded once to float16 is what ``torch.sigmoid`` in float16 is."""
    path = ScorePath("float16", "stepwise", "float32", "float16")
    run = Known.by_path("", path, LOGITS)
    verdict = fingerprint(run.scores)
    assert verdict.path == path_of("haystack", "2.31.0", "float16") != path
    assert study.outcome(verdict, run) == "right"
    assert verdict.path.scores(run.logits).tolist() == run.scores.tolist()


def test_several_paths_left():
    verdict = fingerprint(np.round(RUN.scores, 3), RUN.logits)
    assert verdict.path is None
    assert study.outcome(verdict, RUN) == "several paths left"
    (row,) = study.spoilt_table([replace(RUN, scores=np.round(RUN.scores, 3))]).itertuples()
    assert row.found == f"one of {len(verdict.paths)} paths"


def test_by_path_rounds_logits_and_knows_its_kind():
    assert RUN.logits.tolist() == LOGITS.astype(np.float16).astype(float).tolist()
    assert RUN.kind == "sigmoid"
    assert Known.by_path("", ScorePath().raw(), LOGITS).kind == "logits"


def test_verdict_table_has_a_row_per_run_and_stands_empty():
    table = study.verdict_table([RUN, FLOAT32])
    assert table["run"].tolist() == [RUN.name, FLOAT32.name]
    assert [path.computation for path in table["path"]] == table["found"].tolist()
    assert set(table["outcome"]) == set(table["outcome_with_logits"]) == {"right"}
    assert (table["odds"] > 6).all()
    assert study.verdict_table([]).columns.tolist() == table.columns.tolist()
    assert study.for_people(study.verdict_table([])).empty


def test_tables_for_people_name_paths_and_have_headings_in_words():
    shown = study.for_people(study.verdict_table([RUN, replace(RUN, path=None, kind="mixture")]))
    assert shown["score path"].tolist() == [PATH.computation, "no single path"]
    assert not [heading for heading in shown if "_" in heading]


def test_parts_are_drawn_from_every_run_of_a_path_and_have_seeds_of_their_own():
    """Of two runs of one path the second is too short for the larger size."""
    short = replace(RUN, name="short", scores=RUN.scores[:40], logits=RUN.logits[:40])
    outcomes = study.subsampled([RUN, short], [10, 100], repeats=4, seed=1)
    counted = outcomes.groupby(["size", "n"]).size().to_dict()
    assert counted == {("10", 10): 4, ("100", 100): 2, ("all", 300): 1, ("all", 40): 1}
    again = study.subsampled([RUN, short], [10, 100], repeats=4, seed=1)
    pd.testing.assert_frame_equal(outcomes, again)
    assert (outcomes["outcome"] != "wrong").all()


def test_parts_with_logits_show_more():
    alone, helped = (
        study.subsampled([RUN], [20], repeats=3, seed=1, logits=logits) for logits in (False, True)
    )
    assert alone[["size", "n"]].equals(helped[["size", "n"]])
    assert (helped["outcome"] != "cannot tell").all()
    assert (alone["outcome"] == "right").sum() <= (helped["outcome"] == "right").sum()


@pytest.mark.parametrize("formula", ["fused", "stepwise"])
def test_above_a_quarter_both_float32_formulas_return_reciprocals_of_float32_values(formula):
    """Why such scores tell the formulas apart by no method: the page of notebook 05 says so."""
    logits = np.random.default_rng(0).uniform(-1.0, 9.0, 100_000)
    scores = ScorePath("float32", formula).scores(logits)
    scores = scores[(scores > 0.25) & (scores < 1.0)]
    nearest = np.float32(1 / scores)
    around = [nearest, np.nextafter(nearest, np.float32(0)), np.nextafter(nearest, np.float32(9))]
    reciprocals = np.stack([np.float32(1) / value for value in around])
    assert (reciprocals == scores).any(axis=0).all()


def test_enough_is_where_the_share_stays():
    rows = [(PATH, "10", 10, o) for o in ("right", "cannot tell")]
    rows += [(PATH, "20", 20, o) for o in ("right", "right")]
    rows += [(PATH, "30", 30, o) for o in ("right", "wrong")]
    rows += [(PATH, "all", 90, "right")]
    rows += [(FLOAT32_REFERENCE, "10", 10, "right"), (FLOAT32_REFERENCE, "all", 90, "wrong")]
    outcomes = pd.DataFrame(rows, columns=["path", "size", "n", "outcome"])
    found = study.enough(outcomes)
    assert found["path"].tolist() == [PATH, FLOAT32_REFERENCE]
    assert found["in_half"].tolist() == [10, pd.NA]
    assert found["in_all"].tolist() == [90, pd.NA]


def test_spoilt_lists_are_never_taken_for_what_they_are_not():
    lists = study.spoilt(RUN, FLOAT32)
    table = study.spoilt_table(lists).set_index("list")
    assert not (table["outcome"] == "wrong").any()
    kinds = {one.name: fingerprint(one.scores, one.logits).kind for one in lists}
    assert kinds["as the engine returned them"] == "sigmoid"
    assert kinds["rounded to 3 decimals"] == "cannot tell"
    assert kinds["the median in place of every score"] == "constant"
    assert kinds["1.0 in place of every score"] == "cannot tell"
    assert kinds[f"every second score by {FLOAT32.name}"] == "mixture"
    assert kinds["the sigmoid applied twice"] == "sigmoid twice"
    assert kinds["the raw logits in place of scores"] == "logits"
    assert kinds["float32 scores rounded to float16"] == "cannot tell"
    assert kinds["a softmax over the labels (0, logit)"] == "softmax"
    assert table.index.tolist() == [one.name for one in lists]


def test_recorded_runs_are_read_with_names_and_paths(tmp_path, monkeypatch):
    rows = pd.DataFrame(
        {
            "engine": "infinity",
            "version": "0.0.78",
            "api": ["in-process", "http", "http"],
            "forward_dtype": "float16",
            "query_id": "q",
            "passage_id": list("abc"),
            "logit": [1.0, 2.0, 3.0],
            "logit_dtype": "float16",
            "score": [0.7, 0.8, 0.9],
            "score_dtype": "float32",
            "rank": 1,
        }
    )
    rows[list(COLUMNS)].to_parquet(tmp_path / "engines.parquet")
    monkeypatch.setattr("analysis.recordings.FOLDER", tmp_path)
    runs = study.recorded_runs()
    names = ["infinity 0.0.78, float16", "infinity 0.0.78 over HTTP, float16"]
    assert list(runs) == [run.name for run in runs.values()] == names
    assert {run.path for run in runs.values()} == {PATH}
    assert runs[names[1]].scores.tolist() == [0.8, 0.9]


# Combs and odds


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        path_of("haystack", "2.31.0", "bfloat16"),
        path_of("infinity", "0.0.68", "float16"),
        FLOAT32_REFERENCE,
    ],
    ids=str,
)
def test_a_comb_holds_the_scores_of_all_its_logits_and_no_others(path):
    window = Window(6.0, 6.002 if path.forward_dtype == "float32" else 6.5)
    comb = study.teeth(path, window)
    dense = np.linspace(5.5, 7.0, 200_001)
    if path.forward_dtype == "float32":
        dense = np.linspace(5.99, 6.01, 200_001)  # finer than float32 logits
    scores = window.of(path.scores(dense))
    assert np.isin(scores, comb).all()
    assert comb.size <= 1.2 * scores.size  # torch's other routine may add some
    assert np.all(np.diff(comb) > 0)


def test_a_window_holds_the_scores_between_its_ends():
    window = Window(0.0, 1.0)
    assert window.of([0.4, 0.5, 0.6, 0.6, 0.73, 0.74]).tolist() == [0.5, 0.6, 0.73]


def test_the_busiest_window_is_where_most_scores_near_one_are():
    logits = np.array([-1.0, -1.01, -1.02, -1.03, 6.0, 6.1, 6.2, 8.0, 8.1])
    scores = 1 / (1 + np.exp(-logits))
    window = study.busiest_window(np.append(scores, [0.0, 1.0]), 0.25)
    assert window.of(scores).size == 3
    assert window.logit_low == pytest.approx(6.0, abs=1e-4)
    low = study.busiest_window(scores[:4], 0.25)
    assert low.of(scores).size == 4
    assert study.busiest_window([1.0, 0.0], 0.5) == Window(-0.25, 0.25)


def test_a_run_stands_on_its_own_comb_alone():
    window = study.busiest_window(RUN.scores, 0.5)
    paths = [
        PATH,
        path_of("infinity", "0.0.78", "bfloat16"),
        path_of("haystack", "2.31.0", "float16"),
    ]
    table = study.comb_table(paths, window, RUN.scores)
    assert table["path"].tolist() == paths
    assert table["inside"].nunique() == 1
    assert table["attained"].iloc[0] == table["inside"].iloc[0] > 5
    assert (table["attained"].iloc[1:] < table["inside"].iloc[1:]).all()


@pytest.mark.parametrize(
    "run", [RUN, FLOAT32, Known.by_path("", path_of("haystack", "2.31.0", "float16"), LOGITS)]
)
def test_odds_add_up_to_those_of_the_verdict(run):
    engines = find_engine("haystack", "2.31.0"), find_engine("infinity", "0.0.78")
    reading = study.read(run, [path for one in engines for path in one.paths.values()], seed=0)
    own, lines = reading.own, reading.lines
    verdict = fingerprint(run.scores)
    assert own.odds.size == verdict.n_distinct
    assert verdict.odds >= own.odds[-1] - 1e-9  # it knows besides which steps the logits share
    assert not own.refuted
    assert own.decided_after < 100
    refuted = [line for line in lines if line.refuted]
    assert all(line.decided_after is None and line.odds.size < own.odds.size for line in refuted)
    assert refuted


def test_the_order_of_reading_does_not_change_the_end():
    ends = [study.read(RUN, [], seed).own.odds[-1] for seed in (0, 1)]
    assert ends[0] == pytest.approx(ends[1])


def test_saturated_scores_alone_have_no_odds():
    (line,) = study.read(replace(RUN, scores=np.array([0.0, 1.0])), [], 0).lines
    assert line.odds.tolist() == [0.0, 0.0]
    assert line.decided_after is None


def test_the_table_of_odds_names_what_is_decided_refuted_and_left():
    def line(path, odds, *, refuted=False):
        return Line(path, np.array(odds, dtype=float), refuted)

    refuted = line(path_of("haystack", "2.31.0", "float16"), [1], refuted=True)
    left = line(FLOAT32_REFERENCE, [1, 2, 3])
    decided = Reading(RUN, [line(PATH, [3, 7, 9]), refuted, left])
    alone = Reading(RUN, [line(PATH, [1.0, 2.0])])
    itself = Reading(RUN, [line(PATH, [], refuted=True), left])
    table = study.odds_table([decided, alone, itself])
    after, others, last, names, lead = (table[column] for column in table.columns[1:])
    assert after.fillna(0).tolist() == [2, 0, 0]
    assert others.tolist() == ["1 of 2", "0 of 0", "0 of 1"]
    assert last.fillna(0).tolist() == [2, 0, 0]
    assert names.tolist() == [FLOAT32_REFERENCE.computation, "", FLOAT32_REFERENCE.computation]
    assert lead.fillna(0).tolist() == [6, 0, 0]
