"""BEIR folders and TREC files: candidates, judgements and texts joined by id."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from reader_files import refused, write

from analysis.datasets import RerankingSet
from analysis.readers import read_folder, read_trec

RUN = "q1 Q0 d2 1 0.9 tag", "q1\tQ0\td1\t2\t0.8\ttag", "q2 Q0 d1 1 -1e-3 tag"
QRELS = "q1 0 d1 2", "q1 0 d9 3", "q3 0 d1 1"
QUERIES = "q1\tWie?", "q2\tWo?", "q3\tWer?"
PASSAGES = "d1\teins", 'd2\t"zwei', "d3\tdrei"
FILES = {"a.run": RUN, "a.qrels": QRELS, "queries.tsv": QUERIES, "passages.tsv": PASSAGES}


def trec(folder: Path, qrels: bool = True, **changed: tuple) -> RerankingSet:
    """Read a set from FILES, with some of them (a_run=, queries_tsv=) written otherwise."""
    for name, lines in FILES.items():
        write(folder / name, *changed.get(name.replace(".", "_"), lines))
    return read_trec(
        folder / "a.run",
        folder / "a.qrels" if qrels else None,
        queries=folder / "queries.tsv",
        passages=folder / "passages.tsv",
    )


def beir_folder(folder: Path, *qrels: str) -> Path:
    documents = (
        {"_id": "d1", "title": "Kopf", "text": "eins", "metadata": {}},
        {"_id": "d2", "title": "", "text": "zwei"},
        {"_id": 3, "text": ""},
    )
    write(folder / "corpus.jsonl", *documents)
    queries = ({"_id": query_id, "text": "Wie?"} for query_id in ("q1", "q2", "q-train"))
    write(folder / "queries.jsonl", *queries)
    rows = qrels or ("q2\td1\t1", "q1\t3\t-1", "q2\td2\t4")
    write(folder / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore", *rows)
    return folder


def rows(ours: RerankingSet) -> list[list]:
    table = ours.pairs[["query_id", "passage_id", "grade", "passage"]].astype(object)
    return table.where(table.notna(), None).to_numpy().tolist()


def test_negative_grades_are_counted_and_read_as_0(tmp_path: Path) -> None:
    ours = read_folder(beir_folder(tmp_path / "b"))
    assert ours.notes == ("1 negative grade counts as 0, not relevant",)
    ours = trec(tmp_path, a_qrels=("q1 0 d1 -1", "q1 0 d2 -2", "q2 0 d1 1"))
    assert ours.notes == ("2 negative grades count as 0, not relevant",)
    assert ours.pairs["grade"].tolist() == [0, 0, 1]
    assert trec(tmp_path, a_qrels=("q1 0 d1 1", "q1 0 d2 0")).notes == ()


def test_a_run_keeps_its_order_and_takes_grades_and_texts(tmp_path: Path) -> None:
    ours = trec(tmp_path)
    assert rows(ours) == [
        ["q1", "d2", 0, '"zwei'],  # not judged, but its query is: grade 0, as in trec_eval
        ["q1", "d1", 2, "eins"],
        ["q2", "d1", None, "eins"],  # nobody judged the query
    ]
    assert ours.queries_without_candidates == ("q3",)
    assert not ours.has_grades


def test_a_run_without_qrels_has_no_grades(tmp_path: Path) -> None:
    ours = trec(tmp_path, qrels=False)
    assert ours.pairs["grade"].isna().all()
    assert ours.queries_without_candidates == ("q3",)


def test_negative_judgements_are_zero_and_high_ones_kept(tmp_path: Path) -> None:
    ours = trec(tmp_path, a_qrels=("q1 0 d1 -2", "q1 0 d2 4", "q2 0 d1 -1"))
    assert ours.pairs["grade"].tolist() == [4, 0, 0]


def test_an_id_may_hold_a_no_break_space(tmp_path: Path) -> None:
    ours = trec(tmp_path, a_run=("q1 Q0 d\u00a01 1 1 x",), passages_tsv=("d\u00a01\teins",))
    assert ours.pairs["passage_id"].tolist() == ["d\u00a01"]


def test_texts_may_be_jsonl_or_gzip(tmp_path: Path) -> None:
    expected = trec(tmp_path)
    jsonl = [{"id": n, "text": "Wie?" if n == "q1" else "Wo?"} for n in ("q1", "q2")]
    packed = tmp_path / "p.tsv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "passages.tsv").read_bytes()))
    ours = read_trec(
        tmp_path / "a.run",
        tmp_path / "a.qrels",
        queries=write(tmp_path / "q.jsonl", *jsonl),
        passages=packed,
    )
    assert ours.sha256 == expected.sha256


def test_only_wanted_texts_must_be_unique(tmp_path: Path) -> None:
    ours = trec(tmp_path, passages_tsv=(*PASSAGES, "d3\tnoch einmal"))
    assert ours.n_pairs == 3


@pytest.mark.parametrize(
    ("changed", "file", "line", "field", "problem"),
    [
        ({"a_run": ("q1 Q0 d1 1 0.9",)}, "a.run", 1, None, "5 columns instead of 6"),
        ({"a_run": (*RUN, "q1 0 d1 1")}, "a.run", 4, None, "4 columns instead of 6"),
        (
            {"a_run": (*RUN, "q1 Q0 d3 1 nan x")},
            "a.run",
            4,
            "score",
            "'nan' is not a finite number",
        ),
        ({"a_run": (*RUN, "q1 Q0 d3 1 inf x")}, "a.run", 4, "score", "'inf'"),
        ({"a_run": (*RUN, "q1 Q0 d3 1 hoch x")}, "a.run", 4, "score", "'hoch'"),
        ({"a_run": (*RUN, "", RUN[1])}, "a.run", 5, "passage_id", "on line 2 and again on line 5"),
        ({"a_run": ()}, "a.run", None, None, "no (query, passage) pair"),
        ({"a_run": (*RUN, "q7 Q0 d1 1 1 x")}, "a.run", 4, "query_id", "'q7' has no text in"),
        ({"passages_tsv": PASSAGES[1:]}, "a.run", 2, "passage_id", "'d1' has no text in"),
        ({"passages_tsv": ()}, "a.run", 1, "passage_id", "and 1 other id has none"),
        ({"a_qrels": ("q1 0 d1",)}, "a.qrels", 1, None, "3 columns instead of 4"),
        (
            {"a_qrels": (*QRELS, "q1 0 d1 2")},
            "a.qrels",
            4,
            "grade",
            "on line 1 and again on line 4",
        ),
        ({"a_qrels": ("q1 0 d1 1,5",)}, "a.qrels", 1, "grade", "'1,5' is not a grade"),
        ({"a_qrels": ("q1 0 d1 1_0",)}, "a.qrels", 1, "grade", "'1_0' is not a grade"),
        ({"a_qrels": ("q1 0 d1 nan",)}, "a.qrels", 1, "grade", "'nan' is not a grade"),
        ({"a_qrels": ("q1 0 d1 ja",)}, "a.qrels", 1, "grade", "'ja' is not a grade"),
        ({"a_qrels": ("q1 0 d1 1000",)}, "a.qrels", 1, "grade", "outside"),
        ({"queries_tsv": ("q1\t ", "q2\tWo?")}, "a.run", 1, "query", "'q1' is empty"),
        (
            {"queries_tsv": (*QUERIES, "q1\tx")},
            "queries.tsv",
            4,
            "id",
            "line 1 and again on line 4",
        ),
        ({"queries_tsv": ("q1 Wie?",)}, "queries.tsv", 1, None, "1 cell instead of"),
        ({"passages_tsv": ("d1\ta\tb",)}, "passages.tsv", 1, None, "3 cells instead of"),
        ({"passages_tsv": ("\ttext",)}, "passages.tsv", 1, "id", "'' is not an id"),
        ({"passages_tsv": (*PASSAGES, "d1\tx")}, "passages.tsv", 4, "id", "'d1' stands on line 1"),
    ],
)
def test_bad_trec_files_are_refused(tmp_path, changed, file, line, field, problem) -> None:
    error = refused(trec, tmp_path, **changed)
    assert (error.file, error.line, error.field) == (tmp_path / file, line, field)
    assert problem in error.problem


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ({"text": "x"}, "_id", "missing"),
        ({"_id": "d1"}, "text", "missing"),
        ({"_id": None, "text": "x"}, "_id", "not an id"),
        ({"id": 1.5, "text": "x"}, "id", "not an id"),
        ({"_id": "d1", "text": None}, "text", "not a text"),
        ({"_id": "d1", "text": "x", "title": 3}, "title", "not a text"),
        ({"_id": "d2", "text": "x"}, "id", "on line 1 and again on line 2"),
        ("[]", None, "not an object"),
    ],
)
def test_bad_text_objects_are_refused(tmp_path, line, field, problem) -> None:
    path = write(tmp_path / "p.jsonl", {"_id": "d2", "text": "y"}, line)
    run, queries = write(tmp_path / "r", *RUN), write(tmp_path / "q.tsv", *QUERIES)
    error = refused(read_trec, run, queries=queries, passages=path)
    assert (error.file, error.line, error.field) == (path, 2, field)
    assert problem in error.problem


def test_an_unknown_kind_of_text_file_is_refused(tmp_path: Path) -> None:
    run, texts = write(tmp_path / "r", *RUN), write(tmp_path / "q.xml", "<x/>")
    error = refused(read_trec, run, queries=texts, passages=texts)
    assert (error.file, error.remedy) == (texts, "give one of .jsonl, .parquet, .tsv")


def test_a_missing_run_is_refused(tmp_path: Path) -> None:
    texts = write(tmp_path / "q.tsv", *QUERIES)
    assert refused(read_trec, tmp_path / "r", queries=texts, passages=texts).file == tmp_path / "r"


def test_beir_takes_the_judged_passages_in_the_order_of_the_qrels(tmp_path: Path) -> None:
    ours = read_folder(beir_folder(tmp_path / "b"))
    assert rows(ours) == [
        ["q2", "d1", 1, "Kopf eins"],
        ["q1", "3", 0, ""],
        ["q2", "d2", 4, "zwei"],
    ]
    assert (ours.name, ours.queries_without_candidates) == ("b/test", ())


def test_beir_takes_candidates_from_a_run(tmp_path: Path) -> None:
    run = write(tmp_path / "a.run", "q2 Q0 3 1 9 x", "q2 Q0 d1 2 8 x")
    ours = read_folder(beir_folder(tmp_path / "b"), run)
    assert rows(ours) == [["q2", "3", 0, ""], ["q2", "d1", 1, "Kopf eins"]]
    assert ours.queries_without_candidates == ("q1",)


def test_beir_reads_another_split_and_gzip(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "b")
    shutil.move(folder / "qrels" / "test.tsv", folder / "qrels" / "dev.tsv")
    expected = read_folder(folder, split="dev")
    for path in (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "dev.tsv"):
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_folder(str(folder), split="dev").sha256 == expected.sha256
    assert read_folder(folder).name == "b/dev"  # the only one


def test_beir_in_the_working_folder_has_its_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(beir_folder(tmp_path / "b"))
    assert read_folder(".").name == "b/test"


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("corpus.jsonl", "corpus.jsonl"),
        ("queries.jsonl", "queries.jsonl"),
        ("qrels/test.tsv", "qrels/<split>.tsv"),
    ],
)
def test_a_missing_part_of_a_beir_folder_is_named(tmp_path, part, named) -> None:
    folder = beir_folder(tmp_path / "b")
    (folder / part).unlink()
    error = refused(read_folder, folder)
    assert (error.file, error.problem) == (folder, f"this BEIR folder has no {named}")


@pytest.mark.parametrize(
    ("lines", "line", "field", "problem"),
    [
        (["q1\td1"], 2, None, "2 columns instead of 3"),
        (["q1\t0\td1\t1"], 2, None, "4 columns instead of 3"),
        (["q1\td1\t1", "q1\td1\t0"], 3, "grade", "on line 2 and again on line 3"),
        (["q1\td1\t0,5"], 2, "grade", "'0,5' is not a grade"),
        (["q1\td8\t1", "q1\td9\t1"], 2, "passage_id", "'d8' has no text in"),
        (["q9\td1\t1"], 2, "query_id", "'q9' has no text in"),
    ],
)
def test_bad_beir_qrels_are_refused(tmp_path, lines, line, field, problem) -> None:
    folder = beir_folder(tmp_path / "b", *lines)
    error = refused(read_folder, folder)
    assert (error.file, error.line, error.field) == (folder / "qrels/test.tsv", line, field)
    assert problem in error.problem


@pytest.mark.parametrize("header", ["q1\td1\t1", "query-id corpus-id score", ""])
def test_beir_qrels_need_their_header(tmp_path: Path, header: str) -> None:
    folder = beir_folder(tmp_path / "b")
    write(folder / "qrels" / "test.tsv", header)
    assert "the header is" in refused(read_folder, folder).problem


def test_beir_qrels_without_judgements_are_refused(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "b")
    write(folder / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore")
    assert "no (query, passage) pair" in refused(read_folder, folder).problem
