"""Judgements in every form that people keep them in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_files import refused, write

from analysis.errors import InputError
from analysis.readers import read_qrels

FORMS = {
    "q.qrels": ("q1 0 d1 2", "q1\t0\td2\t-1", "", "q2 0 d1 0.5"),
    "trec_with_comments.txt": (
        "# qrels of the pilot, graded by two people",
        "q1 0 d1 2",
        "#",
        "#made by hand",
        "q1 0 d2 0",
        "q2 0 d1 0.5",
    ),
    "beir.tsv": ("query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0", "q2\td1\t0.5"),
    "mteb.jsonl": (
        {"query-id": "q1", "corpus-id": "d1", "score": 2},
        {"query-id": "q1", "corpus-id": "d2", "score": -2.0},
        {"query-id": "q2", "corpus-id": "d1", "score": 0.5},
    ),
    "ours.jsonl": (
        {"query_id": "q1", "passage_id": "d1", "grade": 2},
        {"qid": "q1", "docno": "d2", "label": 0, "docid": 7},
        {"query_id": "q2", "passage_id": "d1", "grade": "0.5"},
    ),
    "ranx.json": ({"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 0.5}},),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same(tmp_path: Path, name: str) -> None:
    rows = read_qrels(write(tmp_path / name, *FORMS[name])).to_numpy().tolist()
    assert rows == [["q1", "d1", 2], ["q1", "d2", 0], ["q2", "d1", 0.5]]


def test_an_id_may_begin_with_a_hash(tmp_path: Path) -> None:
    rows = read_qrels(write(tmp_path / "q", "#1 0 #2 3", "# note", "1#0 0 d 1"))
    assert rows["query_id"].tolist() == ["#1", "1#0"]


@pytest.mark.parametrize(
    ("name", "lines", "line", "field", "problem"),
    [
        ("a.jsonl", [{"query-id": "q", "corpus-id": "d"}], 1, "score", "missing"),
        ("a.jsonl", [{"query-id": "q", "score": 1}], 1, "corpus-id", "missing"),
        ("a.jsonl", [{"qid": "q", "docno": "d", "label": None}], 1, "grade", "missing"),
        ("a.jsonl", [{"qid": "q", "docno": "d", "label": "1_0"}], 1, "grade", "'1_0' is not a"),
        ("a.jsonl", [{"qid": None, "docno": "d", "label": 1}], 1, "qid", "not an id"),
        ("a.jsonl", [{"qid": 1, "docno": 2, "label": 1}] * 2, 2, "grade", "line 1 and again"),
        ("a.jsonl", ['{"qid": 1, "qid": 2}'], 1, None, "'qid' stands twice"),
        ("a.json", [{"q": {"d": 101}}], None, "grade", "outside"),
        ("a.json", [{"q": 1}], None, None, "no judgements"),
        ("a.json", [[1]], None, None, "no judgements"),
        ("a.json", [{"": {"d": 1}}], None, None, "not an id"),
        ("a.tsv", ["query-id\tcorpus-id\tscore", "q\td"], 2, None, "2 columns instead of 3"),
        ("a.txt", ["q 0 d 1", "q 0 e"], 2, None, "3 columns instead of 4"),
        ("a.txt", ["# nothing else"], None, None, "there is no line"),
    ],
)
def test_bad_judgements_are_refused(tmp_path: Path, name, lines, line, field, problem) -> None:
    error = refused(read_qrels, write(tmp_path / name, *lines))
    assert (error.file, error.line, error.field) == (tmp_path / name, line, field)
    assert problem in error.problem


@given(
    st.text(max_size=60) | st.from_regex(r"([q#] 0 d[0-9] [-0-9._]{1,4}\n){0,3}", fullmatch=True)
)
def test_any_text_gives_judgements_or_one_error(tmp_path_factory, text: str) -> None:
    for suffix in ("txt", "tsv", "json", "jsonl"):
        file = tmp_path_factory.getbasetemp() / f"qrels.{suffix}"
        file.write_bytes(text.encode("utf-8", "replace"))
        with suppress(InputError):
            assert (read_qrels(file)["grade"] >= 0).all()
