"""Other batches, format by format."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from exported_networks import kept_in
from reader_files import refused
from tiny_checkpoints import tiny_set

from analysis import runtimes
from analysis.budgets.batching import measure_batches
from analysis.models import load
from analysis.scoring import score

COUNTED = ["changed", "mean_abs", "largest", "first_lost", "reordered"]
NAMES = ["again", "alone", "shuffled", "padded to 48 tokens", "1 thread", "2 threads"]


@pytest.fixture(scope="module")
def reranker(tiny_checkpoint):
    return load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def pairs():
    return tiny_set()


def measured(pairs, reranker, *formats, **options) -> pd.DataFrame:
    found = measure_batches(pairs, reranker, formats, progress=False, **options)
    return found.set_index(["forward_format", "circumstance"])


@pytest.fixture(scope="module")
def found(pairs, reranker) -> pd.DataFrame:
    return measured(pairs, reranker, "float32", "bfloat16")


def test_each_circumstance_of_each_format_has_its_row(found):
    expected = [(f"torch:{one}", name) for one in ("float32", "bfloat16") for name in NAMES]
    assert found.index.tolist() == expected
    assert set(found["pairs"]) == {24}
    assert set(found["queries"]) == {4}


def test_the_same_requests_again_give_the_same_bits(found):
    assert (found.xs("again", level=1)[COUNTED] == 0).all(axis=None)


def test_other_batches_move_last_bits_and_the_fewer_the_further(found):
    largest = found["largest"].unstack(0)
    assert largest.loc["alone", "torch:float32"] < 1e-4
    assert (largest.loc["alone"] > 0).all()
    assert largest.loc["alone", "torch:bfloat16"] > 1e-3
    assert (found["mean_abs"] <= found["largest"]).all()


def test_requests_are_the_sets_that_they_would_be_alone(pairs, reranker, monkeypatch):
    """One query at a time, scored by ``score``, has the logits of its request."""
    batches = []
    forward = runtimes.forward

    def kept(*asked):
        run = forward(*asked)
        return lambda inputs: batches.append(run(inputs)) or batches[-1]

    monkeypatch.setattr(runtimes, "forward", kept)
    measured(pairs, reranker, "float32")
    requests = np.concatenate(batches[:4])[:, 0]
    monkeypatch.undo()
    whole = score(pairs, reranker, ["float32"], progress=False)["logit"]
    np.testing.assert_allclose(requests, whole, rtol=0, atol=1e-4)  # other batches


def test_threads_are_as_before(pairs, reranker):
    before = torch.get_num_threads()
    seen = set()

    def note(*asked):
        seen.add(torch.get_num_threads())
        return lambda inputs: np.zeros((len(inputs["input_ids"]), 2))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtimes, "forward", note)
        found = measured(pairs, reranker, "float32")
    assert seen >= {1, 2}
    assert torch.get_num_threads() == before
    assert (found[COUNTED] == 0).all(axis=None)


def test_a_lost_first_place_and_a_turned_order_are_counted(pairs, reranker):
    """Alone, a made network gives a pair of the longest width the lowest logit."""
    with pytest.MonkeyPatch.context() as patch:
        made = {"several": 1.0, "one": -1.0}

        def forward(*asked):
            def run(inputs):
                ids = inputs["input_ids"]
                sign = made["one" if len(ids) == 1 else "several"]
                return sign * inputs["attention_mask"].sum(axis=1, keepdims=True).astype(float)

            return run

        patch.setattr(runtimes, "forward", forward)
        found = measured(pairs, reranker, "float32").loc["torch:float32"]
    assert found.loc["alone", ["first_lost", "reordered"]].tolist() == [4, 4]
    assert found.loc["shuffled", ["first_lost", "reordered"]].tolist() == [0, 0]


def test_some_queries_are_taken_from_the_whole_set(pairs, reranker):
    found = measured(pairs, reranker, "float32", n_queries=2, batch_pairs=4)
    assert set(found["queries"]) == {2}
    assert set(found["pairs"]) == {12}


def test_dynamic_int8_alone_changes_with_its_batch(pairs, reranker, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    kept_in(monkeypatch, tmp_path)
    int8, float32 = "onnxruntime:int8-dynamic", "onnxruntime:float32"
    largest = measured(pairs, reranker, float32, int8)["largest"].unstack(0)
    assert (largest.loc["again"] == 0).all()
    assert (largest.loc[["alone", "shuffled"], float32] < 1e-4).all()
    assert (largest.loc[["alone", "shuffled"], int8] > 1e-2).all()


@pytest.mark.parametrize(("wrong", "field"), [({"k": 0}, "k"), ({"batch_pairs": 0}, "batch_pairs")])
def test_numbers_that_are_none_are_refused(pairs, reranker, wrong, field):
    assert refused(measure_batches, pairs, reranker, ["float32"], **wrong).field == field
