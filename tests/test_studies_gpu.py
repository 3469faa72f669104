"""A GPU recording: how far logits move by setting, and what is missing."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.studies import gpu

PLAIN, TF32, HALF = (
    ("float32", False, "sdpa"),
    ("float32", True, "sdpa"),
    ("float16", False, "sdpa"),
)


def logits(values: dict[tuple, list[float]]) -> pd.DataFrame:
    """Two queries of two passages, under each setting and kind of batch."""
    rows = [
        (*key, f"q{number // 2}", "ba"[number % 2], logit)
        for key, own in values.items()
        for number, logit in enumerate(own)
    ]
    return pd.DataFrame(rows, columns=list(gpu.LOGIT_COLUMNS))


MADE = {
    (*PLAIN, gpu.ALONE): [2.0, 1.0, 5.0, 4.0],
    (*PLAIN, gpu.TOGETHER): [2.0, 1.0, 5.0, 4.25],
    (*TF32, gpu.TOGETHER): [2.0, 2.0, 5.0, 4.25],
    (*HALF, gpu.TOGETHER): [2.0, 3.0, 5.0, 4.25],
}


def test_errors_shifts_and_orders_by_hand():
    found = gpu.movements(logits(MADE)).set_index(list(gpu.SETTING))
    assert list(found.index) == [PLAIN, TF32, HALF]
    plain, tf32, half = (found.loc[key] for key in found.index)
    assert (plain["mean_shift"], plain["largest_shift"]) == (0.0625, 0.25)
    assert (tf32["mean_error"], tf32["largest_error"]) == (0.25, 1.0)
    assert (half["mean_error"], half["largest_error"]) == (0.5, 2.0)
    assert plain["mean_error"] == plain["largest_error"] == 0
    # Equal logits keep the set's order, in which b stands before a.
    assert found["reordered"].tolist() == found["first_changed"].tolist() == [0, 0, 1]
    assert pd.isna(tf32["mean_shift"])


def test_an_order_below_k_does_not_count():
    below = {key: [9.0, *own[:2], 1.0] for key, own in MADE.items()}
    rows = logits(below).assign(query_id="q")
    rows["passage_id"] = [f"p{number % 4}" for number in range(len(rows))]
    found = gpu.movements(rows, k=1)
    assert found["reordered"].tolist() == [0, 0, 0]
    assert gpu.movements(rows, k=2)["reordered"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("lacking", [gpu.TOGETHER, gpu.ALONE])
def test_what_was_not_recorded_is_missing(lacking):
    kept = {key: own for key, own in MADE.items() if key[-1] != lacking}
    found = gpu.movements(logits(kept))
    assert found["mean_shift"].isna().all()
    assert found["reordered"].isna().all() == (lacking == gpu.TOGETHER)


def test_one_query_is_set_beside_how_far_logits_move():
    speed = pd.DataFrame([(*PLAIN, "one query", 0.5, 7), (*PLAIN, "sample", 0.1, 3)])
    speed.columns = [*gpu.SETTING, "batch", "seconds", "peak_bytes"]
    found = gpu.summary(gpu.Recording({}, logits(MADE), speed))
    assert found["seconds"].tolist()[:1] == [0.5]
    assert found["seconds"].isna().tolist() == [False, True, True]


def test_nothing_recorded_is_none(tmp_path):
    assert gpu.recorded(tmp_path) is None
