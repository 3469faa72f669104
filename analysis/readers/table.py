"""CSV: one row per (query, passage).

The first line names the columns ``query_id, query, passage_id, passage`` and, if there are
grades, ``grade``, in any order; other columns are left out. The suffix picks the delimiter:
comma for ``.csv``, tab for ``.tsv``. An empty grade is a missing one, an empty passage is kept.
Rows of a query need not stand together.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.datasets import COLUMNS, RerankingSet, from_pairs
from analysis.errors import Place
from analysis.readers.lines import DELIMITERS, set_name, suffix_of, table_rows, whole_number

_REQUIRED = tuple(name for name in COLUMNS if name != "grade")


def read_csv(path: str | Path) -> RerankingSet:
    """Read a ``.csv`` or ``.tsv`` file (``.gz`` allowed); the set is named after the file.

    Raises :class:`InputError` as described in :mod:`analysis.readers`.
    """
    path = Path(path)
    if suffix_of(path) not in DELIMITERS:
        raise Place(path).error(
            f"the suffix {suffix_of(path)!r} does not say how columns are separated",
            "name the file .csv (comma) or .tsv (tab)",
        )
    lines, rows = [], []
    for line, row in table_rows(path, _REQUIRED, ["grade"]):
        lines.append(line)
        rows.append({**row, "grade": _grade(row.get("grade"))})
    pairs = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return from_pairs(set_name(path), pairs, file=path, lines=lines)


def _grade(text: str | None) -> int | str | None:
    return whole_number(text) if text else None
