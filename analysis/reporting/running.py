"""Running notebooks into a report's folder: what is run again, what is kept, what failed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import distributions
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from analysis import sinks
from analysis.checkpoints import sha256_of
from analysis.errors import InputError, counted
from analysis.figures.looks import LOOK_VARIABLE, ON_SCREEN, Look
from analysis.figures.style import SHOWN
from analysis.notebooks import FIGURES_VARIABLE, FORMATS_VARIABLE
from analysis.places import (
    CALIBRATION,
    CHECKOUT,
    ENGINES,
    FORMATS,
    GERMAN,
    GPU,
    HOLDOUTS,
    MODELS,
    NOTEBOOKS,
    PACKAGE,
)
from analysis.readers.folders import folder_of

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "Interactive view: open this notebook in JupyterLab. Its static twin stands below."
# The kernel's own warnings (unencrypted local sockets) are no news to who makes a report; what
# goes wrong in a cell arrives as an error of that cell.
_KERNEL_ARGUMENTS = ["--log-level=CRITICAL"]
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
) -> Iterator[Chapter]:
    """Run every notebook, or those chosen, whose inputs changed; one that fails keeps no other.

    Gives each chapter once it is done. ``say`` receives a line per notebook, standard error what
    the notebooks say of their progress. What is there already when this is interrupted stays: the
    next run starts from it.
    """
    chosen = notebooks() if chosen is None else chosen
    jobs = [_Job.of(notebook, run) for notebook in chosen]
    # None is known of a notebook that is not done: running it wipes out what it took before.
    took = [0.0 if job.is_done else job.seconds_before for job in jobs]
    for number, job in enumerate(jobs):
        left = "" if None in took[number:] else f", {_left(sum(took[number:]))}"
        yield job.chapter(say, f" ({number + 1} of {len(jobs)}{'' if job.is_done else left})")


def check_all_ran(chapters: Iterable[Chapter]) -> None:
    """Raise :class:`ChaptersFailedError` if any chapter failed."""
    if failed := [chapter for chapter in chapters if chapter.failure is not None]:
        raise ChaptersFailedError(failed)


def figures_of(notebook: Path) -> list[str]:
    """Names of the figures that a notebook shows."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [name for cell in cells for name in _NAMED_FIGURE.findall(cell.source)]


def run_if_changed(notebook: Path, run: Run, say: Say = print) -> Chapter:
    """Execute a notebook into the report's folder unless its inputs are those of the last run.

    Of the run's parameters it gets those that it declares: the others do not concern it.
    """
    return _Job.of(notebook, run).chapter(say)


@dataclass(frozen=True)
class _Job:
    """A notebook that a report needs; ``run`` has the parameters that it declares."""

    notebook: Path
    run: Run

    @classmethod
    def of(cls, notebook: Path, run: Run) -> _Job:
        """The notebook with those of a run's parameters that it declares."""
        declared = papermill.inspect_notebook(notebook)
        given = {name: value for name, value in run.parameters.items() if name in declared}
        return cls(notebook, replace(run, parameters=given))

    @property
    def executed(self) -> Path:
        """Where it stands once it has run."""
        return self.run.executed / self.notebook.name

    @property
    def stamp(self) -> Path:
        """File of a run that went through: the digest of its inputs, and the figures it made."""
        return self.run.executed / f"{self.notebook.stem}.inputs"

    @cached_property
    def digest(self) -> str:
        """Digest of its inputs as they are now."""
        return inputs_digest(self.notebook, self.run.parameters, self.run.look, self.run.formats)

    @property
    def figures(self) -> list[Path]:
        """What the last run made."""
        return [self.run.folder / line for line in _lines(self.stamp)[1:]]

    @cached_property
    def is_done(self) -> bool:
        """Whether the last run had these inputs, and all that it made is there."""
        there = all(path.exists() for path in [self.executed, *self.figures])
        return there and _lines(self.stamp)[:1] == [self.digest]

    @property
    def seconds_before(self) -> float | None:
        """What the last run took, if it went through with the same model, data and dtypes."""
        if not (self.stamp.exists() and self.executed.exists()):
            return None
        about = nbformat.read(self.executed, as_version=4).metadata.get("papermill", {})
        given = about.get("parameters", {}), self.run.parameters
        before, now = ({**one, "your_path": None} for one in given)  # another path costs the same
        return about.get("duration") if before == now else None

    def chapter(self, say: Say, place: str = "") -> Chapter:
        """Run it, unless that is done."""
        name = self.notebook.stem
        if self.is_done:
            say(f"{name}: inputs unchanged, nothing recomputed{place}")
            return Chapter(self.executed, tuple(self.figures))
        say(f"{name}: running{place}")
        self.stamp.unlink(missing_ok=True)
        try:
            figures = execute(self.notebook, self.executed, self.run)
        except PapermillExecutionError as error:
            failure = _in_one_line(error)
            say(sinks.terminal(f"{name}: failed: {failure}"))
            return Chapter(self.executed, failure=failure)
        made = [figure.relative_to(self.run.folder).as_posix() for figure in figures]
        self.stamp.write_text("\n".join([self.digest, *made]) + "\n", encoding="utf-8")
        return Chapter(self.executed, tuple(figures))


def _left(seconds: float) -> str:
    """How long the rest may take, as runs before did."""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


def _in_one_line(error: PapermillExecutionError) -> str:
    """What went wrong in a cell; bad input says so itself, other errors begin with their names."""
    said = " ".join(str(error.evalue).split())
    return said if error.ename == InputError.__name__ else f"{error.ename}: {said}"


def execute(notebook: Path, executed: Path, run: Run) -> list[Path]:
    """Run one notebook with papermill; returns the figure files in the order it wrote them.

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
    try:
        with _environment(drawing):
            papermill.execute_notebook(
                notebook,
                executed,
                dict(run.parameters),
                cwd=notebook.parent,
                progress_bar=False,
                stderr_file=_Progress(),
                extra_arguments=_KERNEL_ARGUMENTS,
            )
    except KeyboardInterrupt:
        # Tasks that nbclient leaves behind would complain of the kernel's end.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        raise
    run.figures.mkdir(parents=True, exist_ok=True)
    files = sorted(scratch.glob("*"), key=lambda file: file.stat().st_mtime_ns)
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
        digest.update(str(file).encode() + bytes.fromhex(sha256_of(file)))
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
    shipped = [GERMAN.parent, MODELS, ENGINES, FORMATS, CALIBRATION, HOLDOUTS, GPU]
    inputs = [PACKAGE, *shipped, *own]
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
