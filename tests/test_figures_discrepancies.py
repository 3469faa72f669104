"""Differences beside what rounding makes."""

import pandas as pd
from scored_frames import drawn

from analysis.discrepancies.noise import Noise
from analysis.figures import discrepancies
from analysis.figures.style import MARKS

NOISE = {"float32": Noise(1e-5, 1e-4), "float16": Noise(0.01, 0.1)}
PANEL = pd.DataFrame({"logit": [-3.0, 0.0, 5.0], "difference": [0.02, 0.0, -0.5]})


def test_every_pair_is_a_dot_and_every_dtype_a_line(ax):
    discrepancies.draw_differences(ax, PANEL, NOISE)
    (dots,) = ax.collections
    low = ax.get_ylim()[0]
    assert dots.get_offsets()[[0, 2]].tolist() == [[-3.0, 0.02], [5.0, 0.5]]
    assert low < dots.get_offsets()[1][1] < 1e-5  # no difference stands at the bottom, not outside
    lines = {line.get_ydata()[0]: line.get_color() for line in ax.lines}
    assert lines == {1e-4: MARKS["float32"].color, 0.1: MARKS["float16"].color}
    discrepancies.name_lines(ax, NOISE)
    assert [text.get_text() for text in ax.texts] == list(NOISE)


def test_the_picture_says_its_numbers():
    panels = {"one": PANEL, "other": PANEL * 2, "third": PANEL, "fourth": PANEL}
    picture = discrepancies.differences(panels, NOISE)
    with drawn(picture) as figure:
        titles = [ax.get_title(loc="left") for ax in figure.axes]
        assert titles[:4] == list(panels)
        assert [ax.axison for ax in figure.axes] == [True] * 4 + [False] * 2
        named = [ax for ax in figure.axes if ax.texts]
        assert named == [figure.axes[2], figure.axes[3]]  # the last of each row
        assert len({ax.get_ylim() for ax in figure.axes[:4]}) == 1
    assert "4 panels" in picture.alt
    assert "other: 1;" in picture.alt
