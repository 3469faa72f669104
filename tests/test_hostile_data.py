"""Ids and texts of somebody's data stay texts on the page of every notebook that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shown_pages import Page, page_of
from tiny_checkpoints import WORDS

from analysis.engines import path_of
from analysis.reporting.running import notebooks

ATTACK = '<img src="x" onerror=alert(1)><script>alert(2)</script>**&amp;** $x$'
YOURS = "forward=float16,sigmoid=none"
"""A path of the user's own, without a sigmoid: no chapter may take one for granted."""
WITHOUT_YOURS = ("02_fp16_steps_near_one", "11_int8_and_company")
"""Chapters that such a path has nothing to say to: one is about steps, one about logits alone."""
READERS = [path for path in notebooks() if "read(data)" in path.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A set whose query ids, queries, passage ids and passages all attack."""
    lines = []
    for q in range(3):
        candidates = [
            {
                "passage_id": f"{ATTACK} p{c}",
                "text": f"{ATTACK} {' '.join((WORDS * 3)[q + c : q + 2 * c + 4])}",
                "grade": c % 4,
            }
            for c in range(8)
        ]
        line = {"query_id": f"{ATTACK} q{q}", "query": f"{ATTACK} {WORDS[q]}"}
        lines.append({**line, "candidates": candidates})
    file = tmp_path_factory.mktemp("hostile") / "own.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


@pytest.mark.parametrize("notebook", [pytest.param(path, id=path.stem) for path in READERS])
def test_nothing_of_the_data_becomes_a_tag(
    notebook, hostile, tiny_checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(hostile.parent / "store"))
    monkeypatch.chdir(notebook.parent)
    parameters = {"model": str(tiny_checkpoint), "data": str(hostile), "your_path": YOURS}
    page = Page(page_of(notebook, parameters, tmp_path))
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    assert "script" not in {tag for tag, _ in page.tags}
    images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert images
    assert all(source.startswith("data:image/png;base64,") for source in images)
    assert path_of(YOURS).computation in page.text or notebook.stem in WITHOUT_YOURS
    if notebook.stem == "02_fp16_steps_near_one":
        assert f"In query {ATTACK} q" in page.text
