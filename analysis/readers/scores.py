"""Scores: rows, runs and saved answers, from one file, several, a folder, or a frame.

- JSONL: ``{"query_id": …, "passage_id": …, "score": …}`` a line, ``"logit"`` where it is known, or
  a service's answer a line;
- JSON: an answer, a list of answers or rows, or a run ``{"q1": {"p1": 0.5}}``
  (:mod:`analysis.readers.answers`);
- CSV (comma) and TSV (tab) with the columns of a row, also as PyTerrier calls them
  (:mod:`analysis.readers.columns`); others are left out; a TSV without a header is MS MARCO's
  ``query_id, passage_id, rank, score``;
- a TREC run (``.trec``, ``.run``, ``.res`` or ``.txt``): ``query_id Q0 passage_id rank score tag``;
  its ranks are not used, but must be whole numbers or ``-``;
- Parquet with the columns of a row.

:func:`check_scores` is the one gate: numbers become the float64 nearest to their decimals, order
is kept, and bad input is answered with :class:`~analysis.errors.InputError` naming file, line and
field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.datasets import Source, as_id, check_duplicates
from analysis.errors import Place, counted, quoted
from analysis.numerals import finite_number, numeral, wrapper
from analysis.places import named_path
from analysis.readers.answers import is_answer, row_of, scored_rows
from analysis.readers.columns import SPELLINGS, spelled, table_rows
from analysis.readers.lines import first_cells, separated_rows, set_name, suffix_of
from analysis.readers.objects import as_object, json_file, json_values
from analysis.readers.parquet import parquet_frame
from analysis.readers.several import check_apart, files_of
from analysis.readers.trec import run_lines

_REQUIRED = ("query_id", "passage_id", "score")
_COLUMNS = ("line", *_REQUIRED, "logit")
_MS_MARCO = ("query_id", "passage_id", "rank", "score")
_FIXED_POINT = re.compile(r"[+-]?[0-9]*\.([0-9]+)")

_Row = tuple[int | None, object, object, object, object]  # _COLUMNS, numbers as they are spelled


@dataclass(frozen=True)
class ScoreFile:
    """Scores of a file: ``frame`` has ``query_id, passage_id, score, logit`` (NaN: unknown).

    ``decimals`` is the number of decimals if every score is printed with the same number of
    them, as ``%.4f`` does, otherwise None: ``0.9990`` says more about its making than 0.999.
    ``notes`` are sentences about how the file was read.
    """

    frame: pd.DataFrame
    decimals: int | None
    notes: tuple[str, ...] = ()


def read_scores(source: str | Path | Sequence[str | Path]) -> ScoreFile:
    """Read scores from a file by its suffix (``.gz`` may follow), from several, or from a folder.

    Raises :class:`InputError` for an unknown suffix, for a pair that stands in two files, and for
    what :func:`check_scores` refuses.
    """
    files = files_of(source, SCORE_SUFFIXES, f"name a file {_SUFFIXES}")
    parts = [_read(file) for file in files]
    if len(parts) == 1:
        return parts[0]
    check_apart(files, [part.frame for part in parts])
    decimals = {part.decimals for part in parts}
    return ScoreFile(
        pd.concat([part.frame for part in parts], ignore_index=True),
        decimals.pop() if len(decimals) == 1 else None,
        (f"{len(files)} files", *dict.fromkeys(note for part in parts for note in part.notes)),
    )


def read_run(path: str | Path) -> pd.DataFrame:
    """Read a TREC run as :func:`analysis.evaluate` takes it, whatever the file is called.

    Columns ``query_id, passage_id, score``, in the order of the lines; the rank is not read.
    Scores are float64: say ``stored_dtype="float32"`` to count ties as trec_eval does. Raises
    :class:`InputError` as :func:`read_scores` does.
    """
    path = named_path(path, "name the file of a run")
    rows = _frame(_run_rows(path))
    return check_scores(rows, file=path, lines=rows["line"].tolist())[list(_REQUIRED)]


def check_scores(
    scores: pd.DataFrame,
    *,
    file: object = None,
    lines: Sequence[int] | None = None,
    first_row: int = 0,
) -> pd.DataFrame:
    """Check scores, columns ``query_id, passage_id, score`` and perhaps ``logit``.

    PyTerrier's names of the columns do as well. Returns ours, numbers as float64; ``logit`` is NaN
    in all rows if it is unknown. ``file`` and ``lines`` (one number per row) say where the rows
    came from; without them an error names the row, counted from ``first_row``. Raises
    :class:`InputError` for
    missing columns, no rows, a number that is missing, NaN or infinite, a (query, passage) that
    stands there twice, and where only some logits are known.
    """
    names = {name: spelled(name, scores.columns) for name in (*_REQUIRED, "logit")}
    absent = [name for name in _REQUIRED if names[name] is None]
    if absent:
        raise Place(file).error(
            f"there is no column {', '.join(absent)}", f"give {', '.join(_REQUIRED)}"
        )
    if scores.empty:
        raise Place(file).error("there is no score", "give one row for each query and passage")
    known = {name: scores[column] for name, column in names.items() if column is not None}
    scores = pd.DataFrame(known).reset_index(drop=True)
    source = Source(file, lines, first_row)
    checked = pd.DataFrame(
        {
            "query_id": source.checked(scores, "query_id", as_id),
            "passage_id": source.checked(scores, "passage_id", as_id),
            "score": _numbers(scores, "score", source),
            "logit": _logits(scores, source),
        }
    )
    check_duplicates(checked, source)
    return checked


def _read(path: Path) -> ScoreFile:
    if suffix_of(path) == _PARQUET:
        return ScoreFile(check_scores(parquet_frame(path), file=path), None)
    if suffix_of(path) not in _READERS:
        raise Place(path).error(
            f"the suffix {quoted(suffix_of(path))} does not say what kind of scores these are",
            f"name the file {_SUFFIXES}",
        )
    rows = _frame(_READERS[suffix_of(path)](path))
    lines = None if rows["line"].isna().any() else rows["line"].tolist()
    wrappers = {wrapper(score) for score in rows["score"]} - {None}
    notes = tuple(f"scores are written as {name}(…)" for name in sorted(wrappers))
    frame = check_scores(rows, file=path, lines=lines)
    return ScoreFile(frame, _fixed_decimals(rows["score"]), notes)


def _logits(scores: pd.DataFrame, source: Source) -> Sequence[float]:
    """Logits of all rows, or NaN for all."""
    if "logit" not in scores or scores["logit"].isna().all():
        return [np.nan] * len(scores)
    missing = scores["logit"].isna().to_numpy()
    if missing.any():
        raise source.place(int(missing.argmax()), "logit").error(
            "the logit is missing, and other rows have one", "give it in every row or in none"
        )
    return _numbers(scores, "logit", source)


def _numbers(scores: pd.DataFrame, name: str, source: Source) -> Sequence[float]:
    """A column of finite numbers as float64; of an array of numbers all are checked at once."""
    column = scores[name]
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        numbers = column.to_numpy(np.float64)
        if np.isfinite(numbers).all():
            return numbers
    return source.checked(scores, name, finite_number)


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=_COLUMNS, dtype=object)


# Decimal keeps the digits as they are printed; NaN is refused as a number, by its field.
_AS_PRINTED: dict[str, Callable] = {"parse_float": Decimal, "parse_constant": str}


def _jsonl_rows(path: Path) -> Iterator[_Row]:
    for line, value in json_values(path, **_AS_PRINTED):
        place = Place(path, line)
        if is_answer(value):
            for row in scored_rows(value, f"{set_name(path)}:{line}", place):
                yield line, *row
        else:
            yield line, *row_of(as_object(value, place), place)


def _json_rows(path: Path) -> Iterator[_Row]:
    value = json_file(path, **_AS_PRINTED)
    for row in scored_rows(value, set_name(path), Place(path)):
        yield None, *row


def _table_rows(path: Path) -> Iterator[_Row]:
    if suffix_of(path) == ".tsv" and _has_no_header(path):
        yield from _ms_marco_rows(path)
        return
    for line, row in table_rows(path, _REQUIRED, ["logit"]):
        yield line, *(row[name] for name in _REQUIRED), row.get("logit") or None


def _ms_marco_rows(path: Path) -> Iterator[_Row]:
    for line, cells in separated_rows(path, "\t", quoted=False):
        if len(cells) != len(_MS_MARCO):
            raise Place(path, line).error(
                f"{counted(len(cells), 'cell')} instead of {', '.join(_MS_MARCO)}",
                "write the scores: ranks alone do not tell how they came about",
            )
        yield line, cells[0], cells[1], cells[3], None


def _has_no_header(path: Path) -> bool:
    """Whether a table begins as MS MARCO's runs do: query id, passage id, rank."""
    cells = first_cells(path)
    names = {spelling for name in _REQUIRED for spelling in SPELLINGS[name]}
    return len(cells) in (3, 4) and cells[2].isdecimal() and names.isdisjoint(cells)


def _run_rows(path: Path) -> Iterator[_Row]:
    for row in run_lines(path):
        yield *row, None


_READERS: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".jsonl": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _table_rows,
    ".tsv": _table_rows,
    ".trec": _run_rows,
    ".run": _run_rows,
    ".res": _run_rows,
    ".txt": _run_rows,
}
_PARQUET = ".parquet"
SCORE_SUFFIXES = (*_READERS, _PARQUET)
_SUFFIXES = f"{', '.join(_READERS)} (.gz may follow) or {_PARQUET}"


def _fixed_decimals(spellings: Iterable[object]) -> int | None:
    """Number of decimals that all scores are printed with; None if they differ."""
    found = {_decimals(numeral(value)) for value in spellings}
    return found.pop() if len(found) == 1 else None


def _decimals(text: str) -> int | None:
    match = _FIXED_POINT.fullmatch(text)
    return len(match[1]) if match else None
