"""Figures of issue 203: every candidate is drawn, saturated ones and errors of 0 in their lanes."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from analysis.engines import path_of
from analysis.figures import issue_203 as views
from analysis.figures.lane import position
from analysis.figures.looks import look
from analysis.figures.style import Picture
from analysis.formats import FORMATS
from analysis.recordings import disable_half
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.studies import issue_203 as study
from analysis.ties import apply

LOGITS = [9.0, 7.9, 6.4, 3.0, -2.0]
SMALLEST = 1e-4
"""Where the axes of these logits' scores end: 9.0 is 0.9999 less a little."""


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def logits() -> pd.DataFrame:
    one = pd.DataFrame({"query_id": "q", "passage_id": list("abcde"), "logit": LOGITS})
    half = one.assign(logit=FORMATS["float16"].round(LOGITS).astype(float))
    frames = [one.assign(forward_dtype="float32"), half.assign(forward_dtype="float16")]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def runs(logits) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Haystack in float32 and Infinity in float16."""
    half = path_of("infinity", "0.0.68", "float16")
    return apply(logits, FLOAT32_REFERENCE), apply(logits, half)


@pytest.fixture(scope="module")
def both(runs) -> pd.DataFrame:
    return study.side_by_side(*runs)


def inside(ax: Axes, points: np.ndarray) -> bool:
    (left, right), (bottom, top) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    x, y = np.asarray(points).T
    return bool(np.all((left <= x) & (x <= right) & (bottom <= y) & (y <= top)))


def dots(picture: Picture) -> np.ndarray:
    return np.asarray(picture.figure.axes[0].collections[-1].get_offsets())


def test_every_high_score_is_a_dot_and_those_of_one_stand_in_the_lane(both):
    picture = views.scores(both)
    points = dots(picture)
    assert len(points) == (both["score_reference"] >= 0.9).sum() == 4
    assert inside(picture.figure.axes[0], points)
    assert (points[:, 1] == position(0.0, SMALLEST)).tolist() == [True, True, False, False]
    expected = position(1 - both["score_reference"][:4], SMALLEST)
    assert points[:, 0].tolist() == expected.tolist()
    assert "2 of 5" in picture.alt


def test_a_dot_that_falls_out_of_the_axis_stays_on_its_edge(both):
    picture = views.scores(both.assign(score=both["score"].where(both.index != 3, 0.2)))
    assert inside(picture.figure.axes[0], dots(picture))


def test_both_formulas_edges_stand_at_their_true_scores(both):
    (ax,) = views.scores(both).figure.axes
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    true = [1 / (1 + np.exp(-logit)) for logit in (7.625, 8.3203125)]
    assert drawn == pytest.approx([float(position(1 - score, SMALLEST)) for score in true])
    named = [text.get_text() for text in ax.texts]
    assert [text.split(": ")[1] for text in named] == ["stepwise, float16", "fused, float16"]


def test_the_grid_has_a_panel_for_each_path_with_its_count(logits):
    picture = views.decomposition(logits)
    axes = picture.figure.axes
    counts = [ax.texts[0].get_text() for ax in axes]
    assert counts == ["0 × 1.0", "0 × 1.0", "1 × 1.0", "0 × 1.0", "0 × 1.0", "2 × 1.0"]
    assert [ax.get_title("left") for ax in axes[3:]] == [""] * 3
    assert axes[2].get_title("left") == "float16 logits,\nsigmoid in float16"
    assert [ax.get_ylabel() for ax in axes[::3]] == ["fused (torch)", "step by step (NumPy)"]
    for ax in axes:
        assert inside(ax, ax.collections[-1].get_offsets())
    assert "fused in float16 of float16 logits: 1; stepwise in float16" in picture.alt


def test_one_query_is_drawn_from_both_runs(runs):
    picture = views.order(*runs, "What is <it>?")
    left, right = picture.figure.axes
    names = [label.get_text() for label in left.get_xticklabels()]
    assert names == ["Haystack 2.0.1\nfloat32", "Infinity 0.0.32\nfloat16"]
    assert [text.get_text() for text in right.texts] == ["2 × 1.0", "0 × 1.0"]
    assert picture.caption.endswith("What is <it>?")
    assert "2 of 5" in picture.alt


def test_the_timeline_has_a_dot_per_release_and_joins_only_equal_neighbours():
    states = study.half_states(disable_half())
    picture = views.disable_half(states, "0.0.32")
    (ax,) = picture.figure.axes
    *lines, marked = ax.lines
    spans = study.half_ranges(states)
    assert len(lines) == len(spans)
    drawn = {(int(line.get_xdata()[0]), int(line.get_xdata()[-1])) for line in lines}
    ends = zip(spans["first"], spans["last"], strict=True)
    assert drawn == {tuple(int(version[4:]) for version in pair) for pair in ends}
    assert sum(len(line.get_xdata()) for line in lines) == len(states)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(reversed(study.STATES))
    assert [line.get_color() for line in lines].count(look().faint) == 2
    assert marked.get_xdata()[0] == 32
    assert all(version in picture.alt for version in spans["first"])


FACTS = pd.DataFrame(
    {
        "run": ["a", "b"],
        "forward_dtype": ["float16", "bfloat16"],
        "ones": pd.array([3, 0], dtype="Int64"),
        "tied_in_top": pd.array([4, 2], dtype="Int64"),
        "median_logit_error": [0.0005, 0.055],
    }
)
ERRORS = {"a": pd.Series([0.0, 0.001]), "b": pd.Series([0.1, 0.01])}


def test_errors_of_zero_stand_in_their_lane():
    ax = views.release(FACTS, ERRORS).figure.axes[2]
    first, second = (np.asarray(row.get_offsets())[:, 0] for row in ax.collections)
    assert first.tolist() == [np.log10(0.001) - 0.5, np.log10(0.001)]
    assert second.tolist() == [np.log10(0.1), np.log10(0.01)]
    left, right = ax.get_xlim()
    assert left < first.min()
    assert second.max() < right
    medians = [line.get_xdata()[0] for line in ax.lines]
    assert medians == [np.median(first), np.median(second)]


@pytest.mark.parametrize("ones", [[3, 0], [0, 0]])
def test_release_bars_are_the_counts(ones):
    picture = views.release(FACTS.assign(ones=ones), ERRORS)
    axes = picture.figure.axes
    widths = [[bar.get_width() for bar in ax.patches] for ax in axes[:2]]
    assert widths == [ones, [4, 2]]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["a", "b"]
    assert f"a: {ones[0]} scores of 1.0, 4 tied" in picture.alt
