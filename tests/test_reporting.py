"""The report on tiny notebooks: what is run again, what is kept, and a page on its own."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from analysis import reporting as report
from analysis.errors import InputError
from analysis.reporting import Run, inputs_digest, keep_outputs, make_report, normalised, page_html

NASTY = "Öl & Essig <script>alert(1)</script>"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}

FIGURE = f"""
import matplotlib.pyplot as plt
from analysis.notebooks import record, show, table
import pandas as pd
figure, ax = plt.subplots(figsize=(2, 1))
ax.plot([0, number])
show(figure, "01_line", "A line", 'From "0" up')
table(pd.DataFrame({{"passage": [{NASTY!r}]}}), {NASTY!r})
record({{"doubled": 2 * number}})
"""
FILE = """
import os
from pathlib import Path
folder = Path(os.environ["RERANK_PRECISION_FIGURES"])
folder.mkdir()
(folder / "01_line.svg").write_text(str(number))
"""
WIDGET = """
import sys
import ipywidgets
print(f"{30} % done", file=sys.stderr)
ipywidgets.IntSlider(number)
"""
CHECK = """
from analysis.errors import InputError
if number == 2:
    raise InputError("2 is too small", "give 3 or more", field="number")
"""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A repository with a package file, a data file, and no notebooks yet."""
    for file in ("analysis/a.py", "data/german/german.jsonl", "constraints.txt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("as shipped")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(report, "ROOT", tmp_path)
    return tmp_path


def write_notebook(root: Path, name: str, *sources: str) -> Path:
    cells = [
        new_markdown_cell(f"# {name} <&>\n\nText."),
        new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
        *(new_code_cell(source.strip()) for source in sources),
    ]
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def run_in(root: Path, **parameters) -> Run:
    return Run(parameters, root / "build", root / "figures", root / "out" / "index.html")


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> tuple[Path, Path]:
    """One notebook with a figure, a table, named values, a widget and progress, run twice."""
    folder = tmp_path_factory.mktemp("twice")
    (folder / "notebooks").mkdir()
    source = write_notebook(folder, "01_all", FIGURE, WIDGET)
    runs = [Run({}, folder / name, folder / f"figures-{name}") for name in ("first", "second")]
    for run in runs:
        report.execute(source, run.build / source.name, run)
    return runs[0].build / source.name, runs[1].build / source.name


# What counts as an input


def test_digest_follows_the_source_and_not_the_outputs(root):
    path = write_notebook(root, "01_a", "number")
    before = inputs_digest(path, {})
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="3")]
    notebook.cells[1].execution_count = 7
    nbformat.write(notebook, path)
    assert inputs_digest(path, {}) == before
    notebook.cells[2].source += " + 1"
    nbformat.write(notebook, path)
    assert inputs_digest(path, {}) != before


@pytest.mark.parametrize("file", ["analysis/a.py", "data/german/german.jsonl", "constraints.txt"])
def test_digest_follows_package_data_and_locked_versions(root, file):
    path = write_notebook(root, "01_a")
    before = inputs_digest(path, {})
    (root / file).write_text("changed")
    assert inputs_digest(path, {}) != before


def test_digest_follows_parameters(root):
    path = write_notebook(root, "01_a")
    digests = {
        inputs_digest(path, parameters)
        for parameters in ({}, {"model": "demo"}, {"model": "other"}, {"data": "other"})
    }
    assert len(digests) == 4


def test_digest_follows_the_bytes_of_a_users_file_and_folder(root):
    path, own = write_notebook(root, "01_a"), root / "own"
    (own / "qrels").mkdir(parents=True)
    for file in (own / "set.jsonl", own / "qrels" / "test.tsv"):
        for parameters in ({"data": str(own / "set.jsonl")}, {"data": str(own)}):
            file.write_text("one")
            before = inputs_digest(path, parameters)
            file.write_text("two")
            is_read = file.is_relative_to(parameters["data"])
            assert (inputs_digest(path, parameters) != before) == is_read


# Running, and not running again


def test_unchanged_inputs_are_not_run_again(root):
    write_notebook(root, "01_a", FILE)
    said: list[str] = []
    page = make_report(run_in(root), said.append)
    first = (root / "build" / "01_a.ipynb").read_bytes()
    make_report(run_in(root), said.append)
    assert said == [
        "01_a: running",
        f"report: {page}",
        "01_a: inputs unchanged, nothing recomputed",
        f"report: {page}",
    ]
    assert (root / "build" / "01_a.ipynb").read_bytes() == first


def test_a_lost_figure_or_another_parameter_runs_again(root):
    notebook, figure = write_notebook(root, "01_a", FILE), root / "figures" / "01_line.svg"
    report.run_if_changed(notebook, run_in(root), str)
    assert figure.read_text() == "1"
    figure.unlink()
    report.run_if_changed(notebook, run_in(root), str)
    assert figure.read_text() == "1"
    said: list[str] = []
    report.run_if_changed(notebook, run_in(root, number=21), said.append)
    assert said == ["01_a: running"]
    assert figure.read_text() == "21"


def test_a_failing_notebook_keeps_the_earlier_ones(root):
    write_notebook(root, "01_a", "print(number)")
    write_notebook(root, "02_b", "1 / (number - 1)")
    said: list[str] = []
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        make_report(run_in(root), said.append)
    assert (root / "build" / "01_a.inputs").exists()
    assert not (root / "build" / "02_b.inputs").exists()
    assert not run_in(root).page.exists()
    write_notebook(root, "02_b", "print('mended')")
    make_report(run_in(root), said.append)
    assert said[2:4] == ["01_a: inputs unchanged, nothing recomputed", "02_b: running"]
    assert "mended" in run_in(root).page.read_text()


def test_a_notebook_that_fails_after_a_good_run_has_no_stamp(root):
    notebook = write_notebook(root, "01_a", "number")
    report.run_if_changed(notebook, run_in(root), str)
    write_notebook(root, "01_a", FILE, "number / 0")
    with pytest.raises(PapermillExecutionError):
        report.run_if_changed(notebook, run_in(root), str)
    assert not (root / "build" / "01_a.inputs").exists()
    write_notebook(root, "01_a", "number + 1")
    report.run_if_changed(notebook, run_in(root), str)
    assert list((root / "figures").iterdir()) == []  # none of the failed run's


def test_bad_input_inside_a_notebook_is_bad_input_of_the_report(root):
    write_notebook(root, "01_a", CHECK)
    with pytest.raises(
        InputError, match=r"^01_a\.ipynb: number: 2 is too small\. give 3 or more\."
    ):
        make_report(run_in(root, number=2), str)


def test_no_notebooks_is_bad_input(root):
    with pytest.raises(InputError, match="no notebooks here"):
        report.notebooks()


def test_notebooks_come_in_order_of_their_numbers(root):
    for name in ("02_b", "10_c", "01_a", "draft"):
        write_notebook(root, name)
    assert [path.stem for path in report.notebooks()] == ["01_a", "02_b", "10_c"]


# What is kept of a run


def test_two_runs_are_the_same_bytes_once_normalised(executed, tmp_path):
    kept = [tmp_path / "first.ipynb", tmp_path / "second.ipynb"]
    for run, file in zip(executed, kept, strict=True):
        keep_outputs(run, file)
    assert executed[0].read_bytes() != executed[1].read_bytes()
    assert kept[0].read_bytes() == kept[1].read_bytes()
    figures = [
        sorted((run.parent.parent / f"figures-{run.parent.name}").iterdir()) for run in executed
    ]
    assert len(figures[0]) == 3
    assert [f.read_bytes() for f in figures[0]] == [f.read_bytes() for f in figures[1]]


def test_normalised_removes_widget_state_timings_and_progress(executed):
    raw = nbformat.read(executed[0], as_version=4)
    assert "widgets" in raw.metadata
    assert "30 % done" in str(raw)
    clean = normalised(raw)
    nbformat.validate(clean)
    text = nbformat.writes(clean)
    for gone in ("widget-view", "widget-state", "papermill", "iopub", "duration", "30 % done"):
        assert gone not in text
    assert set(clean.metadata) == {"kernelspec", "language_info"}
    assert [cell.metadata for cell in clean.cells] == [{}, {"tags": ["parameters"]}, {}, {}]
    assert clean.cells[3].outputs[0].data["text/plain"] == report.WIDGET_TEXT
    assert [cell.get("execution_count") for cell in clean.cells] == [None, 1, 2, 3]


def test_normalised_keeps_figures_tables_and_named_values(executed):
    raw = nbformat.read(executed[0], as_version=4)
    outputs = [dict(output.data) for output in raw.cells[2].outputs]
    assert [dict(output.data) for output in normalised(raw).cells[2].outputs] == outputs
    assert len(outputs) == 3


def test_normalising_twice_changes_nothing_more(executed):
    once = nbformat.writes(normalised(nbformat.read(executed[0], as_version=4)))
    assert nbformat.writes(normalised(nbformat.reads(once, as_version=4))) == once


# The page


class Page(HTMLParser):
    """Tags with their attributes, and the text outside them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def attributes(self, tag: str) -> list[dict]:
        return [attrs for found, attrs in self.tags if found == tag]


@pytest.fixture(scope="module")
def page(executed, tmp_path_factory) -> Page:
    other = tmp_path_factory.mktemp("page") / "02_other.ipynb"
    shutil.copy(executed[1], other)
    return Page(page_html([executed[0], other]))


def test_page_needs_nothing_from_elsewhere(page):
    assert {"script", "link", "iframe", "object", "embed", "base"}.isdisjoint(
        tag for tag, _ in page.tags
    )
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        for name in ("src", "href", "srcset", "data", "poster"):
            assert (attrs.get(name) or "#").startswith(("#", "data:")), (tag, attrs)
        assert "url(" not in (attrs.get("style") or "")
    assert "@import" not in page.text
    assert "url(" not in page.text


def test_every_image_is_inside_and_has_alt_text(page):
    images = page.attributes("img")
    assert [image["alt"] for image in images] == ['From "0" up'] * 2
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)


def test_texts_of_documents_are_escaped(page):
    assert page.text.count(NASTY) == 4  # caption and cell, in two chapters


def test_chapters_are_listed_and_reached(page):
    targets = [a["href"] for a in page.attributes("a") if a.get("class") != "anchor-link"]
    assert targets == ["#01_all", "#02_other"]
    assert [article["id"] for article in page.attributes("article")] == ["01_all", "02_other"]
    cells = [attrs["id"] for attrs in page.attributes("div") if "id" in attrs]
    assert len(cells) == len(set(cells)) == 8
    assert page.text.count("01_all <&>") == 4  # in the list and as heading


def test_page_shows_no_code_and_the_note_for_the_widget(page):
    assert "plt.subplots" not in page.text
    assert page.text.count(report.WIDGET_TEXT) == 2
    assert page.text.count("doubled: 2") == 2
