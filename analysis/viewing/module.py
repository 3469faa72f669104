"""The view's code: one ES module, joined from the files in ``js/``; nothing is built or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "js"
_FILES = (
    "formats",
    "paths",
    "payload",
    "scores",
    "orders",
    "counting",
    "dom",
    "queries",
    "controls",
    "numbers",
    "list",
    "picture",
    "inspector",
    "taking",
    "view",
    "hosts",
)
"""In the order in which they are joined."""


@cache
def module() -> str:
    """Text of the module; the style sheet is a constant in it, since it lives in a shadow root.

    Every view carries this text, so that indentation and lines of comment stay in the files.
    """
    style = "\n".join(_lines(_FOLDER / "view.css"))
    code = [line for name in _FILES for line in _lines(_FOLDER / f"{name}.js")]
    return "\n".join([f"const CSS_TEXT = String.raw`{style}`;", *code, ""])


def _lines(file: Path) -> Iterator[str]:
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return (line for line in lines if line and not line.startswith(("//", "/** ")))
