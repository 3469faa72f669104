"""The table of ``bench/README.md``: machine, date, versions, and the lines of every part."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from analysis.devices import describe
from bench.lines import Line
from bench.rounds import Spread

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"
_VERSIONS = ("torch", "transformers", "numpy", "pandas")
_HEAD = ("what", "ours", "beside", "theirs", "times as fast", "goal", "")


def write(parts: Mapping[str, Iterable[Line]], page: Path = README) -> None:
    """Put the machine and a table per part between the marks of a page.

    ``parts`` maps headings to lines; a part without lines is left out. Raises ValueError for a
    page without the marks.
    """
    sections = [f"### {name}\n\n{table(lines)}" for name, lines in parts.items() if lines]
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END, 1)[1]
    content = "\n".join([f"{machine()}\n", *sections])
    page.write_text(f"{before}{BEGIN}{content}{END}{after}", encoding="utf-8")


def machine() -> str:
    """Where and when this is measured, in a sentence."""
    cpu = describe(torch.device("cpu"))
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return (
        f"{cpu['name']} ({cpu['capability']}), {os.cpu_count()} cores, {cpu['threads']} threads, "
        f"{platform.system()}, Python {platform.python_version()}, {versions}; "
        f"{datetime.now(UTC).date().isoformat()}."
    )


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
    return f"{spread.middle:.3g} {unit}"


def _ratio(spread: Spread) -> str:
    """The median, and the least and the most where they differ."""
    if spread.low == spread.high:
        return f"{spread.middle:.3g}"
    return f"{spread.middle:.3g} ({spread.low:.3g}–{spread.high:.3g})"
