"""The demo reranker's way: a base without a head, and an adapter merged into it."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import peft
import pytest
import torch
from reader_files import refused
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
    monkeypatch.setattr(models, "base_of", lambda _: base)
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


# The shipped versions


def test_each_shipped_reranker_has_its_own_base(monkeypatch):
    monkeypatch.setattr(demo.Base, "folder", lambda base: Path(base.name))
    folders = [demo.base_of(name) for name in ("demo", "demo-softened", "demo-yes-no")]
    assert list(map(str, folders)) == ["demo-base", "demo-base", "demo-yes-no-base"]


def test_absent_adapter_names_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"adapter_config.json is not here. .*make model"):
        demo._check_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"adapter_model.safetensors is not here"):
        demo._check_adapter(tmp_path)


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
