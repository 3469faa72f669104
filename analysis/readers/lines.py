"""Lines of a file, and separated rows, each with its line number, within the limits on both."""

from __future__ import annotations

import csv
import gzip
import io
import re
import stat
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis import progress
from analysis.errors import InputError, Place, counted
from analysis.limits import EXPANSION, FILE, LINE

# trec_eval separates at ASCII blanks; str.split() would also cut an id at a no-break space.
_COLUMN = re.compile(r"[^ \t\r\n]+")
_GZIP = b"\x1f\x8b"
_SMALL = 2**22
"""So much is read before a gzip file's expansion is looked at and progress shown, each time."""


def text_lines(path: Path) -> Iterator[str]:
    """Give the lines of a UTF-8 file, with their ends; gzip if the name ends in ``.gz``.

    Decoded line by line, so that an invalid byte is reported with its line. Raises
    :class:`InputError` for a file that is missing, unreadable, damaged, not UTF-8, or above a
    limit (:mod:`analysis.limits`), and for what is no regular file, such as a pipe.
    """
    try:
        size = path.stat().st_size
        with _opened(path) as file, progress.bar(f"reading {path.name}", size) as advance:
            for number, line in enumerate(_within_limits(file, path, advance), 1):
                yield _decoded(line.removeprefix(BOM_UTF8) if number == 1 else line, path, number)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def whole_text(path: Path) -> str:
    """Text of a file that is no lines, such as JSON; it counts as one line. Raises as above."""
    try:
        with _opened(path) as file:
            content = file.read(LINE.value + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if len(content) > LINE.value:
        raise Place(path).error(f"the file has more than {LINE.value:,} bytes", LINE.remedy)
    lines = content.removeprefix(BOM_UTF8).split(b"\n")
    return "\n".join(_decoded(line, path, number) for number, line in enumerate(lines, 1))


def separated_rows(
    path: Path, delimiter: str, *, quoted: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """First line number and cells of each row that is not blank.

    Quoted as in RFC 4180 unless ``quoted`` is false: then a quotation mark is a character like
    any other, as in MS MARCO's files.
    """
    # The csv module's own limit of 131,072 characters is shorter than some documents.
    csv.field_size_limit(min(LINE.value, 2**31 - 1))
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


def columns_of(
    path: Path, names: Sequence[str], *, comments: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Line number and blank-separated columns of each line that is not blank, one for each name.

    With ``comments`` lines that begin with ``#`` are left out.
    """
    for line, text in enumerate(text_lines(path), 1):
        columns = _COLUMN.findall(text)
        if not columns or (comments and is_comment(columns, names)):
            continue
        if len(columns) != len(names):
            raise Place(path, line).error(
                f"{counted(len(columns), 'column')} instead of {len(names)}",
                f"write {' '.join(names)}",
            )
        yield line, columns


def first_cells(path: Path) -> list[str]:
    """Cells of the first line, separated by tabs: they tell which kind of file this is."""
    return next(text_lines(path), "").rstrip("\r\n").split("\t")


def is_comment(columns: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a line is a comment: an id may begin with # too, if the columns are complete."""
    return columns[0] == "#" or (columns[0].startswith("#") and len(columns) != len(names))


def set_name(path: Path) -> str:
    """Name a set after its file, without ``.gz`` and the suffix."""
    return Path(path.name.removesuffix(".gz")).stem


def suffix_of(path: Path) -> str:
    """Suffix of a file's name, ``.gz`` not counted."""
    return Path(path.name.removesuffix(".gz")).suffix


def _opened(path: Path) -> io.BufferedReader:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise Place(path).error("this is a directory", "give a file")
    if not stat.S_ISREG(mode):  # opening a pipe would wait for somebody to write
        raise Place(path).error(
            "this is a pipe or a device, and no file", "write its content to a file"
        )
    # A GzipFile of its own reads lines in Python, ten times slower.
    return io.BufferedReader(gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _within_limits(
    file: io.BufferedReader, path: Path, advance: progress.Advance
) -> Iterator[bytes]:
    longest, most = LINE.value, FILE.value
    read = number = taken = 0
    look = _SMALL
    while line := file.readline(longest + 1):
        read, number = read + len(line), number + 1
        if len(line) > longest:
            raise Place(path, number).error(
                f"the line has more than {longest:,} bytes", LINE.remedy
            )
        if read > most:
            raise Place(path, number).error(f"the file has more than {most:,} bytes", FILE.remedy)
        if read > look:
            look += _SMALL
            before, taken = taken, _taken(file)
            _check_expansion(read, taken, path)
            advance(taken - before)
        yield line


def _taken(file: io.BufferedReader) -> int:
    """How many bytes of the file itself were taken: of a gzip file, packed ones."""
    return file.raw.fileobj.tell() if isinstance(file.raw, gzip.GzipFile) else file.tell()


def _check_expansion(read: int, taken: int, path: Path) -> None:
    """Check how much became of the part of a gzip file that was read."""
    if read > EXPANSION.value * taken:
        raise Place(path).error(
            f"this gzip file becomes more than {EXPANSION.value:,} times its size",
            EXPANSION.remedy,
        )


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        if number == 1 and line.startswith(_GZIP):
            packed = "inside gzip" if path.suffix == ".gz" else "and its name does not say so"
            raise Place(path).error(
                f"this is gzip {packed}", "unpack it, or let its name end in .gz once"
            ) from error
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
