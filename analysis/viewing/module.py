"""The view's code: one ES module, joined from the files in ``js/``; nothing is built or fetched."""

from __future__ import annotations

import json
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
    """Text of the module; the style sheet is a constant in it, since it lives in a shadow root."""
    style = json.dumps((_FOLDER / "view.css").read_text("utf-8"), ensure_ascii=False)
    files = ((_FOLDER / f"{name}.js").read_text("utf-8") for name in _FILES)
    return "\n".join([f"const CSS_TEXT = {style};", *files])
