"""Figures of the fingerprint: every tooth, score, refutation and outcome is drawn."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from score_lists import reranker_logits

from analysis.engines import path_of
from analysis.figures import fingerprint as views
from analysis.figures.style import FAINT, MARKS
from analysis.fingerprinting import combs
from analysis.fingerprinting.evidence import DECIDED
from analysis.fingerprinting.known import OUTCOMES
from analysis.scorepath import FLOAT32_REFERENCE

mpl.use("agg")
PATH = path_of("infinity", "0.0.78", "float16")
PATHS = [path_of("haystack", "2.31.0", "bfloat16"), PATH, FLOAT32_REFERENCE]
WINDOW = combs.Window(6.0, 6.5)
SCORES = PATH.scores(np.array([6.1, 6.2, 6.2, 6.4, 7.0, 40.0]))


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_every_tooth_is_drawn_and_too_many_are_a_band(ax):
    empty, teeth, band = views.combs(ax, PATHS, WINDOW)
    drawn = [segment[0][0] for segment in teeth.get_segments()]
    assert drawn == combs.teeth(PATH, WINDOW).tolist()
    assert len(empty.get_segments()) == combs.teeth(PATHS[0], WINDOW).size
    assert isinstance(band, plt.Rectangle)
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx(WINDOW.ends)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[1].startswith("float16 logits, stored as float32\nstepwise sigmoid in float32\n")
    assert labels[1].endswith(f"{len(drawn)} scores exist here")
    low, high = ax.get_xlim()
    assert low < WINDOW.ends[0] < WINDOW.ends[1] < high


def test_scores_are_dots_on_teeth_and_crosses_beside_them(ax):
    views.combs(ax, PATHS, WINDOW)
    dots, crosses = np.array(views.laid_on(ax, PATHS, WINDOW, SCORES)).reshape(-1, 2).T
    inside = WINDOW.of(SCORES)
    assert inside.size == 3
    for path, hits, misses in zip(PATHS, dots, crosses, strict=True):
        attained = np.isin(inside, combs.teeth(path, WINDOW))
        assert hits.get_offsets()[:, 0].tolist() == inside[attained].tolist()
        assert misses.get_offsets()[:, 0].tolist() == inside[~attained].tolist()
    own = dots[1].get_offsets()
    assert len(own) == 3
    assert "3 of 3\nattained" in [text.get_text() for text in ax.texts]
    low, high = ax.get_ylim()
    assert all(low < y < high for points in dots for _, y in points.get_offsets())


def test_a_window_without_scores_says_none(ax):
    views.combs(ax, PATHS, WINDOW)
    views.laid_on(ax, PATHS, WINDOW, [0.1])
    assert {text.get_text() for text in ax.texts} == {"0 of 0\nattained"}


def test_odds_are_inside_and_refuted_paths_end_in_a_cross(ax):
    scores = PATH.scores(reranker_logits(120, np.random.default_rng(0)))
    lines = combs.odds_lines(scores, PATHS, 0)
    drawn = views.odds(ax, PATH, lines)
    colors = {line.get_color() for line in drawn}
    assert colors == {MARKS["float16"].color, FAINT}
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == sum(line.refuted for line in lines) > 0
    low, high = ax.get_ylim()
    assert low < 0 < DECIDED < high
    assert all(low < y < high for line in drawn for y in line.get_ydata())
    left, right = ax.get_xlim()
    assert all(left < x < right for line in drawn for x in line.get_xdata())


def test_a_panel_for_each_run():
    lines = combs.odds_lines(SCORES, PATHS, 0)
    figure = views.odds_panels([("one", PATH, lines), ("two", PATH, lines)])
    assert [ax.get_title() or ax.get_title(loc="left") for ax in figure.axes] == ["one", "two"]


def outcomes(computations):
    rows = [
        (path.computation, size, n, outcome)
        for path in computations
        for size, n in (("100", 100), ("20", 20), ("all", 300))
        for outcome in ("right", "right", "wrong" if n == 20 else "cannot tell")
    ]
    return pd.DataFrame(rows, columns=["computation", "size", "n", "outcome"])


def test_bars_stack_to_one_in_the_order_of_sizes(ax):
    bars = views.outcome_bars(ax, outcomes([PATH]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["20", "100", "all"]
    heights = np.array([[bar.get_height() for bar in row] for row in bars])
    np.testing.assert_allclose(heights.sum(axis=0), 1)
    np.testing.assert_allclose(heights[OUTCOMES.index("wrong")], [1 / 3, 0, 0])
    np.testing.assert_allclose(heights[OUTCOMES.index("right")], 2 / 3)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_path_has_its_panel_and_the_rest_is_empty(number):
    figure = views.enough_scores(outcomes(PATHS[:number]), columns=2)
    shown = [ax for ax in figure.axes if ax.axison]
    assert len(shown) == number
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(OUTCOMES)
