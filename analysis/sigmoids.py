"""Sigmoid formulas as engines evaluate them, bit for bit.

============ =========================================================== =======================
formula      evaluation of a logit in a dtype                            who does it
============ =========================================================== =======================
``fused``    ``torch.sigmoid``: a float16, bfloat16 or float8 logit is   Haystack, vLLM,
             computed in float32 and rounded once                        sentence-transformers
``stepwise`` ``1 / (1 + exp(-x))``, each operation rounded to the dtype  Infinity, FlashRank
============ =========================================================== =======================

In float32 and float64 ``torch.sigmoid`` is itself stepwise, with torch's own ``exp``; so *fused*
there means: stepwise, as torch's vector kernel rounds it. From which logit on a whole path
saturates, and which logits share a score, is asked of :mod:`analysis.steps`.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import InputError
from analysis.exponentials import scalar_sigmoid, vector_sigmoid
from analysis.formats import Floats, Format, format_of

Formula = Literal["fused", "stepwise"]
FORMULAS: tuple[Formula, ...] = get_args(Formula)


def sigmoid(
    logits: ArrayLike, formula: Formula, dtype: str | Format, *, short: bool = False
) -> Floats:
    """Evaluate a sigmoid formula in a dtype, bit for bit as torch or NumPy does.

    ``torch.sigmoid`` has two routines that may differ in the last bit: a vector kernel, and a
    scalar one for arrays of fewer than 32 values and for strided ones. ``short`` takes the latter,
    up to float32; in float64 it is the C library's own, which is not reproduced here.

    ``logits`` have any shape and are rounded to ``dtype`` first. Returns scores of the same
    shape, in ``dtype``. NaN gives NaN; plus infinity gives 1.0; minus infinity gives 0.0 where the
    dtype has infinities, and NaN in ``float8_e4m3fn``. Unknown names raise
    :class:`~analysis.errors.InputError`.
    """
    if formula not in FORMULAS:
        raise InputError(
            f"unknown sigmoid formula {formula!r}",
            f"choose one of {', '.join(FORMULAS)}",
            field="formula",
        )
    number_format = format_of(dtype)
    rounded = np.atleast_1d(number_format.round(logits))
    scores = _stepwise(rounded) if formula == "stepwise" else _fused(rounded, number_format, short)
    return scores.reshape(np.shape(logits))


def _stepwise(logits: Floats) -> Floats:
    """Evaluate ``1 / (1 + exp(-x))`` on a 1-d array, where NumPy keeps float16 at every step."""
    one = np.ones(1, dtype=logits.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return one / (one + np.exp(-logits))


def _fused(logits: Floats, number_format: Format, short: bool) -> Floats:
    """Evaluate ``torch.sigmoid``: wide types in themselves, narrow ones through float32."""
    wide = logits if number_format.bits >= 32 else logits.astype(np.float32)
    if number_format.bits > 32:
        return vector_sigmoid(wide)
    return number_format.round(scalar_sigmoid(wide) if short else vector_sigmoid(wide))


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
