"""Shifts: logits held to those of another run, and what the order loses."""

from __future__ import annotations

import pandas as pd
import pytest
from remedy_logits import logits_of

from analysis.errors import InputError
from analysis.forwardformats import format_texts, in_format, of_format
from analysis.shifts import format_shifts, shift

LOGITS = in_format(
    logits_of([3.0, 2.0, 1.0], [2.5, 1.5, 0.5], grades=[2, 1, 0], dtypes=("float32",)), "float32"
)


def test_a_run_does_not_lie_away_from_itself():
    found = shift(LOGITS, LOGITS.sample(frac=1, random_state=0))
    assert (found["mean_abs"], found["largest"], found["moved"], found["reordered"]) == (0, 0, 0, 0)
    assert found["ndcg"] == 1.0


def test_a_shift_is_that_of_the_pair_wherever_it_stands():
    moved = LOGITS.assign(logit=LOGITS["logit"] + [0, 0, 2.5, 0, 0, 0.5])
    found = shift(moved, LOGITS.iloc[::-1])
    assert (found["mean_abs"], found["largest"]) == (0.5, 2.5)
    assert (found["reordered"], found["first_lost"], found["queries"]) == (1, 1, 2)


def test_every_format_is_held_to_float32():
    others = {"onnxruntime:w8": 0.25, "openvino:f32": 0.0}
    parts = [
        in_format(LOGITS, name).assign(logit=LOGITS["logit"] + by) for name, by in others.items()
    ]
    found = format_shifts(pd.concat([LOGITS, *parts]))
    assert found["forward_format"].tolist() == ["torch:float32", *others]
    assert found["mean_abs"].tolist() == [0.0, 0.25, 0.0]
    assert not found["reordered"].any()


def test_what_cannot_be_held_to_float32_is_refused():
    half = in_format(LOGITS, "float16")
    assert set(format_texts(half)) == {"torch:float16"}
    assert of_format(half, "float32").empty
    with pytest.raises(InputError, match="no float32 logits to hold"):
        format_shifts(half)
    with pytest.raises(InputError, match="does not stand both"):
        shift(LOGITS.iloc[1:], LOGITS)
