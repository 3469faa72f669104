"""Weighing: odds of a hypothesis score by score, and odds of an excess."""

import numpy as np
import pytest
from scipy.special import pdtrc
from score_lists import scored

from analysis.engines import path_of
from analysis.fingerprinting import fingerprint
from analysis.fingerprinting.attainable import hypotheses
from analysis.fingerprinting.evidence import excess_odds, forward_dtypes, running_odds, weigh
from analysis.fingerprinting.observed import observe
from analysis.formats import FORMATS, FORWARD_DTYPES
from analysis.scorepath import ScorePath


def test_running_odds_end_at_those_that_are_weighed_and_stay_refuted():
    path = path_of("infinity", "0.0.78", "float16")
    observed = observe(np.unique(scored(path, 200)))
    weighed = {one.hypothesis.paths: one.odds for one in weigh(observed, hypotheses())}
    for one in hypotheses():
        odds = running_odds(one, observed)
        if one.paths in weighed and one.paths:
            assert odds[-1] == pytest.approx(weighed[one.paths])
        elif one.paths:
            refuted = np.isneginf(odds)
            assert refuted[-1]
            assert np.all(refuted[np.argmax(refuted) :])


@pytest.mark.parametrize("dtype", FORWARD_DTYPES)
def test_logits_show_the_narrowest_dtype_that_holds_them(dtype):
    logits = ScorePath(dtype).logits(np.random.default_rng(0).normal(0, 4, 100))
    found, odds = forward_dtypes(logits, FORMATS["float64"])
    assert found == (dtype,)
    assert odds > 100
    assert forward_dtypes(np.array([0.1]), FORMATS["float64"]) == ((), 0.0)


def test_excess_odds_bound_the_poisson_tail():
    """Chernoff's bound lies above the exact tail, so the odds are never overstated."""
    for expected in (0.1, 2.0, 30.0):
        for count in (5, 40, 90):
            exact = -np.log10(pdtrc(count - 1, expected))
            assert 0 <= excess_odds(count, expected) <= exact + 1e-9


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_a_logit_of_exactly_zero_refutes_no_half_type(dtype, wide):
    """In float64 such a score lies on a grid of few values for float16, of many for bfloat16."""
    path = ScorePath(dtype, "stepwise", wide, wide)
    for logits in ([2.4, 8.07, 1.44, 0.0], [0.0, 3.0, 4.0], [0.0, -30.0, 2.4, 1.44, 8.07]):
        assert path in fingerprint(path.scores(path.logits(logits))).paths


def test_numbers_of_every_size_are_in_no_steps():
    numbers = [0.108, 5e-324, 0.5, 2.2e-313, 1e308, -7.7e15, -7e31, 3.4e16, -4.3e-71, -3.4e38]
    assert fingerprint(numbers).path is None
    assert fingerprint([-7.46e307, 1.0, 2.0]).path is None
