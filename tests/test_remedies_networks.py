"""Remedies of the network: measured on both formats, and named only where they mend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from remedy_logits import logits_of

from analysis.errors import InputError
from analysis.forwardformats import FORWARD_FORMATS, as_format, format_texts, in_format
from analysis.remedies import AS_IT_IS, FLOAT32, measure, recommend
from analysis.remedies.networks import (
    FIXED_BATCHES,
    HEAD,
    NETWORK_REMEDIES,
    PRECISION,
    WEIGHTS,
    measure_networks,
)
from analysis.scorepath import ScorePath

PATH = ScorePath("float32", "fused", "float32", "float32")
DYNAMIC, W8 = "onnxruntime:int8-dynamic", "onnxruntime:w8"
QUERIES = [[3.0, 2.0, 1.0], [2.5, 1.5, 0.5], [4.0, 0.0, -1.0]]
SMALL, SWAPPED = (0.01, 0.0, -0.01), (-1.0, 1.0, 0.0)


def frame_of(**moved: tuple[float, ...]) -> pd.DataFrame:
    """Float32 logits, and those of each format, by its text: moved by so much in every query."""
    float32 = in_format(logits_of(*QUERIES, grades=[2, 1, 0], dtypes=("float32",)), "float32")
    others = [
        in_format(float32.assign(logit=float32["logit"] + np.tile(steps, 3)), text)
        for text, steps in moved.items()
    ]
    return pd.concat([float32, *others], ignore_index=True)


def batched_of(logits: pd.DataFrame, **alone: tuple[float, ...]) -> pd.DataFrame:
    """The same logits in their requests, and alone, where they are moved by so much."""
    request = logits.assign(batching="request")
    texts = format_texts(logits)
    moved = [
        request[texts == text].assign(
            batching="alone", logit=lambda rows, steps=steps: rows["logit"] + np.tile(steps, 3)
        )
        for text, steps in alone.items()
    ]
    return pd.concat([request, *moved], ignore_index=True)


def test_each_remedy_leads_to_one_format():
    led = {
        remedy.name: {
            own.text: other.text
            for own in FORWARD_FORMATS.values()
            if (other := remedy.instead_of(own)) is not None
        }
        for remedy in NETWORK_REMEDIES
    }
    assert led[PRECISION.name] == {"openvino:default": "openvino:f32"}
    assert led[WEIGHTS.name] == {DYNAMIC: W8}
    assert led[FIXED_BATCHES.name] == {DYNAMIC: DYNAMIC}
    assert led[HEAD.name] == {
        f"openvino:int8-static@{pairs}": f"openvino:int8-static-head-f32@{pairs}"
        for pairs in ("relevant", "random", "reviews")
    }


def test_a_remedy_is_measured_on_the_logits_of_its_own_format():
    logits = frame_of(**{DYNAMIC: SWAPPED, W8: SMALL})
    found = measure_networks(logits, DYNAMIC).set_index("remedy")
    assert found.index.tolist() == [AS_IT_IS, WEIGHTS.name]
    assert found["forward_format"].tolist() == [DYNAMIC, W8]
    assert found["largest"].tolist() == pytest.approx([1.0, 0.01])
    assert found["reordered"].tolist() == [2, 0]
    assert found["batch_reordered"].isna().all()


def test_batches_are_held_to_the_request():
    logits = frame_of(**{DYNAMIC: SWAPPED, W8: SMALL})
    batched = batched_of(logits, **{DYNAMIC: (2.0, -0.5, 0.0), W8: (0.0, 0.0, 0.0)})
    found = measure_networks(logits, DYNAMIC, batched=batched).set_index("remedy")
    assert found.index.tolist() == [AS_IT_IS, WEIGHTS.name, FIXED_BATCHES.name]
    assert found["batch_largest"].tolist() == [2.0, 0.0, 0.0]
    assert found["batch_reordered"].tolist() == [2, 0, 0]
    assert found.loc[FIXED_BATCHES.name, "largest"] == 1.0  # alone, against float32


def test_weights_alone_where_they_mend_order_and_batches():
    logits = frame_of(**{DYNAMIC: SWAPPED, W8: SMALL})
    batched = batched_of(logits, **{DYNAMIC: (2.0, -0.5, 0.0), W8: (0.0, 0.0, 0.0)})
    found = recommend(logits, PATH, forward_format=DYNAMIC, batched=batched)
    assert found.remedy == WEIGHTS.name
    assert found.action.endswith(f"in blocks of a token ({W8}).")
    assert any("another top 10 in 2 of 3 queries" in reason for reason in found.reasons)
    assert any("these move by up to 2: another top 10 in 2" in reason for reason in found.reasons)


def test_no_remedy_is_named_against_numbers_that_refute_it():
    logits = frame_of(**{DYNAMIC: SMALL, W8: SWAPPED})
    assert recommend(logits, PATH, forward_format=DYNAMIC).remedy == "nothing"
    logits = frame_of(**{DYNAMIC: SWAPPED, W8: SWAPPED})
    found = recommend(logits, PATH, forward_format=DYNAMIC)
    assert found.remedy == "nothing"
    assert found.action.startswith("Nothing to mend after the network")
    assert "run the model in float32." in str(found)  # to verify would take a bound that holds
    assert "verify" not in str(found)


def test_what_other_batches_reorder_and_float32_does_not_count_together():
    logits = frame_of(**{DYNAMIC: SWAPPED, W8: SMALL})
    one = np.zeros(3)
    batched = batched_of(logits, **{DYNAMIC: (1.0, -1.0, 0.0), W8: tuple(one)})
    is_first = (batched["batching"] == "alone") & (batched["forward_format"] == W8)
    is_first &= (batched["query_id"] == "q0") & (batched["passage_id"] == "p1")
    batched.loc[is_first, "logit"] += 5.0  # one query is reordered by a batch in w8 too
    found = measure_networks(logits, DYNAMIC, batched=batched).set_index("remedy")
    assert found["batch_reordered"].tolist() == [2, 1, 0]
    assert found["reordered"].tolist() == [2, 0, 0]
    found = recommend(logits, PATH, forward_format=DYNAMIC, batched=batched)
    assert found.remedy == FIXED_BATCHES.name


def test_fixed_batches_where_nothing_else_was_measured():
    logits = frame_of(**{DYNAMIC: SWAPPED})
    batched = batched_of(logits, **{DYNAMIC: (1.0, -1.0, 0.0)})
    found = recommend(logits, PATH, forward_format=DYNAMIC, batched=batched)
    assert found.remedy == FIXED_BATCHES.name


@pytest.mark.parametrize(
    ("own", "other", "remedy"),
    [
        ("openvino:default", "openvino:f32", PRECISION),
        ("openvino:int8-static@random", "openvino:int8-static-head-f32@random", HEAD),
    ],
)
def test_hint_and_head(own, other, remedy):
    logits = frame_of(**{own: SWAPPED, other: SMALL})
    assert recommend(logits, PATH, forward_format=own).remedy == remedy.name


def test_measured_are_the_logits_of_the_format_named():
    logits = frame_of(**{DYNAMIC: SWAPPED})
    own = measure(logits, PATH, forward_format=DYNAMIC).set_index("remedy")
    assert own["reordered"].to_dict()[AS_IT_IS] == 2
    assert own.loc[FLOAT32.name, "reordered"] == 0
    assert measure(logits, PATH)["reordered"].eq(0).all()


def test_a_format_of_another_dtype_or_without_logits_is_refused():
    logits = frame_of(**{DYNAMIC: SWAPPED})
    with pytest.raises(InputError, match="takes float16 logits"):
        measure(logits, ScorePath("float16"), forward_format=DYNAMIC)
    with pytest.raises(InputError, match="no logits of openvino:f32"):
        recommend(logits, PATH, forward_format=as_format("openvino:f32"))
