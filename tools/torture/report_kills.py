"""Reports that are killed: what resumes makes the same notebooks and figures."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
from check_committed import differences, tagged_figures
from sites import write_set
from tiny_checkpoints import write_checkpoint

from analysis.reporting.running import normalised, notebooks
from analysis.store import FOLDER_VARIABLE
from torture.counts import Count, Kind
from torture.processes import command, disturbed, seconds_of

_LONGEST = 0.4
"""A kill comes within this share of a whole report, so that one report takes several."""


def kill(times: int, folder: Path) -> Count:
    """``rerank-precision report`` of a tiny model, killed again and again; then it may end."""
    data = write_set(folder / "own.jsonl")
    checkpoint = write_checkpoint(folder / "checkpoint")
    count, rng = Count(), np.random.default_rng(0)

    def report(name: str) -> tuple[list[str], Path, dict[str, str]]:
        options = ["--model", str(checkpoint), "--data", str(data), "--out", str(folder / name)]
        store = {FOLDER_VARIABLE: str(folder / f"{name}-store")}
        return ["report", *options], folder / f"{name}.txt", store

    seconds = seconds_of(command, *report("undisturbed"))
    for number in range(times):
        moment = float(rng.uniform(0, _LONGEST * seconds))
        ended = disturbed(command, *report("killed"), after=moment)
        count.add(tried=int(ended.status == -signal.SIGKILL))
        if ended.status not in (0, -signal.SIGKILL):
            count.add([f"kill {number}: exit status {ended.status}"], tried=0)
    seconds_of(command, *report("killed"))
    count.add(_differences(folder / "undisturbed", folder / "killed"), tried=0)
    return count


def _differences(undisturbed: Path, resumed: Path) -> Iterator[str]:
    """Yield what differs, but for what shows times."""
    clock: set[str] = set()
    for notebook in notebooks():
        clock |= tagged_figures(nbformat.read(notebook, as_version=4), "clock")
        both = [
            normalised(nbformat.read(site / "notebooks" / notebook.name, as_version=4))
            for site in (undisturbed, resumed)
        ]
        yield from (f"{notebook.name}: {line}" for line in differences(*both))
    ours, theirs = (_files(site) for site in (undisturbed, resumed))
    yield from (f"{name} is on one side only" for name in sorted(ours.keys() ^ theirs.keys()))
    for name in sorted(ours.keys() & theirs.keys()):
        timed = ours[name].stem in clock
        drawn = ours[name].parent.name == "figures"
        if drawn and not timed and ours[name].read_bytes() != theirs[name].read_bytes():
            yield f"{name} differs"


def _files(site: Path) -> dict[str, Path]:
    return {str(file.relative_to(site)): file for file in site.rglob("*") if file.is_file()}


KINDS = (Kind("kill -9 during a report", "`rerank-precision report`", 12, kill),)
