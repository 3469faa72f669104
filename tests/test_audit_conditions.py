"""Conditions of --fail-on: every name and operator against the counts."""

from __future__ import annotations

import pytest

from analysis.auditing.conditions import NAMES, parse
from analysis.auditing.findings import Counts
from analysis.errors import InputError

COUNTS = Counts(
    queries=3,
    scores=30,
    ones=4,
    zeros=2,
    tied=9,
    tied_in_top={3: 5, 10: 7},
    queries_with_tied_first=1,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("saturated", 6),
        ("ones", 4),
        ("zeros", 2),
        ("ties", 9),
        ("top3-ties", 5),
        ("top10-ties", 7),
        ("tied-first", 1),
    ],
)
def test_each_name_under_each_operator(name, value):
    for bound in (value - 1, value, value + 1):
        held = {
            op: parse(f"{name}{op}{bound}").holds(COUNTS) for op in (">", ">=", "<", "<=", "==")
        }
        assert held == {
            ">": value > bound,
            ">=": value >= bound,
            "<": value < bound,
            "<=": value <= bound,
            "==": value == bound,
        }
        assert parse(f"{name}>{bound}").value(COUNTS) == value


def test_blanks_do_not_matter_and_k_is_known():
    condition = parse("  top25-ties  >=  10 ")
    assert (str(condition), condition.k) == ("top25-ties>=10", 25)
    assert parse("saturated>0").k is None


@pytest.mark.parametrize(
    "text",
    ["", "saturated", "saturated>", ">0", "saturated>0.5", "saturated>-1", "saturated>5%",
     "top0-ties>0", "top-ties>0", "topten-ties>0", "Saturated>0", "saturated!=0",
     "saturated>0 and ones>0", "nothing>0"],
)  # fmt: skip
def test_what_is_no_condition_is_told_the_names(text):
    with pytest.raises(InputError, match="is no condition") as caught:
        parse(text)
    assert all(name in caught.value.remedy for name in NAMES)
