"""Files that commands write."""

from __future__ import annotations

from pathlib import Path

from analysis.errors import InputError
from analysis.places import named_path, writing

WRITE_ELSEWHERE = "make room there, or name another file"


def refuse_folders(*files: Path | None) -> None:
    """Refuse folders in place of files to be written, before what is written takes its time."""
    for file in files:
        if file is not None and file.is_dir():
            raise InputError("this is a folder", "name a file to be written", file=file)


def replaceable(out: Path) -> Path:
    """A file that a finished one may take the place of; its folder is made."""
    file = named_path(out, "name a file to be written")
    refuse_folders(file)
    if file.exists() and not file.is_file():
        raise InputError("this is a pipe or a device", "name a file to be written", file=file)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def write_file(file: Path, text: str) -> None:
    """Write a text where it was asked for; its folder is made."""
    path = named_path(file, "name a file to be written")
    with writing(path, WRITE_ELSEWHERE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
