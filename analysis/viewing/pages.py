"""A page of its own that holds a view: no kernel, no network, and a table without scripts.

The data lie inert in the page, as gzip in base64. The page's Content-Security-Policy lets nothing
be loaded from anywhere and runs one script, known by its hash; texts of data never become HTML.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping

from analysis import sinks
from analysis.policies import policy
from analysis.viewing.module import module

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{view}
</main>
<script type="module">{script}</script>
</body>
</html>
"""
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1280px; padding: 20px 16px; background: #fff; color: #1c2026;
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0 14px 10px; font-size: 20px; line-height: 1.3; overflow-wrap: anywhere; }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: 13px; }
th, td { padding: 3px 8px; border-bottom: 1px solid #d8dce2; text-align: right;
  vertical-align: top; white-space: nowrap; }
th:last-child, td:last-child { min-width: 16em; text-align: left; overflow-wrap: anywhere;
  white-space: normal; }
.tied { background: #fdf1d3; }
@media (prefers-color-scheme: dark) {
  body { background: #15181c; color: #e8eaed; }
  th, td { border-color: #3a414b; }
  .tied { background: #352b14; }
}
@media (max-width: 500px) { body { padding: 12px 0; } }
"""


def view_html(data: bytes, state: Mapping[str, object], table: str) -> str:
    """An element that :func:`script` brings to life: the state, a table until then, the data.

    ``data`` is what :func:`analysis.viewing.payload.payload` packed, ``state`` says what is shown
    first, ``table`` is HTML. A page may hold several.
    """
    packed = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
    said = sinks.html(json.dumps(state))  # ASCII: ids come back as they are
    return (
        f'<div data-rerank-view="{said}">{table}'
        f'<script type="application/gzip">{packed}</script></div>'
    )


def script() -> str:
    """The script that a page with views needs once; always the same, so that its hash is."""
    return f"{module()}\nawait openPage();\n"


def page_html(title: str, view: str) -> str:
    """A whole page around what :func:`view_html` returns."""
    return _PAGE.format(
        policy=policy(_STYLE, script()),
        title=sinks.html(title),
        style=_STYLE,
        view=view,
        script=script(),
    )


def frame_html(page: str, height: int) -> str:
    """A page inside a sandboxed frame, for an output of a notebook: it needs no widget manager."""
    attributes = {
        "title": "Reranking under a score path",
        "sandbox": "allow-scripts allow-downloads",
        "allow": "clipboard-write *",
        "width": "100%",
        "height": height,
        "style": "border: 0; resize: vertical",
        "srcdoc": page,
    }
    words = " ".join(f'{name}="{sinks.html(text)}"' for name, text in attributes.items())
    return f"<div><iframe {words}></iframe></div>"
