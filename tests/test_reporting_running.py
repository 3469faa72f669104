"""Running tiny notebooks into a report: what is run again, what is kept, what failed."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from analysis.errors import InputError
from analysis.reporting import running
from analysis.reporting.running import (
    ChaptersFailedError,
    Run,
    check_all_ran,
    inputs_digest,
    normalised,
    run_notebooks,
)

NASTY = "Öl & Essig <script>alert(1)</script>"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}

FIGURE = f"""
import matplotlib.pyplot as plt
from analysis.figures.style import Picture
from analysis.notebooks import record, show, table
import pandas as pd
figure, ax = plt.subplots(figsize=(2, 1))
ax.plot([0, number])
show(Picture(figure, "A line", 'From "0" up'), "01_line")
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


INPUTS = ["analysis/a.py", "constraints.txt"]
INPUTS += [
    "data/german/german.jsonl",
    *(f"data/{name}/a.json" for name in ("models", "engines", "gpu")),
]


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A repository with a package file, a data file, and no notebooks yet."""
    for file in INPUTS:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("as shipped")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(running, "CHECKOUT", tmp_path)
    monkeypatch.setattr(running, "PACKAGE", tmp_path / "analysis")
    monkeypatch.setattr(running, "GERMAN", tmp_path / "data" / "german" / "german.jsonl")
    monkeypatch.setattr(running, "NOTEBOOKS", tmp_path / "notebooks")
    for name in ("MODELS", "ENGINES", "GPU"):
        monkeypatch.setattr(running, name, tmp_path / "data" / name.lower())
    return tmp_path


def write_notebook(root: Path, name: str, *sources: str, parameters: str = "number = 1") -> Path:
    cells = [
        new_markdown_cell(f"# {name} <&>\n\nText."),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(new_code_cell(source.strip()) for source in sources),
    ]
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def run_in(root: Path, **parameters) -> Run:
    return Run(root / "report", parameters)


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> tuple[Path, Path]:
    """One notebook with a figure, a table, named values, a widget and progress, run twice."""
    folder = tmp_path_factory.mktemp("twice")
    (folder / "notebooks").mkdir()
    source = write_notebook(folder, "01_all", FIGURE, WIDGET)
    runs = [Run(folder / name) for name in ("first", "second")]
    for run in runs:
        running.execute(source, run.executed / source.name, run)
    return runs[0].executed / source.name, runs[1].executed / source.name


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


@pytest.mark.parametrize("file", INPUTS)
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
            file.write_text("another")
            is_read = file.is_relative_to(parameters["data"])
            assert (inputs_digest(path, parameters) != before) == is_read


# Running, and not running again


def test_unchanged_inputs_are_not_run_again(root):
    write_notebook(root, "01_a", FILE)
    said: list[str] = []
    (first,) = run_notebooks(run_in(root), said.append)
    written = first.executed.read_bytes()
    (second,) = run_notebooks(run_in(root), said.append)
    assert said == [
        "01_a: running (1 of 1)",
        "01_a: inputs unchanged, nothing recomputed (1 of 1)",
    ]
    assert second == first
    assert first.figures == (root / "report" / "figures" / "01_line.svg",)
    assert second.executed.read_bytes() == written


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(3, "10 s"), (84, "80 s"), (200, "3 min"), (5340, "89 min"), (9000, "2.5 h")],
)
def test_time_left_is_said_in_round_numbers(seconds, says):
    assert running._left(seconds) == f"about {says} left"


def test_time_left_is_said_only_as_earlier_runs_tell(root, monkeypatch):
    def execute(notebook: Path, executed: Path, run: Run) -> list[Path]:
        took = {"duration": 100.0, "parameters": dict(run.parameters)}
        executed.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(metadata={"papermill": took}), executed)
        return []

    def said(**parameters) -> list[str]:
        lines: list[str] = []
        list(run_notebooks(run_in(root, **parameters), lines.append))
        return [line.partition(" (")[2] for line in lines]

    monkeypatch.setattr(running, "execute", execute)
    declared = "number = 1\nyour_path = None"
    for name in ("01_a", "02_b", "03_c"):
        write_notebook(root, name, parameters=declared)
    assert said() == ["1 of 3)", "2 of 3)", "3 of 3)"]
    write_notebook(root, "01_a", "1", parameters=declared)
    write_notebook(root, "03_c", "1", parameters=declared)
    assert said() == ["1 of 3, about 3 min left)", "2 of 3)", "3 of 3, about 2 min left)"]
    assert said(your_path="haystack:float16")[0] == "1 of 3, about 5 min left)"
    assert said(number=2) == ["1 of 3)", "2 of 3)", "3 of 3)"]  # of other data nothing is known


def test_figures_stand_in_the_order_in_which_they_were_shown(root, monkeypatch):
    def executed(*_, **__) -> None:
        folder = Path(os.environ["RERANK_PRECISION_FIGURES"])
        folder.mkdir()
        for place, name in enumerate(("01_z.png", "01_a.png")):
            (folder / name).touch()
            os.utime(folder / name, ns=(place, place))

    monkeypatch.setattr(running.papermill, "execute_notebook", executed)
    found = running.execute(root / "01_a.ipynb", root / "notebooks" / "01_a.ipynb", run_in(root))
    assert [file.name for file in found] == ["01_z.png", "01_a.png"]


def test_a_failing_notebook_keeps_the_others(root):
    write_notebook(root, "01_a", "print(number)")
    write_notebook(root, "02_b", "1 / (number - 1)")
    write_notebook(root, "03_c", "print(number)")
    said: list[str] = []
    chapters = list(run_notebooks(run_in(root), said.append))
    assert [one.failure for one in chapters] == [None, "ZeroDivisionError: division by zero", None]
    assert "02_b: failed: ZeroDivisionError: division by zero" in said
    stamps = [file.stem for file in (root / "report" / "notebooks").glob("*.inputs")]
    assert sorted(stamps) == ["01_a", "03_c"]
    with pytest.raises(ChaptersFailedError, match=r"^1 notebook failed\.\n02_b: ZeroDivision"):
        check_all_ran(chapters)
    write_notebook(root, "02_b", "print('mended')")
    said.clear()
    check_all_ran(run_notebooks(run_in(root), said.append))
    assert [line.split(" (")[0] for line in said] == [
        "01_a: inputs unchanged, nothing recomputed",
        "02_b: running",
        "03_c: inputs unchanged, nothing recomputed",
    ]


def test_a_notebook_that_fails_after_a_good_run_has_no_stamp(root):
    notebook = write_notebook(root, "01_a", "number")
    running.run_if_changed(notebook, run_in(root), str)
    write_notebook(root, "01_a", FILE, "number / 0")
    assert running.run_if_changed(notebook, run_in(root), str).failure
    assert not (root / "report" / "notebooks" / "01_a.inputs").exists()
    write_notebook(root, "01_a", "number + 1")
    assert running.run_if_changed(notebook, run_in(root), str).figures == ()  # none of the failed


def test_bad_input_inside_a_notebook_says_itself_what_is_wrong(root):
    write_notebook(root, "01_a", CHECK)
    (chapter,) = run_notebooks(run_in(root, number=2), str)
    assert chapter.failure == "number: 2 is too small. Give 3 or more."


def test_what_a_notebook_says_of_its_progress_is_passed_on_without_steering(root, capsys):
    source = "import sys; print('float16: 40 %\\rfloat16: 80 %\\x1b[2J', file=sys.stderr)"
    write_notebook(root, "01_a", source)
    list(run_notebooks(run_in(root), str))
    assert "float16: 40 %\rfloat16: 80 %\ufffd[2J\n" in capsys.readouterr().err


def test_a_notebook_gets_the_parameters_that_it_declares(root):
    notebook = write_notebook(root, "01_a", "print(sorted(set(dir()) & {'number', 'data'}))")
    said: list[str] = []
    chapter = running.run_if_changed(notebook, run_in(root, number=2, data="x"), said.append)
    assert "['number']" in chapter.executed.read_text()
    running.run_if_changed(notebook, run_in(root, number=2, data="y"), said.append)
    assert said == ["01_a: running", "01_a: inputs unchanged, nothing recomputed"]


def test_a_lost_figure_or_another_parameter_runs_again(root):
    notebook = write_notebook(root, "01_a", FILE)
    figure = root / "report" / "figures" / "01_line.svg"
    running.run_if_changed(notebook, run_in(root), str)
    assert figure.read_text() == "1"
    figure.unlink()
    running.run_if_changed(notebook, run_in(root), str)
    assert figure.read_text() == "1"
    said: list[str] = []
    running.run_if_changed(notebook, run_in(root, number=21), said.append)
    assert said == ["01_a: running"]
    assert figure.read_text() == "21"


def test_outside_a_checkout_the_digest_follows_installed_versions(root, monkeypatch):
    path = write_notebook(root, "01_a")
    monkeypatch.setattr(running, "CHECKOUT", None)
    before = inputs_digest(path, {})
    monkeypatch.setattr(running, "distributions", list)
    assert inputs_digest(path, {}) != before


def test_no_notebooks_is_bad_input(root):
    with pytest.raises(InputError, match="there are no notebooks here"):
        running.notebooks()


def test_notebooks_come_in_order_of_their_numbers(root):
    for name in ("02_b", "10_c", "01_a", "draft"):
        write_notebook(root, name)
    assert [path.stem for path in running.notebooks()] == ["01_a", "02_b", "10_c"]


# What is kept of a run


def test_two_runs_are_the_same_bytes_once_normalised(executed):
    assert executed[0].read_bytes() != executed[1].read_bytes()
    kept = [nbformat.writes(normalised(nbformat.read(run, as_version=4))) for run in executed]
    assert kept[0] == kept[1]
    figures = [sorted((run.parent.parent / "figures").iterdir()) for run in executed]
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
    assert clean.cells[3].outputs[0].data["text/plain"] == running.WIDGET_TEXT
    assert [cell.get("execution_count") for cell in clean.cells] == [None, 1, 2, 3]


def test_normalised_keeps_figures_tables_and_named_values(executed):
    raw = nbformat.read(executed[0], as_version=4)
    outputs = [dict(output.data) for output in raw.cells[2].outputs]
    assert [dict(output.data) for output in normalised(raw).cells[2].outputs] == outputs
    assert len(outputs) == 3


def test_of_a_widget_that_brings_a_table_the_table_is_kept():
    table = "<table><tr><td>1</td></tr></table>"
    data = {running.WIDGET_VIEW: {"model_id": "x"}, "text/html": table, "text/plain": "Widget()"}
    cell = new_code_cell("view", outputs=[nbformat.v4.new_output("display_data", data=data)])
    (output,) = normalised(new_notebook(cells=[cell])).cells[0].outputs
    assert output.data == {"text/html": table, "text/plain": running.WIDGET_TEXT}


def test_normalising_twice_changes_nothing_more(executed):
    once = nbformat.writes(normalised(nbformat.read(executed[0], as_version=4)))
    assert nbformat.writes(normalised(nbformat.reads(once, as_version=4))) == once
