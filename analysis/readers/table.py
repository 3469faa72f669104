"""Sets as tables: one row per (query, passage).

The first line names the columns ``query_id, query, passage_id, passage`` and, if there are
grades, ``grade``, in any order, or as PyTerrier calls them (:mod:`analysis.readers.columns`); other
columns are left out. The suffix picks the delimiter: comma for ``.csv``, tab for ``.tsv``. An empty
grade is a missing one, an empty passage is kept. Rows of a query need not stand together.

MS MARCO's ``top1000.dev`` has no header: query id, passage id, query, passage, separated by tabs,
and quotation marks are ordinary characters. https://microsoft.github.io/msmarco/Datasets
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.datasets import COLUMNS, RerankingSet, from_pairs
from analysis.errors import Place, counted, quoted
from analysis.numerals import grade_of
from analysis.places import named_path
from analysis.readers.columns import DELIMITERS, SPELLINGS, table_rows
from analysis.readers.lines import first_cells, separated_rows, set_name, suffix_of

_REQUIRED = tuple(name for name in COLUMNS if name != "grade")
_NAMES = {spelling for spellings in SPELLINGS.values() for spelling in spellings}
_TOP1000 = ("query_id", "passage_id", "query", "passage")


def read_csv(path: str | Path) -> RerankingSet:
    """Read a ``.csv`` or ``.tsv`` file (``.gz`` allowed); the set is named after the file.

    Raises :class:`InputError` as described in :mod:`analysis.readers`.
    """
    path = named_path(path, "name a .csv or .tsv file")
    if suffix_of(path) not in DELIMITERS:
        raise Place(path).error(
            f"the suffix {quoted(suffix_of(path))} does not say how columns are separated",
            "name the file .csv (comma) or .tsv (tab)",
        )
    if suffix_of(path) == ".tsv" and _has_no_header(path):
        return read_top1000(path)
    lines, rows = [], []
    for line, row in table_rows(path, _REQUIRED, ["grade"]):
        lines.append(line)
        rows.append({**row, "grade": _grade(row.get("grade"))})
    pairs = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return from_pairs(set_name(path), pairs, file=path, lines=lines)


def read_top1000(path: Path) -> RerankingSet:
    """Read a file such as MS MARCO's ``top1000.dev``, whatever it is called."""
    rows = list(top1000_rows(path))
    pairs = pd.DataFrame([cells for _, cells in rows], columns=_TOP1000, dtype=object)
    return from_pairs(set_name(path), pairs, file=path, lines=[line for line, _ in rows])


def top1000_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and the four cells of each line."""
    for line, cells in separated_rows(path, "\t", quoted=False):
        if len(cells) != len(_TOP1000):
            raise Place(path, line).error(
                f"{counted(len(cells), 'cell')} instead of {len(_TOP1000)}",
                f"write {', '.join(_TOP1000)}, separated by tabs",
            )
        yield line, cells


def _has_no_header(path: Path) -> bool:
    cells = first_cells(path)
    return len(cells) == len(_TOP1000) and _NAMES.isdisjoint(cells)


def _grade(text: str | None) -> int | float | str | None:
    return grade_of(text) if text else None
