"""Disks that are full or cannot be written: an error that names file and remedy, then resuming.

The disks are tmpfs, which root alone may mount.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reranking_server import infinity, serving
from sites import write_set
from tiny_checkpoints import write_checkpoint

from analysis.auditing import kept
from analysis.errors import InputError
from analysis.store import FOLDER_VARIABLE, Store
from torture.counts import CannotRunError, Count, Kind
from torture.processes import command, run
from torture.stored import KEYS, ask, faults, whole

_SIZES = ("16k", "40k", "72k")
"""Of the three, none holds the small store whole; a file takes pages of 4 KiB."""
_ROOMY = "64m"
_BAD_INPUT = 2


def full_store(times: int, folder: Path) -> Count:
    """The store on disks that are full before, while and after the shards are written."""
    count = Count()
    for number in range(times):
        size = _SIZES[number % len(_SIZES)]
        with disk(folder / "disk", f"size={size}") as place:
            store = Store(place / "store")
            what = f"{size}, time {number}"
            count.add([*_refused(store, what, file_inside=place), *faults(store, what)])
            remount(place, f"size={_ROOMY}")
            count.add([*faults(store, f"{what}, made larger"), *_anew(store, what)], tried=0)
    return count


def read_only_store(times: int, folder: Path) -> Count:
    """A store that nobody may write: what is there is read, and what is missing named."""
    count = Count()
    for number in range(times):
        with disk(folder / "disk", f"size={_ROOMY}") as place:
            store = whole(place / "store")
            for file in (store.place(KEYS[0]) / "logits.parquet", *place.glob("*/*/shard*0.*")):
                if number % 2:
                    file.unlink()
            remount(place, "ro")
            what = "half there" if number % 2 else "all there"
            found = _refused(store, what, file_inside=place) if number % 2 else _anew(store, what)
            count.add([*found, *faults(store, what)])
    return count


def full_disks_of_commands(times: int, folder: Path) -> Count:
    """Commands whose store, kept answers or results are on a full disk: one line, exit status 2."""
    data = write_set(folder / "own.jsonl", queries=40)
    checkpoint = write_checkpoint(folder / "checkpoint")
    count = Count()
    with serving(infinity()) as server:
        for number in range(times):
            with disk(folder / "disk", "size=4k") as place:
                (place / "filling").write_bytes(bytes(4096))
                full, roomy = str(place / "full"), str(folder / "roomy")
                score = ["score", "--data", str(data), "--model", str(checkpoint)]
                report = ["report", "--data", str(data), "--model", str(checkpoint), "--out"]
                audit = ["audit", "--url", server.url, "--data", str(data)]
                cases = (
                    ([*score, f"{roomy}.parquet"], {FOLDER_VARIABLE: full}),
                    ([*score, f"{full}.parquet"], {FOLDER_VARIABLE: roomy}),
                    (audit, {kept.FOLDER_VARIABLE: full}),
                    ([*audit, "--json", full], {kept.FOLDER_VARIABLE: roomy}),
                    ([*audit, "--html", full], {kept.FOLDER_VARIABLE: roomy}),
                    ([*report, f"{roomy}-report"], {FOLDER_VARIABLE: full}),
                    ([*report, full], {FOLDER_VARIABLE: roomy}),
                )
                arguments, environment = cases[number % len(cases)]
                count.add(_said(arguments, environment, folder / "said.txt", place))
    return count


def _said(
    arguments: Sequence[str], environment: dict[str, str], said: Path, place: Path
) -> Iterator[str]:
    """Yield what is wrong with how a command says that a disk is full."""
    status = run(command, arguments, said, environment).status
    last = said.read_text(encoding="utf-8").strip().rpartition("\n")[2]
    if status != _BAD_INPUT or str(place) not in last or "No space left on device" not in last:
        yield f"{arguments[0]}: exit status {status}: {last}"


def _refused(store: Store, what: str, *, file_inside: Path) -> Iterator[str]:
    """Yield what is wrong unless each key is refused with a file of that disk and a remedy."""
    refusals = [error for key in KEYS if (error := _refusal(store, key))]
    if not refusals:
        yield f"{what}: nothing was refused"
    for error in refusals:
        if file_inside not in Path(str(error.file)).parents:
            yield f"{what}: the error names another file: {error}"


def _refusal(store: Store, key: dict) -> InputError | None:
    try:
        ask(store, key)
    except InputError as error:
        return error
    return None


def _anew(store: Store, what: str) -> Iterator[str]:
    """Yield each key that is refused, or computed though it is there."""
    for key in KEYS:
        if ask(store, key)[1]:
            yield f"{what}: computed again"


@contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """A disk of its own, mounted for the block."""
    place.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change a disk: its size, or whether it may be written."""
    mount("-o", f"remount,{options}", str(place))


def mount(*arguments: str) -> None:
    """Run ``mount``; where that is not allowed, the kind cannot run."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRunError("only root may mount a disk") from error


KINDS = (
    Kind("full disk, store", "tmpfs of three sizes", 30, full_store),
    Kind("read-only store", "whole, and with files missing", 20, read_only_store),
    Kind("full disk, commands", "`score`, `audit` and `report`", 14, full_disks_of_commands),
)
