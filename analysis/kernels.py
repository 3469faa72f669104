"""``torch.sigmoid`` and ``torch.softmax`` on a CPU, bit for bit, in NumPy alone.

Scores are judged where torch is not installed. torch evaluates ``1 / (1 + exp(-x))`` in float32 or
float64 by two routines, which differ in the last bit: a vector kernel, whose ``exp`` is SLEEF's
(``expf`` and ``exp``, 1.0 ULP, with fused multiply-add), and for what is left at an array's end a
scalar one, whose ``exp`` is the C library's. The float32 one of glibc is followed here.

A fused multiply-add rounds once. Its unrounded result is kept in a wider or a double number whose
last bit says whether anything was cut off (rounding to odd); rounding that again is then exact.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]
Float64s = NDArray[np.float64]

_EXPF_COEFFICIENTS = (
    0.000198527617612853646278381,
    0.00139304355252534151077271,
    0.00833336077630519866943359,
    0.0416664853692054748535156,
    0.166666671633720397949219,
    0.5,
)
_EXP_COEFFICIENTS = (
    0.2081276378237164457e-8,
    0.2511210703042288022e-7,
    0.2755762628169491192e-6,
    0.2755723402025388239e-5,
    0.2480158687479686264e-4,
    0.1984126989855865850e-3,
    0.1388888888914497797e-2,
    0.8333333333314938210e-2,
    0.4166666666666602598e-1,
    0.1666666666666669072e0,
)
_LOG2_E = 1.442695040888963407359924681001892137
_LN2F = (0.693145751953125, 1.428606765330187045e-06)
_LN2 = (0.69314718055966295651160180568695068359375, 0.28235290563031577122588448175013436e-12)

_TABLE_SIZE = 32
with localcontext(prec=40):
    _POWERS = np.array([float(Decimal(2) ** (Decimal(i) / 32)) for i in range(_TABLE_SIZE)])
_GLIBC_COEFFICIENTS = (
    float.fromhex("0x1.c6af84b912394p-5") / _TABLE_SIZE**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / _TABLE_SIZE**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / _TABLE_SIZE,
)


def sigmoid32(logits: Float32s) -> Float32s:
    """``torch.sigmoid`` of float32 logits by its vector kernel; any shape."""
    one = np.float32(1)
    with np.errstate(all="ignore"):
        return one / (one + _exp32(-logits))


def scalar_sigmoid32(logits: Float32s) -> Float32s:
    """``torch.sigmoid`` of float32 logits by its scalar routine; any shape."""
    one = np.float32(1)
    with np.errstate(all="ignore"):
        return one / (one + _glibc_exp32(-logits))


def sigmoid64(logits: Float64s) -> Float64s:
    """``torch.sigmoid`` of float64 logits by its vector kernel; any shape."""
    with np.errstate(all="ignore"):
        return 1 / (1 + _exp64(-logits))


def softmax32(logits: Float32s) -> Float32s:
    """``torch.softmax`` over two labels (0, logit) in float32: the score of the second."""
    larger = np.maximum(logits, 0)
    with np.errstate(all="ignore"):
        no, yes = _exp32(-larger), _exp32(logits - larger)
        return yes * (np.float32(1) / (no + yes))


def _exp32(x: Float32s) -> Float32s:
    """SLEEF's ``expf`` with 1.0 ULP."""
    power = np.rint(x * np.float32(_LOG2_E))
    rest = _fma32(power, np.float32(-_LN2F[0]), x)
    rest = _fma32(power, np.float32(-_LN2F[1]), rest)
    value = np.full_like(x, _EXPF_COEFFICIENTS[0])
    for coefficient in _EXPF_COEFFICIENTS[1:]:
        value = _fma32(value, rest, np.float32(coefficient))
    value = np.float32(1) + _fma32(rest * rest, value, rest)
    value = _times_power(value, power)
    return np.where(x > 100, np.float32(np.inf), np.where(x < -104, np.float32(0), value))


def _exp64(x: Float64s) -> Float64s:
    """SLEEF's ``exp`` with 1.0 ULP; its polynomial is evaluated by Estrin's scheme."""
    power = np.rint(x * _LOG2_E)
    rest = _fma64(power, -_LN2[0], x)
    rest = _fma64(power, -_LN2[1], rest)
    terms, square = list(_EXP_COEFFICIENTS), rest
    while len(terms) > 1:
        alone = len(terms) % 2
        pairs = zip(terms[alone::2], terms[alone + 1 :: 2], strict=True)
        terms = terms[:alone] + [_fma64(square, high, low) for high, low in pairs]
        square = square * square
    value = terms[0]
    for coefficient in (0.5, 1.0, 1.0):
        value = _fma64(value, rest, coefficient)
    value = _times_power(value, power)
    return np.where(x > 709.782712893384, np.inf, np.where(x < -1000, 0.0, value))


def _glibc_exp32(x: Float32s) -> Float32s:
    """glibc's ``expf``, evaluated in float64 from a table of powers of two."""
    wide = x.astype(np.float64)
    scaled = float.fromhex("0x1.71547652b82fep+0") * _TABLE_SIZE * wide
    steps = np.rint(scaled)
    rest = scaled - steps
    whole = np.nan_to_num(np.clip(steps, -1e5, 1e5)).astype(np.int64)  # beyond: 0 or infinity
    power = np.ldexp(_POWERS[whole % _TABLE_SIZE], (whole // _TABLE_SIZE).astype(np.int32))
    third, second, first = _GLIBC_COEFFICIENTS
    value = ((third * rest + second) * (rest * rest) + (first * rest + 1)) * power
    return np.where(x > 100, np.inf, np.where(x < -110, 0.0, value)).astype(np.float32)


def _fma32(a: Float32s, b: Float32s, c: Float32s) -> Float32s:
    """``a * b + c`` rounded once; the product is exact in float64."""
    total, error = _two_sum(a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64))
    return _to_odd(total, error).astype(np.float32)


def _fma64(a: Float64s, b: float | Float64s, c: float | Float64s) -> Float64s:
    """``a * b + c`` rounded once (Boldo and Melquiond 2008), where nothing overflows."""
    product, product_error = _two_product(a, b)
    low, low_error = _two_sum(product_error, c)
    high, high_error = _two_sum(product, low)
    return high + _to_odd(*_two_sum(low_error, high_error))


def _two_sum(a: Float64s, b: float | Float64s) -> tuple[Float64s, Float64s]:
    """Rounded sum, and what the rounding left (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a: Float64s, b: float | Float64s) -> tuple[Float64s, Float64s]:
    """Rounded product, and what the rounding left (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(a: float | Float64s) -> tuple[Float64s, Float64s]:
    """Split into two numbers of 26 bits (Veltkamp)."""
    scaled = a * 134217729.0
    high = scaled - (scaled - a)
    return high, a - high


def _to_odd(total: Float64s, error: Float64s) -> Float64s:
    """Round to odd: an inexact sum whose last bit is 0 moves one step towards its error."""
    bits = total.view(np.int64)
    even = (bits & 1 == 0) & (error != 0) & np.isfinite(total)
    step = np.where((error > 0) == (total > 0), 1, -1)
    return np.where(even, bits + step, bits).view(np.float64)


def _times_power(value: NDArray, power: NDArray) -> NDArray:
    """``value * 2**power``, in two steps, so that neither power overflows."""
    whole = np.nan_to_num(power).astype(np.int32)
    half = whole >> 1
    return np.ldexp(np.ldexp(value, half), whole - half)
