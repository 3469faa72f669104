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
from analysis.figures.looks import look
from analysis.figures.style import MARKS
from analysis.fingerprinting.evidence import DECIDED
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.studies.fingerprints import OUTCOMES, Known, Window, busiest_window, read, teeth

mpl.use("agg")
PATH = path_of("infinity", "0.0.78", "float16")
PATHS = [path_of("haystack", "2.31.0", "bfloat16"), PATH, FLOAT32_REFERENCE]
WINDOW = Window(6.0, 6.5)
RUN = Known.by_path("one run", PATH, np.array([6.1, 6.2, 6.2, 6.4, 7.0, 40.0]))
SCORES = RUN.scores


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_every_tooth_is_drawn_and_too_many_are_a_band(ax):
    empty, comb, band = views.combs(ax, PATHS, WINDOW)
    drawn = [segment[0][0] for segment in comb.get_segments()]
    assert drawn == teeth(PATH, WINDOW).tolist()
    assert len(empty.get_segments()) == teeth(PATHS[0], WINDOW).size
    assert isinstance(band, plt.Rectangle)
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx(WINDOW.ends)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[1] == "float16 logits\nstepwise sigmoid in float32"
    assert ax.texts[1].get_text() == f"{len(drawn)}\nscores exist"
    low, high = ax.get_xlim()
    assert low < WINDOW.ends[0] < WINDOW.ends[1] < high


def test_scores_are_dots_on_teeth_and_crosses_beside_them(ax):
    views.combs(ax, PATHS, WINDOW)
    dots, crosses = np.array(views.laid_on(ax, PATHS, WINDOW, SCORES)).reshape(-1, 2).T
    inside = WINDOW.of(SCORES)
    assert inside.size == 3
    for path, hits, misses in zip(PATHS, dots, crosses, strict=True):
        attained = np.isin(inside, teeth(path, WINDOW))
        assert hits.get_offsets()[:, 0].tolist() == inside[attained].tolist()
        assert misses.get_offsets()[:, 0].tolist() == inside[~attained].tolist()
    own = dots[1].get_offsets()
    assert len(own) == 3
    assert "3 of 3\nattained" in [text.get_text() for text in ax.texts]
    low, high = ax.get_ylim()
    assert all(low < y < high for points in dots for _, y in points.get_offsets())


def test_a_window_without_scores_says_none(ax):
    views.combs(ax, PATHS, WINDOW, counted=False)
    views.laid_on(ax, PATHS, WINDOW, [0.1])
    assert {text.get_text() for text in ax.texts} == {"0 of 0\nattained"}


def test_odds_are_inside_and_refuted_paths_end_in_a_cross(ax):
    run = Known.by_path("", PATH, reranker_logits(120, np.random.default_rng(0)))
    reading = read(run, PATHS, 0)
    drawn = views.odds(ax, reading)
    colors = {line.get_color() for line in drawn}
    assert colors == {MARKS["float16"].color, look().faint}
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == sum(line.refuted for line in reading.lines) > 0
    low, high = ax.get_ylim()
    assert low < 0 < DECIDED < high
    assert all(low < y < high for line in drawn for y in line.get_ydata())
    left, right = ax.get_xlim()
    assert all(left < x < right for line in drawn for x in line.get_xdata())


def test_a_panel_for_each_run():
    reading = read(RUN, PATHS, 0)
    figure, caption, alt, _ = views.odds_panels([reading, reading])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one run", "one run"]
    assert caption
    assert alt.count("one run") == 2
    assert f"{sum(line.refuted for line in reading.lines)} of {len(reading.lines) - 1}" in alt


def test_the_alt_text_of_odds_says_where_a_path_is_decided():
    run = Known.by_path("", PATH, reranker_logits(120, np.random.default_rng(0)))
    reading = read(run, PATHS, 0)
    assert f"decided after {reading.own.decided_after}" in views.odds_panels([reading]).alt


def test_combs_say_how_many_teeth_there_are():
    figure, caption, alt, _ = views.all_scores(PATHS, WINDOW, "a title")
    assert figure.axes[0].get_title(loc="left") == "a title"
    assert caption
    for path in PATHS:
        assert f"{path.computation}: {teeth(path, WINDOW).size:,}" in alt


def test_a_run_on_combs_is_shown_in_its_busiest_window():
    figure, caption, alt, _ = views.run_on_combs(PATHS, RUN)
    (ax,) = figure.axes
    low, high = ax.get_xlim()
    inside = busiest_window(SCORES)
    assert low < inside.ends[0] < inside.ends[1] < high
    attained = np.isin(inside.of(SCORES), teeth(PATH, inside)).sum()
    assert f"of {inside.of(SCORES).size}:" in alt
    assert f"{PATH.computation}: {attained}" in alt
    assert PATH.computation in caption


def test_labels_of_paths_without_a_sigmoid():
    picture = views.enough_scores(outcomes([ScorePath("bfloat16").raw()]))
    title = picture.figure.axes[0].get_title(loc="left")
    assert title == "bfloat16 logits\nno sigmoid"


def outcomes(paths):
    rows = [
        (path, size, n, outcome)
        for path in paths
        for size, n in (("100", 100), ("20", 20), ("all", 300))
        for outcome in ("right", "right", "wrong" if n == 20 else "cannot tell")
    ]
    return pd.DataFrame(rows, columns=["path", "size", "n", "outcome"])


def test_bars_stack_to_one_in_the_order_of_sizes(ax):
    bars = views.outcome_bars(ax, outcomes([PATH]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["20", "100", "all"]
    heights = np.array([[bar.get_height() for bar in row] for row in bars])
    np.testing.assert_allclose(heights.sum(axis=0), 1)
    np.testing.assert_allclose(heights[OUTCOMES.index("wrong")], [1 / 3, 0, 0])
    np.testing.assert_allclose(heights[OUTCOMES.index("right")], 2 / 3)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_path_has_its_panel_and_the_rest_is_empty(number):
    figure, _, alt, _ = views.enough_scores(outcomes(PATHS[:number]), columns=2)
    shown = [ax for ax in figure.axes if ax.axison]
    assert len(shown) == number
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(OUTCOMES)
    for path in PATHS[:number]:
        assert f"{path.computation}: never" in alt


def test_panels_with_logits_say_so():
    alone, helped = (views.enough_scores(outcomes([PATH]), logits=one) for one in (False, True))
    assert "raw logits" not in alone.caption
    assert "raw logits" in helped.caption
    assert alone.alt != helped.alt
