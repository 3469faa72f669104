"""Build the documentation, and make sure that reading it asks no network for anything.

    python tools/build_docs.py

Writes ``build/docs``. A warning of Sphinx, a page that nothing leads to among them, ends it with
exit status 1, and so does a page, a style sheet or a script that loads something from elsewhere.
Links that a reader may follow are no loading.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
SITE = ROOT / "build" / "docs"
_LOADING = {"src", "srcset", "poster", "data", "background"}
_STYLE = re.compile(r"""(?:url\(|@import\s)\s*["']?((?:https?:)?//[^"')\s;]+)""")
_SCRIPT = re.compile(
    r"""(?:\bimport\b|\bfetch\(|\bimportScripts\(|\bsrc\s*=)[^\n;]{0,40}?["'`]((?:https?:)?//[^"'`]+)"""
)


class _Page(HTMLParser):
    """What a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        given = {name: value or "" for name, value in attrs}
        names = _LOADING | ({"href"} if tag in ("link", "use", "image") else set())
        self.loaded += [given[name] for name in names & given.keys() if _is_remote(given[name])]
        self.loaded += _STYLE.findall(given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.loaded += _STYLE.findall(data)
        elif self._within == "script":
            self.loaded += _SCRIPT.findall(data)


def _is_remote(address: str) -> bool:
    is_data = address.startswith("data:")
    return not is_data and re.search(r"(?:^|[\s,])(?:https?:)?//", address) is not None


def loaded_from_elsewhere(file: Path) -> list[str]:
    """Addresses beyond the site that a page, a style sheet or a script loads by itself."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        return _STYLE.findall(text)
    if file.suffix == ".js":
        return _SCRIPT.findall(text)
    page = _Page()
    page.feed(text)
    return page.loaded


def complaints(site: Path) -> Iterator[str]:
    """Yield a line for each thing that a built site loads from elsewhere."""
    for file in sorted(site.rglob("*")):
        if file.suffix in (".html", ".css", ".js"):
            for address in loaded_from_elsewhere(file):
                yield f"{file.relative_to(site)}: loads {address}"


def build() -> bool:
    """Build the site; returns whether Sphinx had nothing to complain about."""
    from sphinx.cmd.build import main as sphinx

    # from nothing: what a second build does not read again, it does not complain about
    shutil.rmtree(SITE, ignore_errors=True)
    options = ["--fresh-env", "--fail-on-warning", "--keep-going", "--quiet"]
    folders = [ROOT / "docs", SITE, "--doctree-dir", SITE.with_name("doctrees")]
    return sphinx([*options, *map(str, folders)]) == 0


if __name__ == "__main__":
    if not build():
        sys.exit(1)
    if found := list(complaints(SITE)):
        sys.exit("\n".join(found))
    print(f"documentation: {SITE / 'index.html'}")
