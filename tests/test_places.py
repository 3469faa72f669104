"""Where things lie in a checkout (tests/test_wheel.py has the other half), paths that a user names.

Also files that take their place whole.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from reader_files import refused

from analysis import places, readers
from analysis.checkpoints import local_folder
from analysis.places import named_path, replacing
from analysis.store import FOLDER_VARIABLE, Store

ROOT = Path(__file__).parent.parent
HOSTILE = {
    "~nouser-here/a.jsonl": "there is no such user",
    "$HOME/a.jsonl": "$HOME stands in its name",
    "data/${RUN}/a.jsonl": "${RUN} stands in its name",
    "a\0.jsonl": "no file can be found by the name",
    "a\ud800.jsonl": "no file can be found by the name",
    "x" * 5_000 + ".jsonl": "too long",
}


def test_checkout_is_the_repository():
    assert places.CHECKOUT == ROOT
    assert places.PACKAGE == ROOT / "analysis"


def test_what_is_shipped_is_there():
    assert places.GERMAN.is_file()
    assert (places.MODELS / "demo" / "adapter_model.safetensors").is_file()
    assert (places.ENGINES / "engines.parquet").is_file()
    assert (places.FORMATS / "formats.parquet").is_file()
    assert (places.NOTEBOOKS / "01_logit_to_score.ipynb").is_file()


def test_cache_is_beside_the_code_in_a_checkout_and_else_the_users(monkeypatch, tmp_path):
    assert places.cache_folder() == ROOT / ".cache"
    monkeypatch.setattr(places, "CHECKOUT", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert places.cache_folder().name == "rerank-precision"
    assert ROOT not in places.cache_folder().parents


@pytest.mark.parametrize(("name", "problem"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_names_that_lead_nowhere_are_one_error_everywhere(name, problem) -> None:
    for read in (
        lambda one: named_path(one, "name a file"),
        readers.read,
        readers.read_scores,
        readers.read_run,
        readers.read_qrels,
        readers.read_jsonl,
        readers.read_csv,
        readers.read_folder,
        local_folder,
        Store,
    ):
        error = refused(read, name)
        assert problem in error.problem
        assert len(str(error)) < 400


def test_a_home_is_put_in(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert named_path("~/a", "") == tmp_path / "a"
    monkeypatch.setenv(FOLDER_VARIABLE, "~/logits")
    assert Store().folder == tmp_path / "logits"


def test_a_file_may_be_called_like_a_variable(tmp_path: Path) -> None:
    (tmp_path / "$HOME").mkdir()
    assert named_path(tmp_path / "$HOME", "") == tmp_path / "$HOME"
    assert named_path(tmp_path / "cost$", "") == tmp_path / "cost$"


def test_a_file_takes_its_place_whole(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    with suppress(RuntimeError), replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert file.read_text() == "new"
