"""What the tests of the readers share: writing small files and catching what readers refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from analysis.errors import InputError


def write(path: Path, *lines: object) -> Path:
    """Write a file of lines; anything but a string is written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_bytes("".join(f"{text}\n" for text in texts).encode())
    return path


def query(query_id: object, *candidates: object, text: object = "Wie lange?") -> dict:
    """One line of our JSONL."""
    return {"query_id": query_id, "query": text, "candidates": list(candidates)}


def passage(passage_id: object, text: object = "Zwei Wochen.", **more: object) -> dict:
    """One candidate of our JSONL."""
    return {"passage_id": passage_id, "text": text, **more}


def parquet(path: Path, *rows: dict) -> Path:
    """Write a Parquet file of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def refused(read: Callable[..., object], *args: object, **named: object) -> InputError:
    """Catch the InputError that a reader raises, saying where, what and how to mend."""
    with pytest.raises(InputError) as caught:
        read(*args, **named)
    error = caught.value
    assert error.problem
    assert error.remedy
    said = f"{error.problem}. {error.remedy}."  # capitals are the business of test_errors
    assert str(error).lower().endswith(said.lower())
    if error.file is not None:
        assert str(error).startswith(
            f"{error.file}:" if error.line is None else f"{error.file}:{error.line}:"
        )
    return error
