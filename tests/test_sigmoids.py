"""Sigmoids, bit for bit: against torch, NumPy and correctly rounded references."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import InputError
from analysis.formats import FORMATS, HALVES
from analysis.sigmoids import FORMULAS, sigmoid, stepwise_trace

NARROW = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


def every_finite(dtype):
    return FORMATS[dtype].values(-np.inf, np.inf)


def torch_values(values, dtype):
    """The same values as a torch tensor of that dtype, without a cast that could round."""
    return torch.from_numpy(values).to(getattr(torch, dtype))


def bits(array):
    return array.view(f"u{array.dtype.itemsize}")


@pytest.mark.parametrize("dtype", HALVES)
def test_fused_is_torch_sigmoid_on_every_finite_input(dtype):
    values = every_finite(dtype)
    theirs = torch.sigmoid(torch_values(values, dtype)).double().numpy()
    assert np.array_equal(sigmoid(values, "fused", dtype).astype(np.float64), theirs)


def test_float16_stepwise_is_numpy_on_every_finite_input():
    values = every_finite("float16").astype(np.float16)
    with np.errstate(over="ignore"):
        theirs = 1 / (1 + np.exp(-values))
    assert theirs.dtype == np.float16
    assert np.array_equal(bits(sigmoid(values, "stepwise", "float16")), bits(theirs))


def test_bfloat16_stepwise_is_torchs_operations_on_every_finite_input():
    values = every_finite("bfloat16")
    theirs = 1 / (1 + torch.exp(-torch_values(values, "bfloat16")))
    ours = sigmoid(values, "stepwise", "bfloat16").astype(np.float64)
    assert np.array_equal(ours, theirs.double().numpy())


@given(st.lists(st.floats(-110, 110, width=32), min_size=1, max_size=64))
def test_float32_formulas_are_numpys_and_torchs(values):
    array = np.array(values, dtype=np.float32)
    with np.errstate(over="ignore", under="ignore"):
        numpys = np.float32(1) / (np.float32(1) + np.exp(-array))
    assert np.array_equal(bits(sigmoid(array, "stepwise", "float32")), bits(numpys))
    torchs = torch.sigmoid(torch.from_numpy(np.pad(array, (0, -len(array) % 64)))).numpy()
    ours = sigmoid(array, "fused", "float32")
    assert np.array_equal(bits(ours), bits(torchs[: len(array)]))
    # the two exp routines differ by a unit in the last place; sum and quotient round once more
    assert np.all(np.abs(ours - numpys) <= 4 * np.spacing(np.maximum(ours, numpys)))


def test_float16_fused_is_close_to_correct_rounding_everywhere():
    """Torch rounds a float32 sigmoid: that is correct but where float32's own error decides."""
    mpmath.mp.prec = 120
    float16 = FORMATS["float16"]
    values = float16.values(-18, 9)
    exact = [1 / (1 + mpmath.exp(-mpmath.mpf(float(v)))) for v in values]
    ours = sigmoid(values, "fused", "float16").astype(np.float64)
    below, above = float16.next_below(ours), float16.next_above(ours)
    wrong = 0
    for score, low, high, truth in zip(ours, below, above, exact, strict=True):
        middle_low, middle_high = (mpmath.mpf(score) + low) / 2, (mpmath.mpf(score) + high) / 2
        wrong += not middle_low <= truth <= middle_high
        # even where it is wrong, the truth lies within float32's error of the midpoint
        assert middle_low - 2**-23 <= truth <= middle_high + 2**-23
    assert wrong <= 8  # 7 with torch 2.13 on x86-64


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("formula", FORMULAS)
def test_monotonic_over_every_finite_input(formula, dtype):
    scores = sigmoid(every_finite(dtype), formula, dtype).astype(np.float64)
    defined = scores[~np.isnan(scores)]
    assert np.all(np.diff(defined) >= 0)
    assert len(defined) == len(scores) or dtype == "float8_e4m3fn"


@pytest.mark.parametrize("formula", ["fused", "stepwise"])
def test_monotonic_over_every_float32_logit_from_two_to_eighteen(formula):
    float32 = FORMATS["float32"]
    start, end = int(float32.ordinals(2.0)), int(float32.ordinals(18.0))
    last = 0.0
    for first in range(start, end, 4_000_000):
        ordinals = np.arange(first, min(first + 4_000_000, end + 1))
        scores = sigmoid(float32.from_ordinals(ordinals), formula, "float32")
        assert scores[0] >= last
        assert np.all(np.diff(scores) >= 0)
        last = scores[-1]
    assert last == 1.0


def test_stepwise_float8_e4m3fn_never_scores_zero_because_exp_overflows_to_nan():
    assert np.isnan(sigmoid(-448.0, "stepwise", "float8_e4m3fn"))


def test_equal_logits_score_equal_wherever_they_stand():
    logits = np.full(100_003, 3.1415927, dtype=np.float32)
    assert len(np.unique(sigmoid(logits, "fused", "float32"))) == 1


@pytest.mark.parametrize("formula", FORMULAS)
def test_special_logits(formula):
    scores = sigmoid([np.nan, np.inf, -np.inf, 0.0], formula, "float16").astype(np.float64)
    assert np.isnan(scores[0])
    assert scores[1:].tolist() == [1.0, 0.0, 0.5]


def test_shapes_and_dtypes_are_kept():
    assert sigmoid(np.zeros((2, 3)), "stepwise", "bfloat16").shape == (2, 3)
    assert sigmoid(0.0, "fused", "float16").shape == ()
    assert sigmoid([], "fused", "float32").shape == (0,)


def test_float16_scalars_are_not_promoted():
    assert sigmoid(np.float16(6.6), "stepwise", "float16").dtype == np.float16


def test_unknown_formulas_are_refused():
    for name in ("hard", "none", "upcast", "banana"):
        with pytest.raises(
            InputError, match=rf"formula: unknown sigmoid formula '{name}'.*stepwise"
        ):
            sigmoid([0.0], name, "float16")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_short_arrays_take_torchs_scalar_routine(dtype):
    values = np.linspace(-12, 12, 31)
    theirs = torch.sigmoid(torch.from_numpy(values).to(getattr(torch, dtype))).double().numpy()
    assert np.array_equal(sigmoid(values, "fused", dtype, short=True).astype(float), theirs)


def test_the_trace_of_a_logit_holds_every_intermediate_result():
    trace = stepwise_trace(6.53, "float16")
    x = np.array([6.53], dtype=np.float16)
    exp = np.exp(-x)
    assert trace["exp"] == float(exp[0])
    assert trace["one_plus_exp"] == float((np.float16(1) + exp)[0])
    assert trace["score"] == float(sigmoid(6.53, "stepwise", "float16"))
    assert f"{trace['true_score']:.4f}" == "0.9985"
    assert f"{trace['score']:.3f}" == "0.999"
