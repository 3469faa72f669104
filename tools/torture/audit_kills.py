"""Audits of a server that are killed or interrupted: what resumes finds the same.

The server stands in this process, and notes what it is asked.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from reranking_server import Running, infinity, serving
from sites import write_set

from analysis.auditing.kept import FOLDER_VARIABLE
from torture.counts import Count, Kind
from torture.processes import command, disturbed, seconds_of
from torture.scoring_kills import interruption_faults

_QUERIES, _CANDIDATES = 40, 6
_ASKED_TWICE = 2
"""The query under way when it was killed, and one that shows whether the server is still the same
(:mod:`analysis.auditing.sources`)."""


def kill(times: int, folder: Path) -> Count:
    """``rerank-precision audit --url``, killed until it has been asked for everything."""
    return _cut(times, folder, signal.SIGKILL)


def interrupt(times: int, folder: Path) -> Count:
    """The same with Ctrl-C, which the command answers with how to go on."""
    return _cut(times, folder, signal.SIGINT)


def _cut(times: int, folder: Path, by: signal.Signals) -> Count:
    count, rng = Count(), np.random.default_rng(int(by))
    with serving(infinity()) as server:
        audit = _Audit(server, folder)
        while count.tried < times:
            moment = float(rng.uniform(0, audit.seconds))
            ended = disturbed(command, *audit.arguments("cut"), after=moment, by=by)
            what = f"after {moment:.2f} s"
            if ended.status != 0:
                found = audit.faults_of_end(ended.status, by, what)
                count.add([*found, *audit.faults_of_resumed(what)])
            audit.forget()
    return count


class _Audit:
    """An audit through the command line, and what an undisturbed one finds."""

    def __init__(self, server: Running, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.data = write_set(folder / "own.jsonl", queries=_QUERIES)
        seconds_of(command, *self.arguments("warm"))
        self.seconds = seconds_of(command, *self.arguments("undisturbed"))
        server.asked.clear()

    def arguments(self, name: str) -> tuple[list[str], Path, dict[str, str]]:
        """Arguments of :func:`torture.processes.command`."""
        options = ["--data", str(self.data), "--json", str(self.folder / f"{name}.json")]
        said, kept = self.folder / f"{name}.txt", str(self.folder / name)
        return ["audit", "--url", self.server.url, *options], said, {FOLDER_VARIABLE: kept}

    def faults_of_end(self, status: int, by: signal.Signals, what: str) -> Iterator[str]:
        """Yield what is wrong with how the audit ended."""
        if by is signal.SIGINT:
            said = (self.folder / "cut.txt").read_text(encoding="utf-8")
            yield from interruption_faults(status, said, what)
        elif status != -by:
            yield f"{what}: exit status {status}"

    def faults_of_resumed(self, what: str) -> Iterator[str]:
        """Let the audit end, and yield how it differs; what was answered is not asked again."""
        before = self._queries_asked()
        seconds_of(command, *self.arguments("cut"))
        if self._found("cut") != self._found("undisturbed"):
            yield f"{what}: the audit finds something else"
        again = before & self._queries_asked()
        if _ASKED_TWICE < len(again) < _QUERIES:  # all: it had every answer, and had forgotten them
            yield f"{what}: {len(again)} queries were asked again"

    def _queries_asked(self) -> set[str]:
        """The queries that the server has been asked about with all candidates; it forgets them."""
        payloads = [one.payload for one in self.server.asked]
        self.server.asked.clear()
        return {one["query"] for one in payloads if len(one.get("documents", ())) == _CANDIDATES}

    def forget(self) -> None:
        """Take away what this audit kept."""
        shutil.rmtree(self.folder / "cut", ignore_errors=True)
        self.server.asked.clear()

    def _found(self, name: str) -> bytes:
        return (self.folder / f"{name}.json").read_bytes()


KINDS = (
    Kind("kill -9 during an audit", "`rerank-precision audit` over HTTP", 40, kill),
    Kind("Ctrl-C during an audit", "the same", 40, interrupt),
)
