"""Checkpoint folders: found, checked, hashed; every kind of damage is one clear error."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis import checkpoints
from analysis.errors import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("{}")
    return folder


def test_hash_is_that_of_the_bytes_and_follows_a_change(tmp_path):
    file = tmp_path / "file"
    for content in (b"one", b"three"):
        file.write_bytes(content)
        assert checkpoints.sha256_of(file) == hashlib.sha256(content).hexdigest()


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
    with pytest.raises(InputError, match=r"'some/model' at 'v1': no network. Check the id"):
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
    with pytest.raises(InputError, match=r"this is a file. Give the folder"):
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
    with pytest.raises(InputError, match=r"no config.json. Give a folder as save_pretrained"):
        checkpoints.weight_files(tmp_path)
    touch(tmp_path, "adapter_config.json")
    with pytest.raises(InputError, match=r"only an adapter. Merge it"):
        checkpoints.weight_files(tmp_path)
    touch(tmp_path, "config.json")
    with pytest.raises(InputError, match=r"no model.safetensors\. Convert"):
        checkpoints.weight_files(tmp_path)


def test_an_adapter_beside_weights_is_an_error(tmp_path):
    """Transformers would load the base that it names, from wherever that is."""
    touch(tmp_path, "config.json", "model.safetensors", "adapter_config.json")
    with pytest.raises(InputError, match=r"adapter_config.json: there is an adapter beside"):
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


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"weight_map": []}',
        '{"weight_map": {}}',
        '{"weight_map": {"w": 1}}',
        '{"weight_map": {"w": ["a"]}}',
        '{"weight_map": {"w": 1, "v": "a.safetensors"}}',
        "[" * 100_000,
        "\xff",
    ],
    ids=range(10),
)
def test_damaged_index_is_an_error(tmp_path, content):
    touch(tmp_path, "config.json")
    (tmp_path / "model.safetensors.index.json").write_text(content, "latin-1")
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


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "../a.safetensors",
        "/etc/a.safetensors",
        "sub/a.safetensors",
        "..\\a.safetensors",
        "..",
        "",
        "a.safetensors\x1b[31m",
    ],
)
def test_an_index_names_weights_of_its_own_kind_in_its_own_folder(tmp_path, name):
    folder = tmp_path / "model"
    folder.mkdir()
    touch(folder, "config.json", "pytorch_model.bin")
    touch(tmp_path, "a.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(InputError, match=r"is no .safetensors file beside it") as caught:
        checkpoints.weight_files(folder, allow_pickle=True)
    assert str(caught.value).isprintable()


def test_an_index_of_pickles_names_pickles(tmp_path):
    touch(tmp_path, "config.json", "a.bin", "b.safetensors")
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "a.bin"}}))
    assert checkpoints.weight_files(tmp_path, allow_pickle=True) == (tmp_path / "a.bin",)
    index.write_text(json.dumps({"weight_map": {"w": "b.safetensors"}}))
    with pytest.raises(InputError, match=r"no .bin file"):
        checkpoints.weight_files(tmp_path, allow_pickle=True)


def test_nobody_waits_for_a_pipe_among_the_files(tmp_path):
    touch(tmp_path, "config.json", "model.safetensors")
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match=r"tokenizer.json: this is a pipe"):
        checkpoints.weight_files(tmp_path)
