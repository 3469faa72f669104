"""Quantised networks from recordings: which have stages and remedies of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from remedy_logits import random_logits

from analysis.forwardformats import in_format, of_format
from analysis.studies import networks as study

FLOAT32 = in_format(of_format(random_logits(), "float32"), "float32")
FORMATS = ("onnxruntime:int8-dynamic", "onnxruntime:w8", "llama.cpp:q8_0", "openvino:default")


@pytest.fixture
def batched(monkeypatch) -> pd.DataFrame:
    """Recordings of a few formats: the whole set in requests, the first query alone."""
    draws = np.random.default_rng(2).normal(0, 0.2, (len(FORMATS), len(FLOAT32)))
    others = [
        in_format(FLOAT32.assign(logit=FLOAT32["logit"] + drawn), text)
        for text, drawn in zip(FORMATS, draws, strict=True)
    ]
    requests = pd.concat([FLOAT32, *others], ignore_index=True)
    alone = requests[requests["query_id"] == requests["query_id"].iloc[0]].copy()
    alone.loc[alone["forward_format"] == FORMATS[0], "logit"] += 0.5
    recorded = {"request": requests, "alone": alone}
    monkeypatch.setattr(study, "recorded_formats", recorded.__getitem__)
    return study.recorded_batched()


def test_budgets_are_those_of_formats_with_activations_or_a_head_apart(batched):
    (found,) = study.recorded_budgets(batched)
    assert found.forward_format.text == FORMATS[0]
    assert found.table.index.tolist() == ["weights", "activations", "batch", "total"]
    assert found.n_pairs == (FLOAT32["query_id"] == FLOAT32["query_id"].iloc[0]).sum()


def test_without_formats_between_the_budgets_have_fewer_stages(batched):
    without = batched[batched["forward_format"] != "onnxruntime:w8"]
    found = study.recorded_budgets(without)
    assert [one.forward_format.text for one in found] == [FORMATS[0], "llama.cpp:q8_0"]
    assert all(one.table.index[0] == "weights and activations" for one in found)


def test_a_remedy_needs_a_format_that_was_recorded(batched):
    assert study.with_remedies(batched) == [FORMATS[0]]  # of OpenVINO's default there is no f32


def test_what_moves_alone_is_told_with_what_its_scale_foretells(batched):
    moved = study.moved_alone(batched).set_index("name")
    assert moved.loc[FORMATS[0], "largest"] == pytest.approx(0.5)
    assert moved["largest"].drop(FORMATS[0]).eq(0).all()
    assert moved["depends_on_batch"].tolist() == [False, True, False, False, False]
