"""Work that takes longer than a second shows itself on standard error, where that is a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analysis import sinks

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

Advance = Callable[[int], object]
_DELAY_SECONDS = 1.0


@contextmanager
def bar(what: str, total: int, unit: str = "") -> Iterator[Advance]:
    """A bar with the time left, and a function that is told how much more of ``total`` is done.

    Both count ``unit``, such as pairs; bytes where none is named.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TimeRemainingColumn

    done = MofNCompleteColumn() if unit else DownloadColumn()
    with _Shown(BarColumn(), done, unit, TimeRemainingColumn()) as shown:
        task = shown.add_task(sinks.terminal(what), total=total)
        yield lambda number: shown.advance(task, number)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """A sign that something is under way whose end nobody knows."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    with _Shown(SpinnerColumn(), TimeElapsedColumn()) as shown:
        shown.add_task(sinks.terminal(what), total=None)
        yield


def hide() -> None:
    """Take away what still shows, so that something else can be said.

    An error holds on to the generator that was reading, and so to its bar.
    """
    for shown in list(_showing):
        shown.end()


class _Shown:
    """What appears after a second, and goes when the work is done."""

    def __init__(self, *columns: str | ProgressColumn) -> None:
        from rich.console import Console
        from rich.progress import Progress, TextColumn

        said = TextColumn("{task.description}", markup=False)  # names of files stand in it
        self.progress = Progress(said, *columns, console=Console(stderr=True), transient=True)
        self._start = threading.Timer(_DELAY_SECONDS, self.progress.start)
        self._start.daemon = True

    def __enter__(self) -> Progress:
        _showing.add(self)
        self._start.start()
        return self.progress

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Take it away; again does nothing."""
        _showing.discard(self)
        self._start.cancel()
        self._start.join()
        self.progress.stop()


_showing: set[_Shown] = set()
