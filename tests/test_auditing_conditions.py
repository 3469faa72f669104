"""Conditions of --fail-on: every name and operator against the counts."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.auditing import Condition, audit
from analysis.errors import InputError


@pytest.fixture(scope="module")
def found():
    """Findings in three queries: 4 ones, 2 zeros, and groups of 2, 3 and 2 that tie."""
    queries = {
        "a": [1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05],
        "b": [1.0, 0.9, 0.8, 0.8, 0.8, 0.7, 0.6],
        "c": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0],
    }
    rows = [(q, f"p{n}", score) for q, scores in queries.items() for n, score in enumerate(scores)]
    return audit(scores=pd.DataFrame(rows, columns=["query_id", "passage_id", "score"]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("saturated", 6),
        ("ones", 4),
        ("zeros", 2),
        ("ties", 7),
        ("top2-ties", 2),
        ("top3-ties", 5),
        ("top10-ties", 5),
        ("top11-ties", 7),
        ("tied-first", 1),
    ],
)
def test_each_name_under_each_operator(found, name, value):
    for bound in (value - 1, value, value + 1):
        held = {op: found.holds(f"{name}{op}{bound}") for op in (">", ">=", "<", "<=", "==")}
        assert held == {
            ">": value > bound,
            ">=": value >= bound,
            "<": value < bound,
            "<=": value <= bound,
            "==": value == bound,
        }
        assert found.value(f"{name}>{bound}") == value


def test_blanks_do_not_matter_and_k_is_known():
    condition = Condition.of_text("  top25-ties  >=  10 ")
    assert (str(condition), condition.k) == ("top25-ties>=10", 25)
    assert Condition.of_text("saturated>0").k is None


@pytest.mark.parametrize(
    "text",
    ["", "saturated", "saturated>", ">0", "saturated>0.5", "saturated>-1", "saturated>5%",
     "top0-ties>0", "top-ties>0", "topten-ties>0", "Saturated>0", "saturated!=0",
     "saturated>0 and ones>0", "nothing>0"],
)  # fmt: skip
def test_what_is_no_condition_is_told_the_names(text):
    with pytest.raises(InputError, match="is no condition") as caught:
        Condition.of_text(text)
    names = ("saturated", "ones", "zeros", "ties", "tied-first", "topN-ties")
    assert all(name in caught.value.remedy for name in names)


def test_a_condition_is_taken_as_it_is_and_a_number_is_none():
    condition = Condition.of_text("saturated>0")
    assert Condition.of_text(condition) is condition
    with pytest.raises(InputError, match="5 is no condition"):
        Condition.of_text(5)


def test_what_is_no_text_is_no_condition(found):
    with pytest.raises(InputError):
        found.holds(5)
