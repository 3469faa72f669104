"""Fingerprints of recorded engines: the right path from all of a run, no wrong one from a part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.fingerprinting import Verdict, fingerprint
from analysis.recordings import about
from analysis.studies.fingerprints import Known, outcome, recorded_runs

ENOUGH, FEW = 100, 20
RUNS = list(recorded_runs().values())
LONG = [run for run in RUNS if run.scores.size >= ENOUGH]
# Evidence is held to this machine's exp. Half-precision sigmoids round its last bits away.
SAME_KERNELS = torch.backends.cpu.get_cpu_capability() == about()["cpu_capability"]

every_run = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
every_long_run = pytest.mark.parametrize("run", LONG, ids=lambda run: run.name)


def assert_right(verdict: Verdict, run: Known) -> None:
    """The run's path, or one that gives the same scores for every logit.

    On a CPU with another ``exp`` than the recorded one, a wide sigmoid may be left open.
    """
    if SAME_KERNELS or run.path.has_narrow_sigmoid:
        assert outcome(verdict, run) == "right", verdict
        assert verdict.path.scores(run.logits).tolist() == run.path.scores(run.logits).tolist()
    else:
        assert outcome(verdict, run) != "wrong", verdict


def test_every_run_is_long_enough_to_be_held_to_its_path():
    assert len(LONG) == len(RUNS) > 0


@every_long_run
def test_all_scores_of_a_run_show_its_path(run):
    assert_right(fingerprint(run.scores), run)


@every_long_run
def test_high_scores_alone_may_leave_the_path_open(run):
    """One rounding to a half type reaches every value of it that there is above 0.25.

    In float32 both formulas are 1 / (1 + e) there, rounded alike: they reach the same values.
    """
    assert outcome(fingerprint(run.scores[run.scores > 0.25]), run) != "wrong"


@every_long_run
def test_scores_and_logits_of_a_run_show_its_path(run):
    assert_right(fingerprint(run.scores, run.logits), run)


@every_run
def test_twenty_scores_of_a_run_never_get_a_wrong_verdict(run):
    for seed in range(5):
        chosen = np.random.default_rng(seed).choice(run.scores.size, FEW, replace=False)
        scores, logits = run.scores[chosen], run.logits[chosen]
        assert outcome(fingerprint(scores), run) != "wrong"
        assert outcome(fingerprint(scores, logits), run) != "wrong"


@every_run
def test_the_first_and_the_highest_twenty_never_get_a_wrong_verdict(run):
    """No random parts: one query or two, and the top ranks that people keep."""
    assert outcome(fingerprint(run.scores[:FEW]), run) != "wrong"
    assert outcome(fingerprint(np.sort(run.scores)[-FEW:]), run) != "wrong"
