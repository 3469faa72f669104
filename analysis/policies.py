"""The Content-Security-Policy of a page: it loads nothing, and runs no script but our own.

A hostile text that became markup could then neither run nor ask anybody for anything.
"""

from __future__ import annotations

import base64
import hashlib


def policy(style: str, script: str | None = None, *, attributes: bool = False) -> str:
    """The policy of a page with this style, and this script if any, each known by its hash.

    ``attributes`` lets elements have ``style`` attributes, which no hash can name. Pictures may
    come from ``data:`` addresses alone.
    """
    rules = ["default-src 'none'"]
    rules += [f"script-src {hash_of(script)}"] if script else []
    rules.append(f"style-src {hash_of(style)}")
    if attributes:
        rules += [f"style-src-elem {hash_of(style)}", "style-src-attr 'unsafe-inline'"]
    return "; ".join([*rules, "img-src data:", "base-uri 'none'", "form-action 'none'"])


def hash_of(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
