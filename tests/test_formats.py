"""Formats against exact rational arithmetic, torch and their own bit patterns."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import InputError
from analysis.formats import FORMATS, format_of

NARROW = [FORMATS[name] for name in ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")]


def every_finite(number_format):
    """All finite values from the bit patterns themselves, ascending, one zero."""
    bits = np.arange(2**number_format.finfo.bits, dtype=f"u{number_format.dtype.itemsize}")
    with np.errstate(invalid="ignore"):  # signalling NaNs are among the patterns
        values = bits.view(number_format.dtype).astype(np.float64)
    return np.unique(values[np.isfinite(values)])


def nearest(exact: Fraction, values) -> float:
    """Nearest of ``values`` by exact arithmetic; a tie goes to the even position from zero."""
    zero = int(np.searchsorted(values, 0.0))
    after = int(np.searchsorted(values, float(exact)))
    around = range(max(0, after - 2), min(len(values), after + 3))
    best = min(abs(Fraction(values[i]) - exact) for i in around)
    ties = [i for i in around if abs(Fraction(values[i]) - exact) == best]
    return values[min(ties, key=lambda i: (i - zero) % 2)]


def overflow(number_format):
    """Half a step beyond the largest finite value."""
    return 1.5 * number_format.max - 0.5 * float(number_format.next_below(number_format.max))


@pytest.mark.parametrize("number_format", FORMATS.values(), ids=FORMATS)
def test_limits_are_torchs(number_format):
    info = torch.finfo(getattr(torch, number_format.name))
    assert number_format.eps == info.eps
    assert number_format.max == info.max
    assert number_format.smallest_subnormal == info.smallest_normal * info.eps


@pytest.mark.parametrize("number_format", NARROW, ids=lambda f: f.name)
def test_values_are_all_bit_patterns(number_format):
    finite = every_finite(number_format)
    assert np.array_equal(number_format.values(-np.inf, np.inf), finite)
    assert number_format.count(-np.inf, np.inf) == len(finite)


@pytest.mark.parametrize("number_format", NARROW, ids=lambda f: f.name)
def test_neighbours_and_spacing_of_every_value(number_format):
    finite = every_finite(number_format)
    assert np.array_equal(number_format.next_above(finite[:-1]), finite[1:])
    assert np.array_equal(number_format.next_below(finite[1:]), finite[:-1])
    assert np.array_equal(number_format.spacing_above(finite[:-1]), np.diff(finite))
    assert np.array_equal(number_format.spacing_below(finite[1:]), np.diff(finite))


@pytest.mark.parametrize("number_format", FORMATS.values(), ids=FORMATS)
def test_a_format_holds_another_if_no_value_of_it_is_rounded(number_format):
    for other in NARROW:
        values = every_finite(other)
        is_same = np.array_equal(number_format.round(values).astype(np.float64), values)
        assert number_format.holds(other) == is_same, other.name
    assert [FORMATS[name].holds(number_format) for name in ("float64", number_format.name)] == [
        True
    ] * 2


@pytest.mark.parametrize("number_format", NARROW, ids=lambda f: f.name)
def test_ordinals_count_neighbours_and_invert(number_format):
    finite = every_finite(number_format)
    ordinals = number_format.ordinals(finite)
    assert np.array_equal(np.diff(ordinals), np.ones(len(finite) - 1))
    assert np.array_equal(number_format.from_ordinals(ordinals).astype(np.float64), finite)
    assert number_format.ordinals(-0.0) == number_format.ordinals(0.0) == 0


@pytest.mark.parametrize("number_format", NARROW, ids=lambda f: f.name)
def test_rounding_at_and_around_every_midpoint(number_format):
    finite = every_finite(number_format)
    positive = finite[finite >= 0]
    middles = (positive[:-1] + positive[1:]) / 2
    lower, upper = positive[:-1], positive[1:]
    even = np.where(np.arange(len(lower)) % 2 == 0, lower, upper)
    assert np.array_equal(number_format.round(middles).astype(np.float64), even)
    assert np.array_equal(number_format.round(np.nextafter(middles, -1)).astype(float), lower)
    assert np.array_equal(number_format.round(np.nextafter(middles, np.inf)).astype(float), upper)


@pytest.mark.parametrize("number_format", NARROW, ids=lambda f: f.name)
@given(value=st.floats(-500, 500))
def test_rounding_is_to_nearest_by_exact_arithmetic(number_format, value):
    if abs(value) >= overflow(number_format):
        return
    expected = nearest(Fraction(value), every_finite(number_format))
    assert float(number_format.round(value)) == expected


def test_rounding_is_single_where_a_plain_cast_rounds_twice():
    bfloat16 = FORMATS["bfloat16"]
    just_above_the_midpoint = 1 + 2**-8 + 2**-40
    assert float(np.array(just_above_the_midpoint).astype(bfloat16.dtype)) == 1.0
    assert float(bfloat16.round(just_above_the_midpoint)) == 1 + 2**-7


@pytest.mark.parametrize("number_format", FORMATS.values(), ids=FORMATS)
def test_special_values(number_format):
    assert np.isnan(number_format.round(np.nan))
    assert np.signbit(float(number_format.round(-0.0)))
    beyond = float(number_format.round(2 * number_format.max))
    above = float(number_format.next_above(number_format.max))
    if number_format.name == "float8_e4m3fn":
        assert np.isnan(beyond)
        assert np.isnan(above)
    else:
        assert beyond == above == np.inf


@pytest.mark.parametrize("number_format", NARROW, ids=lambda f: f.name)
def test_overflow_is_the_first_magnitude_that_does_not_stay_finite(number_format):
    below = np.nextafter(overflow(number_format), 0)
    assert float(number_format.round(below)) == number_format.max
    at = float(number_format.round(overflow(number_format)))
    even_is_finite = number_format.name == "float8_e4m3fn"
    assert at == number_format.max if even_is_finite else np.isinf(at)


@pytest.mark.parametrize("number_format", FORMATS.values(), ids=FORMATS)
def test_below_one_the_spacing_is_half_of_eps(number_format):
    assert float(number_format.spacing_below(1.0)) == number_format.eps / 2
    assert float(number_format.spacing_above(1.0)) == number_format.eps
    assert number_format.largest_below_one == 1 - number_format.eps / 2


@given(value=st.floats(-100, 100, width=32))
def test_float32_neighbours_are_numpys(value):
    above = np.nextafter(np.float32(value), np.float32(np.inf))
    assert float(FORMATS["float32"].next_above(value)) == float(above)


def test_neighbours_of_a_value_between_two():
    float16 = FORMATS["float16"]
    assert float(float16.next_above(0.99999)) == 1.0
    assert float(float16.next_below(0.99999)) == float16.largest_below_one


def test_an_interval_between_two_values_is_empty():
    assert FORMATS["float16"].values(0.9996, 0.9999).size == 0
    assert FORMATS["float16"].count(0.9996, 0.9999) == 0


def test_too_many_values_are_refused():
    with pytest.raises(InputError, match="narrower interval"):
        FORMATS["float64"].values(0, 1)


def test_unknown_dtype_is_refused():
    with pytest.raises(InputError, match=r"dtype: unknown dtype 'half'.*float16"):
        format_of("half")


def test_spacing_is_that_of_the_binade_wherever_a_value_lies():
    float16 = FORMATS["float16"]
    assert float16.spacing([4.0, 4.001, 4.4437503, 7.999]).tolist() == [2.0**-8] * 4
    assert float16.spacing([1.0]).tolist() == float16.spacing_above([1.0]).tolist()
