"""The staircase near 1.0: what is drawn is the exact steps, saturated passages included."""

import numpy as np
import pandas as pd
from scored_frames import drawn, few_logits, inside

from analysis.engines import path_of
from analysis.figures import lane, steps
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.steps import staircase

STEPWISE = path_of("infinity", "0.0.68", "float16")


def test_every_passage_stands_on_its_step_saturated_ones_too():
    floor = lane.smallest_distance("float16")
    picture = steps.staircases(few_logits(), [STEPWISE])
    with drawn(picture) as figure:
        (ax,) = figure.axes
        _, _, points = ax.collections
        points = points.get_offsets()
        assert len(points) == 5
        assert inside(ax, points[:, 0], points[:, 1])
        assert (points[:, 1] == lane.position(0.0, floor)).sum() == 3
        labels = [text.get_text() for text in ax.texts]
        assert labels == ["1: 3 passages", "0.999: 2 passages"]
    assert f"{STEPWISE.name}: 3" in picture.alt


def test_treads_are_the_exact_edges():
    with drawn(steps.staircases(few_logits(), [STEPWISE])) as figure:
        _, treads, _ = figure.axes[0].collections
        edges = [(tread[0][0], tread[1][0]) for tread in treads.get_segments()]
    assert len(edges) == len(staircase(STEPWISE, 0.98))
    assert edges[-3:] == [(6.015625, 6.5234375), (6.52734375, 7.62109375), (7.625, 9.0)]


def test_a_path_of_float32_logits_has_a_staircase_too():
    path = path_of("forward=float32,stored=bfloat16")
    with drawn(steps.staircases(few_logits(), [path, STEPWISE])) as figure:
        _, treads, points = figure.axes[0].collections
        assert len(treads.get_segments()) == len(staircase(path, 0.98))
        assert len(points.get_offsets()) == 5


def test_a_staircase_without_passages_near_one():
    far = few_logits().assign(logit=-1.0)
    with drawn(steps.staircases(far, [STEPWISE])) as figure:
        assert [text.get_text() for text in figure.axes[0].texts] == []


def test_rulers_mark_every_score_and_say_how_many():
    paths = {f: path_of(f"forward=float16,sigmoid={f}") for f in ("fused", "stepwise")}
    found = {label: staircase(path, 0.99) for label, path in paths.items()}
    picture = steps.rulers(paths, found)
    with drawn(picture) as figure:
        (ax,) = figure.axes
        assert [len(marks.get_segments()) for marks in ax.collections] == [11, 21]
        assert [label.get_text() for label in ax.get_yticklabels()] == [
            "stepwise\n11 scores",
            "fused\n21 scores",
        ]
    assert "fused 21; stepwise 11" in picture.alt


def test_a_dense_ruler_is_a_band_and_still_has_its_last_marks():
    found = {"float32": staircase(path_of("forward=float32,sigmoid=stepwise"), 0.99)}
    with drawn(steps.rulers({"float32": FLOAT32_REFERENCE}, found)) as figure:
        (ax,) = figure.axes
        (marks,) = ax.collections
        assert len(marks.get_segments()) == 200
        assert marks.get_segments()[-1][0][0] == lane.position(0.0, 2**-24)
        assert len(ax.patches) == 2  # the band and the lane


def test_rounding_bins_lead_each_example_to_its_score():
    examples = pd.DataFrame({"true_score": [0.9985, 0.9996], "score": [0.9990234375, 1.0]})
    picture = steps.rounding_bins(staircase(STEPWISE, 0.997), examples)
    with drawn(picture) as figure:
        (ax,) = figure.axes
        points = [points.get_offsets()[0, 0] for points in ax.collections[1:]]
        assert points == [0.9985, 0.9996]
        assert inside(ax, np.array([0.9985, 1.0]), np.array([0.2, 0.5]))
        assert [arrow.xy[0] for arrow in ax.texts if hasattr(arrow, "xy")] == [0.9990234375, 1.0]
    assert "0.9985 becomes 0.9990, 0.9996 becomes 1.0000" in picture.alt
