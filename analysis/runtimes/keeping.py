"""Networks that were exported or quantised are kept, each in a folder named by what made it.

    <cache>/networks/3f1c09a2b4d5e6f7/
        key.json     everything that decides what the files hold
        sha256.json  checksums of the files
        model.onnx   or model.xml with model.bin

A folder takes its place whole, so that a run killed at any moment leaves none that is half full.
Before a network is used its files are held against their checksums; one that was cut short,
changed or exchanged is made anew. Folders may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from analysis.checkpoints import sha256_of
from analysis.errors import InputError
from analysis.places import cache_folder

KEY, SUMS = "key.json", "sha256.json"


def kept(key: Mapping[str, Any], name: str, make: Callable[[Path], object]) -> Path:
    """Return the file ``name`` that ``make`` writes, given its path, unless it is there, whole.

    ``key`` holds, as JSON would, whatever decides what the file holds; ``make`` may write further
    files beside it. Raises :class:`InputError` where nothing can be written, and where what is
    there is not whole and cannot be replaced.
    """
    text = json.dumps(key, indent=2, sort_keys=True)
    folder = cache_folder() / "networks" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not _is_whole(folder, text):
        with _beside(folder) as temporary:
            make(temporary / name)
            (temporary / KEY).write_text(text, "utf-8")
            (temporary / SUMS).write_text(json.dumps(_sums(temporary)), "utf-8")
            if not _is_whole(folder, text):  # no other process was faster
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    temporary.replace(folder)
        _check_whole(folder, text)
    return folder / name


def _is_whole(folder: Path, text: str) -> bool:
    """Whether a folder has what was made for a key, and nothing else."""
    try:
        if not all(one.is_file() for one in folder.iterdir()):
            return False  # whoever read a pipe would wait
        said = json.loads((folder / SUMS).read_text("utf-8"))
        return (folder / KEY).read_text("utf-8") == text and said == _sums(folder)
    except (OSError, ValueError, RecursionError):
        return False


def _check_whole(folder: Path, text: str) -> None:
    if not _is_whole(folder, text):
        raise InputError(
            "what is kept here is not the network that was made, and cannot be replaced",
            "delete it",
            file=folder,
        )


def _files(folder: Path) -> list[Path]:
    """The files that make up a kept network."""
    return sorted(one for one in folder.iterdir() if one.name not in (KEY, SUMS))


def _sums(folder: Path) -> dict[str, str]:
    return {one.name: sha256_of(one) for one in _files(folder)}


def identity(file: Path) -> dict[str, Any]:
    """What a kept network is: the digest of its files, and what decided what they hold."""
    made_of = json.loads((file.parent / KEY).read_text("utf-8"))
    return {"sha256": digest(file), "made_of": made_of}


def digest(file: Path) -> str:
    """SHA-256 of a network's files: the one named, and what :func:`kept` put beside it."""
    return hashlib.sha256("".join(_sums(file.parent).values()).encode()).hexdigest()


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside one; it goes in the end, unless it was moved."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InputError(
            f"no network can be kept here ({error.strerror})",
            "make the folder writable, or leave room on its disk",
            file=folder.parent,
        ) from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
