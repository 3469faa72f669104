"""How scores were stored and printed, read from the scores."""

import numpy as np
import pytest
from score_lists import scored

from analysis.fingerprinting import fingerprint
from analysis.fingerprinting.observed import observe
from analysis.scorepath import ScorePath


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
    scores = scored(ScorePath(), 500, 2)
    exact = np.unique(scores)
    printed = np.array([float(str(np.float32(score))) for score in exact])
    assert np.array_equal(observe(printed).scores, exact)


def test_decimals_stand_for_the_interval_that_rounds_to_them():
    observed = observe(np.array([0.998, 0.9991]))
    assert np.all(observed.low < observed.scores - 0.00005)
    assert np.all(observed.high > observed.scores + 0.00005)


@pytest.mark.parametrize("decimals", [13, 15])
def test_many_decimals_of_a_file_are_read_as_such(decimals):
    path = ScorePath("float16", "fused", "float32", "float32")
    scores = path.scores(np.random.default_rng(0).normal(0, 4, 300))
    printed = [float(f"{score:.{decimals}f}") for score in scores]
    assert fingerprint(printed, decimals=decimals).path == path
