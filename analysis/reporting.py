"""Run the notebooks and bind them into one self-contained HTML page."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from importlib.metadata import distributions
from pathlib import Path

import jinja2
import nbformat
import papermill
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES, check_forward_dtypes
from analysis.notebooks import FIGURES_VARIABLE, VALUES_MIME
from analysis.places import CHECKOUT, ENGINES, GERMAN, MODELS, NOTEBOOKS, PACKAGE, named_path
from analysis.readers import read
from analysis.readers.folders import folder_of

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "Interactive view: open this notebook in JupyterLab. Its static twin stands below."
# The kernel's own warnings (unencrypted local sockets) are no news to who makes a report; what
# goes wrong in a cell arrives as an error of that cell.
KERNEL_ARGUMENTS = ["--log-level=CRITICAL"]
Say = Callable[[str], object]
# What is shipped under these names comes before a local file or folder of the same name.
_NAMES = ("demo", "demo-softened", "german")


@dataclass(frozen=True)
class Run:
    """The folder of a report, and the notebook parameters that differ from defaults."""

    folder: Path
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def executed(self) -> Path:
        """Folder of the executed notebooks."""
        return self.folder / "notebooks"

    @property
    def figures(self) -> Path:
        """Folder of the figures' files."""
        return self.folder / "figures"

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "index.html"


def report(
    *,
    model: str | Path = "demo",
    data: str | Path = "german",
    dtypes: Sequence[str] = FORWARD_DTYPES,
    out: str | Path | None = None,
    say: Say = print,
) -> Path:
    """Run the notebooks, write their figures and one self-contained page; returns its path.

    ``model`` is what :func:`analysis.models.load` takes, ``data`` what
    :func:`analysis.readers.read` takes, ``dtypes`` are forward dtypes. ``out`` is the folder for
    ``index.html``, ``figures/`` and ``notebooks/``; left out, it is ``report/`` of a checkout,
    which shows the shipped model and set. Notebooks whose inputs are those of the last run into
    that folder are not run again. ``say`` receives one line per notebook.

    Raises :class:`InputError` for bad input, and where ``out`` is missing.
    """
    chosen = {"model": _absolute(model), "data": _absolute(data), "dtypes": list(dtypes)}
    shipped = {"model": "demo", "data": "german", "dtypes": list(FORWARD_DTYPES)}
    parameters = {name: value for name, value in chosen.items() if value != shipped[name]}
    remedy = "name a folder of your own: --out FOLDER, in Python out=FOLDER"
    if out is None and CHECKOUT is None:
        raise InputError("the report needs a folder to be written to", remedy)
    if out is None and parameters:
        raise InputError("the report on the shipped set would be replaced by yours", remedy)
    folder = CHECKOUT / "report" if out is None else named_path(out, remedy)
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", remedy, file=out)
    check_forward_dtypes(chosen["dtypes"], field="dtypes")
    read(data)  # what is wrong with it is said before a notebook starts
    return make_report(Run(folder, parameters), say)


def notebooks() -> list[Path]:
    """Return the numbered notebooks, in order; none at all raises :class:`InputError`."""
    found = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise InputError(
            "there are no notebooks here",
            "they come with the package: install that anew",
            file=NOTEBOOKS,
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
    """Execute a notebook into the report's folder unless its inputs are those of the last run.

    Of the run's parameters it gets those that it declares: the others do not concern it.
    """
    declared = papermill.inspect_notebook(notebook)
    run = replace(run, parameters={k: v for k, v in run.parameters.items() if k in declared})
    executed, stamp = run.executed / notebook.name, run.executed / f"{notebook.stem}.inputs"
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
    digest.update(_installed().encode())
    for file in _input_files(parameters):
        with file.open("rb") as opened:
            digest.update(str(file).encode() + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


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
                output["data"] = _standing_still(output["data"])
        cell.get("outputs", [])[:] = [o for o in cell.get("outputs", []) if not _is_progress(o)]
    return notebook


def _standing_still(data: Mapping[str, object]) -> dict[str, object]:
    """What is kept of a widget: the HTML that it brings for whoever shows no widget, or a note."""
    html = data.get("text/html")
    shown = {"text/html": html} if html else {"text/markdown": f"*{WIDGET_TEXT}*"}
    return {**shown, "text/plain": WIDGET_TEXT}


def page_html(executed: Iterable[Path]) -> str:
    """One page of all notebooks: prose, tables and figures, no code, nothing from elsewhere."""
    exporter = HTMLExporter(template_name="basic", exclude_input=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    chapters = []
    for path in executed:
        notebook = normalised(nbformat.read(path, as_version=4))
        for cell in notebook.cells:
            cell.id = f"{path.stem}-{cell.id}"  # unique on the page
            cell.get("outputs", [])[:] = [o for o in cell.get("outputs", []) if not _is_record(o)]
        body, _ = exporter.from_notebook_node(notebook)
        chapters.append({"id": path.stem, "title": _title(notebook), "body": body})
    environment = jinja2.Environment(loader=jinja2.PackageLoader("analysis", "."), autoescape=True)
    return environment.get_template("report.html.j2").render(chapters=chapters)


def _title(notebook: NotebookNode) -> str:
    heading = next(c.source for c in notebook.cells if c.cell_type == "markdown")
    return escape(heading.splitlines()[0].lstrip("# "), quote=False)


def _is_progress(output: NotebookNode) -> bool:
    return output.get("output_type") == "stream" and output.get("name") == "stderr"


def _is_record(output: NotebookNode) -> bool:
    """Whether an output is values kept for tests, and nothing to be shown."""
    return set(output.get("data", ())) == {VALUES_MIME}


def _input_files(parameters: Mapping[str, object]) -> list[Path]:
    """The package, the shipped data and model, the locked versions, and a user's own files."""
    own = [Path(str(value)) for value in parameters.values()]
    own += [found[0] for found in map(folder_of, own) if found]
    inputs = [PACKAGE, GERMAN.parent, MODELS, ENGINES, *own]
    files = {f for folder in inputs for f in folder.rglob("*") if f.is_file()}
    locked = [CHECKOUT / "constraints.txt"] if CHECKOUT else []
    files |= {path for path in [*locked, *own] if path.is_file()}
    return sorted(file for file in files if "__pycache__" not in file.parts)


def _installed() -> str:
    """Versions of all installed packages where none are locked; empty in a checkout."""
    if CHECKOUT is not None:
        return ""
    return "\n".join(sorted(f"{one.name}=={one.version}" for one in distributions()))


def _absolute(source: str | Path) -> str:
    """Path of a local file or folder as seen from anywhere; other names stay as they are."""
    if source in _NAMES or not named_path(source, "give a name, a file or a folder").exists():
        return str(source)
    return str(
        Path(source).expanduser().absolute()
    )  # not where a link leads to: names say what files are


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
