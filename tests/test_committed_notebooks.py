"""The committed notebooks: executed in order, clean, small, with every figure and its words."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from analysis.places import CHECKOUT
from analysis.reporting.captions import CAPTIONS, captions_text
from analysis.reporting.running import normalised, notebooks

PATHS = [pytest.param(path, id=path.stem) for path in notebooks()]
ABSOLUTE = re.compile(r"""(?:^|[\s"'(=])(?:/(?:home|root|tmp|work|Users|usr|opt|var)/|[A-Z]:\\)""")
MEGABYTE = 1_000_000


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", PATHS)
def test_is_valid_and_small(path):
    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))
    assert path.stat().st_size < MEGABYTE


@pytest.mark.parametrize("path", PATHS)
def test_was_executed_in_order_without_errors(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]


@pytest.mark.parametrize("path", PATHS)
def test_is_as_normalised_leaves_it(path):
    """Neither widget state nor timings nor random ids: nothing is left to remove."""
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    assert nbformat.writes(normalised(read(path))) == nbformat.writes(notebook)


@pytest.mark.parametrize("path", PATHS)
def test_has_one_cell_of_parameters(path):
    tagged = [c for c in read(path).cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = re.findall(r"^(\w+) = ", tagged[0].source, re.MULTILINE)
    others = "\n".join(cell.source for cell in code_cells(path) if cell != tagged[0])
    if re.search(r"\b(score|load)\(", others):
        assert names[:3] == ["model", "data", "dtypes"]
    for name in names:
        assert re.search(rf"\b{name}\b", others), f"{name} does nothing"
    assert not [c for c in read(path).cells if "injected-parameters" in c.metadata.get("tags", [])]


@pytest.mark.parametrize("path", PATHS)
def test_cells_are_short_and_define_no_functions(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 20, cell.source
        assert not re.search(r"^\s*(def|class) ", cell.source, re.MULTILINE), cell.source
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), cell.source


@pytest.mark.parametrize("path", PATHS)
def test_names_no_place_of_a_machine(path):
    for cell in read(path).cells:
        assert not ABSOLUTE.search(cell.source), cell.source
        for output in cell.get("outputs", []):
            shown = [output.get("text", ""), *map(str, output.get("data", {}).values())]
            for text in shown:
                text = re.sub(r"base64,[\w+/=]+", "", text)
                assert not ABSOLUTE.search(text), text[:500]


@pytest.mark.parametrize("path", PATHS)
def test_opens_with_question_needs_time_and_outcome(path):
    opening = read(path).cells[0]
    assert opening.cell_type == "markdown"
    assert opening.source.startswith("# ")
    for word in ("**Question.**", "**You need**", "**Time:**", "**You get**"):
        assert opening.source.count(word) == 1


def images_of(cell: NotebookNode) -> list[str]:
    """The images that a cell shows; one tagged ``recorded`` has them where a recording is there."""
    html = "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
    return re.findall(r"<img [^>]*>", html)


@pytest.mark.parametrize("path", PATHS)
def test_every_figure_has_alt_text_and_its_files(path):
    images = [image for cell in code_cells(path) for image in images_of(cell)]
    alts = [re.search(r'alt="([^"]{20,})"', image) for image in images]
    assert images
    assert all(alts)
    shown = [
        (name, "clock" in cell.metadata.get("tags", []))
        for cell in code_cells(path)
        if "recorded" not in cell.metadata.get("tags", []) or images_of(cell)
        for name in re.findall(r'"(\d\d_\w+)"', cell.source)
    ]
    assert len(shown) == len(images)
    for name, timed in shown:
        assert name[:2] == path.name[:2]
        files = [CHECKOUT / "figures" / f"{name}.{suffix}" for suffix in ("svg", "png", "json")]
        if timed:  # another run, another picture: it is in the report, and not committed
            assert not any(file.exists() for file in files)
        else:
            assert all(file.stat().st_size > 0 for file in files)


def test_captions_are_those_of_the_figures(monkeypatch):
    monkeypatch.syspath_prepend(CHECKOUT / "tools")
    tool = importlib.import_module("renew_committed")
    folder = CHECKOUT / "figures"
    sections = tool.captions(folder)
    text = (folder / CAPTIONS).read_text(encoding="utf-8")
    assert text == captions_text(sections)
