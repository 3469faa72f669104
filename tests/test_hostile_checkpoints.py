"""Checkpoints that would run code or leave their folder: canaries prove that nothing of it did."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from planted_checkpoints import PLANTED, Planted, code, pickled
from tiny_language_models import add_logit_score

from analysis import prompts
from analysis.errors import InputError
from analysis.models import load

PAIR = ("wie neu", "der pass und das rad")


@pytest.fixture
def canary(tmp_path, monkeypatch) -> Iterator[Path]:
    """What is written once planted code runs; nobody may ask a network, or import such code."""

    def connect(*_: object) -> None:
        raise AssertionError("a network was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path / "canary"
    assert not (tmp_path / "canary").exists()
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] == "own"}
    assert sys.path == path


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path) -> Path:
    """A copy of the tiny checkpoint, in which to plant something."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def logits(folder: Path, **options) -> torch.Tensor:
    reranker = load(folder, device="cpu", **options)
    encoded = reranker.tokenizer(*PAIR, return_tensors="pt")
    with torch.inference_mode():
        return reranker.network("float32")(**encoded).logits


def check_loads(planted: Planted, folder: Path, canary: Path, expected: Path) -> None:
    """Check that what is planted is refused, or changes nothing."""
    planted.plant(folder, canary)
    if planted.expects is None:
        assert torch.equal(logits(folder), logits(expected))
    else:
        with pytest.raises(InputError, match=planted.expects):
            logits(folder)


@pytest.mark.parametrize("planted", [pytest.param(one, id=name) for name, one in PLANTED.items()])
def test_what_is_planted_in_a_checkpoint_does_not_run(planted, checkpoint, canary, tiny_checkpoint):
    check_loads(planted, checkpoint, canary, tiny_checkpoint)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_is_allowed_may_hold_weights_alone(checkpoint, canary, legacy):
    """weights_only refuses the payload; torch before 2.10 could be got round it."""
    pickled("pytorch_model.bin", alone=True, legacy=legacy)(checkpoint, canary)
    with pytest.raises(InputError, match="cannot be loaded"):
        logits(checkpoint, allow_pickle=True)


def test_the_payload_would_run(tmp_path):
    """What the canaries prove: unpickled as they are, the same bytes write the file."""
    import pickle

    pickled("payload.bin", legacy=True)(tmp_path, tmp_path / "canary")
    pickle.loads((tmp_path / "payload.bin").read_bytes())
    assert (tmp_path / "canary").exists()


def test_planted_code_would_run(tmp_path):
    (tmp_path / "own.py").write_text(code(tmp_path / "canary"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", tmp_path / "own.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert (tmp_path / "canary").exists()


ESCAPES = {
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
    "a filter for attributes": "{{ (''|attr('__class__'))|attr('__mro__') }}",
    "a filter called indirectly": "{{ ['']|map('attr', '__class__')|map('attr', '__mro__')|list }}",
    "a format string": "{{ '{0.__class__.__mro__}'.format('') }}",
    "a format string within": "{{ '{0.__class__}'|attr('format')('') }}",
    "a mapping of formats": "{{ ['{0.__class__.__base__}']|map('format', '')|list }}",
    "a method of a message": "{{ messages.append(0) }}{{ messages.__class__ }}",
    "a function of its own": "{{ raise_exception.__globals__.jinja2.sys.exit() }}",
    "a clock": "{{ strftime_now.__globals__ }}",
    "the environment": "{{ self._TemplateReference__context.environment }}",
    "a file beside": "{% include 'config.json' %}",
    "a module": "{% import 'os' as os %}{{ os.system('touch CANARY') }}",
}
SHOWS_THE_PAIR = "{{ messages | map(attribute='content') | join }}"
LEAKS = ("<class", "<module", "<built-in", "<function", "Environment", "num_hidden_layers")


@pytest.mark.parametrize("template", ESCAPES.values(), ids=ESCAPES)
def test_a_chat_template_does_not_leave_its_sandbox(template, language_models, tmp_path, canary):
    folder = Path(shutil.copytree(language_models["qwen3"], tmp_path / "nameless"))
    template = template.replace("CANARY", str(canary)) + SHOWS_THE_PAIR
    add_logit_score(folder, 296, 283, template=template)
    with suppress(InputError):  # most templates fail; the others render nothing
        shown = "".join(load(folder, device="cpu").yes_no.ask("0", "1"))
        assert shown.replace("[Undefined]", "").endswith("01")
        assert not [leak for leak in LEAKS if leak in shown]


def test_a_sandbox_with_holes_is_not_used(language_models, tmp_path, monkeypatch):
    monkeypatch.setattr(prompts, "version", lambda _: "3.1.5")
    folder = Path(shutil.copytree(language_models["qwen3"], tmp_path / "nameless"))
    add_logit_score(folder, 296, 283)
    with pytest.raises(InputError, match=r"jinja2 3\.1\.5 .* \"jinja2>=3\.1\.6\""):
        load(folder, device="cpu")
