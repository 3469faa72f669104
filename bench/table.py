"""The tables of ``bench/README.md``: machine, date, versions and lines of every part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.lines import Line, Part
from bench.rounds import Spread

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"
_HEAD = ("what", "ours", "beside", "theirs", "times as fast", "goal", "")


def write(parts: Mapping[str, Part | None], page: Path = README) -> None:
    """Put a table per part, and where and when it was measured, between the marks of a page.

    ``parts`` maps headings to what was measured; a part that never ran is left out. Raises
    ValueError for a page without the marks.
    """
    sections = [
        f"### {name}\n\n{part.machine}\n\n{table(part.lines)}"
        for name, part in parts.items()
        if part
    ]
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END, 1)[1]
    content = "\n".join(sections)
    page.write_text(f"{before}{BEGIN}{content}{END}{after}", encoding="utf-8")


def table(lines: Iterable[Line]) -> str:
    """Lines as a Markdown table."""
    rows = [_HEAD, ("---", "---:", "---", "---:", "---:", "---:", "---"), *map(_cells, lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    """The cells of a line, in the order of the head."""
    bound = "" if line.goal is None else f"{'≥' if line.rival else '≤'} {line.goal:g}"
    return (
        line.what,
        _amount(line.ours, line.unit),
        line.rival,
        _amount(line.theirs, line.unit) if line.theirs else "",
        _ratio(line.ratio) if line.ratio else "",
        bound,
        line.verdict.replace("|", "\\|"),
    )


def _amount(spread: Spread, unit: str) -> str:
    """The median, to three digits, whole from 100 on."""
    number = f"{spread.middle:,.0f}" if spread.middle >= 100 else f"{spread.middle:.3g}"
    return f"{number} {unit}"


def _ratio(spread: Spread) -> str:
    """The median, and the least and the most where they differ."""
    if spread.low == spread.high:
        return f"{spread.middle:.3g}"
    return f"{spread.middle:.3g} ({spread.low:.3g}–{spread.high:.3g})"
