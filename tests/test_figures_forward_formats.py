"""Figures of forward formats: what stands where, and what they say."""

import numpy as np
import pandas as pd
import pytest
from scored_frames import drawn, inside

from analysis.figures import forward_formats as views

TABLE = pd.DataFrame(
    {
        "forward_format": ["onnxruntime:int8-dynamic", "openvino:f32"],
        "queries": [4, 4],
        "reordered": [3, 0],
        "first_lost": [1, 0],
        "difference": [-0.02, 0.0],
        "low": [-0.03, 0.0],
        "high": [0.01, 0.0],
    }
)
STRIPS = pd.DataFrame(
    {
        "forward_format": ["onnxruntime:int8-dynamic"] * 3 + ["torch:float16"] * 3,
        "company": [0, 1, 2] * 2,
        "logit": [1.0, 1.5, 2.0, 1.25, 1.25, 1.5],
    }
)


def test_formats_stand_by_how_many_queries_they_reorder():
    picture = views.order_and_measure(TABLE, 10)
    with drawn(picture) as figure:
        order, measure = figure.axes
        names = [label.get_text() for label in order.get_yticklabels()]
        assert names == ["openvino:f32", "onnxruntime:int8-dynamic"]
        assert [label.get_text() for label in measure.get_yticklabels()] == ["", ""]
    assert "onnxruntime:int8-dynamic: 3 of 4, nDCG -0.0200" in picture.alt
    assert "nDCG@10 less float32's" in picture.caption


def test_without_a_measure_there_is_one_panel():
    picture = views.order_and_measure(TABLE.assign(difference=np.nan, low=np.nan, high=np.nan), 5)
    with drawn(picture) as figure:
        assert len(figure.axes) == 1
    assert picture.caption.startswith("Queries whose first 5 places")
    assert "nDCG" not in picture.alt + picture.caption


def test_marks_are_shares_of_the_queries(ax):
    marks = views.reordered_marks(ax, TABLE)
    assert [mark.get_xdata()[0] for mark in marks] == [0.75, 0.0]
    assert len({mark.get_marker() for mark in marks}) == 2  # one scale for the batch, and none


def test_strips_have_a_dot_for_each_company(ax):
    wide, narrow = views.strip_rows(ax, STRIPS)
    assert wide.get_offsets()[:, 0].tolist() == [1.0, 1.5, 2.0]
    assert narrow.get_offsets()[:, 0].tolist() == [1.25, 1.25, 1.5]
    assert all(inside(ax, *dots.get_offsets().T) for dots in (wide, narrow))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["onnxruntime:int8-dynamic\n1 wide", "float16\n0.25 wide"]
    assert "onnxruntime:int8-dynamic: 1; float16: 0.25" in views.companies(STRIPS).alt


@pytest.mark.parametrize("panels", [1, 3])
def test_static_scales_have_a_panel_for_each_format(panels):
    texts = [
        "openvino:int8-static@relevant",
        "openvino:int8-static-head-f32@relevant",
        "openvino:int8-static@random",
    ]
    own = pd.DataFrame({"logit": [0.0, 9.0], "other": [0.0, 6.0]})
    picture = views.static_scales(dict.fromkeys(texts[:panels], own))
    with drawn(picture) as figure:
        titles = [ax.get_title(loc="left").replace("\n", " ") for ax in figure.axes]
        assert titles[0] == "relevant pairs, head in int8"
        assert sum(ax.axison for ax in figure.axes) == panels
        assert [line.get_ydata()[0] for line in figure.axes[0].lines] == [0.0, 6.0]
    assert "relevant pairs, head in int8: 6.00 of 9.00" in picture.alt
