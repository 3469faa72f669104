"""Lengths of pairs, as scoring has them, without weights."""

from __future__ import annotations

import shutil

import pytest
from tiny_language_models import write_language_model

from analysis import tokenizing
from analysis.models import load
from analysis.scoring import _Plan
from analysis.tokenizing import pair_lengths


def test_lengths_are_those_of_scoring_before_it_cuts(tiny_checkpoint, tiny_pairs, monkeypatch):
    monkeypatch.setattr(tokenizing, "_AT_ONCE", 7)
    lengths, most = pair_lengths(tiny_pairs.pairs, tiny_checkpoint)
    reranker = load(tiny_checkpoint)
    assert most == reranker.max_tokens == 48
    ids = _Plan(tiny_pairs, reranker, 20, 8192).tokens["input_ids"]
    assert lengths.max() > 20
    assert [min(length, 20) for length in lengths] == [len(row) for row in ids]


def test_no_weights_are_needed(tiny_checkpoint, tiny_pairs, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint")
    (folder / "model.safetensors").unlink()
    assert len(pair_lengths(tiny_pairs.pairs, folder)[0]) == tiny_pairs.n_pairs


def test_of_a_hub_model_the_weights_are_not_fetched(hub, tiny_checkpoint, tiny_pairs, tmp_path):
    shutil.copytree(tiny_checkpoint, tmp_path / "commit")
    pair_lengths(tiny_pairs.pairs, "some/model")
    ((name, options),) = hub
    assert name == "some/model"
    assert not [one for one in options["allow_patterns"] if "safetensors" in one or "bin" in one]


@pytest.mark.parametrize(
    ("model", "problem"), [("", "The name is empty"), ("./no", "no such folder")]
)
def test_what_is_no_model_is_refused(tiny_pairs, model, problem):
    with pytest.raises(ValueError, match=problem):
        pair_lengths(tiny_pairs.pairs, model)


def test_the_prompt_of_a_language_model_is_counted(tmp_path, tiny_pairs):
    folder = write_language_model(tmp_path / "qwen3-reranker")
    lengths, _ = pair_lengths(tiny_pairs.pairs, folder)
    texts = tiny_pairs.pairs["query"].tolist(), tiny_pairs.pairs["passage"].tolist()
    rows = load(folder).tokens(*texts, length=100_000)["input_ids"]
    assert lengths.tolist() == list(map(len, rows))
    with pytest.raises(ValueError, match="5 tokens leave no room"):
        pair_lengths(tiny_pairs.pairs, folder, max_length=5)
