"""Overflow inside a network is located by its layer."""

from __future__ import annotations

import shutil

import pytest
import torch
from tiny_checkpoints import change_weights

from analysis.models import Reranker, load
from analysis.overflows import locate_overflow


def overflow_of(reranker: Reranker, dtype: str):
    tokens = reranker.tokens(["wie der zug"], ["der neu wald und brot"], 48)
    inputs = {name: torch.from_numpy(rows) for name, rows in reranker.batch(tokens).items()}
    return locate_overflow(reranker.network(dtype), inputs)


@pytest.fixture
def changed(tiny_checkpoint, tmp_path):
    """Make a reranker with one tensor of its weights multiplied."""

    def change(name: str, factor: float) -> Reranker:
        folder = shutil.copytree(tiny_checkpoint, tmp_path / "changed")
        change_weights(folder, lambda tensors: tensors[name].mul_(factor))
        return load(folder, device="cpu")

    return change


def test_a_network_that_does_not_overflow_has_none(tiny_checkpoint):
    for dtype in ("float16", "float32"):
        assert overflow_of(load(tiny_checkpoint, device="cpu"), dtype) is None


@pytest.mark.parametrize(
    ("weight", "layer"),
    [
        ("bert.encoder.layer.1.output.dense.weight", "bert.encoder.layer.1.output.dense"),
        ("bert.encoder.layer.0.intermediate.dense.weight", "bert.encoder.layer.0.intermediate"),
    ],
)
def test_the_layer_whose_output_overflows_is_named(changed, weight, layer):
    reranker = changed(weight, 3e4)
    found = overflow_of(reranker, "float16")
    assert found.layer.startswith(layer)
    assert found.comes_out
    assert abs(float(found.value)) == float("inf")
    assert 0 < found.largest < 65504
    assert f"comes out of {found.layer}, which is given numbers up to" in str(found)
    assert overflow_of(reranker, "float32") is None


def test_a_sum_between_layers_shows_in_the_next_layer():
    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.LayerNorm(4, dtype=torch.float16)

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return self.norm(hidden + hidden)

    found = locate_overflow(Residual(), {"hidden": torch.tensor([[4e4, 1, 2, 3]]).half()})
    assert (found.layer, found.comes_out, found.value, found.largest) == ("norm", False, "inf", 6)
    assert "goes into norm, beside numbers up to 6" in str(found)


def test_minus_infinity_in_a_mask_is_none_of_it():
    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Softmax(-1)

        def forward(self, mask: torch.Tensor) -> torch.Tensor:
            return self.inner(mask)

    assert locate_overflow(Masked(), {"mask": torch.tensor([[0.0, -torch.inf]])}) is None
