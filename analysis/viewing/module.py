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

    Lines of comment stay in the files: every view carries this text.
    """
    style = (_FOLDER / "view.css").read_text("utf-8")
    code = (line for name in _FILES for line in _code(_FOLDER / f"{name}.js"))
    return "\n".join([f"const CSS_TEXT = String.raw`{style}`;", *code, ""])


def _code(file: Path) -> Iterator[str]:
    lines = file.read_text("utf-8").splitlines()
    return (line for line in lines if not line.lstrip().startswith(("//", "/**")))
