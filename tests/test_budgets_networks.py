"""The budget of a forward format: stages that add up, and what cannot be told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from remedy_logits import random_logits

from analysis import models
from analysis.budgets.networks import batched_logits, formats_between, network_budget
from analysis.errors import InputError
from analysis.figures import budgets as views
from analysis.forwardformats import in_format, of_format

DYNAMIC, W8 = "onnxruntime:int8-dynamic", "onnxruntime:w8"
STATIC, STATIC_HEAD = "openvino:int8-static@random", "openvino:int8-static-head-f32@random"
FLOAT32 = in_format(of_format(random_logits(), "float32"), "float32")


def made(*ways: tuple[str, str, float]) -> pd.DataFrame:
    """Float32 logits in their request, and those of formats in batches, each moved by a scale."""
    draws = np.random.default_rng(1).normal(0, 1, (len(ways), len(FLOAT32)))
    frames = [FLOAT32.assign(batching="request")]
    for (text, batching, scale), drawn in zip(ways, draws, strict=True):
        moved = FLOAT32.assign(logit=FLOAT32["logit"] + scale * drawn, batching=batching)
        frames.append(in_format(moved, text))
    return pd.concat(frames, ignore_index=True)


WHOLE = made((W8, "request", 0.01), (DYNAMIC, "alone", 0.2), (DYNAMIC, "request", 0.3))


def test_weights_activations_and_batch_add_up_to_the_error():
    found = network_budget(WHOLE, DYNAMIC)
    assert found.table.index.tolist() == ["weights", "activations", "batch", "total"]
    own = of_format(WHOLE, DYNAMIC)
    own = own[own["batching"] == "request"]["logit"].to_numpy()
    error = own - FLOAT32["logit"].to_numpy()
    assert found.table.loc["total", "mean_abs"] == np.abs(error).mean()
    assert found.table["mean"].iloc[:-1].sum() == pytest.approx(error.mean(), abs=1e-12)
    assert found.table["share"].iloc[:-1].sum() == pytest.approx(1, abs=1e-12)
    assert found.table["least"].equals(found.table["most"])  # one order
    assert "rounds them in blocks of its own" in str(found)


def test_a_batch_that_nobody_measured_is_no_stage():
    found = network_budget(WHOLE[WHOLE["batching"] == "request"], DYNAMIC)
    assert found.table.index.tolist() == ["weights", "activations", "total"]
    assert "What other batches change was not measured." in str(found)


def test_weights_are_not_told_from_activations_where_no_format_lies_between():
    found = network_budget(WHOLE[WHOLE["forward_format"] != W8], DYNAMIC)
    assert found.table.index.tolist() == ["weights and activations", "batch", "total"]
    assert "No format lies between" in str(found)
    assert network_budget(WHOLE, W8).table.index.tolist() == ["weights and activations", "total"]


def test_the_head_has_a_stage_of_its_own():
    found = network_budget(made((STATIC_HEAD, "request", 0.1), (STATIC, "request", 2.0)), STATIC)
    assert found.table.index.tolist() == ["weights and activations", "head", "total"]
    assert found.table.loc["head", "mean_abs"] > found.table.iloc[0]["mean_abs"]
    assert [one.text for one in formats_between(STATIC)] == ["torch:float32", STATIC_HEAD, STATIC]


def test_counted_are_the_pairs_that_were_scored_alone_too():
    first = FLOAT32["query_id"].iloc[0]
    is_left_out = (WHOLE["batching"] == "alone") & (WHOLE["query_id"] != first)
    found = network_budget(WHOLE[~is_left_out], DYNAMIC)
    assert found.n_pairs == (FLOAT32["query_id"] == first).sum()


def test_a_format_without_logits_has_no_budget():
    with pytest.raises(InputError, match=f"no logits of float32 and {STATIC}"):
        network_budget(WHOLE, STATIC)


def test_a_set_is_scored_in_its_batches_and_alone(tiny_checkpoint, tiny_pairs):
    reranker = models.load(tiny_checkpoint, device="cpu")
    logits = batched_logits(tiny_pairs, reranker, ["float32", "bfloat16"], progress=False)
    found = network_budget(logits, "bfloat16")
    assert found.n_pairs == tiny_pairs.n_pairs
    assert found.table.index.tolist() == ["weights and activations", "batch", "total"]
    assert 0 <= found.table.loc["batch", "largest"] < found.table.loc["total", "largest"]


def test_stages_of_several_formats_stand_in_one_figure():
    static = network_budget(made((STATIC_HEAD, "request", 0.1), (STATIC, "request", 2.0)), STATIC)
    figure, _, alt, _ = views.network_stages([network_budget(WHOLE, DYNAMIC), static])
    (ax,) = figure.axes
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows == ["weights", "activations", "weights and activations", "head", "batch", "total"]
    assert f"{DYNAMIC} 0." in alt
    labels = [line.get_label() for line in figure.legends[0].get_lines()]
    assert labels == [DYNAMIC, STATIC]
