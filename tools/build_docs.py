"""Build the documentation, and make sure that reading it asks no network and runs nothing else.

    python tools/build_docs.py

Writes ``build/docs``. A warning of Sphinx, a page that nothing leads to among them, ends it with
exit status 1, and so does a page, a style sheet or a script that loads something from elsewhere.
Links that a reader may follow are no loading. Each page gets a Content-Security-Policy that lets it
load the site's own files, and run its own inline scripts by their hashes.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from analysis.policies import hash_of

ROOT = Path(__file__).parent.parent
SITE = ROOT / "build" / "docs"
_LOADING = {"src", "srcset", "poster", "data", "background"}
_STYLE = re.compile(r"""(?:url\(|@import\s)\s*["']?((?:https?:)?//[^"')\s;]+)""")
_SCRIPT = re.compile(
    r"""(?:\bimport\b|\bfetch\(|\bimportScripts\(|\bsrc\s*=)[^\n;]{0,40}?["'`]((?:https?:)?//[^"'`]+)"""
)
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_CHARSET = re.compile(r'<meta charset="utf-8"\s*/?>')


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


def protected(page: str) -> str:
    """A page with its policy; a page opened from disk is its own neighbour only as a ``file:``."""
    hashes = " ".join(sorted({hash_of(script) for script in _INLINE.findall(page)}))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' file: {hashes}".strip(),
            "style-src 'self' file: 'unsafe-inline'",
            "img-src 'self' file: data:",
            "font-src 'self' file:",
            "form-action 'self' file:",
            "base-uri 'none'",
        ]
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return _CHARSET.sub(lambda found: found[0] + meta, page, count=1)


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
    for file in SITE.rglob("*.html"):
        file.write_text(protected(file.read_text("utf-8")), encoding="utf-8")
    print(f"documentation: {SITE / 'index.html'}")
