"""Figures of measures under ties: what is drawn is what the tables hold."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from analysis.comparisons import NOT_CERTAIN, SECOND
from analysis.engines import path_of
from analysis.figures import outcomes as views
from analysis.figures.style import MARKS, Picture
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.studies import outcomes
from analysis.ties import with_tie_groups

PATHS = [FLOAT32_REFERENCE, path_of("infinity", "0.0.68", "float16")]
NAMES = [path.name for path in PATHS]


def runs(grades: list) -> dict[str, pd.DataFrame]:
    """Five queries of six passages: scores apart in the reference, tied in threes elsewhere."""
    generator = np.random.default_rng(4)
    pairs = pd.DataFrame(
        [(f"q{query}", f"p{passage}") for query in range(5) for passage in (3, 0, 5, 1, 4, 2)],
        columns=["query_id", "passage_id"],
    ).assign(grade=pd.array(grades * 5, dtype="Int64"))
    score = np.concatenate([generator.permutation(6) / 6 for _ in range(5)])
    scores = dict(zip(NAMES, (score, np.floor(score * 2)), strict=True))
    return {name: with_tie_groups(pairs.assign(score=found)) for name, found in scores.items()}


GRADED, BARE = runs([0, 3, 1, 0, 2, 0]), runs([None] * 6)
WORTH = outcomes.evaluated(GRADED)
SPANS, RULES = outcomes.spans(WORTH), outcomes.by_tie_rule(GRADED)
EFFECTS = outcomes.against(WORTH, NAMES[0])
QUERIES = outcomes.per_query(WORTH, NAMES[0])


def test_spans_are_points_and_bars_inside_the_axes(ax):
    own = SPANS[SPANS["measure"] == "nDCG@10"]
    points = views.path_spans(ax, own, PATHS)
    assert [point.get_xdata()[0] for point in points] == own["expected"].tolist()
    assert [point.get_color() for point in points] == [
        MARKS[path.forward_dtype].color for path in PATHS
    ]
    bars = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "|"]
    assert bars == own[["min", "max"]].to_numpy().tolist()
    left, right = ax.get_xlim()
    assert left < own["min"].min() < own["max"].max() < right
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES


def test_every_rule_has_its_value_on_every_path(ax):
    own, ends = (frame[frame["measure"] == "RR@10"] for frame in (RULES, SPANS))
    drawn = views.tie_rules(ax, own, ends, NAMES)
    assert set(views.RULE_LOOKS) == set(outcomes.RULES)
    for rule, marks in zip(views.RULE_LOOKS, drawn, strict=True):
        values = own.loc[own["tie_rule"] == rule, "value"]
        assert marks.get_offsets()[:, 0].tolist() == values.tolist()
        assert np.round(marks.get_offsets()[:, 1]).tolist() == [0, 1]
    grey = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    assert np.allclose(grey, ends[["min", "max"]], atol=1e-12)


def test_counts_are_stacked_up_to_their_sum(ax):
    counts = {
        "one": pd.Series([5, 1, 3, 0], outcomes.REMEDIES),
        "two": pd.Series(0, [*outcomes.REMEDIES]),
    }
    drawn = views.restored_bars(ax, counts)
    widths = [[bar.get_width() for bar in bars] for bars in drawn]
    assert np.array(widths).T.tolist() == [[5, 1, 3, 0], [0, 0, 0, 0]]
    assert max(bar.get_x() + bar.get_width() for bars in drawn for bar in bars) == 9
    totals = [text.get_text() for text in ax.texts if text.get_text()]
    assert totals[-2:] == ["9", "0"]
    assert ax.get_xlim()[1] > 9


def test_differences_show_both_intervals_and_zero(ax):
    own = EFFECTS[EFFECTS["measure"] == "nDCG@10"]
    (point,) = views.differences(ax, own, "")
    (row,) = own.itertuples()
    assert point.get_xdata()[0] == row.difference
    assert [row.low, row.high] in [list(line.get_xdata()) for line in ax.lines]
    (bar,) = ax.patches
    assert (bar.get_x(), bar.get_width()) == (row.min, row.max - row.min)
    left, right = ax.get_xlim()
    assert left < min(0, row.min, row.low)
    assert max(0, row.max, row.high) < right


def test_queries_are_sorted_and_coloured_by_certainty(ax):
    own = QUERIES[QUERIES["measure"] == "nDCG@10"]
    own = own.assign(certainty=[SECOND, *[NOT_CERTAIN] * 4])
    (dots,) = views.sorted_queries(ax, own, "")
    heights = dots.get_offsets()[:, 1]
    assert heights.tolist() == sorted(own["difference"], reverse=True)
    place = heights.tolist().index(own["difference"].iloc[0])
    colors = [to_hex(color).upper() for color in dots.get_facecolors()]
    certain = to_hex(views.CERTAINTY_COLORS[SECOND]).upper()
    assert [color == certain for color in colors] == [number == place for number in range(5)]


def pictures(found: dict[str, pd.DataFrame], *, graded: bool) -> list[Picture]:
    """Every figure of evaluated runs."""
    worth = outcomes.evaluated(found)
    spans = outcomes.spans(worth)
    return [
        views.span_views(spans, PATHS),
        views.rule_views(outcomes.by_tie_rule(found), spans, NAMES),
        views.effect_views(outcomes.against(worth, NAMES[0]), graded=graded),
        views.query_views(outcomes.per_query(worth, NAMES[0]), NAMES[1], graded=graded),
    ]


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


@pytest.mark.parametrize("graded", [True, False])
def test_whole_figures_say_what_they_lack(graded):
    needs = "needs a grade for every pair"
    for picture in pictures(GRADED if graded else BARE, graded=graded):
        picture.figure.canvas.draw()  # layout warnings are errors
        titles = [ax.get_title(loc="left") for ax in picture.figure.axes]
        assert titles == list(outcomes.MEASURES)
        assert (texts(picture.figure) == [needs] * 2) == (needs in picture.alt) == (not graded)
        plt.close(picture.figure)


def test_alt_texts_name_the_numbers():
    span, rule, effect, query = pictures(GRADED, graded=True)
    for row in SPANS.itertuples():
        assert f"{row.path}, {row.measure}: {row.expected:.4f}" in span.alt
    for row in RULES.itertuples():
        assert f"{row.path}, {row.measure}, {row.tie_rule}: {row.value:.4f}" in rule.alt
    for row in EFFECTS.itertuples():
        assert f"{row.path}, {row.measure}: {row.difference:+.4f}" in effect.alt
    for _, own in QUERIES.groupby("measure"):
        assert f"{own['difference'].max():+.4f} to {own['difference'].min():+.4f}" in query.alt
    assert NAMES[1] in query.caption
    plt.close("all")


def test_the_view_of_what_comes_back_names_every_count():
    counts = pd.Series([5, 1, 3, 0], outcomes.REMEDIES)
    picture = views.restored_view({"one": counts})
    assert all(f"{remedy} {count}" in picture.alt for remedy, count in counts.items())
    plt.close(picture.figure)


def test_one_query_has_nothing_to_test():
    worth = outcomes.evaluated({name: run[:6] for name, run in GRADED.items()})
    picture = views.effect_views(outcomes.against(worth, NAMES[0]), graded=True)
    assert texts(picture.figure) == ["needs two queries and another path"] * 2
    plt.close(picture.figure)
