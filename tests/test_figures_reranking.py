"""Order against order: who moves and who is tied, with no order invented inside a tie."""

import matplotlib as mpl
import pytest
from scored_frames import LOGITS, drawn, few_logits, inside

from analysis.engines import path_of
from analysis.figures import reranking
from analysis.figures.looks import look
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.ties import apply

STEPWISE = path_of("infinity", "0.0.68", "float16")


@pytest.fixture
def reference():
    return apply(few_logits(), FLOAT32_REFERENCE)


@pytest.fixture
def saturated():
    return apply(few_logits(), STEPWISE)


def test_the_slope_has_no_invented_order_inside_a_tie(ax, reference, saturated):
    lines = reranking.slope(ax, reference, saturated)
    right = [line.get_ydata()[1] for line in lines]
    assert right == [2, 2, 2, 4.5, 4.5, 6, 7]
    assert [line.get_ydata()[0] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    colors = [line.get_color() for line in lines]
    up, down = reranking.MOVED_UP, reranking.MOVED_DOWN
    assert colors == [down, look().faint, up, down, up, look().faint, look().faint]
    bands = [
        band
        for band in ax.patches
        if band.get_facecolor() == mpl.colors.to_rgba(look().colors.band)
    ]
    assert len(bands) == 2
    assert "3 tied at 1" in [text.get_text() for text in ax.texts]


def test_the_score_lane_counts_exact_ones(ax, reference, saturated):
    reranking.score_lane(ax, {"reference": reference, "path": saturated})
    assert [text.get_text() for text in ax.texts] == ["3 × 1.0", "0 × 1.0"]
    for points in ax.collections:
        offsets = points.get_offsets()
        assert len(offsets) == len(LOGITS)
        assert inside(ax, offsets[:, 0], offsets[:, 1])


def test_a_picture_names_the_path_that_it_compares_with(saturated):
    other = path_of("haystack:float16")
    picture = reranking.reranking(apply(few_logits(), other), saturated, STEPWISE, "Warum?", other)
    with drawn(picture) as figure:
        named = figure.axes[0].get_xticklabels()[0].get_text()
        assert named.replace("\n", " ") == "Haystack 2.x, float16"
    assert "Haystack 2.x, float16 against Infinity" in picture.caption
    assert "under the Haystack 2.x, float16 and under the path" in picture.alt


def test_a_picture_says_its_numbers(saturated):
    backwards = few_logits()[::-1]  # so that ties in input order turn the order round
    reference, saturated = apply(backwards, FLOAT32_REFERENCE), apply(backwards, STEPWISE)
    picture = reranking.reranking(reference, saturated, STEPWISE, "Warum?")
    with drawn(picture) as figure:
        assert len(figure.axes) == 2
    assert "7 passages" in picture.alt
    assert "4 of them moved" in picture.alt
    assert "3 exactly 1.0" in picture.alt
    assert "Warum?" in picture.caption
    assert STEPWISE.name in picture.caption


def test_raw_logits_have_no_place_on_the_axis_of_scores(reference):
    path = FLOAT32_REFERENCE.raw()
    picture = reranking.reranking(reference, apply(few_logits(), path), path, "Warum?")
    with drawn(picture) as figure:
        (ax,) = figure.axes
        assert ax.get_xticklabels()[1].get_text() == "raw logits"
    assert "exactly 1.0" not in picture.alt
    assert path.computation in picture.caption


def test_one_candidate_makes_a_picture(reference, saturated):
    picture = reranking.reranking(reference[:1], saturated[:1], STEPWISE, "Warum?")
    with drawn(picture) as figure:
        assert len(figure.axes) == 2
