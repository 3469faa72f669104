"""Files of scores: JSONL, CSV and TSV, and TREC runs, gzip allowed.

- JSONL: ``{"query_id": …, "passage_id": …, "score": …}`` a line, ``"logit"`` where it is known;
- CSV (comma) and TSV (tab) with these columns, others are left out;
- a TREC run (``.trec``, ``.run`` or ``.txt``): ``query_id Q0 passage_id rank score tag``; its
  ranks are ignored.

Numbers become the float64 nearest to their decimals. How many decimals a file prints is kept,
since ``0.9990`` says more about its making than 0.999 does. Order of lines is kept. Bad input is
answered with :class:`~analysis.errors.InputError` naming file, line and field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.datasets import Place, as_id
from analysis.readers.lines import separated_rows, text_lines
from analysis.readers.trec import run_lines

_REQUIRED = ("query_id", "passage_id", "score")
_FIXED_POINT = re.compile(r"[+-]?[0-9]*\.([0-9]+)")


@dataclass(frozen=True)
class ScoreFile:
    """Scores of a file: ``frame`` has ``query_id, passage_id, score, logit`` (NaN: unknown).

    ``decimals`` is the number of decimals if every score is printed with the same number of
    them, as ``%.4f`` does, otherwise None.
    """

    frame: pd.DataFrame
    decimals: int | None


class _Row(NamedTuple):
    """One line: its number, its ids and its numbers as they are spelled."""

    line: int
    query_id: object
    passage_id: object
    score: object
    logit: object


def read_scores(source: str | Path) -> ScoreFile:
    """Read a file of scores by its suffix (``.gz`` may follow).

    Raises :class:`InputError` for an unknown suffix, a file without scores, missing columns,
    numbers that are missing, NaN or infinite, and a (query, passage) that stands there twice.
    A file gives the logits of all its rows or of none.
    """
    path = Path(source)
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in _READERS:
        raise Place(path).error(
            f"the suffix {suffix!r} does not say what kind of scores these are",
            f"name the file {', '.join(_READERS)} (.gz may follow)",
        )
    rows = list(_READERS[suffix](path))
    if not rows:
        raise Place(path).error("there is no score", "give one line per query and passage")
    frame = pd.DataFrame(
        {
            "query_id": [as_id(r.query_id, Place(path, r.line, "query_id")) for r in rows],
            "passage_id": [as_id(r.passage_id, Place(path, r.line, "passage_id")) for r in rows],
            "score": [_number(r.score, Place(path, r.line, "score")) for r in rows],
            "logit": _logits(rows, path),
        }
    )
    _check_duplicates(frame, rows, path)
    return ScoreFile(frame, _fixed_decimals([r.score for r in rows]))


def _json_rows(path: Path) -> Iterator[_Row]:
    for line, text in enumerate(text_lines(path), 1):
        if not text.strip():
            continue
        try:
            # Decimal keeps the digits as they are printed.
            record = json.loads(text, parse_float=Decimal, parse_constant=str)
        except (ValueError, RecursionError, InvalidOperation) as error:
            raise Place(path, line).error(
                f"invalid JSON ({getattr(error, 'msg', error)})",
                "write one whole JSON object a line (json.dumps does)",
            ) from error
        if not isinstance(record, dict):
            raise Place(path, line).error(
                f"a JSON {type(record).__name__}, not an object", _json_remedy()
            )
        absent = [name for name in _REQUIRED if name not in record]
        if absent:
            raise Place(path, line, absent[0]).error("this key is missing", _json_remedy())
        ids, numbers = [record[name] for name in _REQUIRED[:2]], [record["score"]]
        yield _Row(line, *ids, *numbers, record.get("logit"))


def _json_remedy() -> str:
    return 'write {"query_id": …, "passage_id": …, "score": …} on each line'


def _csv_rows(path: Path) -> Iterator[_Row]:
    yield from _table_rows(path, ",")


def _tsv_rows(path: Path) -> Iterator[_Row]:
    yield from _table_rows(path, "\t")


def _table_rows(path: Path, delimiter: str) -> Iterator[_Row]:
    rows = separated_rows(path, delimiter)
    head_line, header = next(rows, (1, []))
    twice = [name for name in (*_REQUIRED, "logit") if header.count(name) > 1]
    if twice:
        raise Place(path, head_line).error(
            f"the header has the column {', '.join(twice)} twice", "keep one of the two"
        )
    absent = [name for name in _REQUIRED if name not in header]
    if absent:
        raise Place(path, head_line).error(
            f"the header {header} has no column {', '.join(absent)}",
            f"name the columns {', '.join(_REQUIRED)} and, if known, logit",
        )
    for line, cells in rows:
        if len(cells) != len(header):
            raise Place(path, line).error(
                f"{len(cells)} cells under {len(header)} columns",
                "give each row a cell for every column",
            )
        row = dict(zip(header, cells, strict=True))
        yield _Row(line, *(row[name] for name in _REQUIRED), row.get("logit") or None)


def _run_rows(path: Path) -> Iterator[_Row]:
    for line, columns in run_lines(path):
        yield _Row(line, columns[0], columns[2], columns[4], None)


_READERS: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".jsonl": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".trec": _run_rows,
    ".run": _run_rows,
    ".txt": _run_rows,
}


def _number(value: object, place: Place) -> float:
    """Give the float64 nearest to a number's decimals."""
    no_number = isinstance(value, bool | None) or "_" in str(value)  # Python reads 1_000 as one
    try:
        number = float("nan") if no_number else float(value)
    except (ValueError, TypeError, OverflowError):
        number = float("nan")
    if not np.isfinite(number):
        raise place.error(
            f"{_spelled(value)} is no finite number",
            "write the number; an engine that gave NaN should be run in bfloat16 or float32",
        )
    return number


def _spelled(value: object) -> str:
    return "null" if value is None else repr(str(value))


def _logits(rows: Sequence[_Row], path: Path) -> list[float]:
    """Logits of all rows, or NaN for all; raises :class:`InputError` where some are missing."""
    missing = [row.logit is None for row in rows]
    if all(missing):
        return [float("nan")] * len(rows)
    if any(missing):
        row = rows[missing.index(True)]
        raise Place(path, row.line, "logit").error(
            "the logit is missing, and other lines have one", "give it on every line or on none"
        )
    return [_number(row.logit, Place(path, row.line, "logit")) for row in rows]


def _check_duplicates(frame: pd.DataFrame, rows: Sequence[_Row], path: Path) -> None:
    again = frame.duplicated(["query_id", "passage_id"]).to_numpy()
    if not again.any():
        return
    row = int(again.argmax())
    ids = frame.loc[row, ["query_id", "passage_id"]]
    first = int((frame[["query_id", "passage_id"]] == ids).all(axis=1).to_numpy().argmax())
    raise Place(path, rows[row].line, "passage_id").error(
        f"passage {ids['passage_id']!r} of query {ids['query_id']!r} stands on line "
        f"{rows[first].line} already",
        "keep one of the two",
    )


def _fixed_decimals(spelled: Sequence[object]) -> int | None:
    """Number of decimals that all scores are printed with; None if they differ."""
    found = {_decimals(str(value)) for value in spelled}
    return found.pop() if len(found) == 1 else None


def _decimals(text: str) -> int | None:
    match = _FIXED_POINT.fullmatch(text)
    return len(match[1]) if match else None
