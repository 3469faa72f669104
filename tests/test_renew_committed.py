"""What is committed of a report is its notebooks' outputs and the figures without timings."""

from __future__ import annotations

import importlib
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from analysis.reporting.running import Run

TOOLS = Path(__file__).parent.parent / "tools"


@pytest.fixture
def renew(monkeypatch, tmp_path):
    """The tool, in a checkout with one notebook and one old figure."""
    monkeypatch.syspath_prepend(TOOLS)
    tool = importlib.import_module("renew_committed")
    source = new_code_cell('show(\n    figure,\n    "01_a",\n)', id="a", metadata={})
    timed = new_code_cell('show(\n    "01_time",\n)', id="b", metadata={"tags": ["clock"]})
    notebook = tmp_path / "01_x.ipynb"
    nbformat.write(new_notebook(cells=[source, timed]), notebook)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "01_old.svg").touch()
    monkeypatch.setattr(tool, "CHECKOUT", tmp_path)
    monkeypatch.setattr(tool, "notebooks", lambda: [notebook])
    return tool


@pytest.fixture
def run(tmp_path) -> Run:
    """A report's folder."""
    made = Run(tmp_path / "report")
    made.figures.mkdir(parents=True)
    made.executed.mkdir()
    for name in ("01_a.svg", "01_a.json", "01_time.svg", "01_time.json"):
        (made.figures / name).write_text('{"caption": "Lines.", "alt": "They rise."}')
    return made


def test_figures_are_those_of_the_report_without_timings(renew, run, tmp_path):
    renew.renew_figures(run)
    files = sorted(file.name for file in (tmp_path / "figures").iterdir())
    assert files == ["01_a.json", "01_a.svg", "captions.md"]
    captions = (tmp_path / "figures" / "captions.md").read_text()
    assert "analysis.draw('01_a', width='screen')" in captions
    assert "01_time" not in captions


def test_outputs_are_kept_normalised(renew, run, tmp_path):
    executed = nbformat.read(tmp_path / "01_x.ipynb", as_version=4)
    executed.metadata["papermill"] = {"duration": 1.5}
    executed.cells[0].outputs = [new_output("stream", text="3")]
    nbformat.write(executed, run.executed / "01_x.ipynb")
    renew.renew_notebooks(run)
    kept = nbformat.read(tmp_path / "01_x.ipynb", as_version=4)
    assert kept.metadata == {}
    assert [cell.get("outputs") for cell in kept.cells] == [executed.cells[0].outputs, []]
    assert [cell.id for cell in kept.cells] == ["cell-00", "cell-01"]
