"""Figures of the remedies: what is drawn is what was measured."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.engines import path_of
from analysis.figures import remedies as views
from analysis.formats import FORMATS
from analysis.remedies import calibration_curve, measure
from analysis.verifying import try_out

PATHS = [path_of("infinity", "0.0.68", "float16"), path_of("haystack", "2.31.0", "bfloat16")]


@pytest.fixture(scope="module")
def logits() -> pd.DataFrame:
    drawn = np.random.default_rng(5).normal(8, 2, 160)
    pairs = pd.DataFrame(
        {
            "query_id": [f"q{number // 8}" for number in range(160)],
            "passage_id": [f"p{number % 8}" for number in range(160)],
            "grade": pd.array([number % 3 for number in range(160)], dtype="Int64"),
        }
    )
    frames = [
        pairs.assign(forward_dtype=dtype, logit=FORMATS[dtype].round(drawn).astype(float))
        for dtype in ("float32", "float16", "bfloat16")
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("graded", [True, False])
def test_every_remedy_has_its_bars_and_its_span(logits, graded):
    grades = logits["grade"] if graded else pd.NA
    frame = logits.assign(grade=grades).astype({"grade": "Int64"})
    measured = measure(frame, PATHS[0], k=4)
    figure, caption, alt, _ = views.remedy_views(measured, PATHS[0].name, 4)
    assert len(figure.axes) == (3 if graded else 2)
    widths = [[bar.get_width() for bar in ax.patches] for ax in figure.axes[:2]]
    assert widths == [measured["tied_in_top"].tolist(), measured["reordered"].tolist()]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == measured["remedy"].tolist()
    assert (PATHS[0].name in caption, "nDCG" in caption) == (True, graded)
    assert all(f"{row.remedy}: {row.tied_in_top}" in alt for row in measured.itertuples())
    plt.close(figure)


def test_alt_texts_name_the_numbers(logits):
    trial = try_out(logits, "float16", k=4)
    curve = calibration_curve(logits, PATHS[0], [1.0, 0.25], k=4)
    versions = {"$a model$": pd.Series([-3.0, 9.5])}
    verified = views.verified_views([trial], {"float16": {4: trial.rescored}}, 4)
    calibration = views.calibration_view([(PATHS[0], curve)], {"float16": 2}, 4)
    version = views.version_view(versions, {"path": (7.625, "float16")})
    assert f"float16: {trial.rescored:.0%}" in verified.alt
    assert f"{PATHS[0].name}: {curve['tied_in_top'].min()}" in calibration.alt
    assert "$a model$: up to 9.50" in version.alt
    for picture in (verified, calibration, version):
        picture.figure.canvas.draw()  # layout warnings are errors
    plt.close("all")


def test_ndcg_is_a_point_and_its_ends_are_the_bar(ax, logits):
    measured = measure(logits, PATHS[0], k=4)
    points, _, (bars,) = views.ndcg_spans(ax, measured)
    assert points.get_xdata().tolist() == measured["ndcg"].tolist()
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    assert np.allclose(ends, measured[["ndcg_min", "ndcg_max"]], atol=1e-12)
    left, right = ax.get_xlim()
    assert left < ends.min()
    assert ends.max() < right


def test_errors_end_at_all_queries_and_bounds_are_uprights(ax, logits):
    trials = [try_out(logits, path.forward_dtype, k=4) for path in PATHS]
    lines = views.error_steps(ax, trials)
    for line, trial in zip(lines, trials, strict=True):
        assert line.get_xdata().tolist() == sorted(trial.queries["error"])
        assert line.get_ydata()[-1] == 1.0
    uprights = {float(line.get_xdata()[0]) for line in ax.lines if line not in lines}
    assert uprights == {bound.bound for trial in trials for bound in trial.bounds}


def test_errors_of_zero_are_drawn(ax, logits):
    (line,) = views.error_steps(ax, [try_out(logits, "float32", k=4)])
    assert (line.get_xdata() > 0).all()
    assert len(line.get_xdata()) == 20


def test_shares_are_drawn_by_k(ax):
    (line,) = views.rescored_lines(ax, {"float16": {1: 0.0, 2: 0.25, 3: 0.5}})
    assert list(zip(*line.get_data(), strict=True)) == [(1, 0.0), (2, 0.25), (3, 0.5)]


def test_curves_and_their_floors_are_drawn_from_zero_up(ax, logits):
    curves = [(path, calibration_curve(logits, path, [1.0, 0.25], k=4)) for path in PATHS]
    lines = views.factor_lines(ax, curves, {"float16": 2, "bfloat16": 5}, 4)
    for line, (path, curve) in zip(lines, curves, strict=True):
        assert line.get_ydata().tolist() == curve["tied_in_top"].tolist()
        assert line.get_label() == path.name
    assert [line.get_ydata()[0] for line in ax.lines[2:]] == [2, 5]
    assert ax.get_ylim()[0] == 0
    assert [views._power_of_two(factor) for factor in (1.0, 0.25)] == ["1", "1/4"]


def test_every_logit_and_every_end_is_inside(ax):
    versions = {"one": pd.Series([-3.0, 2.0, 9.5]), "two": pd.Series([1.0, 1.5])}
    rows = views.logit_rows(ax, versions, {"path": (7.625, "float16")})
    left, right = ax.get_xlim()
    for row, logits in zip(rows, versions.values(), strict=True):
        drawn = row.get_offsets()[:, 0]
        assert drawn.tolist() == logits.tolist()
        assert (left <= drawn).all()
        assert (drawn <= right).all()
    assert [text.get_text() for text in ax.texts] == ["path: 1.0 from 7.625"]
