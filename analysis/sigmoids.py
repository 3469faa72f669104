"""Sigmoid formulas as engines evaluate them, and where each of them saturates.

=========== ============================================================ ======================
formula     evaluation of a logit in a dtype                             who does it
=========== ============================================================ ======================
``fused``   ``torch.sigmoid``: a float16, bfloat16 or float8 logit is    Haystack, vLLM,
            computed in float32 and rounded once                         sentence-transformers
``stepwise`` ``1 / (1 + exp(-x))``, each operation rounded to the dtype  Infinity, FlashRank
``upcast``  the logit is rounded to the dtype, the sigmoid is evaluated  HPS, Infinity 0.0.69+
            by ``torch.sigmoid`` in float32 and stays float32
=========== ============================================================ ======================

In float32 and float64 ``torch.sigmoid`` is itself stepwise, with torch's own ``exp``; so *fused*
there means: stepwise, as torch's vector kernel rounds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import InputError
from analysis.formats import FORMATS, Floats, Format, format_of

Formula = Literal["fused", "stepwise", "upcast"]
FORMULAS: tuple[Formula, ...] = get_args(Formula)

_TORCH_BLOCK = 16_384
"""``torch.sigmoid`` ends an array (and each thread's share of a long one) with a scalar routine
that may differ in the last bit from its vector kernel. Blocks of this size are neither shared
among threads nor leave a tail, so equal logits always score equal."""


def sigmoid(logits: ArrayLike, formula: Formula, dtype: str | Format) -> Floats:
    """Evaluate a sigmoid formula in a dtype, bit for bit as torch or NumPy does.

    ``logits`` have any shape and are rounded to ``dtype`` first. Returns scores of the same
    shape, in ``dtype`` (``upcast``: float32). NaN gives NaN; plus infinity gives 1.0; minus
    infinity gives 0.0 where the dtype has infinities, and NaN in ``float8_e4m3fn``. Unknown
    names raise :class:`~analysis.errors.InputError`.
    """
    number_format = format_of(dtype)
    _check_upcast(formula, number_format)
    rounded = np.atleast_1d(number_format.round(logits))
    if formula == "fused":
        scores = _fused(rounded, number_format)
    elif formula == "stepwise":
        scores = _stepwise(rounded)
    elif formula == "upcast":
        scores = _torch_sigmoid(rounded.astype(np.float32))
    else:
        raise InputError(
            f"unknown sigmoid formula {formula!r}",
            f"choose one of {', '.join(FORMULAS)}",
            field="formula",
        )
    return scores.reshape(np.shape(logits))


def score_format(formula: Formula, dtype: str | Format) -> Format:
    """Return the format that the scores of a formula have: ``dtype``, or float32 for ``upcast``."""
    return FORMATS["float32"] if formula == "upcast" else format_of(dtype)


@dataclass(frozen=True)
class Saturation:
    """Where a sigmoid stops telling logits apart.

    ``one_from`` is the first logit of the dtype whose score is exactly 1.0, ``zero_up_to`` the
    last whose score is exactly 0.0 (NaN where no finite logit scores 0.0).
    """

    one_from: float
    zero_up_to: float


def saturation(formula: Formula, dtype: str | Format) -> Saturation:
    """Saturation of a formula in a dtype, in closed form.

    *stepwise*: the score is 1.0 once ``1 + exp(-x)`` rounds to 1, that is once ``exp(-x)`` rounds
    to ``eps / 2``; it is 0.0 once ``exp(-x)`` overflows. *fused* in a half or 8-bit type: the
    score is 1.0 from the rounding midpoint ``1 - eps / 4`` on, and 0.0 up to half of the smallest
    subnormal, or where float32's ``exp`` overflows, if that comes first. *upcast*: as float32.
    """
    number_format = format_of(dtype)
    _check_upcast(formula, number_format)
    if formula == "upcast":
        return _inside(number_format, *_stepwise_edges(FORMATS["float32"]))
    if formula == "stepwise" or number_format.finfo.bits >= 32:
        return _inside(number_format, *_stepwise_edges(number_format))
    one_from = (4 / Decimal(number_format.eps) - 1).ln()
    half_of_least = -(2 / Decimal(number_format.smallest_subnormal) - 1).ln()
    _, float32_overflow = _stepwise_edges(FORMATS["float32"])
    return _inside(number_format, one_from, max(half_of_least, float32_overflow))


def _check_upcast(formula: str, number_format: Format) -> None:
    if formula == "upcast" and number_format.finfo.bits > 32:
        raise InputError(
            f"{number_format.name} logits cannot be upcast to float32",
            "take a narrower dtype, or formula 'fused'",
            field="formula",
        )


def _stepwise_edges(number_format: Format) -> tuple[Decimal, Decimal]:
    """Real-valued logits at which the stepwise formula reaches 1.0 and 0.0 (NaN: never)."""
    half_eps = Decimal(number_format.eps) / 2
    one_from = -(half_eps * (1 + half_eps)).ln()
    if np.isnan(number_format.round(2 * number_format.max)):  # exp overflows to NaN
        return one_from, Decimal("NaN")
    largest = Decimal(number_format.max)
    half_step = largest * half_eps / (2 - 2 * half_eps)
    return one_from, -(largest + half_step).ln()


def _inside(number_format: Format, one_from: Decimal, zero_up_to: Decimal) -> Saturation:
    """Move real-valued edges to the first logit of the format on their saturated side."""
    one, zero = float(number_format.round(one_from)), float(number_format.round(zero_up_to))
    if Decimal(one) < one_from:
        one = float(number_format.next_above(one))
    if not zero_up_to.is_nan() and Decimal(zero) > zero_up_to:
        zero = float(number_format.next_below(zero))
    return Saturation(one_from=one, zero_up_to=zero)


def _stepwise(logits: Floats) -> Floats:
    """Evaluate ``1 / (1 + exp(-x))`` on a 1-d array, where NumPy keeps float16 at every step."""
    one = np.ones(1, dtype=logits.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return one / (one + np.exp(-logits))


def _fused(logits: Floats, number_format: Format) -> Floats:
    """Evaluate ``torch.sigmoid``: wide types in themselves, narrow ones through float32."""
    if number_format.finfo.bits >= 32:
        return _torch_sigmoid(logits)
    scores = _torch_sigmoid(logits.astype(np.float32))
    return number_format.round(scores)


def _torch_sigmoid(logits: Floats) -> Floats:
    """``torch.sigmoid`` of a float32 or float64 array, all of it on the vector kernel."""
    import torch  # not at import time: everything but this formula works without torch

    padded = np.pad(logits.ravel(), (0, -logits.size % _TORCH_BLOCK))
    blocks = torch.from_numpy(padded).split(_TORCH_BLOCK)
    scores = np.concatenate([torch.sigmoid(block).numpy() for block in blocks])
    return scores[: logits.size].reshape(logits.shape)


def stepwise_trace(logit: float, dtype: str | Format) -> dict[str, float]:
    """Every intermediate result of the stepwise formula for one logit, as the dtype holds it.

    Keys: ``logit`` (rounded to the dtype), ``true_score`` (float64 sigmoid of that logit),
    ``exp`` (of its negative), ``one_plus_exp`` and ``score``.
    """
    number_format = format_of(dtype)
    x = np.atleast_1d(number_format.round(logit))
    one = np.ones(1, dtype=x.dtype)
    with np.errstate(over="ignore", under="ignore"):
        exp = np.exp(-x)
        exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    results = {
        "logit": x,
        "true_score": exact,
        "exp": exp,
        "one_plus_exp": one + exp,
        "score": one / (one + exp),
    }
    return {name: float(value[0]) for name, value in results.items()}
