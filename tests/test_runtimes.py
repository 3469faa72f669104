"""Runtimes: what is asked of each, whether or not its libraries are there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exported_networks import kept_in
from reader_files import refused

from analysis import runtimes
from analysis.forwardformats import RUN_HERE, as_format
from analysis.models import load
from analysis.runtimes import extras, keeping
from analysis.scoring import score

EXPORTED = [one for one in RUN_HERE.values() if one.runtime in ("onnxruntime", "openvino")]


@pytest.fixture
def reranker(tiny_checkpoint):
    return load(tiny_checkpoint, device="cpu")


def test_torch_needs_no_further_identity(reranker):
    assert runtimes.identity(reranker, as_format("bfloat16")) == {}


def test_torch_runs_on_the_rerankers_device_and_the_others_on_the_cpu(reranker):
    elsewhere = replace(reranker, device=torch.device("meta"))
    for one in RUN_HERE.values():
        expected = "meta" if one.is_torch else "cpu"
        assert runtimes.device_of(elsewhere, one).type == expected


@pytest.mark.parametrize("forward_format", EXPORTED, ids=str)
def test_a_missing_extra_is_named(tiny_pairs, reranker, forward_format, monkeypatch, tmp_path):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    kept_in(monkeypatch, tmp_path)
    monkeypatch.setattr(extras, "import_module", absent)
    found = refused(score, tiny_pairs, reranker, [forward_format])
    assert "pip install 'rerank-precision[runtimes]'" in found.remedy


def test_a_language_model_is_refused_before_anything_is_exported(tiny_pairs, language_models):
    asked = load(language_models["qwen3"], device="cpu")
    found = refused(score, tiny_pairs, asked, ["onnxruntime:float32"])
    assert "is a language model" in found.problem


def test_a_network_is_made_once_and_takes_its_place_whole(tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)
    made = []

    def make(file):
        made.append(file.parent)
        file.write_text("network")
        (file.parent / "weights").write_text("weights")

    first, again = (keeping.kept({"a": 1}, "network", make) for _ in range(2))
    assert first == again
    assert first.read_text() == "network"
    assert len(made) == 1
    assert not made[0].exists()
    other = keeping.kept({"a": 2}, "network", make)
    assert other.parent != first.parent
    assert keeping.digest(other) == keeping.digest(first)
    (other.parent / "weights").write_text("others")
    assert keeping.digest(other) != keeping.digest(first)


def kept_network(content: str = "network", key: int = 1) -> Path:
    """A kept network of two files."""

    def make(file: Path) -> None:
        file.write_text(content)
        (file.parent / "weights").write_text(f"weights of {content}")

    return keeping.kept({"key": key}, "network", make)


def exchanged(file: Path) -> None:
    """The files of another network, with the checksums of those."""
    other = kept_network("another", key=2)
    for name in ("network", "weights", keeping.KEY, keeping.SUMS):
        (file.parent / name).write_bytes((other.parent / name).read_bytes())


def piped(file: Path) -> None:
    (file.parent / "weights").unlink()
    os.mkfifo(file.parent / "weights")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut short": lambda file: file.write_text("net"),
    "emptied": lambda file: file.write_text(""),
    "gone": Path.unlink,
    "weights cut short": lambda file: (file.parent / "weights").write_text("w"),
    "weights gone": lambda file: (file.parent / "weights").unlink(),
    "weights a pipe": piped,
    "a file of another": lambda file: file.write_bytes(kept_network("other", 2).read_bytes()),
    "all of another": exchanged,
    "a file more": lambda file: (file.parent / "network.data").write_text("more"),
    "another key": lambda file: (file.parent / keeping.KEY).write_text("{}"),
    "no key": lambda file: (file.parent / keeping.KEY).unlink(),
    "no checksums": lambda file: (file.parent / keeping.SUMS).unlink(),
    "no JSON": lambda file: (file.parent / keeping.SUMS).write_text("[" * 100_000),
    "no object": lambda file: (file.parent / keeping.SUMS).write_text(json.dumps([1])),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_network_that_was_changed_is_made_anew(damage, tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)
    file = kept_network()
    damage(file)
    assert kept_network() == file
    assert {one.name: one.read_text() for one in file.parent.iterdir()} == {
        "network": "network",
        "weights": "weights of network",
        keeping.KEY: json.dumps({"key": 1}, indent=2),
        keeping.SUMS: json.dumps(keeping._sums(file.parent)),
    }


def test_what_cannot_be_replaced_is_named_and_not_used(tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)
    folder = kept_network().parent
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("a file in the folder's place")
    found = refused(kept_network)
    assert (found.file, found.remedy) == (folder, "delete it")
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)

    def fail(file):
        file.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keeping.kept({}, "network", fail)
    assert not list((tmp_path / "networks").iterdir())


def test_a_network_that_another_process_made_meanwhile_is_taken(tmp_path, monkeypatch):
    kept_in(monkeypatch, tmp_path)

    def overtaken(file):
        keeping.kept({}, "network", lambda other: other.write_text("first"))
        file.write_text("second")

    assert keeping.kept({}, "network", overtaken).read_text() == "first"


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "networks").write_text("a file")
    kept_in(monkeypatch, tmp_path)
    assert refused(keeping.kept, {}, "network", print).file == tmp_path / "networks"
