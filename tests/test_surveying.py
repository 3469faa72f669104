"""What is said of a set before anything is scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.datasets import COLUMNS, RerankingSet, from_pairs
from analysis.surveying import Lengths, survey, without_relevant


def set_of(*rows: tuple, **options) -> RerankingSet:
    return from_pairs("made", pd.DataFrame(rows, columns=COLUMNS, dtype=object), **options)


def said(candidates: RerankingSet, lengths: Lengths | None = None) -> dict[str, str]:
    """Lines by what stands before their first colon."""
    lines = (line.partition(": ") for line in survey(candidates, lengths))
    return {name: rest for name, _, rest in lines}


PLAIN = set_of(("q", "a", 1, "wo", "Wald"), ("q", "b", 0, "wo", "Zug"), ("r", "a", 2, "wer", "Rad"))


def test_a_plain_set_has_counts_and_no_duplicates():
    assert said(PLAIN) == {
        "made": "2 queries, 3 pairs, all graded",
        "candidates per query": "1 to 2 (median 2)",
        "grades": "0 (1×), 1 (1×), 2 (1×)",
        "duplicates": "none",
    }


def test_missing_grades_are_counted_and_many_make_a_range():
    rows = [("q", str(n), n / 2, "wo", str(n)) for n in range(40)]
    found = said(set_of(*rows, ("q", "x", None, "wo", "x")))
    assert found["grades"] == "0 to 19.5, 40 different ones, missing (1×)"
    assert found["made"].endswith("not all graded")
    ungraded = said(set_of(("q", "x", None, "wo", "x")))
    assert (ungraded["grades"], ungraded["made"].split(", ")[-1]) == ("missing (1×)", "not graded")


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (3, "1 to 3 (median 2); no pair is cut at 3 tokens"),
        (2, "1 to 3 (median 2); 1 pair (33.3%) will be cut at 2 tokens"),
    ],
)
def test_what_is_longer_than_the_limit_is_cut(limit, says):
    lengths = Lengths("tiny", np.array([1, 3, 2]), limit)
    assert said(PLAIN, lengths)["tokens per pair (tiny)"] == says


def test_the_same_text_under_two_ids_is_a_duplicate():
    found = list(survey(set_of(("q", "a", 1, "wo", "Wald"), ("q", "b", 1, "wo", "Wald"))))
    (line,) = (line for line in found if line.startswith("duplicates"))
    assert line.startswith("duplicates: 1 text under several ids of one query")
    assert line.endswith("(the first: 'a' and 'b' of query 'q')")
    other = set_of(("q", "a", 1, "wo", "Wald"), ("r", "b", 1, "wer", "Wald"))
    assert said(other)["duplicates"] == "none"


def test_the_same_query_under_two_ids_is_a_duplicate():
    twice = set_of(("q", "a", 1, "wo", "Wald"), ("r", "b", 1, "wo", "Zug"))
    assert said(twice)["duplicates"] == ("1 query text under several ids (the first: 'q' and 'r')")


def test_queries_without_a_relevant_passage_are_named_only_if_their_grades_are_known():
    rows = [
        ("q", "a", 0, "wo", "Wald"),
        ("r", "a", 0, "wer", "Zug"),
        ("r", "b", None, "wer", "Rad"),
    ]
    assert without_relevant(set_of(*rows).pairs) == ["q"]
    assert "1 query with no grade above 0 (the first: 'q')" in list(survey(set_of(*rows)))


def test_empty_passages_are_counted():
    empty = set_of(("q", "a", 1, "wo", " "), ("q", "b", 1, "wo", ""))
    assert "2 passages without a text" in list(survey(empty))
