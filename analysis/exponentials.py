"""torch's sigmoid and softmax, bit for bit, without torch.

Two correct sigmoids differ in the last bit of one float32 score in some twenty-five, and scores are
compared bit by bit here. So torch's CPU kernels are repeated, operation by operation:

=========================  ============================  ======================================
function                   equals                        its exponential
=========================  ============================  ======================================
:func:`vector_sigmoid`     ``torch.sigmoid``, vector     Sleef: ``xexpf`` and ``xexp`` (``u10``,
                           kernel                        with FMA; sleefsimdsp.c, sleefsimddp.c)
:func:`scalar_sigmoid`     ``torch.sigmoid``, scalar     glibc: ``expf`` (e_expf.c,
                           routine                       e_exp2f_data.c; 2.27 and later)
:func:`pair_softmax`       ``torch.softmax`` of          Sleef: ``xexpf``
                           ``(0, x)``
=========================  ============================  ======================================

This holds for torch on x86-64 with AVX2 or AVX-512 (both round alike) and glibc. On an x86-64
processor without AVX2, or with ``ATEN_CPU_CAPABILITY=default``, the vector kernels themselves call
glibc: there float32 sigmoids all equal :func:`scalar_sigmoid`. Elsewhere, as on ARM, last bits may
differ. The tests compare with the torch at hand.

Arguments of an exponential are clipped where it is already 0, infinite, or lost beside the 1.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Float32s = NDArray[np.float32]
_Float64s = NDArray[np.float64]
_Floats = NDArray[np.floating]

_BLOCK = 16_384
"""Values evaluated at once: few enough that all intermediate results stay in the cache."""


def vector_sigmoid(x: ArrayLike) -> _Floats:
    """``torch.sigmoid`` of a contiguous array, on torch's vector kernel.

    Returns an array of the same shape: float64 for float64 ``x``, else float32, in which torch
    evaluates half-precision logits too. NaN gives NaN, minus infinity 0.0, plus infinity 1.0.
    """
    logits = np.asarray(x)
    if logits.dtype == np.float64:
        return _in_blocks(lambda block: _sigmoid(block, _sleef_exp), logits, np.float64)
    return _in_blocks(lambda block: _sigmoid(block, _sleef_expf), logits, np.float32)


def scalar_sigmoid(x: ArrayLike) -> _Float32s:
    """``torch.sigmoid`` of float32, on the routine that short or strided arrays take.

    An array's last few values take it as well. Returns float32 of the same shape.
    """
    return _in_blocks(lambda block: _sigmoid(block, _glibc_expf), np.asarray(x), np.float32)


def pair_softmax(x: ArrayLike) -> _Float32s:
    """``torch.softmax([0, x])[1]`` in float32, for each value of ``x``.

    Returns float32 of the same shape. As in torch, plus infinity gives NaN.
    """
    return _in_blocks(_pair_softmax, np.asarray(x), np.float32)


def _in_blocks(evaluate: Callable[[_Floats], _Floats], x: np.ndarray, dtype: type) -> _Floats:
    """Round to the dtype and evaluate, block by block; overflow and NaN are meant."""
    flat = x.ravel()
    results = np.empty(flat.shape, dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, flat.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            results[block] = evaluate(flat[block].astype(dtype, copy=False))
    return results.reshape(x.shape)


def _sigmoid(x: _Floats, exp: Callable[[_Floats], _Floats]) -> _Floats:
    return 1 / (1 + exp(-x))


def _pair_softmax(x: _Float32s) -> _Float32s:
    largest = np.maximum(x, np.float32(0))
    exponential = _sleef_expf(x - largest)
    return exponential * (1 / (_sleef_expf(-largest) + exponential))


# --- float32: its values are held in float64, where products of two are exact

_LOG2_E = 1.442695040888963407
_EXPF_LN2 = np.float32([0.693145751953125, 1.428606765330187045e-06]).astype(np.float64)
"""The logarithm of 2, in two parts: the first times a whole exponent is exact."""
_EXPF = np.float32(
    [
        0.000198527617612853646278381,
        0.00139304355252534151077271,
        0.00833336077630519866943359,
        0.0416664853692054748535156,
        0.166666671633720397949219,
        0.5,
    ]
).astype(np.float64)
"""Coefficients of exp(s) = 1 + s + s² (…), highest power first."""


def _sleef_expf(x: _Float32s) -> _Float32s:
    x = np.clip(x, np.float32(-104), np.float32(104))  # 0 below, infinity above
    exponents = np.rint(x * np.float32(_LOG2_E)).astype(np.float64)
    s = _fma32(exponents, -_EXPF_LN2[0], x)
    s = _fma32(exponents, -_EXPF_LN2[1], s)
    u = _EXPF[0]
    for coefficient in _EXPF[1:]:
        u = _fma32(u, s, coefficient)
    u = _round32(_fma32(_round32(s * s), u, s) + 1)
    return (u * _power_of_two(exponents)).astype(np.float32)


def _fma32(a: _Float64s, b: _Float64s, c: _Float64s) -> _Float64s:
    """``a * b + c`` rounded to float32.

    The sum is rounded to float64 before, which might turn a last bit; among all 2³² float32
    values there is none whose score it changes.
    """
    total = a * b
    total += c
    return _round32(total)


def _round32(values: _Float64s) -> _Float64s:
    return values.astype(np.float32).astype(np.float64)


_SHIFT = 1.5 * 2.0**52
"""Added to a small float64, this leaves the nearest whole number in the last bits of the sum."""


def _power_of_two(exponents: _Float64s) -> _Float64s:
    return ((exponents + (_SHIFT + 1023)).view(np.int64) << 52).view(np.float64)


_TABLE_SIZE = 32
_TABLE = np.array([float(Decimal(2) ** (Decimal(i) / _TABLE_SIZE)) for i in range(_TABLE_SIZE)])
"""2^(i/32), correctly rounded."""
_TABLE_BITS = _TABLE.view(np.int64) - (np.arange(_TABLE_SIZE) << 47)
"""Less i/32 in the place of the exponent: what is added to k/32 there gives 2^(k/32)."""
_EXP2F = (
    float.fromhex("0x1.c6af84b912394p-5") / _TABLE_SIZE**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / _TABLE_SIZE**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / _TABLE_SIZE,
)
"""Coefficients of 2^(r/32), highest power first."""


def _glibc_expf(x: _Float32s) -> _Float32s:
    """Evaluate in float64. That glibc uses FMA there changes no float32 result either."""
    x = np.clip(x, np.float32(-104), np.float32(104))
    z = x.astype(np.float64) * (_LOG2_E * _TABLE_SIZE)
    shifted = z + _SHIFT
    k = shifted.view(np.int64)
    r = z - (shifted - _SHIFT)
    power = (_TABLE_BITS[k & (_TABLE_SIZE - 1)] + (k << 47)).view(np.float64)
    cubic = (_EXP2F[0] * r + _EXP2F[1]) * (r * r) + (_EXP2F[2] * r + 1)
    return (cubic * power).astype(np.float32)


# --- float64: an FMA's product takes two numbers

_EXP_LN2 = (0.69314718055966295651160180568695068359375, 0.28235290563031577122588448175013e-12)
_EXP = (
    0.1666666666666669072e0,
    0.4166666666666602598e-1,
    0.8333333333314938210e-2,
    0.1388888888914497797e-2,
    0.1984126989855865850e-3,
    0.2480158687479686264e-4,
    0.2755723402025388239e-5,
    0.2755762628169491192e-6,
    0.2511210703042288022e-7,
    0.2081276378237164457e-8,
)
"""Coefficients of exp(s) = 1 + s + s²/2 + s³ (…), lowest power first."""


def _sleef_exp(x: _Float64s) -> _Float64s:
    x = np.clip(x, -40.0, 710.0)  # lost beside 1 below, infinity above
    exponents = np.rint(x * _LOG2_E)
    s = _fma64(exponents, -_EXP_LN2[0], x)
    s = _fma64(exponents, -_EXP_LN2[1], s)
    s2 = s * s
    s4 = s2 * s2
    first, second, third, fourth, fifth = (
        _fma64(s, odd, even) for even, odd in zip(_EXP[::2], _EXP[1::2], strict=True)
    )
    u = _fma64(s4, _fma64(s2, fourth, third), _fma64(s2, second, first))
    u = _fma64(s4 * s4, fifth, u)
    for coefficient in (0.5, 1.0, 1.0):
        u = _fma64(u, s, coefficient)
    return 2 * u * _power_of_two(exponents - 1)  # the largest exponent, 1024, is no float64


def _fma64(a: _Float64s, b: _Float64s | float, c: _Float64s | float) -> _Float64s:
    """``a * b + c``, rounded once (Boldo and Melquiond, 2008: through a sum rounded to odd)."""
    high, low = _exact_product(a, b)
    rest, rest_error = _exact_sum(low, c)
    total, total_error = _exact_sum(high, rest)
    return total + _sum_to_odd(rest_error, total_error)


def _exact_product(a: _Float64s, b: _Float64s | float) -> tuple[_Float64s, _Float64s]:
    """Product and its rounding error (Dekker)."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    error = a_high * b_high - product + a_high * b_low + a_low * b_high + a_low * b_low
    return product, error


def _halves(a: _Float64s | float) -> tuple[_Float64s, _Float64s]:
    """Split into two numbers of half the bits (Veltkamp)."""
    scaled = a * (2.0**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high


def _exact_sum(a: _Float64s, b: _Float64s | float) -> tuple[_Float64s, _Float64s]:
    """Sum and its rounding error (Knuth)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _sum_to_odd(a: _Float64s, b: _Float64s) -> _Float64s:
    """Sum whose last bit is odd wherever it is not exact, so that it can be rounded again."""
    total, error = _exact_sum(a, b)
    bits = total.view(np.int64)
    away_from_zero = np.where((error > 0) == (total > 0), 1, -1)
    bits += away_from_zero * ((error != 0) & (bits & 1 == 0))
    return total
