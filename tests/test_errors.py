"""The one exception: place, problem and remedy as sentences."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from analysis import sinks
from analysis.errors import InputError, Place, counted, every, quoted, twice


def test_input_error_is_the_one_exception():
    error = Place("f.jsonl", 3, "x").error("bad", "mend it")
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)
    assert str(error) == "f.jsonl:3: x: bad. Mend it."
    assert (error.problem, error.remedy) == ("bad", "mend it")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({}, "It is bad. Mend it."),
        ({"file": "f"}, "f: it is bad. Mend it."),
        ({"file": "f", "line": 2}, "f:2: it is bad. Mend it."),
        ({"field": "x"}, "x: it is bad. Mend it."),
        ({"file": "f", "field": "x"}, "f: x: it is bad. Mend it."),
    ],
)
def test_the_place_comes_first_and_sentences_follow(place, message):
    assert str(InputError("it is bad", "mend it", **place)) == message


@pytest.mark.parametrize(
    "remedy",
    ["ir-datasets is needed", "ir_datasets lists them", "'q' is empty", "nDCG@3", "2 rows"],
)
def test_names_quotes_and_numbers_are_left_as_they_are(remedy):
    assert str(InputError(remedy, remedy)) == f"{remedy}. {remedy}."


def test_what_steers_a_terminal_is_replaced_and_words_stay():
    steering = "\x1b\r\x07\u202e\ud800\n"
    assert sinks.terminal(steering) == "\ufffd" * len(steering)
    assert sinks.terminal("a\nb\x1b", lines=True) == "a\nb\ufffd"
    assert sinks.terminal("Öl 👩\u200d🌾") == "Öl 👩\u200d🌾"
    error = InputError("bad \x1b[2K", "mend it", file="a\x1b]0;title\x07")
    assert str(error) == "a\ufffd]0;title\ufffd: bad \ufffd[2K. Mend it."


def test_counts_agree_with_their_nouns():
    assert [counted(n, "row") for n in (0, 1, 2, 1000)] == [
        "0 rows",
        "1 row",
        "2 rows",
        "1,000 rows",
    ]
    assert [counted(n, "query", "queries") for n in (1, 2)] == ["1 query", "2 queries"]


def test_one_both_and_all():
    assert [every(n, "score") for n in (1, 2, 3000)] == [
        "the one score",
        "both scores",
        "all 3,000 scores",
    ]


def test_what_stands_twice_on_one_line_is_said_to():
    assert twice("line 1", "line 3") == "on line 1 and again on line 3"
    assert twice("line 1", "line 1") == "twice on line 1"


def test_numbers_are_quoted_with_their_digits_and_texts_as_they_are():
    said = [quoted(value) for value in (Decimal("0.50"), 0.5, "Decimal('0.50')")]
    assert said == ["0.50", "0.5", "\"Decimal('0.50')\""]
    assert quoted({"q": [["p", Decimal("0.50")]]}) == "{'q': [['p', 0.50]]}"


@pytest.mark.parametrize("value", [[1] * 10**4, dict.fromkeys(range(10**4)), "x" * 10**4], ids=type)
def test_of_a_long_value_80_characters_are_quoted(value):
    assert quoted(value) == f"{repr(value)[:79]}…"


def test_a_field_inside_a_place():
    assert Place("f", 1).inside("x").inside("y") == Place("f", 1, "x.y")


def test_an_error_of_another_process_is_the_same():
    error = InputError("it is wrong", "mend it", file="a.jsonl", line=3, field="query")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert vars(again) == vars(error)
