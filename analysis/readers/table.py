"""CSV: one row per (query, passage).

The first line names the columns ``query_id, query, passage_id, passage`` and, if there are
grades, ``grade``, in any order; other columns are left out. The suffix picks the delimiter:
comma for ``.csv``, tab for ``.tsv``. An empty grade is a missing one, an empty passage is kept.
Rows of a query need not stand together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.datasets import COLUMNS, Place, RerankingSet, from_pairs
from analysis.readers.lines import separated_rows, set_name, whole_number

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_csv(path: str | Path) -> RerankingSet:
    """Read a ``.csv`` or ``.tsv`` file (``.gz`` allowed); the set is named after the file.

    Raises :class:`InputError` as described in :mod:`analysis.readers`.
    """
    path = Path(path)
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in _DELIMITERS:
        raise Place(path).error(
            f"the suffix {suffix!r} does not say how columns are separated",
            "name the file .csv (comma) or .tsv (tab)",
        )
    rows = separated_rows(path, _DELIMITERS[suffix])
    header = _header(rows, path)
    cells, lines = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise Place(path, line).error(
                f"{len(row)} cells under {len(header)} columns",
                "give each row a cell for every column, and quote cells that hold a delimiter",
            )
        cells.append(row)
        lines.append(line)
    pairs = pd.DataFrame(cells, columns=header, dtype=object)
    if "grade" in header:
        pairs["grade"] = [whole_number(text) if text else None for text in pairs["grade"]]
    return from_pairs(set_name(path), pairs, file=path, lines=lines)


def _header(rows: Iterator[tuple[int, list[str]]], path: Path) -> list[str]:
    """Give the columns' names; raises :class:`InputError` if one is missing or named twice."""
    line, header = next(rows, (1, []))
    place = Place(path, line)
    absent = [name for name in COLUMNS if name not in header and name != "grade"]
    if absent:
        raise place.error(
            f"the header {header} has no column {', '.join(absent)}",
            f"name the columns {', '.join(COLUMNS)} (grade may be missing) and separate them by "
            "comma in .csv (Excel may write semicolons), by tab in .tsv",
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise place.error(f"two columns are named {twice[0]}", "rename or remove one of them")
    return header
