"""Two engines compared: recordings against one another, holdouts, simulated sides, the result."""

from __future__ import annotations

import json
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from compared_sides import LARGER, NOT_KNOWN, cases, frame_of
from reader_files import refused

from analysis.discrepancies import Side, compare_sides, pairs_of
from analysis.discrepancies.deciding import Finding, decide
from analysis.recordings import (
    RUN_COLUMNS,
    changes,
    holdouts,
    recorded_path,
    recording,
    runs,
    unprinted,
)
from analysis.scorepath import ScorePath

RUNS = [tuple(row) for row in runs()[list(RUN_COLUMNS)].itertuples(index=False)]
SAME_PATH, OTHER_PATHS = "the same path, other last bits", "the same logits through other paths"
SHAPES = {
    "template": "all pairs at random",
    "prefix": "all pairs at random",
    "truncation": "only the long pairs",
    "token types": "all pairs at random",
    "revision": "all pairs at random",
    "head": "all pairs at random",
    "int8": "all pairs at random",
    "text": "a few pairs",
    "temperature": "factor",
    "order": "another order of results",
    "one off": "one off",
    "twice": "one monotonic function",
}
CASES = list(cases())


def side_of(run: tuple[str, str, str, str], *, known: bool) -> Side:
    """A run's scores alone; ``known`` says that its path is."""
    engine, version, api, dtype = run
    rows = unprinted(recording(engine, version, dtype, api=api)).assign(logit=np.nan)
    return Side(" ".join(run), rows, recorded_path(engine, version, dtype) if known else None)


def answer(first: Side, second: Side, lengths: pd.DataFrame | None = None) -> Finding:
    return decide(first, second, pairs_of(first, second, lengths)[1])


def expected(first: Side, second: Side) -> str:
    """The right answer about two runs whose paths are known."""
    if np.array_equal(first.frame["score"], second.frame["score"]):
        return "identical"
    if first.path.forward_dtype != second.path.forward_dtype:
        return "other forward dtype"
    reduced = [side.path.reduced().computation for side in (first, second)]
    return SAME_PATH if reduced[0] == reduced[1] else OTHER_PATHS


def distinct(sides: list[Side]) -> list[Side]:
    """One of those that have the same scores by the same path."""
    seen = {(side.frame["score"].to_numpy().tobytes(), side.path): side for side in sides}
    return list(seen.values())


def test_every_pair_of_recordings_is_answered_rightly():
    sides = [side_of(run, known=True) for run in RUNS]
    assert all(answer(side, side).answer == "identical" for side in sides)
    sides = distinct(sides)
    assert len(sides) > 10
    for first, second in combinations(sides, 2):
        found = answer(first, second)
        assert (found.answer, found.shape) == (expected(first, second), None), (
            first.name,
            second.name,
        )


def test_files_of_recorded_scores_are_never_called_more_than_rounding():
    """Without paths less can be said; what is said must be right."""
    known = distinct([side_of(run, known=True) for run in RUNS])
    alone = [Side(side.name, side.frame.head(300)) for side in known]
    for (first, one), (second, other) in combinations(zip(known, alone, strict=True), 2):
        found = answer(one, other)
        right = expected(first, second)
        allowed = (right, "rounding can explain it", NOT_KNOWN)
        assert found.answer in allowed, (first.name, second.name)
        assert found.shape is None


@pytest.mark.parametrize("known", [True, False], ids=["known path", "scores alone"])
@pytest.mark.parametrize("name", SHAPES)
def test_holdouts_are_told_from_rounding_and_have_their_shape(name, known):
    everything = holdouts()
    usual, changed = (
        everything[everything["holdout"] == one].assign(logit=np.nan) for one in ("as it is", name)
    )
    path = ScorePath() if known else None
    sides = Side("usual", usual, path), Side("changed", changed, None if name == "twice" else path)
    found = answer(*sides, usual.rename(columns={"tokens": "length"}))
    assert found.answer == LARGER
    assert found.shape.kind == SHAPES[name]
    if name == "text":
        assert len(found.shape.rows) == 1
    if name == "temperature":
        assert found.shape.factor == pytest.approx(0.8, rel=1e-5)
    if name == "truncation":
        assert (usual["tokens"].to_numpy()[list(found.shape.rows)] > 256).all()


def test_another_batch_is_rounding():
    everything = holdouts()
    sides = [
        Side(name, everything[everything["holdout"] == name]) for name in ("as it is", "batch")
    ]
    assert answer(*sides).answer == SAME_PATH
    assert set(changes()) == set(everything["holdout"]) == {*SHAPES, "as it is", "batch"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_simulated_sides(case):
    """A sample of what ``make simulate`` counts."""
    for seed in range(2):
        found = case.finding(120, seed)
        assert not case.is_false_alarm(found)
        assert not case.is_wrong_shape(found)


def test_a_few_half_logits_sorted_meet_by_chance():
    """Of eleven pairs two were exchanged by rounding: no other order of results."""
    (case,) = [one for one in CASES if one.name == "bfloat16 and bfloat16 network, dtypes known"]
    found = case.finding(11, 195)
    assert found.answer != LARGER
    assert found.shape is None


def scores_of(logits: np.ndarray, path: ScorePath | None = None) -> pd.DataFrame:
    return frame_of((path or ScorePath()).scores(logits))


LOGITS = np.random.default_rng(3).normal(0, 4, 200)


@pytest.mark.parametrize(
    ("first", "second", "shape"),
    [
        (LOGITS, -LOGITS, "turned round"),
        (LOGITS, LOGITS - 4.5, "shift"),
        (LOGITS, 0.7 * LOGITS + 1, "factor and shift"),
        (LOGITS, np.zeros(200), "constant"),
    ],
)
def test_shapes_of_logits(first, second, shape):
    found = answer(Side("a", scores_of(first)), Side("b", scores_of(second)))
    assert (found.answer, found.shape.kind) == (LARGER, shape)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (ScorePath(after="rank:60"), "a monotonic function within each query"),
        (ScorePath(formula="none", after="softmax"), "a monotonic function within each query"),
        (ScorePath(formula="none", after="elasticsearch"), "one monotonic function"),
    ],
    ids=lambda one: getattr(one, "text", one),
)
def test_what_is_done_afterwards_is_seen(path, shape):
    usual = scores_of(LOGITS)
    other = usual.assign(score=path.scores(LOGITS, queries=usual["query_id"]))
    for sides in ((usual, other), (other, usual)):
        found = answer(*(Side("one", side) for side in sides))
        assert (found.answer, found.shape.kind) == (LARGER, shape)


def test_raw_logits_and_their_sigmoids_are_the_same_logits():
    half = ScorePath("float16", "none", "float16", "float16")
    old = ScorePath("float16", "stepwise", "float16", "float16")
    for raw, path in ((half, old), (ScorePath(formula="none"), ScorePath())):
        found = answer(Side("a", scores_of(LOGITS, raw)), Side("b", scores_of(LOGITS, path)))
        assert found.answer == OTHER_PATHS


def test_a_few_scores_prove_nothing():
    few = frame_of(np.array([0.5, 0.9, 0.1]))
    near = few.assign(score=[0.51, 0.9, 0.1])
    found = answer(Side("a", few), Side("b", near))
    assert (found.answer, bool(found.wanted)) == (NOT_KNOWN, True)


def test_saturated_scores_prove_nothing():
    path = ScorePath("float16", "stepwise", "float16", "float16")
    high, higher = (scores_of(np.linspace(8, 9, 50) + add, path) for add in (0, 1))
    higher.loc[0, "score"] = high.loc[0, "score"] = 0.5
    assert answer(Side("a", high), Side("b", higher.assign(score=1.0))).answer != SAME_PATH


def test_the_result():
    usual = scores_of(LOGITS)
    other = scores_of(LOGITS / 1.25).drop(index=3)
    extra = pd.DataFrame(
        {"query_id": ["\x1b[31mq"], "passage_id": ["p"], "score": [0.5], "logit": [np.nan]}
    )
    grades = usual.assign(grade=(LOGITS > 3).astype(int))
    found = compare_sides(
        Side("a\x1b[0m", pd.concat([usual, extra])), Side("b", other), grades=grades
    )
    assert (found.answer, found.alone, len(found.table)) == (LARGER, (2, 0), 199)
    assert found.table.columns.tolist() == ["query_id", "passage_id", "score_a", "score_b", "gap"]
    assert found.rankings.moved == found.rankings.reordered == found.rankings.first_changed == 0
    assert found.rankings.measures["difference"].tolist() == [0]
    assert "times 0.8," in found.sentence
    assert "left out: 2 pairs of A only, 0 of B only" in str(found)
    assert "\x1b" not in str(found)
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (said["answer"], said["shape"]["kind"], said["pairs"]) == (LARGER, "factor", 199)


def test_concerned_pairs_are_named_and_ranks_counted():
    changed = LOGITS.copy()
    changed[np.argmax(LOGITS[:10])] = -20
    found = compare_sides(Side("a", scores_of(LOGITS)), Side("b", scores_of(changed)))
    row = int(np.argmax(LOGITS[:10]))
    assert f"pairs: q0 p{row}" in str(found)
    assert found.to_dict()["shape"]["rows"] == [{"query_id": "q0", "passage_id": f"p{row}"}]
    assert found.rankings.first_changed == found.rankings.reordered == 1
    assert found.rankings.moved > 1


def test_no_pair_in_common():
    usual = scores_of(LOGITS)
    error = refused(compare_sides, Side("a", usual), Side("b", usual.assign(query_id="elsewhere")))
    assert "no pair" in error.problem


SMOOTH = 1 / (1 + np.exp(-np.random.default_rng(5).normal(-1, 4, 300)))
"""Scores of logits in float64, which no network has: no known path made them."""

NOISE = np.random.default_rng(4).uniform(-0.02, 0.02, (2, 80))
SPARSE = np.tile(np.linspace(0.05, 0.9, 10), 8) + NOISE[0]
"""Lists whose scores lie so far apart that noise keeps their order."""


def minmax(scores: np.ndarray) -> np.ndarray:
    lists = scores.reshape(-1, 10)
    least = lists.min(axis=1, keepdims=True)
    return ((lists - least) / np.ptp(lists, axis=1, keepdims=True)).ravel()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SMOOTH, SMOOTH + 1e-9),
        (SMOOTH, SMOOTH.astype(np.float16)),
        (SMOOTH.astype(np.float16), SMOOTH),
        (SMOOTH, SMOOTH.round(2)),
        (SMOOTH, np.clip(SMOOTH, 0.1, 0.9)),
        (minmax(SMOOTH), minmax(SMOOTH).astype(np.float32)),
        (minmax(SMOOTH), minmax(SMOOTH).round(3)),
        (minmax(SPARSE), minmax(SPARSE + NOISE[1])),
        (SPARSE, (SPARSE + NOISE[1]).astype(np.float16)),
    ],
)
def test_scores_of_an_unknown_path_prove_nothing_where_they_are_alike(first, second):
    sides = [Side("", frame_of(scores.astype(float))) for scores in (first, second)]
    assert answer(*sides).answer in (NOT_KNOWN, "identical")


def test_scores_that_a_narrower_dtype_ties_are_not_identical():
    scores = 1 - np.linspace(1e-9, 1e-6, 40)
    sides = [Side("", frame_of(one)) for one in (scores, scores.astype(np.float32).astype(float))]
    assert answer(*sides).answer != "identical"


def test_percentages_of_a_digit_are_no_other_weights():
    scores = ScorePath().scores(np.random.default_rng(200).normal(-1, 4, 60))
    sides = [Side("", frame_of(one)) for one in (scores, (100 * scores).round(1))]
    assert answer(*sides).shape.kind == "one monotonic function"


def other_scales(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Scores in percent, and divided by the best of their query."""
    best = frame_of(scores).groupby("query_id")["score"].transform("max").to_numpy()
    return {"is in percent, by its fingerprint": 100 * scores, "divided by the best": scores / best}


@pytest.mark.parametrize("says", other_scales(np.ones(1)))
@pytest.mark.parametrize("turned", [False, True])
def test_another_scale_is_named_with_what_it_leaves(says, turned):
    scores = ScorePath().scores(np.random.default_rng(0).normal(0, 4, 400))
    plain, scaled = Side("", frame_of(scores)), Side("", frame_of(other_scales(scores)[says]))
    found = compare_sides(*((scaled, plain) if turned else (plain, scaled)))
    assert found.answer == LARGER
    assert says in found.sentence
    assert found.sentence.startswith("Larger than any rounding: ")
    assert float(re.search(r"by (\S+) at most", found.sentence)[1]) < 1e-15


def test_percentages_of_others_are_said_to_be_far_away():
    logits = np.random.default_rng(0).normal(0, 4, 400)
    cooler = 100 * ScorePath().scores(logits / 2)
    found = compare_sides(
        *(Side("", frame_of(one)) for one in (ScorePath().scores(logits), cooler))
    )
    assert "B is in percent" in found.sentence
    assert float(re.search(r"by (\S+) at most", found.sentence)[1]) > 0.1


def test_two_constants_are_compared():
    sides = [Side("", frame_of(np.full(20, one))) for one in (0.0, 1.0)]
    assert answer(*sides).shape.kind == "constant"


def test_numbers_beyond_float32_are_compared():
    one, other = (Side("", frame_of(SMOOTH * size)) for size in (1e300, 1e299))
    assert [answer(one, side).answer for side in (one, other)] == ["identical", NOT_KNOWN]
