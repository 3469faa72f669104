"""Tables of shares that a simulation writes into a page of the documentation, between its marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

END = "<!-- end -->\n"

Shares = Mapping[str, Mapping[str, float]]


def write_table(page: Path, begin: str, heading: str, first: str, shares: Shares) -> None:
    """Put a table in the place of the one after ``begin``.

    ``first`` heads the column of the names; the others are those of ``shares``, by name.
    """
    columns = next(iter(shares.values()))
    rows = [
        f"{heading}\n",
        f"| {first} | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    rows += [
        f"| {name} | {' | '.join(f'{share:.2%}' for share in found.values())} |"
        for name, found in shares.items()
    ]
    before, rest = page.read_text(encoding="utf-8").split(begin)
    table = "\n".join(rows) + "\n"
    page.write_text(before + begin + table + END + rest.split(END, 1)[1], encoding="utf-8")
