"""Figures that authors take: those of the notebooks, drawn in a style for a width."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from analysis.errors import InputError, quoted
from analysis.figures.looks import Look
from analysis.figures.style import FORMATS
from analysis.formats import FORWARD_DTYPES, check_forward_dtypes
from analysis.places import CHECKOUT, cache_folder, named_path
from analysis.readers import read
from analysis.reporting.answer import subject
from analysis.reporting.asked import SHIPPED, loading_options, notebook_parameters
from analysis.reporting.captions import caption_sections, write_captions
from analysis.reporting.running import (
    Run,
    Say,
    check_all_ran,
    figures_of,
    notebooks,
    run_notebooks,
)


def draw(
    *names: str,
    out: str | Path | None = None,
    style: str = "paper",
    width: str = "page",
    formats: Sequence[str] = FORMATS,
    model: str | Path = "demo",
    data: str | Path = "german",
    dtypes: Sequence[str] = FORWARD_DTYPES,
    path: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    max_length: int | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    say: Say = print,
) -> list[Path]:
    """Draw figures of the notebooks for print or slides; returns their files.

    ``names`` are figures such as ``"01_logits"``, all of them if none is given. ``style`` is
    *paper*, *slide* or *dark*; ``width`` is *column* (3.5 inches), *page* (7 inches), *slide*
    (13.33 by 7.5 inches) or *screen*, as in the notebooks; ``formats`` are of *svg*, *png* and
    *pdf*. The folder ``out``, if not given one such as ``figures-paper-page``, gets the files, and
    ``captions.md`` with caption, alt text and the line of Python that makes each. The rest is what
    :func:`analysis.report` takes.

    Notebooks whose inputs are those of the last time are not run again: logits come from the store,
    so that another style costs the drawing alone. The same data give the same bytes, but for the
    figures that show times.

    Raises :class:`InputError` for bad input, and :class:`ChaptersFailedError` if a notebook failed,
    once the figures of the others are there; :class:`InputError` then too for a figure that these
    data do not show.
    """
    look, kinds = Look(style, width), _checked_formats(formats)
    check_forward_dtypes(dtypes, field="dtypes")
    dtypes = list(dict.fromkeys([*dtypes, subject(path, dtypes).forward_dtype]))
    chosen = _notebooks_of(names)
    folder = _folder(f"figures-{look.text}" if out is None else out)
    read(data)
    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    loading = loading_options(revision, device, max_length, trust)
    parameters = notebook_parameters(model, data, dtypes, path, loading)
    run = Run(_kept(look, parameters), parameters, look, FORMATS)
    chapters = list(run_notebooks(run, say, chosen))
    made = [file for chapter in chapters for file in chapter.figures]
    made = [file for file in made if not names or file.stem in names]
    folder.mkdir(parents=True, exist_ok=True)
    files = [shutil.copy(file, folder) for file in made if file.suffix[1:] in kinds]
    asked = {"out": out and str(out), "style": style, "width": width, "formats": list(kinds)}
    asked |= {"model": str(model), "data": str(data), "dtypes": list(dtypes), "path": path}
    given = {name: value for name, value in asked.items() if value != _DEFAULTS[name]} | loading
    words = [file for file in made if file.suffix == ".json"]
    say(f"captions: {write_captions(folder, caption_sections(words, kinds[0], given))}")
    check_all_ran(chapters)
    for name in names:
        if name not in {file.stem for file in made}:
            raise InputError(f"{quoted(name)} is not shown on these data", "leave it out")
    return sorted(map(Path, files))


_DEFAULTS = SHIPPED | {
    "out": None,
    "style": "paper",
    "width": "page",
    "formats": list(FORMATS),
    "path": None,
}


def _checked_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Formats in our order, each once; an unknown one raises :class:`InputError`."""
    unknown = [kind for kind in formats if kind not in FORMATS]
    if unknown or not formats:
        what = f"figures are not written as {quoted(unknown[0])}" if unknown else "none is given"
        raise InputError(what, f"choose from {', '.join(FORMATS)}", field="formats")
    return tuple(kind for kind in FORMATS if kind in formats)


def _notebooks_of(names: Sequence[str]) -> list[Path]:
    """The notebooks that show these figures; one that none shows raises :class:`InputError`."""
    shown = {notebook: figures_of(notebook) for notebook in notebooks()}
    known = [name for figures in shown.values() for name in figures]
    for name in names:
        if name not in known:
            remedy = f"choose from {', '.join(known)}"
            raise InputError(f"there is no figure {quoted(name)}", remedy)
    return [book for book, figures in shown.items() if not names or set(names) & set(figures)]


def _folder(out: str | Path) -> Path:
    """Where the figures go; those that a checkout shows keep their place."""
    remedy = "name a folder of your own: --out FOLDER, in Python out=FOLDER"
    folder = named_path(out, remedy)
    if folder.exists() and not folder.is_dir():
        raise InputError("this is a file", remedy, file=out)
    if CHECKOUT is not None and folder.resolve() == CHECKOUT / "figures":
        raise InputError("the figures that the documentation shows lie there", remedy, file=out)
    return folder


def _kept(look: Look, parameters: dict[str, object]) -> Path:
    """The folder where notebooks that ran for these figures are kept."""
    asked = json.dumps(parameters, sort_keys=True, default=str)
    return (
        cache_folder() / "drawn" / f"{look.text}-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    )
