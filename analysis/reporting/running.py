"""Running notebooks into a report's folder: what is run again, what is kept, what failed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import distributions
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from analysis import sinks
from analysis.errors import InputError, counted
from analysis.figures.looks import LOOK_VARIABLE, ON_SCREEN, Look
from analysis.figures.style import SHOWN
from analysis.notebooks import FIGURES_VARIABLE, FORMATS_VARIABLE
from analysis.places import CHECKOUT, ENGINES, GERMAN, MODELS, NOTEBOOKS, PACKAGE
from analysis.readers.folders import folder_of

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "Interactive view: open this notebook in JupyterLab. Its static twin stands below."
# The kernel's own warnings (unencrypted local sockets) are no news to who makes a report; what
# goes wrong in a cell arrives as an error of that cell.
KERNEL_ARGUMENTS = ["--log-level=CRITICAL"]
Say = Callable[[str], object]
_NAMED_FIGURE = re.compile(r'"(\d\d_\w+)"')


@dataclass(frozen=True)
class Run:
    """The folder of a report, the notebook parameters that differ from defaults, the figures' look.

    ``formats`` are those of the figures' files.
    """

    folder: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    look: Look = ON_SCREEN
    formats: tuple[str, ...] = SHOWN

    @property
    def executed(self) -> Path:
        """Folder of the executed notebooks."""
        return self.folder / "notebooks"

    @property
    def figures(self) -> Path:
        """Folder of the figures' files."""
        return self.folder / "figures"


@dataclass(frozen=True)
class Chapter:
    """A notebook of a report: where its outputs are, which figures it made, and why it failed."""

    executed: Path
    figures: tuple[Path, ...] = ()
    failure: str | None = None

    @property
    def name(self) -> str:
        """Its page, its notebook and messages about it are called so."""
        return self.executed.stem


class ChaptersFailedError(RuntimeError):
    """Some notebooks failed; the message says which and why, a line each."""

    def __init__(self, failed: Iterable[Chapter]) -> None:
        lines = [f"{chapter.name}: {chapter.failure}" for chapter in failed]
        super().__init__("\n".join([f"{counted(len(lines), 'notebook')} failed.", *lines]))


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


def run_notebooks(
    run: Run, say: Say = print, chosen: Sequence[Path] | None = None
) -> list[Chapter]:
    """Run every notebook, or those chosen, whose inputs changed; one that fails keeps no other.

    ``say`` receives a line per notebook, standard error what the notebooks say of their progress.
    What is there already when this is interrupted stays: the next run starts from it.
    """
    chosen = notebooks() if chosen is None else chosen
    numbered = list(enumerate(chosen, 1))
    return [run_if_changed(one, run, say, f" ({i} of {len(chosen)})") for i, one in numbered]


def check_all_ran(chapters: Iterable[Chapter]) -> None:
    """Raise :class:`ChaptersFailedError` if any chapter failed."""
    if failed := [chapter for chapter in chapters if chapter.failure is not None]:
        raise ChaptersFailedError(failed)


def figures_of(notebook: Path) -> list[str]:
    """Names of the figures that a notebook shows."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [name for cell in cells for name in _NAMED_FIGURE.findall(cell.source)]


def run_if_changed(notebook: Path, run: Run, say: Say = print, place: str = "") -> Chapter:
    """Execute a notebook into the report's folder unless its inputs are those of the last run.

    Of the run's parameters it gets those that it declares: the others do not concern it.
    """
    declared = papermill.inspect_notebook(notebook)
    run = replace(run, parameters={k: v for k, v in run.parameters.items() if k in declared})
    executed, stamp = run.executed / notebook.name, run.executed / f"{notebook.stem}.inputs"
    digest = inputs_digest(notebook, run.parameters, run.look, run.formats)
    written = [run.folder / line for line in _lines(stamp)[1:]]
    if _lines(stamp)[:1] == [digest] and all(path.exists() for path in [executed, *written]):
        say(f"{notebook.stem}: inputs unchanged, nothing recomputed{place}")
        return Chapter(executed, tuple(written))
    say(f"{notebook.stem}: running{place}")
    stamp.unlink(missing_ok=True)
    try:
        figures = execute(notebook, executed, run)
    except PapermillExecutionError as error:
        failure = _in_one_line(error)
        say(sinks.terminal(f"{notebook.stem}: failed: {failure}"))
        return Chapter(executed, failure=failure)
    made = [figure.relative_to(run.folder).as_posix() for figure in figures]
    stamp.write_text("\n".join([digest, *made]) + "\n", encoding="utf-8")
    return Chapter(executed, tuple(figures))


def _in_one_line(error: PapermillExecutionError) -> str:
    """What went wrong in a cell; bad input says so itself, other errors begin with their names."""
    said = " ".join(str(error.evalue).split())
    return said if error.ename == InputError.__name__ else f"{error.ename}: {said}"


def execute(notebook: Path, executed: Path, run: Run) -> list[Path]:
    """Run one notebook with papermill; returns the figure files that it wrote.

    An error of a cell raises papermill's ``PapermillExecutionError``.
    """
    executed.parent.mkdir(parents=True, exist_ok=True)
    scratch = executed.parent / f"figures-{notebook.stem}"
    shutil.rmtree(scratch, ignore_errors=True)  # what a failed run may have left
    drawing = {
        FIGURES_VARIABLE: str(scratch.resolve()),
        FORMATS_VARIABLE: ",".join(run.formats),
        LOOK_VARIABLE: run.look.text,
    }
    with _environment(drawing):
        papermill.execute_notebook(
            notebook,
            executed,
            dict(run.parameters),
            cwd=notebook.parent,
            progress_bar=False,
            stderr_file=_Progress(),
            extra_arguments=KERNEL_ARGUMENTS,
        )
    run.figures.mkdir(parents=True, exist_ok=True)
    files = sorted(scratch.glob("*")) if scratch.exists() else []
    return [file.replace(run.figures / file.name) for file in files]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the kernel, and put back afterwards what was there."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update({name: before[name] for name in variables.keys() & before.keys()})


class _Progress:
    """Passes on what a notebook's bars say of scoring: the dtype, pairs done, time left."""

    def write(self, text: str) -> None:
        """Show it at once; a bar goes back to the start of its line, and nothing else does."""
        parts = text.split("\r")
        sys.stderr.write("\r".join(sinks.terminal(part, lines=True) for part in parts))

    def flush(self) -> None:
        """Show it now."""
        sys.stderr.flush()


def inputs_digest(
    notebook: Path,
    parameters: Mapping[str, object],
    look: Look = ON_SCREEN,
    formats: Sequence[str] = SHOWN,
) -> str:
    """SHA-256 over everything that can change a notebook's outputs, its own outputs aside."""
    sources = [cell.source for cell in nbformat.read(notebook, as_version=4).cells]
    digest = hashlib.sha256(json.dumps([sources, dict(parameters)], default=str).encode())
    digest.update(f"{look.text} {' '.join(formats)}".encode())
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


def _is_progress(output: NotebookNode) -> bool:
    return output.get("output_type") == "stream" and output.get("name") == "stderr"


def _input_files(parameters: Mapping[str, object]) -> list[Path]:
    """The package, the shipped data and model, the locked versions, and a user's own files."""
    own = [Path(str(parameters[name])) for name in ("model", "data") if name in parameters]
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


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
