"""Networks that were exported or quantised are kept, each in a folder named by what made it.

    <cache>/networks/3f1c09a2b4d5e6f7/
        key.json     everything that decides what the files hold
        model.onnx   or model.xml with model.bin

A folder takes its place whole, so that a run killed at any moment leaves none that is half full.
They may be deleted at any time.
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

KEY = "key.json"


def kept(key: Mapping[str, Any], name: str, make: Callable[[Path], object]) -> Path:
    """Return the file ``name`` that ``make`` writes, given its path, unless it is there already.

    ``key`` holds, as JSON would, whatever decides what the file holds; ``make`` may write further
    files beside it. Raises :class:`InputError` where nothing can be written.
    """
    text = json.dumps(key, indent=2, sort_keys=True)
    folder = cache_folder() / "networks" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not (folder / name).is_file():
        with _taking_place(folder) as temporary:
            make(temporary / name)
            (temporary / KEY).write_text(f"{text}\n", "utf-8")
    return folder / name


def identity(file: Path) -> dict[str, Any]:
    """What a kept network is: the digest of its files, and what decided what they hold."""
    made_of = json.loads((file.parent / KEY).read_text("utf-8"))
    return {"sha256": digest(file), "made_of": made_of}


def digest(file: Path) -> str:
    """SHA-256 of a network's files: the one named, and what :func:`kept` put beside it."""
    beside = sorted(one for one in file.parent.iterdir() if one.name != KEY)
    return hashlib.sha256("".join(map(sha256_of, beside)).encode()).hexdigest()


@contextmanager
def _taking_place(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside; it takes the place of ``folder`` once all is written."""
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
        with suppress(OSError):  # another process was faster: its files are as good
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
