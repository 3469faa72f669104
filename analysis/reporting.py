"""Run the notebooks and bind them into one self-contained HTML page."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import jinja2
import nbformat
import papermill
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from analysis.errors import InputError
from analysis.notebooks import FIGURES_VARIABLE

ROOT = Path(__file__).parent.parent
SHIPPED = ("engines", "german", "models")  # what of data/ the notebooks read
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "Interactive view: open this notebook in JupyterLab. Its static twin stands below."
# The kernel's own warnings (unencrypted local sockets) are no news to who makes a report; what
# goes wrong in a cell arrives as an error of that cell.
KERNEL_ARGUMENTS = ["--log-level=CRITICAL"]
Say = Callable[[str], object]


@dataclass(frozen=True)
class Run:
    """Where a report reads and writes, and the notebook parameters that differ from defaults."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    build: Path = ROOT / "build"
    figures: Path = ROOT / "figures"
    page: Path = ROOT / "report" / "index.html"


def notebooks() -> list[Path]:
    """Return the numbered notebooks, in order; none at all raises :class:`InputError`."""
    found = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise InputError(
            "no notebooks here",
            "run from a checkout of the repository (pip install --editable .)",
            file=ROOT / "notebooks",
        )
    return found


def make_report(run: Run, say: Say = print) -> Path:
    """Run every notebook whose inputs changed, then write the page; returns the page's path.

    ``say`` receives one line per notebook. A notebook that fails raises :class:`InputError` where
    the input was bad, otherwise papermill's error; what earlier notebooks computed stays, and the
    next run starts from there.
    """
    executed = [run_if_changed(notebook, run, say) for notebook in notebooks()]
    run.page.parent.mkdir(parents=True, exist_ok=True)
    run.page.write_text(page_html(executed), encoding="utf-8")
    say(f"report: {run.page}")
    return run.page


def run_if_changed(notebook: Path, run: Run, say: Say = print) -> Path:
    """Execute a notebook into the build folder unless its inputs are those of the last run."""
    executed, stamp = run.build / notebook.name, run.build / f"{notebook.stem}.inputs"
    digest = inputs_digest(notebook, run.parameters)
    written = [Path(line) for line in _lines(stamp)[1:]]
    if _lines(stamp)[:1] == [digest] and all(path.exists() for path in [executed, *written]):
        say(f"{notebook.stem}: inputs unchanged, nothing recomputed")
        return executed
    say(f"{notebook.stem}: running")
    stamp.unlink(missing_ok=True)
    made = execute(notebook, executed, run)
    stamp.write_text("\n".join([digest, *map(str, made)]) + "\n", encoding="utf-8")
    return executed


def execute(notebook: Path, executed: Path, run: Run) -> list[Path]:
    """Run one notebook with papermill; returns the figure files that it wrote."""
    executed.parent.mkdir(parents=True, exist_ok=True)
    scratch = executed.parent / f"figures-{notebook.stem}"
    shutil.rmtree(scratch, ignore_errors=True)  # what a failed run may have left
    os.environ[FIGURES_VARIABLE] = str(scratch.resolve())
    try:
        papermill.execute_notebook(
            notebook,
            executed,
            dict(run.parameters),
            cwd=notebook.parent,
            progress_bar=False,
            extra_arguments=KERNEL_ARGUMENTS,
        )
    except PapermillExecutionError as error:
        if error.ename != InputError.__name__:
            raise
        remedy = "The notebooks before it are kept: mend that and run the report again"
        raise InputError(str(error.evalue).rstrip("."), remedy, file=notebook.name) from error
    finally:
        del os.environ[FIGURES_VARIABLE]
    run.figures.mkdir(parents=True, exist_ok=True)
    files = sorted(scratch.glob("*")) if scratch.exists() else []
    return [file.replace(run.figures / file.name) for file in files]


def inputs_digest(notebook: Path, parameters: Mapping[str, object]) -> str:
    """SHA-256 over everything that can change a notebook's outputs, its own outputs aside."""
    sources = [cell.source for cell in nbformat.read(notebook, as_version=4).cells]
    digest = hashlib.sha256(json.dumps([sources, dict(parameters)], default=str).encode())
    digest.update(platform.processor().encode() + platform.machine().encode())
    for file in _input_files(parameters):
        with file.open("rb") as opened:
            digest.update(str(file).encode() + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def keep_outputs(executed: Path, notebook: Path) -> None:
    """Write an executed notebook's outputs back into the repository, normalised."""
    nbformat.write(normalised(nbformat.read(executed, as_version=4)), notebook)


def normalised(notebook: NotebookNode) -> NotebookNode:
    """Without timings, widget state or run-dependent ids: the same bytes after every run."""
    for key in ("widgets", "papermill"):
        notebook.metadata.pop(key, None)
    for key in ("codemirror_mode", "version"):
        notebook.metadata.get("language_info", {}).pop(key, None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {"tags": cell.metadata.get("tags")} if cell.metadata.get("tags") else {}
        for output in cell.get("outputs", []):
            if WIDGET_VIEW in output.get("data", {}):
                output["data"] = {"text/markdown": f"*{WIDGET_TEXT}*", "text/plain": WIDGET_TEXT}
        cell.get("outputs", [])[:] = [o for o in cell.get("outputs", []) if not _is_progress(o)]
    return notebook


def page_html(executed: Iterable[Path]) -> str:
    """One page of all notebooks: prose, tables and figures, no code, nothing from elsewhere."""
    exporter = HTMLExporter(template_name="basic", exclude_input=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    chapters = []
    for path in executed:
        notebook = normalised(nbformat.read(path, as_version=4))
        for cell in notebook.cells:
            cell.id = f"{path.stem}-{cell.id}"  # unique on the page
        body, _ = exporter.from_notebook_node(notebook)
        chapters.append({"id": path.stem, "title": _title(notebook), "body": body})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    )
    return environment.get_template("report.html.j2").render(chapters=chapters)


def _title(notebook: NotebookNode) -> str:
    heading = next(c.source for c in notebook.cells if c.cell_type == "markdown")
    return escape(heading.splitlines()[0].lstrip("# "), quote=False)


def _is_progress(output: NotebookNode) -> bool:
    return output.get("output_type") == "stream" and output.get("name") == "stderr"


def _input_files(parameters: Mapping[str, object]) -> list[Path]:
    """The package, the shipped data and model, the locked versions, and a user's own files."""
    own = [Path(str(value)) for value in parameters.values()]
    folders = [ROOT / "analysis", *(ROOT / "data" / name for name in SHIPPED), *own]
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    files += [path for path in [ROOT / "constraints.txt", *own] if path.is_file()]
    return sorted(file for file in files if "__pycache__" not in file.parts)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
