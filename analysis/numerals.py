"""Numerals: numbers as files and frames spell them, and what may stand there in place of one.

A numeral has ASCII digits, perhaps a point and an exponent. What Python would take besides
(``1_000``, ``nan``, Arabic digits) is none. NumPy's ``np.float32(0.9995)`` is one in a wrapper: its
digits are those that give the number back exactly, so it is read.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Real

import numpy as np

from analysis.errors import Place, quoted

_NUMERAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ITEM_OF_LIST = (
    r"(?:(?:np|numpy)\.[a-z]+[0-9]+\()?"
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?|nan|inf)"
)
_LIST = (
    rf"(?:array\()?[\[(][\s\[(]*(?:{_ITEM_OF_LIST}(?:[\s,\[\]()]+{_ITEM_OF_LIST})*)?[\s,\])]*"
    r"(?:dtype=\w+\)+)?(?<=[\])])"
)
_GRADE = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?")
_WRAPPED = re.compile(r"((?:np|numpy)\.(?:float|u?int)[0-9]+)\((.*)\)")

_WRITE = "write the number"
_GAVE_NAN = f"{_WRITE}; an engine that gave NaN should be run in bfloat16 or float32"
_TWO_LABELS = (
    "a pair of numbers",
    "a model with two labels gives (no, yes): write the score of the relevant one, by rule the "
    "second",
)
_ITEM = "write score.item(): a print has four digits, the number has them all"
_IN_PLACE = (
    (r"", "an empty cell", f"{_WRITE}, or leave the row out"),
    (r"[+-]?(?:nan|inf|infinity)", "", _GAVE_NAN),
    (r"null|none|n/?a|-", "a missing value", f"{_WRITE}, or leave the row out"),
    (r"true|false", "a truth value", "write the score that it was made of"),
    (r"tensor\(.*\)", "the print of a torch tensor", _ITEM),
    (rf"(?:array\()?[\[(]{_ITEM_OF_LIST}\)?, *{_ITEM_OF_LIST}[)\]]+", *_TWO_LABELS),
    (_LIST, "a list", "write one number a row"),
    (r"\{.*\}", "an object", "write its score alone"),
    (r".*[0-9] *[%‰]", "a percentage", "write it as a share of 1, with all its digits"),
    (r"[+-]?[0-9]*,[0-9]+", "one with a decimal comma", "write a point for the comma"),
    (
        r"[+-]?[0-9]+(?:[,.' ’][0-9]{3})+(?:[.,][0-9]+)?",
        "one with separators",
        "leave the separators out",
    ),
    (r"[+-]?[0-9][0-9_.e+-]*", "one with underscores", "leave the underscores out"),
    (r"[+-]?[0-9.]+ *(?:/|of) *[0-9.]+", "a fraction", "write the quotient"),
    (r"decimal\(.*\)", "the print of a Decimal", "write str(score)"),
    (r"0x.*", "one in hexadecimal digits", "write it in decimal digits"),
)
_KINDS = tuple((re.compile(pattern, re.I | re.S), *said) for pattern, *said in _IN_PLACE)


def finite_number(value: object, place: Place) -> float:
    """Give the float64 nearest to a number or its numeral; it must be there and finite.

    Raises :class:`InputError` that names what stands there in its place.
    """
    number = _number(value)
    if number is None or not math.isfinite(number):
        what, remedy = _in_place(value, number)
        said = f" but {what}" if what else ""
        raise place.error(f"{_shown(value)} is not a finite number{said}", remedy)
    return number


def numeral(value: object) -> str:
    """Spelling of a number, without blanks around it and out of NumPy's wrapper."""
    text = str(value).strip(" \t")
    match = _WRAPPED.fullmatch(text)
    return match[2] if match else text


def wrapper(value: object) -> str | None:
    """NumPy's type that wraps a numeral, such as ``np.float32``; None if there is none."""
    match = _WRAPPED.fullmatch(value.strip(" \t")) if isinstance(value, str) else None
    return match[1] if match else None


def grade_of(text: str) -> int | float | str:
    """Give the grade that ``text`` spells, or ``text`` itself, which no check accepts."""
    if not _GRADE.fullmatch(text):
        return text
    number = float(text)
    return int(number) if number.is_integer() else number


def _number(value: object) -> float | None:
    if isinstance(value, str):
        text = numeral(value)
        return float(text) if _NUMERAL.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
    except ValueError:  # a signalling NaN
        return math.nan


def _in_place(value: object, number: float | None) -> tuple[str, str]:
    """What stands in place of a number, and what to do about it."""
    if isinstance(value, str):
        if number is not None:
            return "larger than any float64", "check where it comes from"
        text = value.strip(" \t")
        kinds = ((what, remedy) for kind, what, remedy in _KINDS if kind.fullmatch(text))
        return next(kinds, ("a text", _WRITE))
    if isinstance(value, list | tuple | np.ndarray):
        size = np.size(value) if isinstance(value, np.ndarray) else len(value)
        return _TWO_LABELS if size == 2 else ("a list", "write one number a row")
    if isinstance(value, bool | np.bool_):
        return "a truth value", "write the score that it was made of"
    if isinstance(value, dict):
        return "an object", "write its score alone"
    if type(value).__name__ == "Tensor":
        return "a torch tensor", "give score.item()"
    return "", _GAVE_NAN


def _shown(value: object) -> str:
    """Spell a value for a sentence."""
    if value is None:
        return "null"
    return quoted(str(value) if isinstance(value, str | Real | Decimal) else value)
