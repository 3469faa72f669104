"""The passes that the budget needs: rounded weights, other circumstances, and nothing twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import models, scoring
from analysis.budgets import error_budget, noise_floor, staged_logits
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.models import Reranker
from analysis.scorepath import FLOAT32_REFERENCE
from analysis.scoring import score
from analysis.store import Store


@pytest.fixture
def reranker(tiny_checkpoint) -> Reranker:
    return models.load(tiny_checkpoint, device="cpu")


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """Collect the networks that are loaded."""
    names, real = [], Reranker.network

    def spy(self, forward_dtype):
        names.append(f"{self.weights_dtype or forward_dtype} in {forward_dtype}")
        return real(self, forward_dtype)

    monkeypatch.setattr(Reranker, "network", spy)
    return names


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_weights_are_those_of_the_half_network(reranker, dtype):
    rounded = replace(reranker, weights_dtype=dtype).network("float32")
    half = reranker.network(dtype)
    for (name, weight), own in zip(rounded.named_parameters(), half.parameters(), strict=True):
        assert weight.dtype == torch.float32, name
        assert torch.equal(weight, own.float()), name
    full = reranker.network("float32")
    assert any(
        not torch.equal(a, b) for a, b in zip(full.parameters(), rounded.parameters(), strict=True)
    )


def test_rounded_weights_have_an_identity_of_their_own(reranker):
    plain = reranker.identity()
    assert "weights_dtype" not in plain
    assert replace(reranker, weights_dtype="float16").identity() == plain | {
        "weights_dtype": "float16"
    }


def test_weights_cannot_be_rounded_to_what_is_no_network(reranker):
    with pytest.raises(InputError, match="cannot run in 'float8'"):
        replace(reranker, weights_dtype="float8").network("float32")


def test_least_width_pads_and_changes_nothing_else(tiny_pairs, reranker):
    plain = scoring._Plan(tiny_pairs, reranker, 40, 200)
    padded = scoring._Plan(tiny_pairs, reranker, 40, 200, least_width=35)
    assert [rows.tolist() for rows in plain.batches] == [rows.tolist() for rows in padded.batches]
    for rows in plain.batches:
        short, wide = plain.inputs(rows), padded.inputs(rows)
        width = short["input_ids"].shape[1]
        assert wide["input_ids"].shape[1] == max(width, 35)
        assert np.array_equal(wide["input_ids"][:, :width], short["input_ids"])
        assert not wide["attention_mask"][:, width:].any()
    beyond = scoring._Plan(tiny_pairs, reranker, 40, 200, least_width=10_000)
    assert beyond.inputs(beyond.batches[0])["input_ids"].shape[1] == 40
    assert len({plain.sha256, padded.sha256, beyond.sha256}) == 3


def test_least_width_is_a_number_of_tokens(tiny_pairs, reranker):
    with pytest.raises(InputError, match="least_width"):
        score(tiny_pairs, reranker, ["float32"], least_width=0)


def test_backwards_turns_each_batch_round(tiny_pairs, reranker):
    plain = scoring._Plan(tiny_pairs, reranker, 40, 200)
    turned = scoring._Plan(tiny_pairs, reranker, 40, 200, backwards=True)
    assert len(plain.batches) > 1
    for rows, other in zip(plain.batches, turned.batches, strict=True):
        assert rows.tolist() == other[::-1].tolist()
    assert plain.sha256 != turned.sha256


def test_logits_of_other_circumstances_stay_with_their_pairs(tiny_pairs, reranker):
    usual = score(tiny_pairs, reranker, ["float32"], progress=False)["logit"]
    for options in ({"backwards": True}, {"least_width": 40}, {"batch_tokens": 1}):
        again = score(tiny_pairs, reranker, ["float32"], progress=False, **options)["logit"]
        np.testing.assert_allclose(again, usual, rtol=0, atol=1e-4)  # last bits of other kernels


def test_staged_logits_are_three_passes(tiny_pairs, reranker, loaded, tmp_path):
    store = Store(tmp_path)
    staged = staged_logits(tiny_pairs, reranker, "bfloat16", store=store, progress=False)
    assert loaded == ["float32 in float32", "bfloat16 in bfloat16", "bfloat16 in float32"]
    usual = score(tiny_pairs, reranker, ["float32", "bfloat16"], progress=False)["logit"]
    assert np.array_equal(staged["reference"], usual[: len(staged)])
    assert np.array_equal(staged["forward"], usual[len(staged) :])
    assert (staged["weights"] != staged["reference"]).any()
    assert staged["query_id"].tolist() == tiny_pairs.pairs["query_id"].tolist()


def test_float32_needs_one_pass(tiny_pairs, reranker, loaded, tmp_path):
    staged = staged_logits(tiny_pairs, reranker, "float32", store=Store(tmp_path), progress=False)
    assert loaded == ["float32 in float32"]
    assert staged["weights"].equals(staged["reference"].rename("weights"))
    assert staged["forward"].equals(staged["reference"].rename("forward"))


def test_a_second_budget_runs_no_network(tiny_pairs, reranker, loaded, tmp_path):
    options = {"store": Store(tmp_path), "progress": False}
    path = path_of("haystack", "2.31.0", "bfloat16")
    first = error_budget(tiny_pairs, reranker, path, **options)
    first_floor = noise_floor(tiny_pairs, reranker, n_pairs=5, **options)
    assert loaded
    loaded.clear()
    again = error_budget(tiny_pairs, reranker, path, **options)
    assert str(again) == str(first)
    assert noise_floor(tiny_pairs, reranker, n_pairs=5, **options).equals(first_floor)
    assert not loaded


def test_printed_a_budget_is_its_name_and_its_tables(tiny_pairs, reranker):
    path = path_of("haystack", "2.31.0", "bfloat16")
    budget = error_budget(tiny_pairs, reranker, path, progress=False)
    assert str(budget).startswith("Error budget of Haystack 2.x, bfloat16, 24 pairs")
    for table in (budget.logits, budget.scores, budget.ties, budget.saturation):
        assert all(name in str(budget) for name in (*table.index, *table.columns))


def test_noise_floor_names_its_circumstances(tiny_pairs, reranker, tmp_path):
    before = torch.get_num_threads()
    floor = noise_floor(
        tiny_pairs, reranker, ["float32"], n_pairs=6, store=Store(tmp_path), progress=False
    )
    names = floor["circumstance"].tolist()
    assert torch.get_num_threads() == before
    other = "2 threads" if before == 1 else "1 thread"
    assert [name for name in names if "padded" not in name] == [
        "alone",
        "in another batch",
        "in reverse order",
        "eager attention",
        other,
    ]
    assert (floor["pairs"] == 6).all()
    assert ((floor["changed"] == 0) == (floor["largest"] == 0)).all()
    assert (floor["mean_abs"] <= floor["largest"]).all()
    assert floor["largest"].max() < 1e-3


def test_noise_floor_is_the_difference_of_the_logits(tiny_pairs, reranker, tmp_path):
    """In bfloat16, where another batch does change bits, against the two runs themselves."""
    floor = noise_floor(
        tiny_pairs, reranker, ["bfloat16"], n_pairs=24, store=Store(tmp_path), progress=False
    )
    usual = score(tiny_pairs, reranker, ["bfloat16"], progress=False)["logit"]
    eager = replace(reranker, attention="eager")
    moved = (score(tiny_pairs, eager, ["bfloat16"], progress=False)["logit"] - usual).abs()
    row = floor.set_index("circumstance").loc["eager attention"]
    assert moved.max() > 0
    assert (row["largest"], row["mean_abs"]) == (moved.max(), moved.mean())
    assert row["changed"] == (moved > 0).sum()
    assert "in another batch" not in set(floor["circumstance"])  # the sample is the whole set


def test_budget_of_the_reference_is_that_of_its_sigmoid(tiny_pairs, reranker):
    budget = error_budget(tiny_pairs, reranker, FLOAT32_REFERENCE, progress=False)
    assert budget.logits.loc["total", "largest"] == 0
    assert budget.scores.loc["formula", "share"] == 1
