"""torch's kernels in NumPy: the same bits as torch gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.kernels import scalar_sigmoid32, sigmoid32, sigmoid64, softmax32

ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 88.7, 104.1, -103.9, 1e4, -1e4, 1e-40]


def same(ours: np.ndarray, theirs: torch.Tensor) -> bool:
    return np.array_equal(ours, theirs.numpy(), equal_nan=True)


def blocks(values: np.ndarray) -> np.ndarray:
    """Pad to whole blocks, so that torch's vector kernel takes every value."""
    return np.pad(values, (0, -values.size % 16_384))


@pytest.fixture(scope="module")
def float32s() -> np.ndarray:
    """One in 997 float32 numbers up to 110, of both signs; every float16; and the ends."""
    last = np.float32(110).view(np.int32)
    some = np.arange(0, last, 997, dtype=np.int32).view(np.float32)
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    return blocks(np.concatenate([-some, some, halves, np.array(ENDS, dtype=np.float32)]))


@pytest.fixture(scope="module")
def float64s() -> np.ndarray:
    generator = np.random.default_rng(0)
    parts = [generator.uniform(-end, end, 1 << 17) for end in (1, 40, 740)]
    return blocks(np.concatenate([*parts, ENDS]))


def test_vector_sigmoid_in_float32(float32s):
    theirs = [torch.sigmoid(block) for block in torch.from_numpy(float32s).split(16_384)]
    assert same(sigmoid32(float32s), torch.cat(theirs))


def test_scalar_sigmoid_in_float32(float32s):
    strided = torch.from_numpy(np.repeat(float32s, 2))[::2]
    assert same(scalar_sigmoid32(float32s), torch.sigmoid(strided))


def test_vector_sigmoid_in_float64(float64s):
    theirs = [torch.sigmoid(block) for block in torch.from_numpy(float64s).split(16_384)]
    assert same(sigmoid64(float64s), torch.cat(theirs))


def test_softmax_over_two_labels(float32s):
    logits = torch.from_numpy(float32s[np.isfinite(float32s)])
    pairs = torch.stack([torch.zeros_like(logits), logits], dim=-1)
    assert same(softmax32(logits.numpy()), torch.softmax(pairs, dim=-1)[:, 1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_these_rounded(dtype):
    bits = torch.arange(-(1 << 15), 1 << 15).to(torch.int16)
    logits = bits.view(getattr(torch, dtype))
    for ours in (sigmoid32, scalar_sigmoid32):
        scores = torch.from_numpy(ours(logits.float().numpy())).to(logits.dtype)
        assert same(scores.float().numpy(), torch.sigmoid(logits).float())


def test_any_shape(float32s):
    grid = float32s[:600].reshape(20, 30)
    for ours in (sigmoid32, scalar_sigmoid32, softmax32):
        assert np.array_equal(ours(grid), ours(grid.ravel()).reshape(20, 30), equal_nan=True)
