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


def outlive_closed_pipes() -> None:
    """Let all that Rich prints, Typer's help and errors too, go on where nobody reads any more.

    Rich itself would end the command with exit status 1.
    """
    rich.console.Console.on_broken_pipe = lambda console: _to_nowhere(console.file)


def echo(text: object, *, end: bool = True, err: bool = False) -> None:
    """Print to standard output (``err``: standard error), as long as somebody reads it."""
    try:
        typer.echo(text, nl=end, err=err)
    except BrokenPipeError:
        _to_nowhere(sys.stderr if err else sys.stdout)


def complain(error: object) -> None:
    """Say in one line on standard error what is wrong, or worth knowing."""
    progress.hide()
    echo(sinks.terminal(f"rerank-precision: {error}"), err=True)


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
