"""LogitScore: how a sentence-transformers repository makes a reranker of a language model.

Such a repository lists two modules, the network and a LogitScore, which compares the logits of two
tokens at the last place. sentence-transformers 5.4 and later write it so
(docs/cross_encoder/usage/custom_models.rst at cad2119)::

    modules.json                       the types of the modules, and their folders
    1_LogitScore/config.json           true_token_id, false_token_id
    config_sentence_transformers.json  prompts, default_prompt_name: the instruction
    sentence_bert_config.json          how messages are given to the chat template
    chat_template.jinja                a message each of the roles system, query and document

Files are read, and nothing else: no code, neither the repository's nor the library's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from analysis.errors import InputError, quoted

_TYPE = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
_TASK = "text-generation"
_VARIABLES = ("add_generation_prompt", "chat_template", "enable_thinking")


@dataclass(frozen=True)
class LogitScore:
    """What a repository says of its yes/no language model.

    ``yes`` and ``no`` are token ids; without ``no`` the logit of ``yes`` alone is the model's.
    ``instruction`` is its default prompt, ``variables`` what its chat template is given beside the
    messages, ``structured`` whether their content is a list of parts.
    """

    yes: int
    no: int | None = None
    instruction: str | None = None
    variables: Mapping[str, str | bool] = field(default_factory=dict)
    structured: bool = False


def logit_score(folder: Path) -> LogitScore | None:
    """Read a repository's LogitScore; None if it lists none.

    Raises :class:`InputError` for files that are damaged, and for what they ask for and is not
    done here.
    """
    module = module_folder(folder)
    if module is None:
        return None
    file = folder / module / "config.json"
    tokens = _object(file)
    yes, no = tokens.get("true_token_id"), tokens.get("false_token_id")
    if not _is_token(yes) or not (no is None or _is_token(no)):
        raise InputError(
            f"true_token_id is {quoted(yes)} and false_token_id {quoted(no)}",
            "give the numbers of two tokens",
            file=file,
        )
    network = _object(folder / "sentence_bert_config.json")
    task = network.get("transformer_task", _TASK)
    if task != _TASK:
        raise InputError(
            f"transformer_task is {quoted(task)}",
            f"give a model of texts ({_TASK})",
            file=folder / "sentence_bert_config.json",
        )
    return LogitScore(
        yes,
        no,
        _instruction(folder),
        _variables(network, folder),
        _within(network, "modality_config", "message").get("format") == "structured",
    )


def module_folder(folder: Path) -> str | None:
    """Name the folder of a repository's LogitScore; None if it lists none.

    Raises :class:`InputError` for other modules beside it, and for a folder elsewhere.
    """
    file = folder / "modules.json"
    modules = _json(file) if file.is_file() else []
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise InputError("this is no list of modules", "copy it anew", file=file)
    types = [module.get("type") for module in modules]
    if _TYPE not in types:
        return None
    path = modules[-1].get("path")
    if types[1:] != [_TYPE] or not _is_beside(path):
        raise InputError(
            f"the modules are {quoted(types)}, the last in {quoted(path)}",
            "give a network and a LogitScore in a folder beside it: nothing else is run here",
            file=file,
        )
    return path


def _instruction(folder: Path) -> str | None:
    """The prompt that is used unless another is asked for."""
    said = _object(folder / "config_sentence_transformers.json")
    name = said.get("default_prompt_name")
    prompt = _within(said, "prompts").get(name) if isinstance(name, str) else None
    return prompt if isinstance(prompt, str) and prompt else None


def _variables(network: dict[str, Any], folder: Path) -> dict[str, str | bool]:
    """What the chat template is given beside the messages, or which of several it is."""
    said = dict(_within(network, "processing_kwargs", "chat_template"))
    said.pop("restore_suffix", None)  # the template's end is never cut here
    for name, value in said.items():
        if name not in _VARIABLES or not isinstance(value, str | bool):
            raise InputError(
                f"the chat template is given {quoted(name)}: {quoted(value)}",
                f"leave out all but {', '.join(_VARIABLES)}",
                file=folder / "sentence_bert_config.json",
            )
    return said


def _within(found: Any, *names: str) -> dict[str, Any]:  # noqa: ANN401
    """The object below these names; empty where something else stands there."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _is_beside(path: object) -> bool:
    """Whether a path is the plain name of a folder, which leads nowhere else."""
    plain = isinstance(path, str) and PurePath(path).name == path and "\\" not in path
    return plain and path not in ("", "..")


def _is_token(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _object(file: Path) -> dict[str, Any]:
    """The object in a file; empty if there is no such file."""
    found = _json(file) if file.is_file() else {}
    if not isinstance(found, dict):
        raise InputError("this is no JSON object", "copy it anew", file=file)
    return found


def _json(file: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("this is no JSON file", "copy it anew", file=file) from error
