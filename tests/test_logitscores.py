"""LogitScore: what a sentence-transformers repository says, read from its files alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reader_files import refused
from tiny_language_models import LOGIT_SCORE, TRANSFORMER, add_logit_score

from analysis.checkpoints import download
from analysis.logitscores import LogitScore, logit_score, module_folder

INSTRUCTION = "Given a web search query, retrieve relevant passages"
DENSE = "sentence_transformers.base.modules.dense.Dense"


def modules(folder: Path, *types: str, path: object = "1_LogitScore") -> Path:
    """Write a list of modules, the last of them in a folder of that name."""
    listed = [{"idx": n, "path": path if n else "", "type": kind} for n, kind in enumerate(types)]
    (folder / "modules.json").write_text(json.dumps(listed))
    return folder


def test_the_files_that_sentence_transformers_writes_are_read(tmp_path):
    add_logit_score(tmp_path, 9693, 2152)
    assert logit_score(tmp_path) == LogitScore(9693, 2152, INSTRUCTION)


def test_one_token_an_instruction_less_and_a_structured_message(tmp_path):
    processing = {"chat_template": {"add_generation_prompt": True, "restore_suffix": False}}
    options = {"processing": processing, "message": "structured", "instruction": None}
    add_logit_score(tmp_path, 9454, None, **options)
    expected = LogitScore(9454, variables={"add_generation_prompt": True}, structured=True)
    assert logit_score(tmp_path) == expected


def test_other_repositories_have_none(tmp_path):
    assert logit_score(tmp_path) is None
    assert logit_score(modules(tmp_path, TRANSFORMER)) is None
    assert logit_score(modules(tmp_path, TRANSFORMER, DENSE)) is None


@pytest.mark.parametrize(
    ("yes", "no"), [("9693", 1), (None, 1), (-1, 1), (True, 1), (1.5, 1), (1, "no"), (1, [2])]
)
def test_what_is_no_token_is_refused(tmp_path, yes, no):
    error = refused(logit_score, add_logit_score(tmp_path, yes, no))
    assert "true_token_id is" in error.problem
    assert error.file == tmp_path / "1_LogitScore" / "config.json"


@pytest.mark.parametrize("path", ["", ".", "..", "../other", "/etc", "a\\b", "a/b", None, 7])
def test_a_module_elsewhere_is_refused(tmp_path, path):
    error = refused(module_folder, modules(tmp_path, TRANSFORMER, LOGIT_SCORE, path=path))
    assert "in a folder beside it" in error.remedy


@pytest.mark.parametrize(
    "types",
    [
        (TRANSFORMER, DENSE, LOGIT_SCORE),
        (TRANSFORMER, LOGIT_SCORE, DENSE),
        (LOGIT_SCORE,),
        (TRANSFORMER, LOGIT_SCORE, LOGIT_SCORE),
    ],
)
def test_other_modules_beside_it_are_refused(tmp_path, types):
    assert "the modules are" in refused(module_folder, modules(tmp_path, *types)).problem


@pytest.mark.parametrize("variables", [{"tokenize": True}, {"enable_thinking": {}}, {"tools": "x"}])
def test_what_a_template_cannot_be_given_is_refused(tmp_path, variables):
    add_logit_score(tmp_path, 1, 2, processing={"chat_template": variables})
    error = refused(logit_score, tmp_path)
    assert "the chat template is given" in error.problem
    assert error.file == tmp_path / "sentence_bert_config.json"


def test_a_model_of_images_is_refused(tmp_path):
    file = add_logit_score(tmp_path, 1, 2) / "sentence_bert_config.json"
    file.write_text(file.read_text().replace("text-generation", "any-to-any"))
    assert refused(logit_score, tmp_path).problem == "transformer_task is 'any-to-any'"


@pytest.mark.parametrize("content", ["", "{", "\xff", "[" * 100_000, "7", '{"a": 1}', "[1]"])
@pytest.mark.parametrize("name", ["modules.json", "1_LogitScore/config.json"])
def test_damaged_files_are_refused(tmp_path, name, content):
    add_logit_score(tmp_path, 1, 2)
    (tmp_path / name).write_text(content, "latin-1")
    assert refused(logit_score, tmp_path).file == tmp_path / name


def test_a_download_fetches_the_module_of_the_same_commit(hub, tmp_path):
    (tmp_path / "commit").mkdir()
    add_logit_score(tmp_path / "commit", 1, 2)
    download("some/model", "main")
    (_, first), (hub_id, second) = hub
    assert first["revision"] == "main"
    assert (hub_id, second["revision"]) == ("some/model", "commit")
    assert second["allow_patterns"] == ["1_LogitScore/config.json"]
