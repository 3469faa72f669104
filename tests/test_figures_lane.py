"""The axis of 1 − score: a score of exactly 1.0 has a place on it."""

import numpy as np
import pytest

from analysis.figures import lane


@pytest.mark.parametrize("smallest", [1e-1, 2**-11, 2**-24])
def test_a_score_of_exactly_one_stands_in_the_lane_beyond_every_other(smallest):
    exact, last = lane.position([0.0, smallest], smallest)
    assert np.isfinite(exact)
    assert exact < last


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_lane_lies_inside_the_axis_and_scores_grow_along_it(ax, axis):
    lane.draw_axis(ax, 1e-2, 2**-11, axis=axis)
    limits = ax.get_xlim() if axis == "x" else ax.get_ylim()
    assert limits[0] > lane.position(2**-11, 2**-11) > lane.position(0.0, 2**-11) > limits[1]
    labels = ax.get_xticklabels() if axis == "x" else ax.get_yticklabels()
    assert labels[-1].get_text() == lane.LANE_LABEL


def test_an_axis_ends_at_the_last_score_below_one():
    assert lane.smallest_distance("float16") == 2**-11
    assert lane.smallest_distance("float32") == 2**-24
