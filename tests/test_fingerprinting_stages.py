"""A verdict on every stage: certain where no other value is left, else open, with what decides."""

import json

import numpy as np
import pytest
from score_lists import reranker_logits, scored, shifted

from analysis.fingerprinting import fingerprint
from analysis.formats import HALVES
from analysis.heads import Head
from analysis.scorepath import ScorePath


@pytest.mark.parametrize("half", HALVES)
def test_eight_half_scores_show_what_stores_them_and_nothing_else(half):
    path = ScorePath(half, "fused", half, half)
    verdict = fingerprint(path.scores([2.5, -0.64, -0.76, 2.2, 1.6, -1.4, -0.9, 2.4]))
    assert verdict.kind == "cannot tell"
    assert verdict.stage("stored dtype").values == (half,)
    assert verdict.stage("stored dtype").odds > 6
    assert not verdict.stage("sigmoid").certain
    assert not verdict.stage("forward dtype").certain


@pytest.mark.parametrize("half", HALVES)
def test_a_cast_before_a_half_sigmoid_leaves_the_forward_dtype_open(half):
    """Rounding float32 logits and running in the half type give the same logits' values."""
    verdict = fingerprint(scored(ScorePath(half, "stepwise", half, half), 300))
    assert verdict.stage("sigmoid").values == (f"stepwise in {half}",)
    assert verdict.stage("forward dtype").values == (half, "float32")
    assert "raw logits" in verdict.stage("forward dtype").wanted


@pytest.mark.parametrize("half", HALVES)
def test_wider_scores_rounded_to_a_half_type_show_only_that(half):
    verdict = fingerprint(scored(ScorePath("float32", "fused", "float32", half), 500))
    certain = [one.stage for one in verdict.stages if one.certain]
    assert certain == ["stored dtype"]


def test_raw_logits_decide_the_stages():
    path = ScorePath("float16", "stepwise", "float16", "float16")
    logits = path.logits(np.random.default_rng(0).normal(0, 4, 300))
    verdict = fingerprint(path.scores(logits), logits)
    assert [one.values for one in verdict.stages] == [
        ("float16",),
        ("stepwise in float16",),
        ("float16",),
    ]


def test_nothing_is_certain_below_the_threshold():
    rng = np.random.default_rng(3)
    for n in (1, 2, 3, 5):
        verdict = fingerprint(ScorePath("float16").scores(rng.normal(3, 1, n)))
        assert all(one.odds >= 5 for one in verdict.stages if one.certain)


def test_stages_read_well_and_go_through_json():
    verdict = fingerprint(scored(ScorePath("float16", "stepwise", "float16", "float16"), 300))
    said = str(verdict).splitlines()
    assert any(line.startswith("stored dtype: float16, certain (10^") for line in said)
    assert any(line.startswith("forward dtype: open between float16 and float32") for line in said)
    stages = json.loads(json.dumps(verdict.to_dict()))["stages"]
    assert [one["certain"] for one in stages] == [True, True, False]


def test_a_stage_that_nobody_looked_at_is_open():
    stage = fingerprint([]).stage("sigmoid")
    assert (stage.values, stage.certain, str(stage)) == ((), False, "sigmoid: open")


@pytest.mark.parametrize("half", HALVES)
def test_a_half_softmax_is_named_beside_the_sigmoid_that_gives_the_same_scores(half):
    path = ScorePath(half, "none", half, half, head=Head("softmax", half))
    verdict = fingerprint(scored(path, 300))
    assert path in verdict.paths
    assert verdict.stage("sigmoid").values[:2] == (
        f"fused in {half}",
        f"softmax over two labels in {half}",
    )


@pytest.mark.parametrize("half", HALVES)
def test_a_shift_that_is_no_round_number_leaves_the_forward_dtype_open(half):
    scores = shifted(half, 7.7714)(reranker_logits(300, np.random.default_rng(3)))
    forward = fingerprint(scores).stage("forward dtype")
    assert forward.values == ("float32", "half logits subtracted or shifted")
