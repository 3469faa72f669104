"""What commands print: results on standard output, what is said about them on standard error.

A reader who closes the pipe early (``| head``) is no trouble: the rest of the output goes nowhere,
the command finishes, and its exit status is what it would have been.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from json import dumps
from typing import IO

import rich.console
import typer

from analysis import progress, sinks

_SERVER_TROUBLE = 3


class Console(rich.console.Console):
    """A console that goes on where nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Drop what is still to be printed; the base class would end with exit status 1."""
        _to_nowhere(self.file)


def echo(text: object, *, end: bool = True) -> None:
    """Print to standard output, as long as somebody reads it."""
    try:
        typer.echo(text, nl=end)
    except BrokenPipeError:
        _to_nowhere(sys.stdout)


def complain(error: object) -> None:
    """Say in one line on standard error what is wrong, or worth knowing."""
    progress.hide()
    typer.echo(sinks.terminal(f"rerank-precision: {error}"), err=True)


def tell(notes: Iterable[str]) -> None:
    """Say on standard error how something was read; standard output is for results."""
    for note in notes:
        complain(note)


@contextmanager
def servers_may_fail() -> Iterator[None]:
    """Say what is the trouble with a server, and end with the exit status for that."""
    from analysis.auditing.transport import ServerError

    try:
        yield
    except ServerError as error:
        complain(error)
        raise typer.Exit(_SERVER_TROUBLE) from error


def echo_json(values: object) -> None:
    """Print JSON-ready values, safe for a terminal as well."""
    echo(sinks.json(dumps(values, ensure_ascii=False, indent=2)))


def _to_nowhere(stream: IO[str]) -> None:
    """Let a stream end in the null device, what it still holds included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
