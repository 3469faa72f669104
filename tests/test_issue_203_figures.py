"""Figures of issue 203: every candidate is drawn, saturated ones and errors of 0 in their lanes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.engines import path_of
from analysis.figures import issue_203 as views
from analysis.figures import lane
from analysis.figures.style import FAINT, style
from analysis.formats import FORMATS
from analysis.recordings import disable_half
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.studies.issue_203 import decomposition, versions
from analysis.ties import apply

LOGITS = [9.0, 7.9, 6.4, 3.0, -2.0]


@pytest.fixture(scope="module")
def logits() -> pd.DataFrame:
    one = pd.DataFrame({"query_id": "q", "passage_id": list("abcde"), "logit": LOGITS})
    half = one.assign(logit=FORMATS["float16"].round(LOGITS).astype(float))
    frames = [one.assign(forward_dtype="float32"), half.assign(forward_dtype="float16")]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def both(logits) -> pd.DataFrame:
    reference = apply(logits, FLOAT32_REFERENCE)
    half = apply(logits, path_of("infinity", "0.0.68", "float16"))
    return half.assign(score_reference=reference["score"].to_numpy())


def inside(ax, points) -> bool:
    (left, right), (bottom, top) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    x, y = np.asarray(points).T
    return bool(np.all((left <= x) & (x <= right) & (bottom <= y) & (y <= top)))


def test_axis_ends_hold_every_score_below_one():
    ends = views.axis_ends(pd.Series([0.2, 0.9995]), pd.Series([1.0]))
    assert ends == {"largest": 0.1, "smallest": 1e-4}
    assert views.axis_ends(pd.Series([0.2, 0.5])) == {"largest": 1.0, "smallest": 1e-2}
    assert views.axis_ends(pd.Series([1.0])) == {"largest": 0.1, "smallest": 1e-2}


def test_every_high_score_is_a_dot_and_those_of_one_stand_in_the_lane(ax, both):
    ends = views.axis_ends(both["score"], both["score_reference"])
    points = views.scores_against(ax, both, "float16", **ends).get_offsets()
    assert len(points) == (both["score_reference"] >= 0.9).sum() == 4
    assert inside(ax, points)
    at_one = points[:, 1] == lane.position(0.0, ends["smallest"])
    assert at_one.tolist() == [True, True, False, False]
    assert (
        points[:, 0].tolist()
        == lane.position(1 - both["score_reference"][:4], ends["smallest"]).tolist()
    )


def test_a_dot_that_falls_out_of_the_axis_stays_on_its_edge(ax):
    both = pd.DataFrame({"score_reference": [0.95], "score": [0.2]})
    drawn = views.scores_against(ax, both, "float16", largest=0.1, smallest=1e-4)
    assert inside(ax, drawn.get_offsets())


def test_thresholds_stand_at_their_scores_and_others_are_left_out(ax):
    ends = {"largest": 0.1, "smallest": 1e-4}
    lane.draw_axis(ax, **ends, axis="x")
    (line,) = views.thresholds(ax, {"here": 0.999, "too low": 0.5, "too high": 1.0}, **ends)
    assert line.get_xdata()[0] == lane.position(1 - 0.999, 1e-4)
    assert [text.get_text() for text in ax.texts] == ["here"]


def test_the_grid_has_a_panel_for_each_cell_with_its_count(logits):
    scored = decomposition.cells(logits)
    with style():
        figure = views.decomposition_grid(scored)
        figure.canvas.draw()
    counts = [ax.texts[0].get_text() for ax in figure.axes]
    assert counts == ["0 × 1.0", "0 × 1.0", "1 × 1.0", "0 × 1.0", "0 × 1.0", "2 × 1.0"]
    assert [ax.get_title("left") for ax in figure.axes[3:]] == [""] * 3
    assert figure.axes[2].get_title("left") == "float16 logits,\nsigmoid in float16"
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == list(views.FORMULA_NAMES.values())
    for ax in figure.axes:
        assert inside(ax, ax.collections[-1].get_offsets())
    plt.close(figure)


def test_one_query_is_drawn_from_both_runs(logits):
    frames = (
        apply(logits, FLOAT32_REFERENCE),
        apply(logits, path_of("infinity", "0.0.68", "float16")),
    )
    with style():
        figure = views.query_views(*frames, ["there", "here"])
    left, right = figure.axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["there", "here"]
    assert [text.get_text() for text in right.texts] == ["2 × 1.0", "0 × 1.0"]
    plt.close(figure)


def test_the_timeline_has_a_dot_per_release_and_joins_only_equal_neighbours(ax):
    states = versions.half_states(disable_half())
    lines = views.half_timeline(ax, states, "0.0.32")
    spans = versions.half_ranges(states)
    assert len(lines) == len(spans)
    drawn = {(int(line.get_xdata()[0]), int(line.get_xdata()[-1])) for line in lines}
    ends = zip(spans["first"], spans["last"], strict=True)
    assert drawn == {tuple(int(version[4:]) for version in pair) for pair in ends}
    assert sum(len(line.get_xdata()) for line in lines) == len(states)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(reversed(versions.STATES))
    assert [line.get_color() for line in lines].count(FAINT) == 2


def test_errors_of_zero_stand_in_their_lane(ax):
    facts = pd.DataFrame({"run": ["a", "b"], "forward_dtype": ["float16", "bfloat16"]})
    errors = {"a": pd.Series([0.0, 0.001]), "b": pd.Series([0.1, 0.01])}
    first, second = (
        np.asarray(row.get_offsets())[:, 0] for row in views.error_rows(ax, facts, errors)
    )
    assert first.tolist() == [np.log10(0.001) - 0.5, np.log10(0.001)]
    assert second.tolist() == [np.log10(0.1), np.log10(0.01)]
    left, right = ax.get_xlim()
    assert left < first.min()
    assert second.max() < right
    medians = [line.get_xdata()[0] for line in ax.lines]
    assert medians == [np.median(first), np.median(second)]


@pytest.mark.parametrize("ones", [[3, 0], [0, 0]])
def test_release_bars_are_the_counts(ones):
    facts = pd.DataFrame(
        {
            "run": ["a", "b"],
            "forward_dtype": ["float16", "bfloat16"],
            "exactly_one": ones,
            "tied_in_top": [4, 2],
        }
    )
    errors = {"a": pd.Series([0.0, 0.0]), "b": pd.Series([0.0])}
    with style():
        figure = views.release_views(facts, errors)
        figure.canvas.draw()
    widths = [[bar.get_width() for bar in ax.patches] for ax in figure.axes[:2]]
    assert widths == [ones, [4, 2]]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    plt.close(figure)
