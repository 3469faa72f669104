"""What is a number, and what stands there in place of one."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_files import refused

from analysis.errors import InputError, Place
from analysis.numerals import finite_number, grade_of, numeral, wrapper

HERE = Place("f.csv", 3, "score")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.5", 0.5),
        (" 1e-3\t", 0.001),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0.0),
        ("np.float32(0.99951)", 0.99951),
        ("numpy.float64(1e-05)", 1e-5),
        ("np.int64(3)", 3.0),
        (3, 3.0),
        (0.1, 0.1),
        (np.float16(0.5), 0.5),
        (Decimal("0.25"), 0.25),
    ],
)
def test_numbers(value, number) -> None:
    assert finite_number(value, HERE) == number


IN_PLACE = [
    ("tensor(0.9995)", "torch tensor", "score.item()"),
    ("tensor([0.99, 0.01], device='cuda:0')", "torch tensor", "score.item()"),
    ("98.5%", "percentage", "share of 1"),
    ("98,5 %", "percentage", "share of 1"),
    ("0,9995", "decimal comma", "a point"),
    ("1,234.5", "separators", "leave the separators out"),
    ("1_000", "underscores", "leave the underscores out"),
    ("0.1_2", "underscores", "leave the underscores out"),
    ("[0.1, 0.9]", "a pair of numbers", "(no, yes)"),
    ("(0.1, 0.9)", "a pair of numbers", "(no, yes)"),
    ("array([0.1, 0.9], dtype=float32)", "a list", "one number"),
    ("[0.99]", "a list", "one number"),
    ("[0.1, 0.2, 0.7]", "a list", "one number"),
    ("[[0.98 1.0]\n [.5 1e-05]]", "a list", "one number"),
    ("array([[0.98]], dtype=float32)", "a list", "one number"),
    ("[np.float32(0.1), np.float32(0.9)]", "a pair of numbers", "(no, yes)"),
    ("[nan, -inf, 0.5]", "a list", "one number"),
    ("[]", "a list", "one number"),
    ("[bold red]markup[/]", "'[bold red]markup[/]' is not a finite number but a text", "write"),
    ("[yes, no]", "a text", "write the number"),
    ("(1", "a text", "write the number"),
    ("{'score': 0.5}", "an object", "its score"),
    ("7/10", "a fraction", "quotient"),
    ("Decimal('0.5')", "print of a Decimal", "str(score)"),
    ("0x1p-3", "hexadecimal", "decimal digits"),
    ("", "an empty cell", "leave the row out"),
    ("None", "a missing value", "leave the row out"),
    ("True", "a truth value", "the score"),
    ("hoch", "a text", "write the number"),
    ("٣", "a text", "write the number"),
    ("1e999", "larger than any float64", "where it comes from"),
    ([0.1, 0.9], "a pair of numbers", "(no, yes)"),
    ((0.1, 0.9), "a pair of numbers", "(no, yes)"),
    (np.array([0.1, 0.9]), "a pair of numbers", "(no, yes)"),
    (np.array([0.1]), "a list", "one number"),
    ([], "a list", "one number"),
    ({"score": 1}, "an object", "its score"),
    (True, "a truth value", "the score"),
    (np.True_, "a truth value", "the score"),
]


@pytest.mark.parametrize(("value", "what", "remedy"), IN_PLACE, ids=str)
def test_what_stands_in_place_of_a_number_is_named_with_fitting_advice(value, what, remedy) -> None:
    error = refused(finite_number, value, HERE)
    assert "is not a finite number" in error.problem
    assert what in error.problem
    assert remedy in error.remedy
    assert "NaN" not in error.remedy


def test_a_long_text_that_begins_like_a_list_is_looked_at_once() -> None:
    assert "but a text" in refused(finite_number, "[" + "11.5 " * 100_000 + "x]", HERE).problem


@pytest.mark.parametrize("value", ["nan", "NaN", "-inf", "Infinity", None, float("nan"), pd.NA])
def test_nan_is_a_matter_of_the_engines_dtype(value) -> None:
    assert "bfloat16 or float32" in refused(finite_number, value, HERE).remedy


def test_a_torch_tensor_is_named() -> None:
    Tensor = type("Tensor", (), {"__repr__": lambda _: "tensor(0.5)"})  # noqa: N806
    assert "a torch tensor" in refused(finite_number, Tensor(), HERE).problem


def test_digits_of_a_pair_are_shown_as_numbers() -> None:
    pair = [Decimal("0.9290498495101929"), Decimal("0.1")]
    assert refused(finite_number, pair, HERE).problem.startswith("[0.9290498495101929, 0.1] is not")


def test_a_list_may_hold_a_whole_number_beyond_float64() -> None:
    assert "but a list" in refused(finite_number, [10**400], HERE).problem


def test_wrappers_are_taken_off() -> None:
    assert numeral(" np.float32(0.5000) ") == "0.5000"
    assert numeral(Decimal("0.50")) == "0.50"
    assert wrapper("np.float32(0.5)") == "np.float32"
    assert [wrapper(value) for value in ("0.5", 0.5, "tensor(0.5)")] == [None] * 3


@pytest.mark.parametrize(
    ("text", "grade"), [("3", 3), ("2.0", 2), ("-1", -1), ("+1", 1), ("0.5", 0.5), ("1.", 1)]
)
def test_grades(text, grade) -> None:
    assert grade_of(text) == grade
    assert type(grade_of(text)) is type(grade)


@pytest.mark.parametrize("text", ["", "1e0", "nan", "1_0", "0,5", "x", "1" * 19, ".5"])
def test_texts_that_are_no_grades_stay_texts(text) -> None:
    assert grade_of(text) == text


ANYTHING = (
    st.text()
    | st.floats()
    | st.integers(-(10**400), 10**400)
    | st.decimals()
    | st.complex_numbers()
    | st.lists(st.floats(), max_size=3)
    | st.binary()
    | st.from_regex(r"[-+0-9_.,eE%/()\[\] ]{0,12}", fullmatch=True)
)


@given(ANYTHING)
def test_anything_is_a_number_or_one_error(value) -> None:
    with suppress(InputError):
        assert np.isfinite(finite_number(value, HERE))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_comes_back_from_its_print(number: float) -> None:
    for text in (repr(number), f"{number:.17g}", repr(np.float64(number))):
        assert finite_number(text, HERE) == number
