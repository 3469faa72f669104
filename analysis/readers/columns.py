"""What people call the columns, and the tables that have them.

Beside our own names those of PyTerrier (``qid, docno, text, label``; its ``docid`` is an internal
number, so ``docno`` comes first), of MS MARCO (``qid, pid``) and of MIRACL (``docid``).
https://pyterrier.readthedocs.io/en/latest/datamodel.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from analysis.errors import Place, counted, quoted
from analysis.readers.lines import separated_rows, suffix_of

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""What separates the columns of a table, by the file's suffix."""

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "query_id": ("query_id", "qid"),
    "passage_id": ("passage_id", "docno", "doc_id", "pid", "docid"),
    "query": ("query",),
    "passage": ("passage", "text"),
    "grade": ("grade", "label"),
    "score": ("score", "relevance_score"),
    "logit": ("logit",),
}


def spelled(name: str, given: Collection[object]) -> str | None:
    """How a column is called among the ``given`` names; None if it is not there."""
    return next((spelling for spelling in SPELLINGS[name] if spelling in given), None)


def table_rows(
    path: Path, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """First line number and cells by our names of each row of a ``.csv`` or ``.tsv`` file.

    The first row names the columns; those that are neither required nor optional are left out.
    """
    rows = separated_rows(path, DELIMITERS[suffix_of(path)])
    line, header = next(rows, (1, []))
    names = {name: spelled(name, header) for name in (*required, *optional)}
    _check_header(header, names, required, Place(path, line))
    wanted = {name: header.index(column) for name, column in names.items() if column is not None}
    for line, cells in rows:
        if len(cells) != len(header):
            raise Place(path, line).error(
                f"{counted(len(cells), 'cell')} under {counted(len(header), 'column')}",
                "give each row a cell for every column, and quote cells that hold a delimiter",
            )
        yield line, {name: cells[column] for name, column in wanted.items()}


def _check_header(
    header: list[str], names: Mapping[str, str | None], required: Sequence[str], place: Place
) -> None:
    absent = [name for name in required if names[name] is None]
    if absent:
        known = [name for name in names if name not in required]
        raise place.error(
            f"the header {quoted(header)} has no column {', '.join(absent)}",
            f"name the columns {', '.join(required)} (and, if known, {', '.join(known)}) and "
            "separate them by comma in .csv (Excel may write semicolons), by tab in .tsv",
        )
    twice = [name for name in names.values() if name is not None and header.count(name) > 1]
    if twice:
        raise place.error(f"two columns are named {twice[0]}", "rename or remove one of them")
