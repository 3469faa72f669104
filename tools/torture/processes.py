"""Processes that are killed or interrupted at a random moment.

They fork from a server that has imported what they need, so that a moment is one of the work and
not of an import.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

_PRELOADED = (
    "analysis.auditing.asking",
    "analysis.cli",
    "analysis.models",
    "analysis.reporting",
    "analysis.scoring",
    "transformers.models.bert.modeling_bert",
)
_TOO_LONG = 1_800.0
"""Seconds after which a process hangs."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status (−9 where it was killed), and the seconds it took."""

    status: int
    seconds: float


def run(work: Callable[..., int | None], *arguments: object) -> Ended:
    """Do some work in a process of its own, undisturbed; its result is the exit status."""
    return disturbed(work, *arguments)


def seconds_of(work: Callable[..., int | None], *arguments: object) -> float:
    """The seconds that undisturbed work takes, which has to go well."""
    ended = run(work, *arguments)
    if ended.status:
        raise RuntimeError(f"{work.__name__} ends with status {ended.status}")
    return ended.seconds


def disturbed(
    work: Callable[..., int | None],
    *arguments: object,
    after: float | None = None,
    by: signal.Signals = signal.SIGKILL,
) -> Ended:
    """The same, but a signal is sent ``after`` so many seconds, if the work lasts so long."""
    with started(work, *arguments) as (process, begin):
        if after is not None:
            _signal_later(process, after, by)
        process.join(_TOO_LONG)
        seconds = time.perf_counter() - begin
    if process.exitcode is None:
        raise TimeoutError(f"{work.__name__} hangs")
    return Ended(process.exitcode, seconds)


@contextmanager
def started(
    work: Callable[..., int | None], *arguments: object
) -> Iterator[tuple[BaseProcess, float]]:
    """A process that has begun its work, and when; it does not outlive the block."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    begun, begins = context.Pipe(duplex=False)
    process = context.Process(target=_do, args=(begins, work, arguments))
    process.start()
    try:
        if not begun.poll(_TOO_LONG):
            raise TimeoutError(f"{work.__name__} does not begin")
        yield process, time.perf_counter()
    finally:
        if process.is_alive() and process.exitcode is None:
            process.kill()
            process.join()


def command(arguments: Sequence[str], said: Path, environment: dict[str, str]) -> int:
    """Run the command line; what it says goes to a file. Returns its exit status."""
    from analysis.cli import main

    os.environ.update(environment)
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["rerank-precision", *arguments]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _do(begins: Connection, work: Callable[..., int | None], arguments: Sequence[object]) -> None:
    """What the process does; nothing of Python's own end can be interrupted."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    begins.send_bytes(b"begun")
    try:
        status = work(*arguments)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def _signal_later(process: BaseProcess, after: float, by: signal.Signals) -> None:
    """Send a signal once so many seconds have passed, unless the process has ended."""
    process.join(after)
    if process.exitcode is None:
        os.kill(process.pid, by)
