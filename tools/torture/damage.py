"""A store whose files are cut, changed, swapped, dated or old: nothing wrong is ever served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np

from analysis import store as store_today
from analysis.store import Store
from torture.counts import CannotRunError, Count, Kind
from torture.stored import KEYS, batches, faults, not_healed, pairs, truth, whole

Damage = Callable[[list[Path], np.random.Generator], str]
_ROOT = Path(__file__).parents[2]
_MOST_DAMAGED = 3
_FAR = 40 * 365 * 86_400
"""Forty years in seconds: beyond what any clock of a machine is wrong by."""


def cut(files: list[Path], rng: np.random.Generator) -> str:
    """Truncate some files anywhere."""
    for file in some(files, rng):
        os.truncate(file, rng.integers(file.stat().st_size + 1))
    return "truncated"


def flip(files: list[Path], rng: np.random.Generator) -> str:
    """Flip one to eight bits of some files."""
    for file in some(files, rng):
        content = np.frombuffer(file.read_bytes(), np.uint8).copy()
        if content.size:
            bits = rng.integers(content.size * 8, size=rng.integers(1, 9))
            np.bitwise_xor.at(content, bits // 8, (1 << (bits % 8)).astype(np.uint8))
            file.write_bytes(content.tobytes())
    return "bits flipped"


def swap(files: list[Path], rng: np.random.Generator) -> str:
    """Exchange files among keys and names, or the whole folders of two keys."""
    if rng.integers(4) == 0:
        first, second = rng.choice(sorted({file.parent for file in files}), 2, replace=False)
        exchange(Path(first), Path(second))
        return f"folders {first} and {second} swapped"
    for _ in range(rng.integers(1, _MOST_DAMAGED + 1)):
        first, second = rng.choice(files, 2, replace=False)
        exchange(Path(first), Path(second))
    return "files swapped"


def replace(files: list[Path], rng: np.random.Generator) -> str:
    """Put something else in the place of a file: a folder, a pipe, a link, another's bytes."""
    file = Path(rng.choice(files))
    file.unlink()
    kind = rng.integers(5)
    if kind == 0:
        file.mkdir()
    elif kind == 1:
        os.mkfifo(file)
    elif kind == 2:
        file.symlink_to(file.with_name("nowhere"))
    elif kind == 3:
        file.symlink_to(Path(rng.choice([one for one in files if one != file])))
    else:
        file.write_bytes(rng.bytes(rng.integers(5_000)))
    return f"{file.name} replaced ({('folder', 'pipe', 'dead link', 'link', 'noise')[kind]})"


def redate(files: list[Path], rng: np.random.Generator) -> str:
    """Set the times of all files decades off, as a clock that was wrong leaves them."""
    for file in files:
        moment = file.stat().st_mtime + rng.integers(-_FAR, _FAR)
        os.utime(file, (max(0, moment), max(0, moment)))
    return "dated otherwise"


def some(files: list[Path], rng: np.random.Generator) -> list[Path]:
    """One file or a few."""
    return [Path(one) for one in rng.choice(files, rng.integers(1, _MOST_DAMAGED + 1), False)]


def exchange(first: Path, second: Path) -> None:
    """Exchange the names of two files or folders."""
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def damaging(damage: Damage) -> Callable[[int, Path], Count]:
    """Make the run that damages a whole store many times, each time another way."""

    def run(times: int, folder: Path) -> Count:
        intact, count = whole(folder / "intact"), Count()
        for seed in range(times):
            count.add(damaged(intact, folder / "damaged", damage, seed))
        return count

    return run


def damaged(intact: Store, folder: Path, damage: Damage, seed: int) -> Iterator[str]:
    """Damage a copy of a store, and yield what is wrong with its answers, now and afterwards.

    In half of the stores the final files are missing, so that the shards are read.
    """
    rng = np.random.default_rng(seed)
    store = Store(shutil.copytree(intact.folder, folder))
    if rng.integers(2):
        for file in folder.glob("*/logits.parquet"):
            file.unlink()
    what = f"seed {seed}, {damage(sorted(folder.glob('*/*.*')), rng)}"
    with shifted_clock(rng):
        found = list(faults(store, what))
        found += [] if found else not_healed(store, what)
    shutil.rmtree(folder)
    yield from found


def shifted_clock(rng: np.random.Generator) -> patch:
    """A clock that says another moment each time it is asked, decades apart."""
    return patch("time.time", lambda: float(rng.integers(_FAR)))


def older_versions(times: int, folder: Path) -> Count:
    """Stores written by every version that the repository's history has, whole and in part."""
    count = Count()
    for version, store_then in _versions():
        for seed in range(times):
            place = folder / f"{version}-{seed}"
            rng = np.random.default_rng(seed)
            store = written_then(store_then, place)
            for file in sorted(place.glob("*/*.*")):
                if rng.integers(4) == 0:
                    file.unlink()
            what = f"version {version}, seed {seed}"
            count.add([*faults(store, what), *not_healed(store, what)])
            shutil.rmtree(place)
    return count


def written_then(store_then: ModuleType, folder: Path) -> Store:
    """A whole store as a version wrote it; the first ones knew one logit, without a column."""
    writer = store_then.Store(folder)
    one = "names" not in signature(writer.logits).parameters
    for key in KEYS:
        logits = truth(key)[:, 0] if one else truth(key)
        computed = (logits[batch] for batch in batches())
        writer.logits(key, pairs(), batches(), lambda _, computed=computed: computed)
    return Store(folder)


def _versions() -> Iterator[tuple[str, ModuleType]]:
    """The modules of the store that were, each with its commit."""
    file = Path(store_today.__file__).relative_to(_ROOT)
    for commit in _git("log", "--format=%h", "--", str(file)).split():
        module = ModuleType(f"store_{commit}")
        module.__file__ = store_today.__file__
        sys.modules[module.__name__] = module  # its dataclasses look themselves up there
        exec(compile(_git("show", f"{commit}:{file}"), f"{commit}:{file}", "exec"), vars(module))
        yield commit, module


def _git(*arguments: str) -> str:
    try:
        return subprocess.check_output(["git", "-C", _ROOT, *arguments], text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRunError("the history is not here") from error


KINDS = (
    Kind("truncated store", "files of the store cut anywhere", 1_000, damaging(cut)),
    Kind("bits flipped in the store", "one to eight bits of its files", 1_000, damaging(flip)),
    Kind("swapped store", "files or folders swapped across keys", 500, damaging(swap)),
    Kind("replaced files", "a folder, pipe, link or noise for a file", 500, damaging(replace)),
    Kind("clock jumps", "files dated decades off, a clock that jumps", 200, damaging(redate)),
    Kind("older store", "every version in the history, files missing", 20, older_versions),
)
