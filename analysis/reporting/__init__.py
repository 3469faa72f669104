"""The report: a site that begins with the answer, made of the notebooks on a user's own data.

What a notebook run is and when it is run again stands in :mod:`analysis.reporting.running`, what a
path does and what to do about it in :mod:`analysis.reporting.answer`, how the pages are made of
both in :mod:`analysis.reporting.pages`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path

from analysis import places
from analysis.answering import LOCAL, answering
from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES, check_forward_dtypes
from analysis.forwardformats import ForwardFormat, formats_to_run
from analysis.models import load
from analysis.places import named_path, writing
from analysis.readers import read
from analysis.reporting.answer import Answer, answer, subject
from analysis.reporting.asked import loading_options, notebook_parameters
from analysis.reporting.drawing import draw
from analysis.reporting.pages import INDEX, write_site
from analysis.reporting.running import (
    Chapter,
    ChaptersFailedError,
    Run,
    Say,
    check_all_ran,
    run_notebooks,
)
from analysis.scoring import score
from analysis.store import Store

__all__ = ["ChaptersFailedError", "draw", "report"]


def report(
    *,
    model: str | Path = "demo",
    data: str | Path = "german",
    dtypes: Sequence[str] = FORWARD_DTYPES,
    formats: Sequence[str | ForwardFormat] = (),
    path: str | None = None,
    out: str | Path | None = None,
    revision: str | None = None,
    device: str | None = None,
    max_length: int | None = None,
    engine: str = LOCAL,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    say: Say = print,
) -> Path:
    """Score a set, answer what precision does to it, run the notebooks; returns the first page.

    ``model`` is what :func:`analysis.models.load` takes, with ``revision``, ``device``,
    ``max_length``, ``trust_remote_code`` and ``allow_pickle``; ``data`` what
    :func:`analysis.readers.read` takes; ``dtypes`` are forward dtypes, ``formats`` further
    forward formats, such as ``"onnxruntime:int8-dynamic"``, that the first page and the notebooks
    set beside them. ``engine`` is what computes their logits, as in
    :func:`analysis.scoring.score`: a cluster has to be of machines like this one, which the
    notebooks run on. ``path`` is the score path of one's own engine, as text of
    :func:`analysis.path_of`: the answer is about it. ``out`` is the folder for the site: the pages,
    ``figures/`` and ``notebooks/``; left out, it is ``report/`` of a checkout, which shows the
    shipped model and set. What was scored, and notebooks whose inputs are those of the last run
    into that folder, are not run again: an interrupted report goes on where it was, and its pages
    show what is done. ``say`` receives one line per step.

    Raises :class:`InputError` for bad input, and where ``out`` is missing; once the site is
    written, :class:`ChaptersFailedError` if a notebook failed.
    """
    check_forward_dtypes(dtypes, field="dtypes")
    about = subject(path, dtypes)
    named = [one.name for one in formats_to_run(formats)] if formats else []
    dtypes = [*dtypes, about.forward_dtype, *(name for name in named if name in FORWARD_DTYPES)]
    dtypes = list(dict.fromkeys(dtypes))
    others = [name for name in named if name not in FORWARD_DTYPES]
    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    loading = loading_options(revision, device, max_length, trust)
    parameters = notebook_parameters(model, data, dtypes, path, loading, formats=others)
    folder = _folder(out, parameters)
    candidates, reranker = read(data), load(model, **loading)
    run = Run(folder, parameters)
    say(f"scoring {candidates.n_pairs:,} pairs in {', '.join([*dtypes, *others])}")
    forward = list(dict.fromkeys([*dtypes, "float32", *others]))
    with answering(engine, reranker) as answers:
        answers.check_alike(formats_to_run(forward))
        logits = score(candidates, reranker, forward, store=Store(), engine=answers)
    say(f"measuring a pass of one query in {about.forward_dtype} and float32")
    asked = {"path": path, "dtype": dtypes, "format": others, "out": out}
    command = _command(model=model, data=data, **asked, **loading)
    with _naming_a_full(folder):
        found = answer(candidates, reranker, about, logits, run.executed, is_named=path is not None)
        _write(run, found, command, say)
    return folder / INDEX


@contextmanager
def _naming_a_full(folder: Path) -> Iterator[None]:
    """Say that it is the folder whose disk is full, where the system does not say which."""
    try:
        yield
    except OSError as error:
        if error.errno != ENOSPC or error.filename:
            raise
        with writing(folder, "make room there, or name another folder: --out FOLDER"):
            raise


def _write(run: Run, found: Answer, command: str, say: Say) -> None:
    """Write the answer, run the notebooks, and write the site with what they gave."""
    write_site(run.folder, found, [], command)
    say(f"answer: {run.folder / INDEX}")
    chapters: list[Chapter] = []
    try:
        for chapter in run_notebooks(run, say):
            chapters.append(chapter)
    finally:
        write_site(run.folder, found, chapters, command)
        say(f"report: {run.folder / INDEX}")
    check_all_ran(chapters)


def _folder(out: str | Path | None, parameters: dict[str, object]) -> Path:
    """Where the site goes; a report of one's own needs a folder of its own."""
    remedy = "name a folder of your own: --out FOLDER, in Python out=FOLDER"
    if out is None and places.CHECKOUT is None:
        raise InputError("the report needs a folder to be written to", remedy)
    if out is None and parameters:
        raise InputError("the report on the shipped set would be replaced by yours", remedy)
    folder = places.CHECKOUT / "report" if out is None else named_path(out, remedy)
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", remedy, file=out)
    return folder


def _command(**options: object) -> str:
    """The line that makes this report again."""
    words = ["rerank-precision", "report"]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value != _DEFAULTS.get(name):
            many = value if isinstance(value, list) else [value]
            words += [word for one in many for word in (flag, str(one))]
    return shlex.join(words)


_DEFAULTS = {"model": "demo", "data": "german", "dtype": list(FORWARD_DTYPES), "format": []}
