"""Checkpoint folders: where they come from, what they hold, whether they are whole.

A checkpoint is an ordinary folder as transformers writes it: ``config.json``, the weights, the
tokeniser. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from math import prod
from numbers import Real
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open

from analysis import progress, sinks
from analysis.errors import InputError, counted, quoted
from analysis.logitscores import module_folder
from analysis.places import named_path

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")

_LANGUAGE_MODELS = ("ForCausalLM", "ForConditionalGeneration")
_BLOCK = re.compile(r"\.[0-9]+\.")
_SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLED_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_OLD_ACTIVATION = "sbert_ce_default_activation_function"
_TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's bytes as hex digits; read once per process while it stays unchanged."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns, status.st_ino)


@cache
def _sha256(file: Path, *_unchanged: int) -> str:
    with file.open("rb") as opened, progress.busy(f"hashing {file.name}"):
        return hashlib.file_digest(opened, "sha256").hexdigest()


def download(
    hub_id: str,
    revision: str | None,
    *,
    weights: bool = True,
    pickles: bool = False,
    code: bool = False,
) -> Path:
    """Return the folder of a Hub model's snapshot, downloaded unless it is in the Hub's cache.

    The folder is named by the commit. ``weights`` says whether safetensors are wanted, ``pickles``
    and ``code`` whether pickled weights and Python files are too. Of the folders within, a
    LogitScore's alone is fetched. Raises :class:`InputError` if there is no such model or revision,
    or if the Hub cannot be reached.
    """
    wanted = ["*.json", "chat_template.jinja", *TOKENIZER_FILES] + ["*.safetensors"] * weights
    wanted += ["pytorch_model*.bin"] * pickles + ["*.py"] * code
    try:
        folder = snapshot_download(
            hub_id, revision=revision, allow_patterns=wanted, ignore_patterns=["*/*"]
        )
        module = module_folder(Path(folder))
        if module is not None:
            parts = [f"{module}/config.json"]
            snapshot_download(hub_id, revision=Path(folder).name, allow_patterns=parts)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise InputError(
            f"the Hugging Face Hub does not give {hub_id!r}"
            f"{f' at {revision!r}' if revision else ''}: {_first_line(error)}",
            "check the id and the network, log in if the model is gated (hf auth login), or give "
            "the path of a local folder",
        ) from error
    return Path(folder)


def local_folder(model: str | Path) -> Path | None:
    """Return the folder that ``model`` names, or None if it can only be a Hub id.

    Raises :class:`InputError` if it is a file, or a path that does not exist.
    """
    folder = named_path(model, "give a folder or a Hub id")
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise InputError("this is a file", "give the folder that holds config.json", file=model)
    if isinstance(model, Path) or str(model).startswith(("/", "~", ".")) or "\\" in model:
        raise InputError("there is no such folder", "give a folder or a Hub id", file=model)
    return None


def weight_files(folder: Path, *, allow_pickle: bool = False) -> tuple[Path, ...]:
    """Return the files that hold a checkpoint's weights: safetensors, or pickles if allowed.

    Raises :class:`InputError` if there is no ``config.json``, no such weights, if a part of them
    is missing, for an adapter beside them, for an index that names other files than weights of its
    own folder and kind, and for a pipe or a device among the files.
    """
    _check_regular(folder)
    if not (folder / "config.json").is_file():
        adapter = (folder / "adapter_config.json").is_file()
        raise InputError(
            "the folder has no config.json" + adapter * ", only an adapter",
            "merge it into its base (peft: merge_and_unload) and save that"
            if adapter
            else "give a folder as save_pretrained writes it",
            file=folder,
        )
    files = _named(folder, _SAFE_WEIGHTS) or _named(folder, _PICKLED_WEIGHTS * allow_pickle)
    if not files:
        pickled = bool(_named(folder, _PICKLED_WEIGHTS))
        raise InputError(
            "the folder has no model.safetensors" + pickled * ", only pickled weights",
            "convert the weights; or, if you trust their author (unpickling can run code), load "
            "them: --allow-pickle, in Python allow_pickle=True",
            file=folder,
        )
    if (folder / "adapter_config.json").exists():
        # transformers would load the base that this names, wherever it lies, and the adapter.
        raise InputError(
            "there is an adapter beside the weights",
            "merge it into its base (peft: merge_and_unload) and save that, or remove it",
            file=folder / "adapter_config.json",
        )
    return files


def _check_regular(folder: Path) -> None:
    """Check that nothing in a folder is a pipe or a device: whoever opened one would wait."""
    for file in sorted(folder.iterdir()):
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise InputError("this is a pipe or a device, and no file", "remove it", file=file)


def is_language_model(config: PreTrainedConfig, folder: Path) -> bool:
    """Whether a checkpoint says that it is a language model, with a logit for every token."""
    return not _brings_head(config) and any(
        name.endswith(_LANGUAGE_MODELS) for name in _architectures(config, folder)
    )


def check_head(config: PreTrainedConfig, folder: Path) -> None:
    """Check that a checkpoint is a cross-encoder with one label, or with (no, yes).

    Raises :class:`InputError` otherwise.
    """
    named = _architectures(config, folder)
    classifies = any("SequenceClassification" in name for name in named)
    if named and not classifies and not _brings_head(config):
        raise InputError(
            f"this is a {named[0]}, a network without a head that scores pairs",
            "use a cross-encoder (…ForSequenceClassification)",
            file=folder,
        )
    if config.num_labels not in (1, 2):
        raise InputError(
            f"the network has num_labels = {config.num_labels}",
            "use a reranker with 1 label, or with 2 that mean (no, yes)",
            file=folder / "config.json",
        )


def _architectures(config: PreTrainedConfig, folder: Path) -> list[str]:
    named = config.architectures or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InputError(
            f"architectures is {quoted(named)}",
            "give a list with the name of one class",
            file=folder / "config.json",
        )
    return named


def _brings_head(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint's own code has a head that scores pairs."""
    return "AutoModelForSequenceClassification" in (getattr(config, "auto_map", None) or {})


def check_longest(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Check that a tokeniser's longest input is a number of tokens."""
    longest = tokenizer.model_max_length
    if isinstance(longest, bool) or not isinstance(longest, Real) or not longest >= 1:
        raise InputError(
            f"model_max_length is {quoted(longest)}",
            "give the number of tokens that the model takes",
            file=folder / "tokenizer_config.json",
        )


def check_used(unexpected: Iterable[str], folder: Path) -> None:
    """Check that the network has a place for a checkpoint's weights.

    A block that is left over (``encoder.layer.11``) means that the config describes another,
    smaller network, whose logits would be others: :class:`InputError`. What else is left over, such
    as a language model's head, changes no logit and is named in a warning.
    """
    left = sorted(unexpected)
    blocks = [name for name in left if _BLOCK.search(name)]
    if blocks:
        raise InputError(
            f"the network has no place for {counted(len(blocks), 'weight')} of the checkpoint: "
            f"{', '.join(blocks[:4])}",
            "check the number of layers in config.json, or copy the checkpoint anew",
            file=folder,
        )
    if left:
        logging.getLogger(__name__).warning(
            "%s: not used by the network: %s", folder, sinks.terminal(", ".join(left))
        )


def _named(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the first of the named weight files that is there, or all parts of an index."""
    for name in names:
        file = folder / name
        if file.is_file() and file.suffix == ".json":
            return _parts(file)
        if file.is_file():
            return (file,)
    return ()


def _parts(index: Path) -> tuple[Path, ...]:
    """Return the weight files that an index lists: files beside it, of the index's own kind.

    A safetensors index that names a pickle would smuggle in what may run code, a name with a
    folder would leave the checkpoint.
    """
    try:
        weight_map = json.loads(index.read_text("utf-8"))["weight_map"]
        names = sorted(set(weight_map.values()))
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise InputError("this is no index of weights", "copy it anew", file=index) from error
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError("this is no index of weights", "copy it anew", file=index)
    kind = Path(index.name.removesuffix(".index.json")).suffix
    for name in names:
        if PurePath(name).name != name or "\\" in name or not name.endswith(kind):
            raise InputError(
                f"the index names {quoted(name)}, which is no {kind} file beside it",
                "copy the checkpoint anew from where you trust it",
                file=index,
            )
        if not (index.parent / name).is_file():
            raise InputError(f"{name} is missing", "copy the whole folder", file=index)
    return tuple(index.parent / name for name in names)


def own_activation(folder: Path) -> str | None:
    """The activation that sentence-transformers applies to a checkpoint's logit, such as Identity.

    Its class's name as the checkpoint's configuration has it; None where nothing is said.
    """
    for name in ("config_sentence_transformers.json", "config.json"):
        file = folder / name
        config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        own = config.get("sentence_transformers")
        said = own.get("activation_fn") if isinstance(own, dict) else None
        said = said or config.get("activation_fn") or config.get(_OLD_ACTIVATION)
        if isinstance(said, str):
            return said.rpartition(".")[2]
    return None


def stored_dtype(files: tuple[Path, ...]) -> str:
    """Name the dtype that most of the weights in safetensors files are stored in.

    Reads the headers only. Raises :class:`InputError` for a file that is damaged or cut short.
    """
    sizes: Counter[str] = Counter()
    for file in files:
        try:
            with safe_open(file, framework="numpy") as weights:
                for name in weights.keys():  # noqa: SIM118 (not a dict: it cannot be iterated)
                    tensor = weights.get_slice(name)
                    sizes[tensor.get_dtype()] += prod(tensor.get_shape())
        except SafetensorError as error:
            raise InputError(
                f"the weights are damaged or cut short ({_first_line(error)})",
                "download or copy the file again",
                file=file,
            ) from error
    if not sizes:
        raise InputError("the file holds no weights", "copy it anew", file=files[0])
    most = sizes.most_common(1)[0][0]
    return _TORCH_NAMES.get(most, most)


def _first_line(error: Exception) -> str:
    """Name an error of another library on one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def called(loader: Callable, file: Path, *arguments: object, **options: object) -> Any:  # noqa: ANN401
    """Call a library's loader; whatever a damaged file provokes there becomes one error."""
    try:
        return loader(*arguments, **options)
    except Exception as error:
        text = " ".join(str(error).split())[:300].rstrip(".")
        raise InputError(
            f"it cannot be loaded: {type(error).__name__}: {text}",
            "copy it again; if it brings its own code and you trust its author, let that run: "
            "--trust-remote-code, in Python trust_remote_code=True",
            file=file,
        ) from error
