"""From logit to score: what is drawn is where paths saturate and how wide their steps are."""

import numpy as np
import pandas as pd
import pytest
from scored_frames import LOGITS, drawn, few_logits

from analysis.engines import path_of
from analysis.figures import mapping
from analysis.figures.style import MARKS
from analysis.scorepath import ScorePath
from analysis.steps import saturation, staircase

PATHS = {
    "fused · float16": path_of("forward=float16"),
    "stepwise · bfloat16": path_of("forward=bfloat16,sigmoid=stepwise"),
}


def staircases(paths: dict[str, ScorePath]) -> dict[str, pd.DataFrame]:
    return {label: staircase(path, 0.99) for label, path in paths.items()}


def test_the_ladder_ends_where_each_path_saturates():
    picture = mapping.saturation_ladder(PATHS, pd.Series(LOGITS))
    half, bf16 = (saturation(path) for path in PATHS.values())
    with drawn(picture) as figure:
        (ax,) = figure.axes
        ends = [list(bar.get_xdata()) for bar in ax.lines]
        assert ends == [[-20, bf16.one_from], [half.zero_up_to, half.one_from]]
        assert [bar.get_color() for bar in ax.lines] == [
            MARKS["bfloat16"].color,
            MARKS["float16"].color,
        ]
        assert [label.get_text() for label in ax.get_yticklabels()] == list(reversed(PATHS))
        assert ax.collections[0].get_offsets()[:, 0].tolist() == LOGITS
    for edges in (half, bf16):
        assert f"{edges.one_from:.5g}" in picture.alt


def test_the_ladder_says_where_the_stored_dtype_saturates():
    path = path_of("forward=float32,stored=float16")
    picture = mapping.saturation_ladder({"stored as float16": path}, pd.Series(LOGITS))
    with drawn(picture) as figure:
        assert figure.axes[0].lines[0].get_xdata()[1] == saturation(path).one_from < 8.4


def test_the_histogram_counts_every_passage_with_or_without_a_grade():
    logits = few_logits().query("forward_dtype == 'float32'")
    picture = mapping.logits_by_grade(logits)
    with drawn(picture) as figure:
        (ax,) = figure.axes
        assert sum(bar.get_height() for bar in ax.patches) == len(LOGITS)
        names = [text.get_text() for text in ax.get_legend().get_texts()]
        assert names == ["1", "2", "3", "no grade"]
    assert "7 logits from -2.0 to 9.0" in picture.alt


def test_a_histogram_without_grades():
    logits = few_logits().query("forward_dtype == 'float32'")
    logits = logits.assign(grade=pd.array([pd.NA] * len(logits), dtype="Int64"))
    with drawn(mapping.logits_by_grade(logits)) as figure:
        names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        assert names == ["no grade"]


def test_bars_show_how_many_scores_are_left():
    steps = staircases(PATHS)
    picture = mapping.scores_left(PATHS, steps)
    with drawn(picture) as figure:
        (ax,) = figure.axes
        assert [bar.get_width() for bar in ax.patches] == [21, 2]
        assert {text.get_text() for text in ax.texts} == {"21", "2"}
    assert "fused · float16 21, stepwise · bfloat16 2" in picture.alt


def test_widths_are_exact_steps_of_each_staircase():
    paths = {"fused · float16": path_of("forward=float16"), "fused · float32": ScorePath()}
    steps = staircases(paths)
    picture = mapping.step_widths(paths, steps)
    with drawn(picture) as figure:
        half, single = figure.axes[0].lines
        finite = steps["fused · float16"]["width"]
        assert half.get_ydata().tolist() == finite[np.isfinite(finite)].tolist()
        assert len(single.get_ydata()) <= 400
        assert set(single.get_ydata()) <= set(steps["fused · float32"]["width"])
    for label, last in ((one, steps[one].iloc[-2]) for one in paths):
        assert f"{label} {last['width']:.2g} from {last['logit_low']:.4g} on" in picture.alt


@pytest.mark.parametrize(
    ("logits", "bins"),
    [([3.0, 3.0], 2), ([2.9], 2), ([-1.0, 1.0], 4), ([-4000.0, 4000.0], 126), ([-1e30, 1e30], 200)],
)
def test_every_logit_is_in_a_bar_however_they_lie(logits, bins):
    edges = mapping._bins(pd.Series(logits))
    assert len(edges) - 1 <= bins
    assert np.histogram(logits, edges)[0].sum() == len(logits)
    frame = pd.DataFrame({"grade": [1] * len(logits), "logit": logits})
    with drawn(mapping.logits_by_grade(frame)) as figure:
        assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(logits)


def test_usual_logits_are_in_bars_of_half_a_logit():
    edges = mapping._bins(pd.Series(LOGITS))
    assert set(np.diff(edges)) == {0.5}
