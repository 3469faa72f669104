"""The training scripts run through, on a little of the training text; a cut run goes on."""

from __future__ import annotations

import importlib
import json
import random
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parent.parent
TEXT = ROOT / "data" / "training"
DEMO, SOFTENED = ROOT / "data" / "models" / "demo", ROOT / "data" / "models" / "demo-softened"


@pytest.fixture
def tools(monkeypatch, tmp_path) -> ModuleType:
    """The training script, reading sixteen shortened topics and keeping its state elsewhere."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    script = importlib.import_module("train_demo_reranker")
    lines = (TEXT / "body_and_medicine.jsonl").read_text("utf-8").splitlines()[:16]
    (tmp_path / "text").mkdir()
    shortened = "\n".join(json.dumps(shorten(json.loads(line))) for line in lines)
    (tmp_path / "text" / "few.jsonl").write_text(shortened, "utf-8")
    for name in ("train_demo_reranker", "soften_demo_reranker"):
        monkeypatch.setattr(importlib.import_module(name), "TEXT", tmp_path / "text")
    monkeypatch.setattr(script, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(script, "MAX_TOKENS", 48)
    monkeypatch.setattr(script, "KEEP_EVERY", 2)
    yield script
    torch.use_deterministic_algorithms(False)


def shorten(topic: dict) -> dict:
    """Two questions of a topic, with two passages each."""
    groups = [group | {"passages": group["passages"][:2]} for group in topic["groups"][:2]]
    return topic | {"groups": groups}


def run(script, monkeypatch, out: Path, *arguments: str) -> dict[str, torch.Tensor]:
    monkeypatch.setattr(sys, "argv", ["tool", "--out", str(out), *arguments])
    script.main()
    return load_file(out / "adapter_model.safetensors")


class CutError(Exception):
    """Stands for whatever ends a run."""


def test_a_run_that_was_cut_ends_with_the_bits_of_one_that_was_not(
    tools, monkeypatch, tmp_path, capsys
):
    whole = run(tools, monkeypatch, tmp_path / "whole", "--steps", "3")
    [state] = tools.KEPT.iterdir()
    state.unlink()
    step = tools.Training.step

    def cut(training, *arguments: object) -> float:
        if training.done == 2:
            raise CutError
        return step(training, *arguments)

    monkeypatch.setattr(tools.Training, "step", cut)
    with pytest.raises(CutError):
        run(tools, monkeypatch, tmp_path / "cut", "--steps", "3")
    monkeypatch.setattr(tools.Training, "step", step)
    resumed = run(tools, monkeypatch, tmp_path / "cut", "--steps", "3")
    assert "going on after step 2" in capsys.readouterr().out
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any("lora_B" in name and weight.any() for name, weight in whole.items())
    shipped = load_file(DEMO / "adapter_model.safetensors")
    assert {n: w.shape for n, w in whole.items()} == {n: w.shape for n, w in shipped.items()}


def test_another_recipe_does_not_go_on_from_this_one(tools, tmp_path):
    def recipe(steps: int, seed: int) -> str:
        return tools.recipe(tools.TEXT, tools.PROGRAMS, steps, seed)

    recipes = {recipe(steps, seed) for steps in (1, 2) for seed in (1, 2)}
    (tools.TEXT / "more.jsonl").write_text("{}")
    assert len(recipes | {recipe(1, 1)}) == 5


def test_the_loss_is_the_squared_shortfall_to_ten_on_the_right_side(tools):
    logits = torch.tensor([12.0, 10.0, 0.0, -10.0, -12.0, -10.0, 0.0, 10.0])
    labels = torch.tensor([1.0] * 4 + [0.0] * 4)
    assert tools.loss_of(logits, labels).tolist() == [0, 0, 1, 4, 0, 0, 1, 4]


def test_softening_fits_the_head_again_and_nothing_else(tools, monkeypatch, tmp_path):
    script = importlib.import_module("soften_demo_reranker")
    out = tmp_path / "softened"
    assert_head_alone_differs(run(script, monkeypatch, out, "--batches", "2"))


def test_the_shipped_softened_adapter_is_the_demo_but_for_its_head():
    assert_head_alone_differs(load_file(SOFTENED / "adapter_model.safetensors"))
    name = "adapter_config.json"
    assert (SOFTENED / name).read_text() == (DEMO / name).read_text()


def assert_head_alone_differs(weights: dict[str, torch.Tensor]) -> None:
    """Against the shipped demo reranker: every weight of the LoRA, no weight of the head."""
    demo = load_file(DEMO / "adapter_model.safetensors")
    assert weights.keys() == demo.keys()
    changed = {name for name in demo if not torch.equal(demo[name], weights[name])}
    assert changed == {name for name in demo if "lora" not in name}


# The batches


@pytest.fixture
def drawn(tools):
    """Batches of the shortened topics."""
    text = importlib.import_module("training_text")
    return tools.batches_of(text.kept(text.read_text(tools.TEXT)), seed=1)


def test_a_batch_is_the_same_whatever_was_drawn_before(drawn):
    later = drawn.batch(7)
    random.seed(5)
    assert [drawn.batch(n) for n in (3, 7)][1] == later != drawn.batch(8)


def test_an_epoch_asks_every_group_once(drawn):
    questions = Counter(q for n in range(3) for q, _, _ in drawn.batch(n))
    groups = [group.questions for _, group in drawn.groups]
    asked = [sum(questions[q] for q in group) for group in groups]
    assert sorted(set(asked)) == [0, 4]
    assert sum(asked) == 3 * 32
    assert asked.count(0) == len(groups) % 8


def test_labels_are_right_and_wrong_passages_mostly_of_the_topic(drawn):
    answers = {(q, p) for _, g in drawn.groups for q in g.questions for p in g.passages}
    nearby = {(q, p) for t, g in drawn.groups for q in g.questions for p in t.wrong_passages(g)}
    pairs = [pair for n in range(40) for pair in drawn.batch(n)]
    assert all(((q, p) in answers) == (label == 1) for q, p, label in pairs)
    wrong = [(q, p) for q, p, label in pairs if not label]
    assert len(wrong) == len(pairs) / 2
    elsewhere = sum(pair not in nearby for pair in wrong) / len(wrong)
    assert elsewhere == pytest.approx(0.125, abs=0.03)


def test_one_wrong_passage_is_among_the_nearest_by_the_bases_cosine(drawn, monkeypatch):
    monkeypatch.setattr(importlib.import_module("training_pairs"), "NEAREST", 2)
    topic, group = drawn.groups[0]
    question = group.questions[0]
    order = drawn.nearest_first(question, topic.wrong_passages(group))
    cosines = drawn.nearness(question, order)
    assert cosines == sorted(cosines, reverse=True)
    hard = {
        p
        for number in range(40)
        for q, p, label in drawn.batch(number)[2::4]
        if q == question and not label
    }
    assert hard == set(order[:2])
