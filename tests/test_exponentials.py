"""Sigmoid and softmax without torch, held against the torch at hand, bit for bit."""

import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from analysis.exponentials import pair_softmax, scalar_sigmoid, vector_sigmoid
from analysis.formats import format_of

BLOCK = 16_384  # torch leaves no tail of it to the scalar routine, and shares it among no threads
HALVES = ("float16", "bfloat16")

on_x86 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="torch's kernels round otherwise on this processor",
)
with_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="expf is glibc's")


def torch_vector(x):
    padded = torch.from_numpy(np.pad(x, (0, -x.size % BLOCK)))
    return np.concatenate([torch.sigmoid(block).numpy() for block in padded.split(BLOCK)])[: x.size]


def torch_scalar(x):
    return torch.sigmoid(torch.from_numpy(np.repeat(x, 2))[::2]).numpy()


def torch_softmax(x):
    pairs = np.stack([np.zeros_like(x), x], axis=-1)
    return torch.softmax(torch.from_numpy(pairs), dim=-1)[:, 1].numpy()


ROUTINES = pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(vector_sigmoid, torch_vector, marks=on_x86, id="vector"),
        pytest.param(scalar_sigmoid, torch_scalar, marks=with_glibc, id="scalar"),
        pytest.param(pair_softmax, torch_softmax, marks=on_x86, id="softmax"),
    ],
)


def every_half(dtype, wide):
    """All 65,536 bit patterns of a half type in a wider one; signalling NaN, too."""
    with np.errstate(invalid="ignore"):
        return np.arange(2**16, dtype=np.uint16).view(format_of(dtype).dtype).astype(wide)


def neighbours(value, count=20_000):
    """float32 values to either side of one."""
    bits = np.float32(value).view(np.int32) + np.arange(-count, count, dtype=np.int32)
    return bits.view(np.float32)


def assert_same_bits(ours, theirs):
    assert ours.dtype == theirs.dtype
    whole = f"u{ours.dtype.itemsize}"
    same = (ours.view(whole) == theirs.view(whole)) | (np.isnan(ours) & np.isnan(theirs))
    assert np.count_nonzero(~same) == 0


@pytest.mark.parametrize("dtype", HALVES)
@ROUTINES
def test_every_half_value_scores_as_in_torch(dtype, ours, theirs):
    logits = every_half(dtype, np.float32)
    assert_same_bits(ours(logits), theirs(logits))


@ROUTINES
def test_random_bit_patterns_score_as_in_torch(ours, theirs):
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2**32, 500_000, dtype=np.uint32).view(np.float32)
    logits = rng.normal(scale=8, size=500_000).astype(np.float32)
    for x in (patterns, logits):
        assert_same_bits(ours(x), theirs(x))


@ROUTINES
@pytest.mark.parametrize(
    "edge", [1, 16.635532, 17.328680, 87.33654, 88.72284, 103.27893, 103.97208]
)
def test_neighbours_of_an_edge_score_as_in_torch(edge, ours, theirs):
    x = np.concatenate([neighbours(edge), neighbours(-edge)])
    assert_same_bits(ours(x), theirs(x))


@ROUTINES
def test_special_values_score_as_in_torch(ours, theirs):
    subnormals = np.arange(1, 1000, dtype=np.uint32).view(np.float32)
    special = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 104, -104, 1e-45])
    signalling = np.uint32([0x7F800001, 0xFF800001]).view(np.float32)
    x = np.concatenate([special, signalling, subnormals, -subnormals])
    assert_same_bits(ours(x), theirs(x))


@on_x86
@pytest.mark.parametrize("dtype", HALVES)
def test_every_half_value_scores_as_in_torch_in_float64(dtype):
    logits = every_half(dtype, np.float64)
    assert_same_bits(vector_sigmoid(logits), torch_vector(logits))


@on_x86
def test_float64_scores_as_in_torch():
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2**64, 200_000, dtype=np.uint64).view(np.float64)
    logits = [rng.normal(scale=scale, size=200_000) for scale in (1, 10, 300)]
    edges = [
        np.nextafter(edge, end)
        for edge in (-709.782712893384, -710, -1000, 36.7, 40)
        for end in (-np.inf, edge, np.inf)
    ]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1.7e308, -1.7e308]
    for x in (patterns, *logits, np.array(edges + special)):
        assert_same_bits(vector_sigmoid(x), torch_vector(x))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("wide", [np.float32, np.float64])
@pytest.mark.parametrize("sigmoid", [vector_sigmoid, scalar_sigmoid])
def test_no_half_value_scores_below_a_smaller_one(dtype, wide, sigmoid):
    scores = sigmoid(format_of(dtype).values(-np.inf, np.inf).astype(wide))
    assert np.all(np.diff(scores) >= 0)
    assert (scores[0], scores[-1]) == (0, 1)


@pytest.mark.parametrize("dtype", HALVES)
def test_softmax_falls_by_one_last_bit_at_most(dtype):
    scores = pair_softmax(format_of(dtype).values(-np.inf, np.inf))
    assert np.diff(scores.view(np.int32)).min() == -1  # it multiplies by a rounded reciprocal


@pytest.mark.parametrize("routine", [vector_sigmoid, scalar_sigmoid, pair_softmax])
def test_scores_have_the_shape_of_the_logits(routine):
    for shape in ((), (0,), (2, 3), (5, BLOCK)):
        scores = routine(np.zeros(shape, dtype=np.float32))
        assert scores.shape == shape
        assert scores.dtype == np.float32
        assert np.all(scores == 0.5)


@pytest.mark.parametrize("routine", [vector_sigmoid, scalar_sigmoid, pair_softmax])
def test_only_float64_sigmoids_are_float64(routine):
    assert routine(np.zeros(3, dtype=np.float16)).dtype == np.float32
    wide = routine(np.array([-1e300, 0.0, 1e300]))
    assert wide.dtype == (np.float64 if routine is vector_sigmoid else np.float32)


def test_torch_is_not_imported():
    program = "import sys, analysis.exponentials; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
