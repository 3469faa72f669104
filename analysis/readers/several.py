"""Several files in place of one: a list of them, or a folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from analysis.errors import InputError, Place, quoted
from analysis.places import named_path
from analysis.readers.lines import suffix_of


def files_of(source: object, suffixes: Collection[str], remedy: str) -> list[Path]:
    """Files that ``source`` names: itself, its members, or a folder's files with these suffixes.

    A folder's files are taken by name, hidden ones left out. Raises :class:`InputError` for what
    names no file; whether one is there shows when it is read.
    """
    if isinstance(source, Sequence) and not isinstance(source, str):
        files = [file for one in source for file in files_of(one, suffixes, remedy)]
        if not files:
            raise InputError("no file is given", remedy)
        return files
    path = named_path(source, remedy)
    if not path.is_dir():
        return [path]
    inside = sorted(path.iterdir())
    files = [one for one in inside if suffix_of(one) in suffixes and not one.name.startswith(".")]
    if not files:
        raise Place(path).error("this folder has no file that is read", remedy)
    return files


def check_apart(files: Sequence[Path], frames: Sequence[pd.DataFrame]) -> None:
    """Check that no (query, passage) stands in two of the files."""
    keys = ["query_id", "passage_id"]
    parts = [frame[keys].assign(file=number) for number, frame in enumerate(frames)]
    rows = pd.concat(parts, ignore_index=True)
    again = rows.duplicated(keys)
    if not again.any():
        return
    second = rows[again].iloc[0]
    same = (rows["query_id"] == second.query_id) & (rows["passage_id"] == second.passage_id)
    first = rows[same].iloc[0]
    raise Place(files[second.file]).error(
        f"passage {quoted(second.passage_id)} of query {quoted(second.query_id)} stands in "
        f"{files[first.file].name} too",
        "leave one of the files out, or give their queries different ids",
    )
