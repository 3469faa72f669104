"""Panels, names and labels: they find room in every width, and nothing touches."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures import remedies
from analysis.figures.canvas import Label, _apart, in_two_lines, label_ends, name_rows, panels
from analysis.figures.looks import WIDTHS, Look
from analysis.figures.style import style


@pytest.fixture
def draws():
    """Looks as contexts; what is drawn in them is closed."""
    yield lambda width: style(Look(width=width))
    plt.close("all")


def test_panels_stand_beside_each_other_or_below_where_it_is_narrow(draws):
    for width in WIDTHS:
        with draws(width):
            figure, axes = panels(3, 9, 3)
        figure.draw_without_rendering()
        lefts = {round(ax.get_position().x0, 2) for ax in axes}
        assert len(lefts) == (1 if width == "column" else 3)


def test_a_long_name_takes_two_lines_where_it_is_narrow_and_never_three(draws):
    names = ["Infinity 0.0.13–0.0.68, float16", "as it is", "upcast before the activation (HPS)"]
    for width in WIDTHS:
        with draws(width):
            _, (ax,) = panels(1, 9, 3)
            name_rows(ax, names)
        lines = [label.get_text().count("\n") + 1 for label in ax.get_yticklabels()]
        assert lines == ([2, 1, 2] if width == "column" else [1, 1, 1])


def test_a_name_breaks_at_its_comma_or_near_its_middle():
    assert in_two_lines("Haystack 2.x, bfloat16 (HPS)") == "Haystack 2.x,\nbfloat16 (HPS)"
    assert in_two_lines("order by raw logits") == "order by\nraw logits"
    assert in_two_lines("word") == "word"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_labels_are_moved_apart_in_their_order(places):
    places, lines = np.sort(places), np.full(len(places), 0.1)
    heights = _apart(places, lines)
    assert all(high - low >= 0.1 - 1e-6 for low, high in pairwise(heights))
    assert heights.mean() == pytest.approx(places.mean())


def test_labels_that_have_room_stay_where_they_are():
    assert _apart(np.array([0.1, 0.5]), np.array([0.1, 0.1])).tolist() == [0.1, 0.5]


def boxes(figure, texts) -> list:
    renderer = figure.canvas.get_renderer()
    return [type(text).__mro__[1].get_window_extent(text, renderer) for text in texts]


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_of_lines_that_end_together_do_not_touch(draws, width):
    with draws(width):
        figure, (ax,) = panels(1, 9, 4)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ends = [0.5, 0.501, 0.502, 0.51]
        drawn = label_ends(ax, [Label(1, y, f"line {y}", "#0072B2") for y in ends])
        figure.canvas.draw()
    extents = boxes(figure, drawn)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(extents))
    assert all(box.x1 <= figure.bbox.x1 for box in extents)


@pytest.mark.parametrize("width", WIDTHS)
def test_names_of_ends_stay_on_the_figure(draws, width):
    ends = {"Infinity 0.0.13–0.0.68, float16": (7.625, "float16"), "b": (6.25, "bfloat16")}
    with draws(width):
        picture = remedies.version_view({"demo": pd.Series([-10.0, 10.0])}, ends)
        picture.figure.canvas.draw()
    (ax,) = picture.figure.axes
    assert len(ax.texts) == 2
    for box in boxes(picture.figure, ax.texts):
        assert 0 <= box.x0 < box.x1 <= picture.figure.bbox.x1
