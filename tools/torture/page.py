"""The table of ``docs/reliability.md``: a row for each kind, written by the run that counted it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BEGIN = "<!-- made by tools/torture -->\n"
END = "<!-- end -->\n"
_HEAD = (
    "| what is tried | how | times | wrong | seconds | day | machine |",
    "|---|---|---:|---:|---:|---|---|",
)

Row = tuple[str, ...]
"""The cells of a kind, without its name."""


def write_rows(page: Path, rows: Mapping[str, Row], order: list[str]) -> None:
    """Put rows into the table, by the name of their kind; those of other kinds stay.

    ``order`` has the names of all kinds; rows of others go.
    """
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    table, after = rest.split(END, 1)
    all_rows = {**_rows(table), **rows}
    lines = [f"| {' | '.join((name, *all_rows[name]))} |" for name in order if name in all_rows]
    made = "\n".join([*_HEAD, *lines]) + "\n"
    page.write_text(before + BEGIN + "\n" + made + "\n" + END + after, encoding="utf-8")


def _rows(table: str) -> dict[str, Row]:
    """Rows that stand in a table."""
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {name: tuple(others) for name, *others in cells}
