"""The training script runs through all its stages, on a little of the training text."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parent.parent
TRAINING = ROOT / "data" / "training"


@pytest.fixture
def trainer(monkeypatch, tmp_path):
    """The script, reading sixteen shortened topics for each of two stages."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    script = importlib.import_module("train_demo_reranker")
    for name in ("civic_life_and_health", "body_and_medicine"):
        lines = (TRAINING / f"{name}.jsonl").read_text("utf-8").splitlines()[:16]
        shortened = [shorten(json.loads(line)) for line in lines]
        text = "\n".join(json.dumps(topic) for topic in shortened)
        (tmp_path / f"{name}.jsonl").write_text(text, "utf-8")
    monkeypatch.setattr(script, "TRAINING", tmp_path)
    monkeypatch.setattr(script, "WORDS", ("civic_life_and_health",))
    monkeypatch.setattr(script, "ANSWERS", ("body_and_medicine",))
    monkeypatch.setattr(script, "HEAD_ONLY", ())
    monkeypatch.setattr(script, "MAX_TOKENS", 48)
    monkeypatch.setattr(script, "HEAD_BATCH", 64)
    yield script
    torch.use_deterministic_algorithms(False)


def shorten(topic: dict) -> dict:
    """Two questions of a topic, with one passage each."""
    groups = [group | {"passages": group["passages"][:1]} for group in topic["groups"][:2]]
    return topic | {"groups": groups}


def run(script, monkeypatch, out: Path) -> dict[str, torch.Tensor]:
    monkeypatch.setattr(sys, "argv", ["train", "--steps", "2", "2", "--out", str(out)])
    script.main()
    return load_file(out / "adapter_model.safetensors")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's call
def test_training_is_reproducible_and_gives_the_shipped_adapters_weights_by_name_and_shape(
    trainer, monkeypatch, tmp_path, capsys
):
    once = run(trainer, monkeypatch, tmp_path / "once")
    again = run(trainer, monkeypatch, tmp_path / "again")
    shipped = load_file(ROOT / "data/models/demo/adapter_model.safetensors")
    assert {n: w.shape for n, w in once.items()} == {n: w.shape for n, w in shipped.items()}
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert any("lora_B" in name and weight.any() for name, weight in once.items())
    assert capsys.readouterr().out.count("held out: MRR") == 2 * 3


def test_every_file_of_the_training_text_belongs_to_a_stage(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    script = importlib.import_module("train_demo_reranker")
    names = [*script.WORDS, *script.ANSWERS, *script.HEAD_ONLY]
    assert sorted(names) == sorted(file.stem for file in TRAINING.glob("*.jsonl"))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's call
def test_softening_fits_the_head_again_and_nothing_else(trainer, monkeypatch, tmp_path):
    script = importlib.import_module("soften_demo_reranker")
    for name in ("WORDS", "ANSWERS", "HEAD_ONLY"):
        monkeypatch.setattr(script, name, getattr(trainer, name))
    monkeypatch.setattr(sys, "argv", ["soften", "--out", str(tmp_path / "softened")])
    script.main()
    assert_head_alone_differs(load_file(tmp_path / "softened" / "adapter_model.safetensors"))


def test_the_shipped_softened_adapter_is_the_demo_but_for_its_head():
    softened = ROOT / "data/models/demo-softened"
    assert_head_alone_differs(load_file(softened / "adapter_model.safetensors"))
    name = "adapter_config.json"
    assert (softened / name).read_text() == (ROOT / "data/models/demo" / name).read_text()


def assert_head_alone_differs(weights: dict[str, torch.Tensor]) -> None:
    """Against the shipped demo reranker: every weight of the LoRA, no weight of the head."""
    demo = load_file(ROOT / "data/models/demo/adapter_model.safetensors")
    assert weights.keys() == demo.keys()
    changed = {name for name in demo if not torch.equal(demo[name], weights[name])}
    assert changed == {name for name in demo if "lora" not in name}
