"""Objects of a file, one a line of JSONL or one a row of Parquet, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.errors import Place
from analysis.readers.lines import suffix_of
from analysis.readers.objects import json_objects
from analysis.readers.parquet import parquet_rows


def records_of(path: Path) -> Iterator[tuple[Place, dict[str, object]]]:
    """Place and object of each row where the name ends in ``.parquet``, otherwise of each line.

    Raises :class:`~analysis.errors.InputError` for a file that cannot be read so.
    """
    if suffix_of(path) == ".parquet":
        return ((Place(path, None, f"row {row}"), found) for row, found in parquet_rows(path))
    return ((Place(path, line), found) for line, found in json_objects(path))
