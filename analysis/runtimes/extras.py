"""The libraries of the extra ``runtimes``: imported where they are needed, and their versions."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from types import ModuleType

from analysis.errors import InputError


def needed(name: str) -> ModuleType:
    """Import a module of the extra; :class:`InputError` says what to install if it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name.partition('.')[0]} cannot be imported ({error})",
            "install the extra: pip install 'rerank-precision[runtimes]'",
            field="formats",
        ) from error


def versions(*names: str) -> dict[str, str]:
    """Versions of installed packages, by name."""
    return {name: metadata.version(name) for name in names}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from warning and logging, and from configuring the root logger for it."""
    root, silent, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(silent)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(silent)
