"""The figure of two logits: what heads leave, and how many differences there are."""

import pandas as pd
from scored_frames import drawn

from analysis.figures import yes_no

LEFT = {
    "rough": pd.DataFrame({"exact": [0.1, 0.2], "logit": [0.125, 0.125]}),
    "fine": pd.DataFrame({"exact": [0.1, 0.2], "logit": [0.1, 0.2]}),
}
COUNTS = {
    dtype: pd.DataFrame({"level": [3.0, 24.0], "possible": [65, 9], "found": [5, 4]})
    for dtype in ("float16", "bfloat16")
}


def test_each_head_has_its_marks(ax):
    first, second = yes_no.step_marks(ax, LEFT, "bfloat16")
    assert first.get_ydata().tolist() == [0.125, 0.125]
    assert second.get_ydata().tolist() == [0.1, 0.2]
    assert first.get_markersize() > second.get_markersize()


def test_lines_are_the_closed_form_and_marks_what_was_found(ax):
    lines = yes_no.level_lines(ax, COUNTS, 5)
    assert [line.get_ydata().tolist() for line in lines] == [[65, 9], [65, 9]]
    found = [line.get_ydata() for line in ax.lines if line not in lines]
    assert [values.tolist() for values in found[:2]] == [[5, 4], [5, 4]]
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_the_picture_says_how_many_are_left():
    picture = yes_no.two_logits(LEFT, "bfloat16", COUNTS, 2)
    with drawn(picture) as figure:
        (key,) = figure.legends
        assert [text.get_text() for text in key.get_texts()] == [
            "rough",
            "fine",
            "two logits in float16",
            "two logits in bfloat16",
        ]
    assert "rough: 1; fine: 2" in picture.alt
