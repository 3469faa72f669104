"""What all readers share: picking one by its source, encodings, damaged files, equal content."""

from __future__ import annotations

import gzip
from contextlib import suppress
from json import dumps
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_files import passage, query, refused, write

from analysis import readers
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.readers import read, read_csv, read_jsonl, read_trec

LINES = (
    query("q1", passage("p1", "Für Öl.", grade=3), passage("p2", "", grade=0), text="Wie?"),
    query("q2", passage("p3", 'Er sagt: "Nein", so.', grade=1), text="Wo, bitte?"),
)


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    texts = {"p1": "Für Öl.", "p2": "", "p3": 'Er sagt: "Nein", so.', "p4": "x"}
    write(folder / "corpus.jsonl", *({"_id": key, "text": text} for key, text in texts.items()))
    write(
        folder / "queries.jsonl", {"_id": "q1", "text": "Wie?"}, {"_id": "q2", "text": "Wo, bitte?"}
    )
    rows = "query-id\tcorpus-id\tscore", "q1\tp1\t3", "q1\tp2\t0", "q2\tp3\t1"
    write(folder / "qrels" / "test.tsv", *rows)
    return folder


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return write(
        tmp_path / "t.csv",
        "query_id,query,passage_id,passage,grade",
        "q1,Wie?,p1,Für Öl.,3",
        "q1,Wie?,p2,,0",
        'q2,"Wo, bitte?",p3,"Er sagt: ""Nein"", so.",1',
    )


@pytest.fixture
def trec(tmp_path: Path) -> RerankingSet:
    return read_trec(
        write(tmp_path / "r.run", "q1 Q0 p1 1 9 x", "q1 Q0 p2 2 8 x", "q2 Q0 p3 1 7 x"),
        write(tmp_path / "q.qrels", "q1 0 p1 3", "q2 0 p3 1"),
        queries=write(tmp_path / "q.tsv", "q1\tWie?", "q2\tWo, bitte?"),
        passages=write(tmp_path / "p.tsv", "p1\tFür Öl.", "p2\t", 'p3\tEr sagt: "Nein", so.'),
    )


def test_every_format_gives_the_same_content(tmp_path, beir, csv_file, trec) -> None:
    ours = read_jsonl(write(tmp_path / "ours.jsonl", *LINES))
    assert {ours.sha256} == {read(beir).sha256, read_csv(csv_file).sha256, trec.sha256}
    assert [ours.name, read(beir).name, trec.name] == ["ours", "beir/test", "r"]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_read_picks_jsonl(tmp_path: Path, suffix: str) -> None:
    plain = write(tmp_path / "a.jsonl", *LINES)
    path = tmp_path / f"set.v2{suffix}"
    path.write_bytes(
        gzip.compress(plain.read_bytes()) if suffix.endswith("gz") else plain.read_bytes()
    )
    assert read(str(path)).sha256 == read_jsonl(plain).sha256
    assert read(path).name == "set.v2"


def test_read_picks_csv_and_tsv(tmp_path: Path, csv_file: Path) -> None:
    rows = "query_id\tquery\tpassage_id\tpassage", "q\tW\tp\ta, b"
    assert read(csv_file).n_pairs == 3
    assert read(write(tmp_path / "t.tsv", *rows)).pairs["passage"][0] == "a, b"


def test_read_picks_the_german_set_by_its_name_only(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(readers, "GERMAN", write(tmp_path / "german.jsonl", *LINES))
    assert read("german").name == "german"
    assert "no such file or folder" in refused(read, Path("german")).problem


def test_read_passes_on_an_ir_datasets_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "read_ir_datasets", lambda dataset_id: dataset_id)
    assert read("ir_datasets:miracl/de/dev") == "miracl/de/dev"


@pytest.mark.parametrize("name", ["missing.jsonl", "missing", "missing.run"])
def test_a_missing_source_is_refused(tmp_path: Path, name: str) -> None:
    error = refused(read, tmp_path / name)
    assert (error.file, error.problem) == (tmp_path / name, "there is no such file or folder")


def test_a_folder_that_is_no_beir_folder_is_refused(tmp_path: Path) -> None:
    error = refused(read, tmp_path)
    assert error.problem == "this folder has no file that is read"
    assert "BEIR" in error.remedy


@pytest.mark.parametrize("name", ["a.txt", "a", "a.json", "a.run", "a.feather", "a.gz"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    error = refused(read, write(tmp_path / name, "x"))
    assert "sets are not read from" in error.problem
    assert all(word in error.remedy for word in (".jsonl", ".csv", "read_trec", "ir_datasets:"))


def test_byte_order_mark_crlf_and_blank_lines_do_not_matter(tmp_path: Path, csv_file: Path) -> None:
    plain = write(tmp_path / "a.jsonl", *LINES)
    for path, reader in ((plain, read_jsonl), (csv_file, read_csv)):
        windows = tmp_path / f"windows{path.suffix}"
        text = path.read_bytes().replace(b"\n", b"\r\n\r\n")
        windows.write_bytes(b"\xef\xbb\xbf" + text)
        assert reader(windows).sha256 == reader(path).sha256


def test_a_missing_last_newline_does_not_matter(tmp_path: Path, csv_file: Path) -> None:
    cut = tmp_path / "cut.csv"
    cut.write_bytes(csv_file.read_bytes().rstrip(b"\n"))
    assert read(cut).sha256 == read(csv_file).sha256


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_invalid_utf8_names_line_and_byte(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\n\nf\xfcr\n")
    error = refused(read, path)
    assert (error.file, error.line) == (path, 3)
    assert error.problem == "byte 2 of the line is not UTF-8 (0xfc)"


def test_utf16_is_refused_as_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("query_id,query".encode("utf-16"))
    assert refused(read, path).remedy == "save the file as UTF-8"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.jsonl.gz"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert refused(read, tmp_path / name).file == tmp_path / name


@pytest.mark.parametrize("damage", ["truncated", "flipped", "plain text"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(write(tmp_path / "a.jsonl", *LINES).read_bytes())
    middle = len(whole) // 2
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(
        {
            "truncated": whole[:middle],
            "flipped": whole[:middle] + bytes(byte ^ 255 for byte in whole[middle:]),
            "plain text": b"{}\n",
        }[damage]
    )
    error = refused(read, path)
    assert error.file == path
    assert "truncated or damaged gzip file" in error.problem


def test_a_folder_named_like_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    assert "directory" in refused(read_jsonl, tmp_path / "a.jsonl").problem
    assert "no file that is read" in refused(read, tmp_path / "a.jsonl").problem


def test_readers_say_that_a_file_is_missing(tmp_path: Path) -> None:
    for reader, name in ((read_jsonl, "a.jsonl"), (read_csv, "a.csv")):
        error = refused(reader, tmp_path / name)
        assert (error.file, error.problem) == (tmp_path / name, "there is no such file")


def test_public_names() -> None:
    assert readers.__all__ == [
        "ScoreFile",
        "check_scores",
        "load_german",
        "read",
        "read_csv",
        "read_folder",
        "read_ir_datasets",
        "read_jsonl",
        "read_qrels",
        "read_run",
        "read_scores",
        "read_top1000",
        "read_trec",
        "split_file",
    ]


def test_german_set_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(readers, "GERMAN", tmp_path / "german.jsonl")
    error = refused(readers.load_german)
    assert error.file == tmp_path / "german.jsonl"
    assert "install" in error.remedy


@pytest.mark.parametrize("source", [None, pd.DataFrame(), 5, "", " "])
def test_what_is_no_name_is_refused(source) -> None:
    error = refused(read, source)
    assert "no name" in error.problem or error.problem == "the name is empty"
    assert "from_pairs" in error.remedy


KEYS = [
    *("query_id", "query", "candidates", "passage_id", "text", "grade", "docid", "title"),
    *("positive", "negative", "documents", "positive_passages", "negative_passages"),
    *("pos", "neg"),
]
SCRAPS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(
    st.binary(max_size=80) | st.lists(SCRAPS).map(lambda all_: "\n".join(map(dumps, all_)).encode())
)
def test_any_content_gives_a_set_or_one_error(tmp_path_factory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("a.jsonl", "a.csv", "a.tsv", "top1000.dev", "a.jsonl.gz"):
        (folder / name).write_bytes(content)
        with suppress(InputError):
            assert read(folder / name).n_pairs


@given(st.lists(SCRAPS, max_size=3), st.text(max_size=40), st.text(max_size=40))
def test_any_folder_gives_a_set_or_one_error(tmp_path_factory, corpus, queries, qrels) -> None:
    folder = tmp_path_factory.mktemp("any")
    write(folder / "corpus.jsonl", {"_id": "d", "text": "x"}, *corpus)
    write(folder / "queries.jsonl", {"_id": "q", "text": "x"}, queries)
    header = "query-id\tcorpus-id\tscore"
    write(folder / "qrels" / "test.tsv", header, "q\td\t1", qrels)
    with suppress(InputError):
        assert read(folder).n_pairs
