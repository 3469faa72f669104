"""Figures of the budget: everything is drawn, zeros and empty ones too."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from staged_frames import staged_frame

from analysis.budgets import ErrorBudget, budget_of, predict
from analysis.budgets.stages import STAGES
from analysis.engines import path_of
from analysis.figures import budgets as views
from analysis.scorepath import FLOAT32_REFERENCE

mpl.use("agg")
PATHS = [
    FLOAT32_REFERENCE,
    path_of("infinity", "0.0.68", "float16"),
    path_of("haystack", "2.31.0", "bfloat16"),
]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def budgets() -> list[ErrorBudget]:
    """Three paths over two queries of 40 passages, many of them saturated."""
    rng = np.random.default_rng(3)
    reference = rng.normal(6, 2, 80).astype(np.float32).astype(np.float64)
    queries = np.repeat(["a", "b"], 40)
    found = []
    for path in PATHS:
        narrow = path.forward_dtype != "float32"
        moved = reference + narrow * rng.normal(0, 0.01, 80).astype(np.float32)
        forward = path.logits(moved * (1 + narrow * 1e-3))
        frame = staged_frame(reference, path, weights=moved, forward=forward, query_ids=queries)
        found.append(budget_of(frame, path))
    return found


NOISE = pd.DataFrame(
    [
        ("alone", "float32", 4, 2, 1e-7, 3e-7),
        ("alone", "float16", 4, 2, 1e-3, 2e-3),
        ("alone", "bfloat16", 4, 4, 1e-1, 2e-1),
        ("in reverse order", "float32", 4, 0, 0.0, 0.0),
        ("in reverse order", "float16", 4, 0, 0.0, 0.0),
        ("in reverse order", "bfloat16", 4, 0, 0.0, 0.0),
    ],
    columns=["circumstance", "forward_dtype", "pairs", "changed", "mean_abs", "largest"],
)


def test_zeros_stand_inside_the_lane(budgets):
    figure, caption, alt, _ = views.stages_beside_noise(budgets, NOISE)
    assert "80 pairs" in caption
    assert all(f"{budget.logits.loc['total', 'mean_abs']:.2g}" in alt for budget in budgets)
    figure.canvas.draw()
    for ax in figure.axes:
        low, high = ax.get_xlim()
        drawn = [line.get_xdata() for line in ax.lines]
        assert all(low < x < high for points in drawn for x in points)
    noise = figure.axes[1]
    lane = noise.patches[0].get_x() + noise.patches[0].get_width()
    zeros = [x for line in noise.lines for x in line.get_xdata() if x < lane]
    assert len(zeros) == 3 * (2 + 1)  # for each of three zeros a line of two ends and a marker
    assert [text.get_text() for text in noise.get_yticklabels()] == ["alone", "in reverse order"]


def test_nothing_but_zeros_is_drawn_too():
    _, ax = plt.subplots()
    zeros = NOISE.assign(mean_abs=0.0, largest=0.0).set_index("circumstance")
    drawn = views.magnitudes(ax, zeros, views._limits(zeros))
    assert len(drawn) == len(NOISE)


def test_shares_show_the_paths_order_and_the_range(budgets):
    _, ax = plt.subplots()
    table = budgets[1].scores
    bars = views.shares(ax, table)
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    np.testing.assert_allclose(ends, table.loc[list(STAGES), ["least", "most"]], atol=1e-15)
    np.testing.assert_allclose(ax.collections[0].get_offsets()[:, 0], table["share"].iloc[:-1])
    low, high = ax.get_xlim()
    assert low < np.min(ends)
    assert high > np.max(ends)


def test_shares_without_error_say_so(budgets):
    _, ax = plt.subplots()
    views.shares(ax, budgets[0].logits.reindex([*STAGES, "total"]))
    assert "no error" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_path_has_its_panel(budgets, number):
    figure, _, alt, _ = views.all_shares(budgets[:number])
    assert all(budget.name in alt for budget in budgets[:number])
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert [title for title in titles if title] == [budget.name for budget in budgets[:number]]


def test_origins_stack_up_to_the_ties(budgets):
    _, ax = plt.subplots()
    views.tie_origins(ax, budgets)
    drawn = sum(bar.get_width() for bar in ax.patches)
    assert drawn == sum(budget.ties["count"].sum() for budget in budgets) > 0
    assert ax.get_xlim()[1] > max(budget.ties["count"].sum() for budget in budgets)


def test_origins_are_told_by_their_totals(budgets):
    figure, _, alt, _ = views.all_tie_origins(budgets)
    assert len(figure.axes[0].get_yticks()) == len(budgets)
    assert all(f"{budget.name}: {budget.ties['count'].sum()}" in alt for budget in budgets)


def test_no_ties_no_legend(budgets):
    _, ax = plt.subplots()
    assert views.tie_origins(ax, budgets[:1]) == []
    assert ax.get_legend() is None


def test_predictions_without_a_measurement_are_rings_alone():
    logits = pd.DataFrame(
        {"query_id": "q", "forward_dtype": "float32", "logit": [9.0, 9.1, 9.2, 1.0]}
    )
    predicted = predict(logits)
    figure, _, alt, _ = views.predictions(predicted, 10)
    narrow = [path.forward_dtype != "float32" for path in predicted["path"]]
    points = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    assert len(points) == 2 * len(predicted) - sum(narrow)
    assert f"{len(predicted)} paths" in alt
