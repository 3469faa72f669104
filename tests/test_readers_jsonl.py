from __future__ import annotations

from pathlib import Path

import pytest
from reader_files import passage, query, refused, write

from analysis.readers import read_jsonl


def test_lists_of_unequal_length_and_of_one(tmp_path: Path) -> None:
    lines = (
        query("q1", *(passage(n, grade=n) for n in range(4))),
        query("q2", passage("x", grade=1)),
    )
    pairs = read_jsonl(write(tmp_path / "a.jsonl", *lines)).pairs
    assert pairs.groupby("query_id", sort=False).size().tolist() == [4, 1]


def test_a_query_without_candidates_is_listed(tmp_path: Path) -> None:
    lines = query("q0"), query("q1", passage("p")), query(7)
    ours = read_jsonl(write(tmp_path / "a.jsonl", *lines))
    assert ours.queries_without_candidates == ("q0", "7")
    assert (ours.n_queries, ours.n_pairs) == (3, 1)


def test_a_file_of_queries_without_candidates_is_refused(tmp_path: Path) -> None:
    error = refused(read_jsonl, write(tmp_path / "a.jsonl", query("q0"), query("q1")))
    assert "no (query, passage) pair" in error.problem
    assert error.file == tmp_path / "a.jsonl"


def test_missing_and_null_grades_are_unknown(tmp_path: Path) -> None:
    line = query("q", passage("a"), passage("b", grade=None), passage("c", grade=2.0))
    ours = read_jsonl(write(tmp_path / "a.jsonl", line))
    assert ours.pairs["grade"].isna().tolist() == [True, True, False]
    assert ours.pairs["grade"][2] == 2


def test_ids_that_are_numbers_become_strings(tmp_path: Path) -> None:
    ours = read_jsonl(write(tmp_path / "a.jsonl", query(7, passage(10**30))))
    assert ours.pairs[["query_id", "passage_id"]].to_numpy().tolist() == [["7", str(10**30)]]


def test_texts_are_kept_as_they_are(tmp_path: Path) -> None:
    text = "  Zeile\nund\u2028noch  eine\t\r\n"
    ours = read_jsonl(write(tmp_path / "a.jsonl", query("q", passage("p", text), text=" W ")))
    assert ours.pairs[["query", "passage"]].to_numpy().tolist() == [[" W ", text]]


def test_empty_passages_and_other_keys_are_allowed(tmp_path: Path) -> None:
    line = query("q", passage("p", "", source="x")) | {"domain": "Recht"}
    ours = read_jsonl(write(tmp_path / "a.jsonl", line))
    assert ours.pairs["passage"].tolist() == [""]
    assert "domain" not in ours.pairs


def test_a_passage_id_may_have_another_text_under_another_query(tmp_path: Path) -> None:
    lines = query("q1", passage("1", "a")), query("q2", passage("1", "b"))
    assert read_jsonl(write(tmp_path / "a.jsonl", *lines)).pairs["passage"].tolist() == ["a", "b"]


GOOD = query("q1", passage("p1"))


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ({"query": "W", "candidates": []}, "query_id", "missing"),
        ({"query_id": "q", "candidates": []}, "query", "missing"),
        ({"query_id": "q", "query": "W"}, "candidates", "missing"),
        (query("q", {"text": "x"}), "candidates[0].passage_id", "missing"),
        (query("q", passage("a"), {"passage_id": "p"}), "candidates[1].text", "missing"),
        (query("q", passage("a"), "p"), "candidates[1]", "not an object"),
        (query("q") | {"candidates": {"p": "x"}}, "candidates", "not a list"),
        (query("q") | {"candidates": None}, "candidates", "not a list"),
        (query("", passage("a")), "query_id", "not an id"),
        (query(None, passage("a")), "query_id", "not an id"),
        (query(True, passage("a")), "query_id", "not an id"),
        (query("q", passage(1.5)), "candidates[0].passage_id", "not an id"),
        (query("q", passage("a", None)), "candidates[0].text", "not a text"),
        (query("q", passage("a", "\ud83d")), "candidates[0].text", "surrogate"),
        (query("q", passage("a"), text=["W"]), "query", "not a text"),
        (query("q", passage("a"), text=" "), "query", "'q' is empty"),
        (query("q", passage("a", grade=[2])), "candidates[0].grade", "not a grade"),
        (query("q", passage("a", grade="3")), "candidates[0].grade", "not a grade"),
        (query("q", passage("a", grade=True)), "candidates[0].grade", "not a grade"),
        (query("q", passage("a", grade=-1)), "candidates[0].grade", "outside"),
        (query("q", passage("a", grade=101)), "candidates[0].grade", "outside"),
        (query("q", passage("a"), passage("a")), "passage_id", "'q' stands twice on line 3"),
        (query("q", passage(1), passage("1")), "passage_id", "'1' of query 'q'"),
        (query("q1", passage("b")), "query_id", "stands on line 1 and again on line 3"),
        ('{"query_id": NaN, "query": "W", "candidates": []}', None, "NaN is not JSON"),
        ('{"query_id": "q", "query": "W", "candi', None, "Unterminated string"),
        ('{"query_id": "q"', None, "invalid JSON (Expecting ',' delimiter: column"),
        ("query_id,query", None, "invalid JSON"),
        ("[" * 100_000, None, "invalid JSON (nested too deeply)"),
        ("1" * 5000, None, "a number is too long"),
        ("[]", None, "a JSON list, not an object"),
        ("null", None, "a JSON null, not an object"),
        ('{"query_id": "q", "query": "W", "query": "V"}', None, "'query' stands twice"),
        ('{"query_id": "q", "candidates": [{"text": "", "text": ""}]}', None, "twice"),
        ('{"query_id": 1_0}', None, "invalid JSON"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_line_and_field(tmp_path, line, field, problem) -> None:
    path = write(tmp_path / "a.jsonl", GOOD, "", line)
    error = refused(read_jsonl, path)
    assert (error.file, error.line, error.field) == (path, 3, field)
    assert problem in error.problem


def test_a_huge_value_does_not_flood_the_message(tmp_path: Path) -> None:
    line = query("q") | {"candidates": "x" * 10_000}
    assert len(refused(read_jsonl, write(tmp_path / "a.jsonl", line)).problem) < 200
