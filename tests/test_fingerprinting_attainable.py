"""The sets behind a fingerprint: what a path attains, and on how wide a range of logits."""

import numpy as np
import pytest
import torch
from score_lists import reranker_logits

from analysis.fingerprinting.attainable import (
    Grid,
    hypotheses,
    of_grid,
    path_scores,
    scores_around,
    softmax_scores,
)
from analysis.fingerprinting.observed import observe
from analysis.formats import FORMATS, HALVES
from analysis.scorepath import ScorePath
from analysis.steps import staircase


def hypothesis(family, *, forward="", path=None):
    """The one of this family about logits of this kind, or about this path."""
    (found,) = (
        one
        for one in hypotheses()
        if one.family == family and (path in one.paths if path else one.forward == forward)
    )
    return found


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("formula", ["fused", "stepwise"])
def test_scores_of_half_logits_are_those_of_the_staircase(half, formula):
    """Enumerated logits against the bisection of another module, between 0.9 and 1."""
    path = ScorePath(half, formula, half, half)
    scores = np.unique(scores_around(path, 0.0, 1.0))
    steps = staircase(path, 0.9)
    assert np.array_equal(scores[(scores >= 0.9) & (scores <= 1.0)], steps["score"])


def test_scores_of_float32_logits_are_those_of_an_interval():
    scores = scores_around(ScorePath(), 6.0, 6.001)
    logits = FORMATS["float32"].values(6.0, 6.001)
    assert np.isin(path_scores(ScorePath(), logits), scores).all()
    assert scores.max() < ScorePath().scores(6.1)


def test_the_scalar_routine_is_torchs_on_short_tensors():
    logits = reranker_logits(700, np.random.default_rng(0)).astype(np.float32)
    short = [torch.sigmoid(torch.from_numpy(part)).numpy() for part in np.split(logits, 100)]
    _, scalar = path_scores(ScorePath(), logits.astype(np.float64))
    assert np.array_equal(scalar, np.concatenate(short).astype(np.float64))


@pytest.mark.parametrize("one", hypotheses(), ids=lambda one: f"{one.family} {one.forward}")
def test_every_hypothesis_attains_the_scores_of_all_its_paths(one):
    logits = reranker_logits(2_000, np.random.default_rng(1))
    for path in one.paths:
        scores = np.unique(np.concatenate(path_scores(path, logits)))
        assert not np.any(one.widths(observe(scores)) == 0)


def test_logit_widths_add_up():
    """Scores that one logit gives alone stand for that logit's share of the line."""
    path = ScorePath("float16", "fused", "float64", "float64")
    scores = path.scores(FORMATS["float16"].values(-8.0, -4.0))
    widths = hypothesis("sigmoid", path=path).widths(observe(scores))
    assert widths[1:-1].sum() == pytest.approx(4.0, rel=1e-2)


def test_a_score_by_either_routine_stands_for_half_of_its_logit():
    path = ScorePath("float16", "fused", "float32", "float32")
    logits = FORMATS["float16"].values(-8.0, -4.0)
    vector, scalar = path_scores(path, logits)
    both = np.union1d(vector, scalar)
    assert both.size > logits.size
    widths = hypothesis("sigmoid", path=path).widths(observe(both))
    assert widths[1:-1].sum() == pytest.approx(4.0, rel=1e-2)


@pytest.mark.parametrize("half", HALVES)
def test_every_score_of_a_half_format_is_attained_without_a_trace(half):
    scores = FORMATS[half].values(0, 1)
    (smooth,) = (
        one for one in hypotheses() if one.family == "smooth" and one.paths[0].stored_dtype == half
    )
    assert not np.any(smooth.widths(observe(scores)) == 0)
    between = (scores[1:-2] + scores[2:-1]) / 2
    assert np.all(smooth.widths(observe(between)) == 0)


def test_no_evidence_where_every_score_is_attainable():
    observed = observe(np.array([0.9, 0.99, 0.999], dtype=np.float32).astype(np.float64))
    assert np.isnan(hypothesis("sigmoid", path=ScorePath()).widths(observed)).all()


def test_a_fine_grid_refutes_low_scores_between_its_logits():
    *_, grid = of_grid(Grid(step=2.0**-10), "equal steps")
    (scores,) = softmax_scores(np.array([-5.0, -5.0 + 2.0**-11]))
    assert (grid.widths(observe(scores)) > 0).tolist() == [True, False]
