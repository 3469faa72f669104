"""The documentation's build refuses a page that loads anything from elsewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from analysis.policies import hash_of

TOOL = Path(__file__).parent.parent / "tools" / "build_docs.py"
FONT = "//fonts.example/a.woff"


@pytest.fixture(scope="module")
def build_docs():
    spec = importlib.util.spec_from_file_location("build_docs", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", f'<script src="https:{FONT}"></script>'),
        ("a.html", f'<link rel="stylesheet" href="{FONT}">'),
        ("a.html", f'<img src="a.png" srcset="a.png 1x, https:{FONT} 2x">'),
        ("a.html", f'<iframe src="http:{FONT}"></iframe>'),
        ("a.html", f'<p style="background: url({FONT})">'),
        ("a.html", f"<style>@import '{FONT}';</style>"),
        ("a.html", f'<script>import("https:{FONT}")</script>'),
        ("a.css", f'@font-face {{ src: url("https:{FONT}") }}'),
        ("a.css", f"@import url({FONT});"),
        ("a.js", f'const a = await fetch("https:{FONT}");'),
        ("a.js", f"image.src = 'https:{FONT}';"),
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(build_docs, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (line,) = build_docs.complaints(tmp_path)
    assert line.startswith(f"{name}: loads ")
    assert FONT in line


def test_links_namespaces_and_what_lies_beside_are_no_loading(build_docs, tmp_path):
    page = (
        '<link rel="stylesheet" href="a.css"><a href="https://example.org">away</a>'
        '<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/></svg>'
        '<script src="a.js"></script><img src="data:image/png;base64,//8="><p>url(//a) is text</p>'
    )
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "a.css").write_text("a { background: url(a.png) } /* https://example.org */")
    (tmp_path / "a.js").write_text("// https://example.org\nfetch('a.json');\n")
    assert list(build_docs.complaints(tmp_path)) == []


def test_a_page_runs_its_own_scripts_and_no_handler(build_docs):
    page = '<head><meta charset="utf-8"/></head><script>let a = 1;</script><script src="x.js">'
    protected = build_docs.protected(page)
    (policy,) = re.findall('Content-Security-Policy" content="(.*?)"', protected)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == f"'self' file: {hash_of('let a = 1;')}"
    assert "http:" not in policy
    assert protected.replace(re.findall("<meta http-equiv.*?>", protected)[0], "") == page
