"""Runtimes: what is asked of each, whether or not its libraries are there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from exported_networks import kept_in
from reader_files import refused

from analysis import runtimes
from analysis.forwardformats import RUN_HERE, as_format
from analysis.models import load
from analysis.runtimes import extras, keeping
from analysis.scoring import score

OTHERS = [one for one in RUN_HERE.values() if not one.is_torch]


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


@pytest.mark.parametrize("forward_format", OTHERS, ids=str)
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
