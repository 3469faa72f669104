from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_files import refused

from analysis.datasets import (
    LARGEST_GRADE,
    RerankingSet,
    as_grade,
    as_id,
    as_text,
    from_pairs,
)
from analysis.errors import Place

HERE = Place("f.jsonl", 3, "x")


def frame(*rows: tuple) -> pd.DataFrame:
    names = ["query_id", "passage_id", "grade", "query", "passage"]
    return pd.DataFrame(list(rows), columns=names, dtype=object)


def small(name: str = "klein", grade: object = 3, without: tuple = ()) -> RerankingSet:
    rows = [
        ("q1", "p1", grade, "Wie?", "So."),
        ("q1", "p2", 0, "Wie?", ""),
        ("q2", "p1", 1, "W", "x"),
    ]
    return from_pairs(name, frame(*rows), without)


def test_frame_has_the_documented_columns_and_dtypes() -> None:
    pairs = small().pairs
    assert list(pairs) == ["query_id", "passage_id", "grade", "query", "passage"]
    assert pairs["grade"].dtype == "Int64"
    assert all(pairs[name].dtype == "str" for name in pairs if name != "grade")
    assert pairs["passage_id"].tolist() == ["p1", "p2", "p1"]
    assert list(pairs.index) == [0, 1, 2]


def test_counts_include_queries_without_candidates() -> None:
    ours = small(without=("q3",))
    assert (ours.n_queries, ours.n_pairs, ours.queries_without_candidates) == (3, 3, ("q3",))


def test_other_columns_index_and_order_of_columns_do_not_matter() -> None:
    pairs = small().pairs.assign(domain="Recht").set_axis([7, 7, 7])
    assert from_pairs("x", pairs[sorted(pairs)]).sha256 == small().sha256


def test_the_callers_frame_is_left_alone() -> None:
    pairs = frame((1, 2, 3.0, "W", "x"))
    before = pairs.copy()
    from_pairs("x", pairs)
    pd.testing.assert_frame_equal(pairs, before)


def test_a_set_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        small().name = "anders"


def test_integer_columns_are_ids_and_grades() -> None:
    pairs = pd.DataFrame(
        {"query_id": [7], "passage_id": [12], "grade": [2], "query": "W", "passage": "x"}
    )
    row = from_pairs("x", pairs).pairs.iloc[0]
    assert (row.query_id, row.passage_id, row.grade) == ("7", "12", 2)


@pytest.mark.parametrize("value", [0, 7, 10**20, np.int64(7)])
def test_a_whole_number_is_an_id(value: int) -> None:
    assert as_id(value, HERE) == str(value)


@pytest.mark.parametrize("value", ["q1", "07", " q", "ä-1", "nan"])
def test_a_string_is_an_id_as_it_is(value: str) -> None:
    assert as_id(value, HERE) == value


@pytest.mark.parametrize(
    "value", ["", " \t", None, float("nan"), pd.NA, 1.0, True, np.True_, [], {}]
)
def test_other_ids_are_refused(value: object) -> None:
    error = refused(as_id, value, HERE)
    assert (error.file, error.line, error.field) == ("f.jsonl", 3, "x")
    assert repr(value) in error.problem


@pytest.mark.parametrize("value", [None, float("nan"), 3, pd.NA, ["a"], b"a"])
def test_only_strings_are_texts(value: object) -> None:
    assert "not a text" in refused(as_text, value, HERE).problem


def test_half_a_surrogate_pair_is_refused_with_its_place() -> None:
    assert "character 3" in refused(as_text, "ab\ud83d", HERE).problem
    assert "surrogate" in refused(as_id, "\udc00", HERE).problem


@pytest.mark.parametrize(
    ("value", "grade"), [(0, 0), (3, 3), (2.0, 2), (np.int8(1), 1), (LARGEST_GRADE, LARGEST_GRADE)]
)
def test_whole_numbers_are_grades(value: object, grade: int) -> None:
    assert as_grade(value, HERE) == grade
    assert type(as_grade(value, HERE)) is int


def test_grades_may_have_fractions() -> None:
    assert [as_grade(value, HERE) for value in (0.5, np.float32(2.5), 99.9)] == [0.5, 2.5, 99.9]
    assert as_grade(-0.5, HERE, negatives_as_zero=True) == 0
    ours = small(grade=0.5)
    assert ours.pairs["grade"].dtype == "Float64"
    assert from_pairs("x", ours.pairs).sha256 == ours.sha256 != small().sha256
    whole = from_pairs("x", small().pairs.astype({"grade": "Float64"}))
    assert (whole.pairs["grade"].dtype, whole.sha256) == ("Int64", small().sha256)


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), pd.NA])
def test_a_missing_grade_is_none(value: object) -> None:
    assert as_grade(value, HERE) is None


@pytest.mark.parametrize("value", [True, False, np.True_, float("inf"), "3", "", [3]])
def test_other_grades_are_refused(value: object) -> None:
    assert "not a grade" in refused(as_grade, value, HERE).problem


@pytest.mark.parametrize("value", [-1, -2.0, LARGEST_GRADE + 1, 10**400])
def test_grades_outside_the_range_are_refused(value: object) -> None:
    assert "outside" in refused(as_grade, value, HERE).problem


def test_negative_judgements_of_qrels_are_zero() -> None:
    assert [as_grade(value, HERE, negatives_as_zero=True) for value in (-2, -1, 0, 4)] == [
        0,
        0,
        0,
        4,
    ]
    assert "outside" in refused(as_grade, 101, HERE, negatives_as_zero=True).problem


@given(st.integers(0, LARGEST_GRADE), st.sampled_from([int, float, np.int64, np.float64]))
def test_every_grade_survives_every_number_type(grade: int, kind: type) -> None:
    assert as_grade(kind(grade), HERE) == grade


@pytest.mark.parametrize("column", ["query_id", "passage_id", "query", "passage"])
def test_a_missing_column_is_named(column: str) -> None:
    assert column in refused(from_pairs, "x", small().pairs.drop(columns=column)).problem


def test_no_pairs_are_refused() -> None:
    assert "no (query, passage) pair" in refused(from_pairs, "x", small().pairs.iloc[:0]).problem


def test_without_lines_an_error_names_the_row() -> None:
    error = refused(from_pairs, "x", frame(("q", "p", 1, "W", "x"), ("q", "r", "zwei", "W", "y")))
    assert (error.file, error.line, error.field) == (None, None, "row 1, grade")


def test_with_lines_an_error_names_file_and_line() -> None:
    pairs = frame(("q", "p", 1, "W", "x"), ("q", None, 1, "W", "y"))
    error = refused(from_pairs, "x", pairs, file="a.csv", lines=[2, 5])
    assert str(error).startswith("a.csv:5: passage_id: None is not an id. ")


def test_duplicates_name_both_rows() -> None:
    pairs = frame(("q", "a", 1, "W", "x"), ("q", "p", 1, "W", "x"), ("q", "p", 1, "W", "x"))
    assert "row 1 and again on row 2" in refused(from_pairs, "x", pairs).problem
    error = refused(from_pairs, "x", pairs, file="a.csv", lines=[2, 4, 9])
    assert (error.line, error.field) == (9, "passage_id")
    assert "line 4 and again on line 9" in error.problem


def test_an_id_as_number_and_as_string_is_one_id() -> None:
    pairs = frame(("q", 1, 1, "W", "x"), ("q", "1", 1, "W", "x"))
    assert "'1'" in refused(from_pairs, "x", pairs).problem


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "\u00a0"])
def test_an_empty_query_is_refused(text: str) -> None:
    error = refused(from_pairs, "x", frame(("q", "p", 1, "W", "x"), ("r", "p", 1, text, "x")))
    assert error.field == "row 1, query"
    assert "'r' is empty" in error.problem


def test_two_texts_of_one_query_are_refused() -> None:
    pairs = frame(("q", "p", 1, "W", "x"), ("r", "p", 1, "V", "x"), ("r", "s", 1, "U", "x"))
    error = refused(from_pairs, "x", pairs, file="f", lines=[2, 3, 4])
    assert (error.line, error.field) == (4, "query")
    assert "another text on line 3" in error.problem


def test_a_passage_id_may_have_another_text_under_another_query() -> None:
    assert small().pairs.query("passage_id == 'p1'")["passage"].tolist() == ["So.", "x"]


def test_an_empty_passage_is_kept() -> None:
    assert small().pairs["passage"][1] == ""


@pytest.mark.parametrize("without", [("q1",), ("q9", "q9")])
def test_a_query_without_candidates_is_named_once(without: tuple) -> None:
    assert repr(without[0]) in refused(small, without=without).problem


def test_grades_known() -> None:
    assert small().has_grades


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan")])
def test_missing_grades_are_kept(missing: object) -> None:
    ours = small(grade=missing)
    assert ours.pairs["grade"].isna().tolist() == [True, False, False]
    assert not ours.has_grades


def test_a_set_without_a_grade_column_has_no_grades() -> None:
    ours = from_pairs("x", small().pairs.drop(columns="grade"))
    assert ours.pairs["grade"].dtype == "Int64"
    assert ours.pairs["grade"].isna().all()


def test_hash_depends_on_the_content_alone() -> None:
    assert small().sha256 == small("anders").sha256
    assert len(small().sha256) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0, "query_id", "q0"),
        (0, "passage_id", "p0"),
        (0, "grade", 2),
        (0, "grade", pd.NA),
        (2, "query", "Wo?"),
        (0, "passage", "So. "),
    ],
)
def test_hash_depends_on_every_value(row: int, column: str, value: object) -> None:
    pairs = small().pairs.copy()
    pairs.loc[row, column] = value
    assert from_pairs("klein", pairs).sha256 != small().sha256


def test_hash_depends_on_order_and_on_queries_without_candidates() -> None:
    hashes = {
        small().sha256,
        from_pairs("x", small().pairs[::-1]).sha256,
        small(without=("q3",)).sha256,
        small(without=("q3", "q4")).sha256,
    }
    assert len(hashes) == 4


def test_hash_does_not_run_fields_together() -> None:
    one = from_pairs("x", frame(("q", "p", 1, "ab", "c")))
    assert one.sha256 != from_pairs("x", frame(("q", "p", 1, "a", "bc"))).sha256


def test_text_of_a_query() -> None:
    assert [small().query_text(query_id) for query_id in ("q1", "q2")] == ["Wie?", "W"]
