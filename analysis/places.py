"""Where things lie: what is shipped, what a checkout has besides, and what is kept between runs.

A wheel holds what is shipped inside the package, in ``shipped``; in a checkout it lies at the
root of the repository. Nothing else in the package asks which of the two it is in.
Also what is asked of every path that a user names, and how a file takes its place whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

from analysis.errors import InputError, checked_name, quoted

PACKAGE = Path(str(files("analysis")))
_IN_WHEEL = PACKAGE / "shipped"

CHECKOUT: Path | None = None if _IN_WHEEL.is_dir() else PACKAGE.parent
"""Root of the repository; None where the package was installed from a wheel."""

_DATA = CHECKOUT / "data" if CHECKOUT else _IN_WHEEL
GERMAN = _DATA / "german" / "german.jsonl"
MODELS = _DATA / "models"
ENGINES = _DATA / "engines"
FORMATS = _DATA / "formats"
CALIBRATION = _DATA / "calibration"
GPU = _DATA / "gpu"
HOLDOUTS = _DATA / "holdouts"
NOTEBOOKS = CHECKOUT / "notebooks" if CHECKOUT else _IN_WHEEL / "notebooks"


def cache_folder() -> Path:
    """Return the folder for what may be deleted at any time; it need not exist yet.

    ``.cache`` beside the code in a checkout, otherwise the user's cache folder.
    """
    return CHECKOUT / ".cache" if CHECKOUT else user_cache_path("rerank-precision")


_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]*|\$\{\w+\}")


def named_path(name: object, remedy: str) -> Path:
    """Path that a user names, ``~`` put in; whether something is there is not asked.

    Raises :class:`InputError` for what is no name, for a name that no file can have, for the home
    of a user whom nobody knows, and for a variable that no shell has replaced, unless a file is
    called so.
    """
    text = str(checked_name(name, remedy))
    try:
        path = Path(name).expanduser()
        there = _is_there(path)
    except RuntimeError as error:
        raise InputError("there is no such user", "write the path out", file=text) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"no file can be found by the name {quoted(text)} ({reason})", remedy
        ) from error
    variable = _VARIABLE.search(text)
    if variable and not there:
        raise InputError(
            f"there is no such file, and {variable[0]} stands in its name as it is",
            "write the path out; a shell puts variables in unless they stand in single quotes",
            file=text,
        )
    return path


def _is_there(path: Path) -> bool:
    """Whether something is there; unlike ``exists`` it raises for names that no file can have."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return True


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a temporary file in the same folder; it takes the file's place once it is on disk.

    Its name is fixed, so that what a killed run left is overwritten by the next. Where it cannot
    be written whole, it goes, and with it the room that it took.
    """
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def writing(file: Path, remedy: str) -> Iterator[None]:
    """Answer as bad input what the system says of a file or folder that it cannot write."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise InputError(f"it cannot be written ({reason})", remedy, file=file) from error
