"""Lines, JSON objects and separated rows of a file, each with its line number."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from analysis.errors import InputError, Place, counted

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""What separates the columns of a table, by the file's suffix."""

# The csv module's own limit of 131,072 characters is shorter than some documents.
_LONGEST_FIELD = 2**31 - 1
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")


def text_lines(path: Path) -> Iterator[str]:
    """Give the lines of a UTF-8 file, with their ends; gzip if the name ends in ``.gz``.

    Decoded line by line, so that an invalid byte is reported with its line. Raises
    :class:`InputError` for a file that is missing, unreadable, damaged or not UTF-8.
    """
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                yield _decoded(line.removeprefix(BOM_UTF8) if number == 1 else line, path, number)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def json_objects(path: Path, **hooks: Callable) -> Iterator[tuple[int, dict[str, object]]]:
    """Line number and JSON object of each line that is not blank.

    ``hooks`` are those of :func:`json.loads`; without them NaN and Infinity are refused.
    """
    hooks = {"parse_constant": _no_number} | hooks
    for number, line in enumerate(text_lines(path), 1):
        if line.strip():
            yield number, _json_object(line, Place(path, number), hooks)


def separated_rows(
    path: Path, delimiter: str, *, quoted: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """First line number and cells of each row that is not blank.

    Quoted as in RFC 4180 unless ``quoted`` is false: then a quotation mark is a character like
    any other, as in MS MARCO's files.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    rows = csv.reader(text_lines(path), delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise Place(path, number).error(
                f"no row of a table starts here ({error})",
                'quote a cell that holds a delimiter, line break or quotation mark, and double "',
            ) from error
        if cells:
            yield number, cells


def table_rows(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """First line number and named cells of each row of a ``.csv`` or ``.tsv`` file.

    The first row names the columns; those that are neither required nor optional are left out.
    """
    delimiter = DELIMITERS[suffix_of(path)]
    rows = separated_rows(path, delimiter)
    line, header = next(rows, (1, []))
    _check_header(header, required, optional, Place(path, line))
    wanted = [name for name in (*required, *optional) if name in header]
    for line, cells in rows:
        if len(cells) != len(header):
            raise Place(path, line).error(
                f"{counted(len(cells), 'cell')} under {counted(len(header), 'column')}",
                "give each row a cell for every column, and quote cells that hold a delimiter",
            )
        yield line, {name: cells[header.index(name)] for name in wanted}


def finite_number(value: object, place: Place) -> float:
    """Give the float64 nearest to a number or to its decimals; it must be there and finite."""
    no_number = isinstance(value, bool | np.bool_ | None) or "_" in str(value)  # as in 1_000
    try:
        number = float("nan") if no_number else float(value)
    except (ValueError, TypeError, OverflowError):
        number = float("nan")
    if not np.isfinite(number):
        raise place.error(
            f"{'null' if value is None else repr(str(value))} is not a finite number",
            "write the number; an engine that gave NaN should be run in bfloat16 or float32",
        )
    return number


def member(record: dict[str, object], key: str, place: Place) -> object:
    """``record[key]``; raises :class:`InputError` if the key is missing."""
    if key not in record:
        raise place.error("this key is missing", f'add "{key}" to the object')
    return record[key]


def whole_number(text: str) -> int | str:
    """Give the whole number that ``text`` spells, or ``text`` itself, which no check accepts."""
    return int(text.partition(".")[0]) if _WHOLE_NUMBER.fullmatch(text) else text


def set_name(path: Path) -> str:
    """Name a set after its file, without ``.gz`` and the suffix."""
    return Path(path.name.removesuffix(".gz")).stem


def suffix_of(path: Path) -> str:
    """Suffix of a file's name, ``.gz`` not counted."""
    return Path(path.name.removesuffix(".gz")).suffix


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise Place(path, number).error(
            f"byte {error.start + 1} of the line is not UTF-8 (0x{line[error.start]:02x})",
            "save the file as UTF-8",
        ) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return Place(path).error("there is no such file", "check the path")
    if isinstance(error, (EOFError, gzip.BadGzipFile, zlib.error)):
        return Place(path).error(
            f"this is a truncated or damaged gzip file ({error})", "copy or compress the file again"
        )
    reason = getattr(error, "strerror", None) or error
    return Place(path).error(f"it cannot be read ({reason})", "give a file that can be read")


def _check_header(
    header: list[str], required: Sequence[str], optional: Sequence[str], place: Place
) -> None:
    absent = [name for name in required if name not in header]
    if absent:
        raise place.error(
            f"the header {header} has no column {', '.join(absent)}",
            f"name the columns {', '.join(required)} (and, if known, {', '.join(optional)}) and "
            "separate them by comma in .csv (Excel may write semicolons), by tab in .tsv",
        )
    twice = [name for name in (*required, *optional) if header.count(name) > 1]
    if twice:
        raise place.error(f"two columns are named {twice[0]}", "rename or remove one of them")


def _json_object(line: str, place: Place, hooks: dict[str, Callable]) -> dict[str, object]:
    try:
        value = json.loads(line.rstrip(), **hooks)
    except (ValueError, ArithmeticError, RecursionError) as error:
        # The error's own text names a line too, of the string that was parsed.
        at_column = isinstance(error, json.JSONDecodeError)
        reason = f"{error.msg}: column {error.colno}" if at_column else error
        raise place.error(
            f"invalid JSON ({reason})", "write one whole JSON object a line (json.dumps does)"
        ) from error
    if not isinstance(value, dict):
        raise place.error(
            f"this is a JSON {type(value).__name__}, not an object",
            'write {"query_id": …} on each line',
        )
    return value


def _no_number(constant: str) -> NoReturn:
    # Python's parser would take NaN and Infinity, which JSON does not know.
    raise ValueError(f"{constant} is not JSON; null stands for a missing value")
