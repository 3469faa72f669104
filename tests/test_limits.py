"""Limits on what is read: a line, a file, what gzip makes of it; and what is no file at all."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from reader_files import refused, write

from analysis import limits
from analysis.readers import read, read_scores

ROW = '{"query_id": "q", "passage_id": "p%d", "score": 0.5}'


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setenv("RERANK_PRECISION_LINE_BYTES", "200")
    monkeypatch.setenv("RERANK_PRECISION_FILE_BYTES", "500")


def test_defaults_and_variables(monkeypatch) -> None:
    assert (limits.LINE.value, limits.FILE.value) == (2**28, 2**36)
    assert (limits.EXPANSION.value, limits.ANSWER.value) == (100, 2**24)
    monkeypatch.setenv("RERANK_PRECISION_LINE_BYTES", " 7 ")
    assert limits.LINE.value == 7


@pytest.mark.parametrize("text", ["0", "-1", "x", "1_0", "1e9", "٣", "9" * 30])
def test_what_is_no_limit_is_refused(monkeypatch, text: str) -> None:
    monkeypatch.setenv("RERANK_PRECISION_FILE_BYTES", text)
    assert refused(lambda: limits.FILE.value).field == "RERANK_PRECISION_FILE_BYTES"


@pytest.mark.usefixtures("small")
def test_a_line_without_end(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv", "a.trec", "a.json"):
        error = refused(read_scores, write(tmp_path / name, "x" * 1_000))
        assert "more than 200 bytes" in error.problem
        assert "RERANK_PRECISION_LINE_BYTES" in error.remedy


@pytest.mark.usefixtures("small")
def test_a_file_without_end(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.jsonl", *(ROW % number for number in range(20)))
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for file in (plain, packed):
        error = refused(read_scores, file)
        assert error.problem == "the file has more than 500 bytes"
        assert error.line == 10


def test_a_quoted_cell_without_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RERANK_PRECISION_LINE_BYTES", "200")
    file = write(tmp_path / "a.csv", "query_id,passage_id,score", 'q,"p', *["x" * 20] * 50)
    assert "field larger than field limit" in refused(read_scores, file).problem


def test_gzip_that_becomes_too_large(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "a.trec.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"\n" * 2**23))
        error = refused(read_scores, tmp_path / name)
        assert error.problem == "this gzip file becomes more than 100 times its size"
        assert "RERANK_PRECISION_EXPANSION" in error.remedy


def test_gzip_inside_gzip_and_gzip_under_another_name(tmp_path: Path) -> None:
    once = gzip.compress((ROW % 1).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(once))
    assert refused(read_scores, tmp_path / "a.jsonl.gz").problem == "this is gzip inside gzip"
    for name in ("b.jsonl", "b.json"):
        (tmp_path / name).write_bytes(once)
        assert "its name does not say so" in refused(read_scores, tmp_path / name).problem


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json", "a.jsonl.gz", "a.trec"])
def test_nobody_waits_for_a_pipe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    error = refused(read_scores, tmp_path / name)
    assert (error.file, error.problem) == (
        tmp_path / name,
        "this is a pipe or a device, and no file",
    )
    if name in ("a.jsonl", "a.csv"):
        assert "pipe" in refused(read, tmp_path / name).problem


def test_nobody_reads_a_device(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to("/dev/zero")
    assert "device" in refused(read, tmp_path / "a.jsonl").problem
