"""The sets behind a fingerprint: what a path attains, and how a score was printed."""

import numpy as np
import pytest
import torch
from scipy.special import pdtrc
from score_lists import HALVES, reranker_logits

from analysis.fingerprinting.attainable import (
    Grid,
    format_table,
    grid_widths,
    path_scores,
    path_table,
)
from analysis.fingerprinting.evidence import excess_odds
from analysis.fingerprinting.hypotheses import hypotheses
from analysis.fingerprinting.observed import observe
from analysis.formats import FORMATS
from analysis.scorepath import ScorePath
from analysis.staircase import staircase


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("formula", ["fused", "stepwise"])
def test_a_table_holds_the_scores_of_the_staircase(half, formula):
    """Enumerated logits against the closed bisection of another module, between 0.9 and 1."""
    path = ScorePath(half, formula, half, half)
    steps = staircase(formula, half, 0.9, 1.0)
    scores = path_table((path,)).scores
    assert np.array_equal(scores[(scores >= 0.9) & (scores <= 1.0)], steps["score"])


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


def test_logit_widths_of_a_table_add_up():
    """Scores that one logit gives alone stand for that logit's share of the line."""
    table = path_table((ScorePath("float16", "fused", "float64", "float64"),))
    logits = FORMATS["float16"].values(-8.0, -4.0)
    scores = ScorePath("float16", "fused", "float64", "float64").scores(logits)
    widths = table.widths(observe(scores))
    # where torch's two routines differ, both scores stand for the logit
    assert widths[1:-1].sum() == pytest.approx(4.0, rel=1e-2)


def test_a_format_table_holds_every_score_of_the_format():
    assert np.array_equal(format_table("bfloat16").scores, FORMATS["bfloat16"].values(0, 1))


def test_no_evidence_where_every_score_is_attainable():
    observed = observe(np.array([0.9, 0.99, 0.999], dtype=np.float32).astype(np.float64))
    grid = Grid(FORMATS["float32"])
    widths = grid_widths(observed, grid, lambda logits: path_scores(ScorePath(), logits))
    assert np.isnan(widths).all()


def test_a_fine_grid_refutes_low_scores_between_its_logits():
    grid = Grid(step=2.0**-10)
    scores = ScorePath().scores(np.array([-5.0, -5.0 + 2.0**-11]))
    widths = grid_widths(observe(scores), grid, lambda logits: path_scores(ScorePath(), logits))
    assert (widths > 0).tolist() == [True, False]


@pytest.mark.parametrize(
    ("prints", "stored", "decimals"),
    [
        ([0.25, 0.5, 0.998046875], "float32", None),
        ([0.1234, 0.5, 0.998], "float64", 4),
        ([0.1234, 0.5, 0.998765], "float64", 6),
        ([0.00033545494, 0.12345679, 0.99999976], "float32", None),
        ([0.12345678901234566, 0.3], "float64", None),
    ],
)
def test_how_scores_were_printed(prints, stored, decimals):
    observed = observe(np.array(prints))
    assert (observed.stored.name, observed.decimals) == (stored, decimals)


def test_prints_of_a_format_are_taken_to_its_values():
    scores = ScorePath().scores(reranker_logits(500, np.random.default_rng(2)))
    exact = np.unique(scores)
    printed = np.array([float(str(np.float32(score))) for score in exact])
    assert np.array_equal(observe(printed).scores, exact)


def test_decimals_stand_for_the_interval_that_rounds_to_them():
    observed = observe(np.array([0.998, 0.9991]))
    assert np.all(observed.low < observed.scores - 0.00005)
    assert np.all(observed.high > observed.scores + 0.00005)


def test_excess_odds_bound_the_poisson_tail():
    """Chernoff's bound lies above the exact tail, so the odds are never overstated."""
    for expected in (0.1, 2.0, 30.0):
        for count in (5, 40, 90):
            exact = -np.log10(pdtrc(count - 1, expected))
            assert 0 <= excess_odds(count, expected) <= exact + 1e-9
