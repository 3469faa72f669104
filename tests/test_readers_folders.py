"""Folders of collections: BEIR, MIRACL, MS MARCO, as they are published; splits; several files."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from reader_files import passage, query, refused, write

from analysis.readers import read, read_folder, read_trec, split_file
from analysis.readers.folders import folder_of


def zipped(path: Path, *lines: object) -> Path:
    """Write a gzip file of lines, as :func:`write` writes a plain one."""
    plain = write(path.with_suffix(""), *lines)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return path


def beir(folder: Path, *splits: str) -> Path:
    texts = {"d1": "eins", "d2": "zwei"}
    write(folder / "corpus.jsonl", *({"_id": k, "title": "T", "text": v} for k, v in texts.items()))
    write(folder / "queries.jsonl", *({"_id": f"q-{s}", "text": f"{s}?"} for s in splits))
    for split in splits:
        rows = "query-id\tcorpus-id\tscore", f"q-{split}\td1\t1", f"q-{split}\td2\t0"
        write(folder / "qrels" / f"{split}.tsv", *rows)
    return folder


def miracl(folder: Path) -> Path:
    """The files of both repositories, as a download of MIRACL leaves them side by side."""
    topics, corpus = folder / "miracl-v1.0-de", folder / "miracl-corpus-v1.0-de"
    name = "miracl-v1.0-de-dev.tsv"
    write(topics / "topics" / f"topics.{name}", "1#0\tWann?", "2#0\tWo?")
    qrels = "1#0\tQ0\t10#0\t1", "1#0\tQ0\t11#3\t0", "2#0\tQ0\t11#3\t1"
    write(topics / "qrels" / f"qrels.{name}", *qrels)
    corpus.mkdir()
    zipped(corpus / "docs-0.jsonl.gz", {"docid": "10#0", "title": "A", "text": "eins"})
    zipped(corpus / "docs-1.jsonl.gz", {"docid": "11#3", "title": "B", "text": "zwei"})
    return folder


def test_the_only_split_is_taken_and_named(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", "dev")
    assert read(folder).name == read(folder, "dev").name == "b/dev"
    assert read(folder).pairs["passage"].tolist() == ["T eins", "T zwei"]


def test_of_several_splits_test_is_taken_or_the_one_that_is_named(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", "dev", "test", "train")
    assert read(folder).name == "b/test"
    assert read(folder, split="train").pairs["query_id"].unique().tolist() == ["q-train"]
    error = refused(read, folder, split="all")
    assert error.problem == "no split 'all' (of dev, test, train)"
    assert "--split" in error.remedy
    (folder / "qrels" / "test.tsv").unlink()
    assert "several splits (of dev, train)" in refused(read, folder).problem


def test_a_file_of_judgements_stands_for_its_split(tmp_path: Path, monkeypatch) -> None:
    folder = beir(tmp_path / "b", "dev", "test")
    file = split_file(folder, "dev")
    assert file == folder / "qrels" / "dev.tsv"
    assert read(file).sha256 == read(str(file)).sha256 == read(folder, "dev").sha256
    assert folder_of(file) == (folder, "dev")
    assert folder_of(folder / "corpus.jsonl") is None
    monkeypatch.chdir(folder)
    assert read("qrels/dev.tsv").name == "b/dev"
    inside = miracl(tmp_path / "m")
    assert read(split_file(inside, "dev")).sha256 == read(inside).sha256


@pytest.mark.parametrize("source", ["german", "ir_datasets:x", "/nowhere"])
def test_only_folders_have_splits(source: str) -> None:
    assert "only the folder" in refused(read, source, split="dev").problem


def test_judged_ids_without_a_text_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", "test")
    with (folder / "qrels" / "test.tsv").open("a") as file:
        file.write("q-test\tx2\t1\nq-test\tx1\t1\nq9\td1\t1\n")
    ours = read(folder)
    assert (ours.n_pairs, ours.n_queries, ours.queries_without_candidates) == (2, 1, ())
    assert ours.notes == (
        "1 judged query has no text in queries.jsonl and is left out (the first is 'q9')",
        "2 judged passages have no text in corpus.jsonl and are left out (the first is 'x1')",
    )
    assert (
        "has no text"
        in refused(read_folder, folder, write(tmp_path / "r", "q9 Q0 d1 1 1 t")).problem
    )


def test_qrels_of_a_beir_folder_may_be_jsonl_and_have_fractions(tmp_path: Path) -> None:
    folder = beir(tmp_path / "b", "test")
    (folder / "qrels" / "test.tsv").unlink()
    rows = ({"query-id": "q-test", "corpus-id": d, "score": s} for d, s in (("d1", 0.5), ("d2", 2)))
    write(folder / "qrels" / "test.jsonl", *rows)
    assert read(folder).pairs["grade"].tolist() == [0.5, 2.0]


def test_miracl_as_it_is_downloaded_and_flat(tmp_path: Path) -> None:
    ours = read(miracl(tmp_path / "m"))
    assert ours.name == "m/dev"
    assert ours.pairs["passage"].tolist() == ["A eins", "B zwei", "B zwei"]
    assert ours.pairs["grade"].tolist() == [1, 0, 1]
    flat = tmp_path / "m2"
    flat.mkdir()
    for file in (tmp_path / "m").rglob("*.*v*"):
        if file.is_file():
            shutil.copy(file, flat)
    for file in (tmp_path / "m").rglob("docs-*"):
        shutil.copy(file, flat)
    assert read(flat).sha256 == ours.sha256


def test_miracls_shards_as_the_passages_of_a_run(tmp_path: Path) -> None:
    folder = miracl(tmp_path / "m")
    run = write(tmp_path / "run.trec", "1#0 Q0 11#3 1 12.5 bm25", "2#0 Q0 10#0 1 3.5 bm25")
    files = {
        "qrels": next(folder.rglob("qrels.*")),
        "queries": next(folder.rglob("topics.*")),
        "passages": sorted(folder.rglob("docs-*")),
    }
    assert read_trec(run, **files).pairs["grade"].tolist() == [0, 0]
    assert read_folder(folder, run).pairs["passage_id"].tolist() == ["11#3", "10#0"]
    shutil.copy(files["passages"][0], files["passages"][0].with_name("docs-2.jsonl.gz"))
    error = refused(read, folder)
    assert error.problem == "'10#0' stands on line 1 of docs-0.jsonl.gz and again on line 1"


def test_ms_marco_passages(tmp_path: Path) -> None:
    folder = tmp_path / "msmarco"
    write(folder / "collection.tsv", '0\tDas "erste" Projekt', "1\tZwei", "2\tDrei")
    write(folder / "queries.dev.small.tsv", "174249\tWas?", "300674\tWie viele?")
    write(folder / "qrels.dev.small.tsv", "174249\t0\t0\t1", "300674\t0\t2\t1")
    judged = read(folder)
    assert judged.name == "msmarco/dev.small"
    assert judged.pairs["passage"].tolist() == ['Das "erste" Projekt', "Drei"]
    rows = "300674\t2\tWie viele?\tDrei", "300674\t1\tWie viele?\tZwei", "5\t0\tNie?\tDas"
    top = write(folder / "top1000.dev", *rows)
    ranked = read(folder)
    assert ranked.pairs["passage_id"].tolist() == ["2", "1", "0"]
    assert ranked.pairs["grade"].fillna(-1).tolist() == [1, 0, -1]
    assert ranked.queries_without_candidates == ("174249",)
    alone = read(top)
    assert (alone.name, alone.n_pairs, alone.has_grades) == ("top1000", 3, False)
    assert read(shutil.copy(top, tmp_path / "x.tsv")).sha256 == alone.sha256
    write(top, *rows, "5\t2\tNie?\tAnderes")
    assert "another text" in refused(read, folder).problem


def test_ms_marco_documents_and_v2_passages(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    write(folder / "msmarco-docs.tsv", "D1\thttps://a.example\tKopf\tText", "D2\tu\t\tRumpf")
    write(folder / "msmarco-docdev-queries.tsv", "2\tandrogen")
    write(folder / "msmarco-docdev-qrels.tsv", "2 0 D1 1")
    assert read(folder).pairs["passage"].tolist() == ["Kopf Text"]
    write(folder / "msmarco-docdev-top100", "2 Q0 D2 1 -5.1 IndriQL", "2 Q0 D1 2 -5.2 IndriQL")
    assert read(folder).pairs["passage"].tolist() == ["Rumpf", "Kopf Text"]
    second = tmp_path / "v2"
    record = {"pid": "msmarco_passage_00_0", "passage": "Text", "spans": "(0,4)", "docid": "d_0"}
    (second / "msmarco_v2_passage").mkdir(parents=True)
    zipped(second / "msmarco_v2_passage" / "msmarco_passage_00.gz", record)
    write(second / "passv2_dev_queries.tsv", "419507\twhat")
    write(second / "passv2_dev_qrels.tsv", "419507\t0\tmsmarco_passage_00_0\t1")
    assert read(second).pairs["passage"].tolist() == ["Text"]


def test_several_files_of_one_kind_are_one_set(tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    write(folder / "a.jsonl", query("q1", passage("p")), query("q9"))
    write(folder / "b.csv", "query_id,query,passage_id,passage", "q2,W,p,x")
    write(folder / "README.md", "nothing to read")
    ours = read(folder)
    assert ours.pairs["query_id"].tolist() == ["q1", "q2"]
    assert ours.queries_without_candidates == ("q9",)
    assert ours.notes == ("2 files, from a.jsonl to b.csv",)
    assert read([folder / "a.jsonl", folder / "b.csv"]).sha256 == ours.sha256
    error = refused(
        read, [folder / "a.jsonl", shutil.copy(folder / "a.jsonl", tmp_path / "c.jsonl")]
    )
    assert "stands in a.jsonl too" in error.problem
    assert refused(read, []).problem == "no file is given"


def test_a_set_of_queries_with_their_positives(tmp_path: Path) -> None:
    lines = (
        {"query": "a?", "positive": ["x", "y"], "negative": ["z"]},
        {"query": "b?", "positive": "x", "documents": ["z", "x"]},
        {"query": "c?", "positive": ["v"], "documents": ["z"]},
    )
    pairs = read(write(tmp_path / "m.jsonl", *lines)).pairs
    assert pairs["query_id"].unique().tolist() == ["m:1", "m:2", "m:3"]
    assert pairs["passage"].tolist() == ["x", "y", "z", "z", "x", "z", "v"]
    assert pairs["grade"].tolist() == [1, 1, 0, 0, 1, 0, 1]
    ids = ["positive-1", "positive-2", "negative-1", "document-1", "document-2", "document-1"]
    assert pairs["passage_id"].tolist() == [*ids, "positive-1"]


def test_miracls_jsonl_with_its_passages(tmp_path: Path) -> None:
    line = {
        "query_id": "19",
        "query": "Wann?",
        "positive_passages": [{"docid": "7#1", "title": "Reich", "text": "Damals."}],
        "negative_passages": [{"docid": "7#2", "title": "", "text": "Nie."}],
    }
    rows = read(write(tmp_path / "dev.jsonl", line)).pairs.to_numpy().tolist()
    assert rows == [
        ["19", "7#1", 1, "Wann?", "Reich Damals."],
        ["19", "7#2", 0, "Wann?", "Nie."],
    ]


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"negative": None}, "negative", "None is not a list"),
        ({"negative": [3]}, "negative[0]", "3 is not a text"),
        ({"negative": [{"text": "x"}]}, "negative[0]._id", "missing"),
        ({"documents": ["x"]}, None, "negative and documents"),
        ({"query": ["a", "b"]}, "query", "not a text"),
        ({"query": " "}, "query", "is empty"),
        ({"qid": ""}, "qid", "not an id"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, change, field, problem) -> None:
    line = {"query": "a?", "positive": ["x"], "negative": ["z"]} | change
    error = refused(read, write(tmp_path / "m.jsonl", line))
    assert (error.line, error.field) == (1, field)
    assert problem in error.problem


def test_training_data_of_flag_embedding_is_a_set(tmp_path: Path) -> None:
    """As in examples/finetune/reranker/example_data/prompt_based of FlagEmbedding."""
    scored = {"pos_scores": [95.3], "neg_scores": [95.0, 86.5], "prompt": "Given a query A …"}
    lines = (
        {"query": "a?", "pos": ["x"], "neg": ["y", "z"]} | scored,
        {"query": "b?", "pos": ["x"], "neg": []},
    )
    pairs = read(write(tmp_path / "examples.jsonl", *lines)).pairs
    assert pairs["passage_id"].tolist() == ["positive-1", "negative-1", "negative-2", "positive-1"]
    assert pairs["passage"].tolist() == ["x", "y", "z", "x"]
    assert pairs["grade"].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        # sentence-transformers' msmarco-hard-negatives: ids, and no texts
        ({"qid": 867436, "pos": [5238393], "neg": {"bm25": [1]}}, "query", "missing"),
        ({"query": "a?", "pos": [5238393], "neg": []}, "pos[0]", "not a text"),
        ({"query": "a?", "pos": ["x"], "neg": {"bm25": ["y"]}}, "neg", "not a list"),
        ({"query": "a?", "pos": ["x"], "neg": ["y"], "negative": ["z"]}, None, "negative and neg"),
        ({"query": "a?", "pos": ["x"]}, None, "nothing"),
        ({"query": "a?", "pos": None, "neg": ["y"]}, "pos", "not a list"),
    ],
)
def test_bad_training_data_is_refused_with_its_place(tmp_path, line, field, problem) -> None:
    path = write(tmp_path / "m.jsonl", {"query": "0?", "pos": ["x"], "neg": []}, line)
    error = refused(read, path)
    assert (error.file, error.line, error.field) == (path, 2, field)
    assert problem in error.problem


def test_positives_alone_are_no_sample(tmp_path: Path) -> None:
    error = refused(read, write(tmp_path / "m.jsonl", {"query": "a?", "positive": ["x"]}))
    assert error.problem == "beside the positive passages there is nothing"


def test_pyterriers_columns_are_a_set_too(tmp_path: Path) -> None:
    rows = "qid,docid,docno,query,text,label", "1,12,d12,Wie?,So.,2"
    pairs = read(write(tmp_path / "p.csv", *rows)).pairs
    assert pairs.to_numpy().tolist() == [["1", "d12", 2, "Wie?", "So."]]


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "x.txt", "x")
    assert "nor is it MIRACL's" in refused(read_folder, tmp_path).problem
    write(tmp_path / "collection.tsv", "1\tx")
    assert "has no qrels.<split>.tsv" in refused(read_folder, tmp_path).problem
    write(tmp_path / "qrels.dev.tsv", "1 0 1 1")
    assert "has no queries.dev.tsv" in refused(read_folder, tmp_path).problem
