"""Figures of precision against speed: what is drawn is what was measured, on steady axes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.testing.compare import compare_images

from analysis.figures import speed as views
from analysis.figures.style import save

DTYPES = ["float32", "float16", "bfloat16"]


def measured(factor: float = 1.0) -> pd.DataFrame:
    """Plausible measurements; ``factor`` is how much longer everything took."""
    rows = []
    for dtype, per_pair, size in zip(DTYPES, [0.04, 0.17, 0.15], [4, 2, 2], strict=True):
        for batch, pairs in (("sample", 1), ("sample", 4), ("one query", 15)):
            seconds, above = factor * per_pair * pairs, 700_000 * size * pairs
            times = {"seconds": seconds, "fastest": 0.97 * seconds, "slowest": 1.1 * seconds}
            row = {"forward_dtype": dtype, "batch": batch, "pairs": pairs, **times}
            row |= {"pairs_per_second": pairs / seconds, "weight_bytes": 22_000_000 * size}
            rows.append(row | {"peak_bytes": row["weight_bytes"] + above})
    return pd.DataFrame(rows)


def traded(factor: float = 1.0, *, graded: bool = True) -> pd.DataFrame:
    """One row per dtype and order, as :func:`analysis.studies.speed.trade_off` gives them."""
    query = measured(factor).query("batch == 'one query'")
    kept = pd.DataFrame(
        {
            "forward_dtype": np.repeat(DTYPES, 2),
            "order": ["scores", "raw logits"] * 3,
            "overlap": [1.0, 1.0, 0.97, 0.995, 0.8, 0.96],
            "saturated": [0.0, np.nan, 0.1, np.nan, 0.3, np.nan],
            "ndcg": [0.8, 0.8, 0.79, 0.8, 0.76, 0.79] if graded else np.nan,
        }
    )
    kept = kept.assign(ndcg_min=kept["ndcg"] - 0.02, ndcg_max=kept["ndcg"] + 0.03)
    return kept.merge(query, on="forward_dtype")


def test_lines_go_through_the_medians(ax):
    speed = measured().sample(frac=1, random_state=0)  # rows in any order
    lines = views.throughput_lines(ax, speed)
    for line, dtype in zip(lines, dict.fromkeys(speed["forward_dtype"]), strict=True):
        own = speed[speed["forward_dtype"] == dtype].sort_values("pairs")
        assert line.get_xdata().tolist() == own["pairs"].tolist()
        assert line.get_ydata().tolist() == own["pairs_per_second"].tolist()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4", "15"]


def test_bars_end_at_the_slowest_and_the_fastest_repeat(ax):
    speed = measured()
    views.throughput_lines(ax, speed)
    own = ax.containers[1]  # float16
    ends = np.array([segment[:, 1] for segment in own.lines[2][0].get_segments()])
    rows = speed[speed["forward_dtype"] == "float16"]
    assert ends[:, 0] == pytest.approx((rows["pairs"] / rows["slowest"]).to_numpy())
    assert ends[:, 1] == pytest.approx((rows["pairs"] / rows["fastest"]).to_numpy())


def test_memory_is_drawn_from_zero_in_megabytes_with_the_weights(ax):
    lines = views.memory_lines(ax, measured())
    assert lines[0].get_ydata().tolist() == [90.8, 99.2, 130.0]
    assert ax.get_ylim()[0] == 0
    assert [line.get_ydata()[0] for line in ax.lines[2::3]] == [88, 44, 44]


def test_the_latency_of_one_query_is_told():
    figure, _, alt, _ = views.costs(measured())
    assert "15 candidates takes: float32 0.6 s, float16 2.6 s, bfloat16 2.2 s" in alt
    plt.close(figure)


def test_attentions_stand_below_one_another_on_one_scale_and_tf32_has_its_own_line():
    plain = measured().assign(tf32=False)
    tf32 = measured(0.5).query("forward_dtype == 'float32'").assign(tf32=True)
    sdpa = pd.concat([plain, tf32], ignore_index=True).assign(attention="sdpa")
    eager = measured(3).assign(tf32=False, attention="eager")
    figure, _, alt, _ = views.costs_by_attention(pd.concat([sdpa, eager], ignore_index=True))
    above, _, below, _ = figure.axes
    assert [ax.get_title("left").split(", ")[1] for ax in figure.axes] == ["sdpa"] * 2 + [
        "eager"
    ] * 2
    beside = [text.get_text() for text in figure.axes[1].texts]
    assert sorted(beside) == sorted([*DTYPES, "float32 with TF32"])
    low, high = above.get_ylim()
    assert below.get_ylim() == (low, high)
    for ax in (above, below):
        drawn = [y for line in ax.lines for y in line.get_ydata()]
        assert low <= min(drawn) <= max(drawn) <= high
    assert "float32 with TF32 with sdpa 50," in alt
    plt.close(figure)


def test_a_runtime_without_memory_has_a_key_and_no_line_there():
    other = measured(0.3).query("forward_dtype == 'float32'")
    other = other.assign(forward_format="openvino:bf16", peak_bytes=np.nan, weight_bytes=np.nan)
    own = measured()
    both = pd.concat([own.assign(forward_format="torch:" + own["forward_dtype"]), other])
    figure, _, alt, _ = views.costs(both)
    _, right = figure.axes
    assert [line.get_label() for line in figure.legends[0].get_lines()] == [
        *DTYPES,
        "openvino:bf16",
    ]
    assert right.get_title("left") == "Peak memory of a pass, torch"
    assert sorted(text.get_text() for text in right.texts) == sorted(DTYPES)
    assert "bfloat16 2.2 s, openvino:bf16 0.18 s" in alt
    plt.close(figure)


@pytest.mark.parametrize("graded", [True, False])
def test_there_is_a_panel_per_measure_that_is_known(graded):
    figure, _, alt, _ = views.trade_offs(traded(graded=graded), 10)
    titles = [ax.get_title("left") for ax in figure.axes]
    ndcg = ["nDCG@10"] if graded else []
    assert titles == ["Overlap@10 with float32", *ndcg, "Scores of exactly 0 or 1"]
    assert "bfloat16 by raw logits: 96.0% in 2.2 s" in alt
    plt.close(figure)


@pytest.mark.parametrize("column", ["overlap", "ndcg", "saturated"])
def test_every_known_value_is_a_mark_inside_the_axes(ax, column):
    trade = traded()
    marks = views.kept_marks(ax, trade, column)
    known = trade[trade[column].notna()]
    assert [mark.get_ydata()[0] for mark in marks] == known[column].tolist()
    assert [mark.get_xdata()[0] for mark in marks] == known["seconds"].tolist()
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for line in ax.lines:
        assert all(left <= x <= right for x in line.get_xdata())
        assert all(low <= y <= high for y in line.get_ydata())
    filled = [mark.get_markerfacecolor() != "none" for mark in marks]
    assert filled == (known["order"] == "scores").tolist()


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=6))
@settings(deadline=None)  # time is not what it is about
def test_decades_hold_every_value_and_are_two_or_more(values):
    low, high = views._decades(values)
    assert low <= min(values) <= max(values) <= high
    assert high / low > 99
    assert all(np.log10(end) == pytest.approx(round(np.log10(end))) for end in (low, high))


@pytest.mark.parametrize("slower", [1.1, 1.5])
@pytest.mark.parametrize("kind", ["costs", "trade_offs"])
def test_a_slower_run_looks_alike(kind, slower, tmp_path):
    """Otherwise the committed figures could not be held against a fresh run."""
    for name, factor in (("one", 1.0), ("two", slower)):
        if kind == "costs":
            picture = views.costs(measured(factor))
        else:
            picture = views.trade_offs(traded(factor), 10)
        save(picture, name, tmp_path)
        plt.close(picture.figure)
    assert compare_images(str(tmp_path / "one.png"), str(tmp_path / "two.png"), 12) is None


@pytest.mark.parametrize(("column", "value"), [("overlap", 1.0), ("saturated", 0.0)])
def test_equal_values_at_the_end_of_their_range_do_not_invite_others(ax, column, value):
    views.kept_marks(ax, traded().assign(**{column: value}), column)
    low, high = ax.get_ylim()
    assert low < value < high
    assert 0.01 < high - low < 0.012
    assert (high < 1.001) if column == "overlap" else (low > -0.001)
