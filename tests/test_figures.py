"""Figures: what is drawn is the data, saturated points included, and files repeat byte for byte."""

import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from analysis.staircase import staircase

from analysis.engines import path_of
from analysis.figures import lane, mapping, reranking, steps
from analysis.figures.style import FAINT, MARKS, img, save, style
from analysis.formats import FORMATS
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.sigmoids import saturation
from analysis.ties import apply

LOGITS = [9.0, 8.5, 8.0, 7.0, 6.9, 3.0, -2.0]


@pytest.fixture
def logits():
    ids = [f"p{number}" for number in range(len(LOGITS))]
    grades = pd.array([3, 3, 3, 2, 2, 1, pd.NA], dtype="Int64")
    one = pd.DataFrame({"query_id": "q", "passage_id": ids, "grade": grades, "logit": LOGITS})
    halves = one.assign(logit=FORMATS["float16"].round(LOGITS).astype(float))
    frames = [one.assign(forward_dtype="float32"), halves.assign(forward_dtype="float16")]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def reference(logits):
    return apply(logits, FLOAT32_REFERENCE)


@pytest.fixture
def saturated(logits):
    return apply(logits, path_of("infinity", "0.0.68", "float16"))


def inside(ax, x, y):
    """Whether data coordinates lie within the axes' limits."""
    (left, right), (bottom, top) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    return bool(np.all((left <= x) & (x <= right)) and np.all((bottom <= y) & (y <= top)))


@pytest.mark.parametrize("smallest", [1e-1, 2**-11, 2**-24])
def test_a_score_of_exactly_one_stands_in_the_lane_beyond_every_other(smallest):
    exact, last = lane.position([0.0, smallest], smallest)
    assert np.isfinite(exact)
    assert exact < last


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_lane_lies_inside_the_axis_and_scores_grow_along_it(ax, axis):
    lane.draw_axis(ax, 1e-2, 2**-11, axis=axis)
    limits = ax.get_xlim() if axis == "x" else ax.get_ylim()
    assert limits[0] > lane.position(2**-11, 2**-11) > lane.position(0.0, 2**-11) > limits[1]
    labels = ax.get_xticklabels() if axis == "x" else ax.get_yticklabels()
    assert labels[-1].get_text() == lane.LANE_LABEL


def test_saturated_passages_are_drawn_on_the_staircase(ax, saturated):
    floor = steps.smallest_distance("float16")
    found = staircase("stepwise", "float16", 0.98)
    treads = steps.staircase_steps(
        ax, found, "float16", (3.8, 11), largest=2e-2, smallest=floor
    ).get_segments()
    assert len(treads) == len(found)
    top = saturated[saturated["score"] >= 0.98]
    points = steps.passages_on_steps(ax, top, floor, top["logit"]).get_offsets()
    assert len(points) == len(top) == 5
    assert inside(ax, points[:, 0], points[:, 1])
    assert (points[:, 1] == lane.position(0.0, floor)).sum() == 3
    labels = [text.get_text() for text in steps.step_counts(ax, top, floor)]
    assert labels == ["1: 3 passages", "0.999: 2 passages"]


def test_treads_are_the_exact_edges(ax):
    found = staircase("stepwise", "float16", 0.998)
    drawn = steps.staircase_steps(
        ax, found, "float16", (6.0, 9.0), largest=2e-2, smallest=2**-11
    ).get_segments()
    edges = [(tread[0][0], tread[1][0]) for tread in drawn]
    assert edges == [(6.015625, 6.5234375), (6.52734375, 7.62109375), (7.625, 9.0)]


def test_rulers_mark_every_score_and_say_how_many(ax):
    rows = [
        (f"{kind}", "float16", staircase(kind, "float16", 0.99)) for kind in ("fused", "stepwise")
    ]
    drawn = steps.rulers(ax, rows, largest=1e-2, smallest=2**-24)
    assert [len(marks.get_segments()) for marks in drawn] == [11, 21]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "stepwise\n11 scores",
        "fused\n21 scores",
    ]


def test_a_dense_ruler_is_a_band_and_still_has_its_last_marks(ax):
    found = staircase("stepwise", "float32", 0.99)
    (marks,) = steps.rulers(ax, [("float32", "float32", found)], largest=1e-2, smallest=2**-24)
    assert len(marks.get_segments()) == 200
    assert marks.get_segments()[-1][0][0] == lane.position(0.0, 2**-24)
    assert len(ax.patches) == 2  # the band and the lane


def test_rounding_bins_lead_each_example_to_its_score(ax):
    found = staircase("stepwise", "float16", 0.997)
    examples = pd.DataFrame({"true_score": [0.9985, 0.9996], "score": [0.9990234375, 1.0]})
    points = steps.rounding_bins(ax, found, "float16", examples)
    assert [point.get_offsets()[0, 0] for point in points] == [0.9985, 0.9996]
    assert inside(ax, np.array([0.9985, 1.0]), np.array([0.2, 0.5]))


def test_the_ladder_ends_where_the_formula_saturates(ax):
    bars = mapping.saturation_ladder(
        ax, [("fused", "float16"), ("stepwise", "bfloat16")], limits=(-20, 17)
    )
    ends = [list(bar.get_xdata()) for bar in bars]
    assert ends == [
        [-20, saturation("stepwise", "bfloat16").one_from],
        [saturation("fused", "float16").zero_up_to, saturation("fused", "float16").one_from],
    ]
    assert [bar.get_color() for bar in bars] == [MARKS["bfloat16"].color, MARKS["float16"].color]


def test_the_ladders_rug_has_one_tick_per_logit(ax):
    drawn = mapping.logits_on_ladder(ax, pd.Series(LOGITS), -0.5)
    assert drawn.get_offsets()[:, 0].tolist() == LOGITS


def test_the_histogram_counts_every_passage_with_or_without_a_grade(ax, reference):
    mapping.logit_histogram(ax, reference)
    assert sum(bar.get_height() for bar in ax.patches) == len(LOGITS)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["1", "2", "3", "no grade"]


def test_bars_show_the_counts(ax):
    counts = pd.DataFrame(
        {"label": ["a", "b"], "dtype": ["float16", "float32"], "scores": [3, 1000]}
    )
    bars = mapping.scores_left(ax, counts)
    assert [bar.get_width() for bar in bars] == [1000, 3]
    assert {text.get_text() for text in ax.texts} == {"3", "1,000"}


def test_hidden_logits_are_exact_steps_of_each_staircase(ax):
    tables = {("fused", "float16"): staircase("fused", "float16", 0.99)}
    tables["fused", "float32"] = staircase("fused", "float32", 0.99)
    half, single = mapping.hidden_logits(ax, tables)
    finite = tables["fused", "float16"]["width"]
    assert half.get_ydata().tolist() == finite[np.isfinite(finite)].tolist()
    assert len(single.get_ydata()) <= mapping.LINE_POINTS
    assert set(single.get_ydata()) <= set(tables["fused", "float32"]["width"])


def test_the_slope_has_no_invented_order_inside_a_tie(ax, reference, saturated):
    lines = reranking.slope(ax, reference, saturated)
    right = [line.get_ydata()[1] for line in lines]
    assert right == [2, 2, 2, 4.5, 4.5, 6, 7]
    assert [line.get_ydata()[0] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    colors = [line.get_color() for line in lines]
    up, down = reranking.MOVED_UP, reranking.MOVED_DOWN
    assert colors == [down, FAINT, up, down, up, FAINT, FAINT]
    bands = [
        band for band in ax.patches if band.get_facecolor() == mpl.colors.to_rgba(reranking.BAND)
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


def test_one_candidate_makes_a_picture(logits):
    one = logits[logits["passage_id"] == "p0"]
    with style():
        figure = reranking.rerank_views(
            apply(one, FLOAT32_REFERENCE), apply(one, path_of("infinity", "0.0.68", "float16"))
        )
        figure.canvas.draw()
    plt.close(figure)
    assert len(figure.axes) == 2


def test_files_are_byte_identical_and_carry_their_words(tmp_path, reference, saturated):
    written = []
    for number in (1, 2):
        with style():
            figure = reranking.rerank_views(reference, saturated)
            written.append(
                save(figure, "name", "A caption.", "An alt text.", tmp_path / str(number))
            )
            plt.close(figure)
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert [path.suffix for path in written[0]] == [".svg", ".png", ".json"]
    words = json.loads(written[0][2].read_text(encoding="utf-8"))
    assert words == {"caption": "A caption.", "alt": "An alt text."}


def test_an_alt_text_is_escaped(ax):
    html = img(ax.figure, 'a "quoted" <b>')
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in html


def test_every_dtype_has_a_mark_of_its_own():
    assert set(MARKS) == set(FORMATS)
    assert len({(mark.color, mark.marker) for mark in MARKS.values()}) == len(MARKS)


def test_the_style_leaves_no_trace():
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["svg.hashsalt"] == "rerank-precision"
    assert dict(mpl.rcParams) == before
