"""The yes/no demo's training runs through, on a tiny language model; a cut run goes on."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from test_train_demo_reranker import TEXT, CutError, run, shorten
from tiny_language_models import add_logit_score, write_language_model

from analysis.places import MODELS

SHIPPED = MODELS / "demo-yes-no"


@pytest.fixture
def script(monkeypatch, tmp_path) -> ModuleType:
    """The training script, on a tiny model and sixteen shortened topics."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "tools")
    script = importlib.import_module("train_yes_no_reranker")
    lines = (TEXT / "body_and_medicine.jsonl").read_text("utf-8").splitlines()[:17]
    (tmp_path / "text").mkdir()
    shortened = "\n".join(json.dumps(shorten(json.loads(line))) for line in lines)
    (tmp_path / "text" / "few.jsonl").write_text(shortened, "utf-8")
    base = write_language_model(tmp_path / "base", "llama")
    add_logit_score(base, 300, 301)
    monkeypatch.setattr(script, "base_of", lambda _: base)
    small = {"TEXT": tmp_path / "text", "FOLDER": base, "KEPT": tmp_path / "kept"}
    small |= {"MAX_TOKENS": 220, "KEEP_EVERY": 2, "ADAPTED_FROM": 1, "WATCHED": 2, "QUESTIONS": 2}
    for name, value in small.items():
        monkeypatch.setattr(script, name, value)
    yield script
    torch.use_deterministic_algorithms(False)


def test_a_run_that_was_cut_ends_with_the_bits_of_one_that_was_not(script, monkeypatch, tmp_path):
    whole = run(script, monkeypatch, tmp_path / "whole", "--steps", "3")
    [state] = script.KEPT.iterdir()
    state.unlink()
    step = script.Training.step

    def cut(training, *arguments: object) -> float:
        if training.done == 2:
            raise CutError
        return step(training, *arguments)

    monkeypatch.setattr(script.Training, "step", cut)
    with pytest.raises(CutError):
        run(script, monkeypatch, tmp_path / "cut", "--steps", "3")
    monkeypatch.setattr(script.Training, "step", step)
    resumed = run(script, monkeypatch, tmp_path / "cut", "--steps", "3")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any("lora_B" in name and weight.any() for name, weight in whole.items())
    assert {weight.dtype for weight in whole.values()} == {torch.bfloat16}
    assert not any("layers.0." in name for name in whole)
    told = json.loads((tmp_path / "whole" / "trained.json").read_text())
    assert told == {"steps": 3, "pairs": 24, "seed": 1}


def test_a_logit_is_what_the_last_token_says_of_yes_less_no(script):
    base = script.base_of("demo-yes-no")
    model = script.new_model(base).eval()
    tokenizer = script.AutoTokenizer.from_pretrained(base)
    asked = script.yes_no(base, model.config, tokenizer, "demo-yes-no")
    pairs = [("wie neu", "der pass", 1.0), ("rad", "der pass und das rad", 0.0)]
    with torch.no_grad():
        found = script.asking(model, tokenizer, asked)(pairs)
        for logit, (question, passage, _) in zip(found, pairs, strict=True):
            [ids] = asked.tokens(tokenizer, [question], [passage], 999)
            last = model(input_ids=torch.tensor([ids.tolist()])).logits[0, -1].float()
            # the padded batch rounds otherwise in bfloat16
            assert float(logit) == pytest.approx(float(last[300] - last[301]), abs=0.1)


def test_half_of_the_passages_answer_and_one_wrong_one_is_of_another_topic(script):
    text = importlib.import_module("training_text")
    drawn = script.batches_of(text.kept(text.read_text(script.TEXT)), seed=1)
    near = {(q, p) for t, g in drawn.groups for q in g.questions for p in t.wrong_passages(g)}
    answers = {(q, p) for _, g in drawn.groups for q in g.questions for p in g.passages}
    for number in range(6):
        pairs = drawn.batch(number)
        assert [label for *_, label in pairs] == [1, 1, 0, 0] * 2
        assert [((q, p) in answers, (q, p) in near) for q, p, _ in pairs] == [
            (True, False),
            (True, False),
            (False, True),
            (False, False),
        ] * 2


def test_what_is_shipped_is_what_the_script_trains():
    config = json.loads((SHIPPED / "adapter_config.json").read_text("utf-8"))
    script = importlib.import_module("train_yes_no_reranker")
    assert config["base_model_name_or_path"] == script.BASE_NAME
    assert (config["r"], config["layers_to_transform"][0]) == (script.RANK, script.ADAPTED_FROM)
    weights = load_file(SHIPPED / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}


@pytest.fixture(autouse=True)
def _tools(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent.parent / "tools"), *sys.path])
