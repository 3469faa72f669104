"""Scoring that is killed or interrupted at random moments: what resumes gives the same logits."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from tiny_checkpoints import tiny_set, write_checkpoint

from analysis.store import FOLDER_VARIABLE, Store
from torture.counts import Count, Kind
from torture.processes import command, disturbed, run, seconds_of, started

SAYS_HOW_TO_GO_ON = "interrupted; the same command goes on with what it has kept"
INTERRUPTED = 130
_AT_ONCE = 3
_KILLS_OF_ONE_RUN = 4
"""A run is killed up to so often before it may end."""
_BATCH_TOKENS = 60


def score_tiny(checkpoint: Path, store: Path, logits: Path, engine: str = "local") -> None:
    """Score 240 pairs in many small batches and write the logits of two dtypes to a file."""
    from analysis.models import load
    from analysis.scoring import score

    scored = score(
        tiny_set(24, 10),
        load(checkpoint, device="cpu"),
        ("float32", "bfloat16"),
        batch_tokens=_BATCH_TOKENS,
        store=Store(store),
        progress=False,
        engine=engine,
    )
    np.save(logits, scored["logit"].to_numpy())


def kill_one(times: int, folder: Path) -> Count:
    """One process scores and is killed again and again; then it may end."""
    return kill_again(Scoring(folder), times, seed=0)


def kill_again(scoring: Scoring, times: int, seed: int) -> Count:
    """Kill a run up to four times before it may end, until it was killed so often."""
    count, rng = Count(), np.random.default_rng(seed)
    while count.tried < times:
        place = scoring.folder / "killed"
        for _ in range(min(times - count.tried, rng.integers(1, _KILLS_OF_ONE_RUN + 1))):
            ended = disturbed(scoring.work, *scoring.into(place), after=scoring.moment(rng))
            count.add(tried=int(ended.status == -signal.SIGKILL))
        count.add(scoring.faults(place, f"after kill {count.tried}"), tried=0)
    return count


def kill_among_several(times: int, folder: Path) -> Count:
    """Three processes share a store; each is killed at a moment of its own, then one may end."""
    scoring, count = Scoring(folder), Count()
    rng = np.random.default_rng(1)
    while count.tried < times:
        place = folder / "killed"
        with ExitStack() as stack:
            processes = [
                stack.enter_context(started(score_tiny, *scoring.into(place, number)))[0]
                for number in range(_AT_ONCE)
            ]
            for process in processes:
                process.join(scoring.moment(rng) / _AT_ONCE)
                process.kill()
                process.join()
        count.add(tried=sum(one.exitcode == -signal.SIGKILL for one in processes))
        count.add(scoring.faults(place, f"after kill {count.tried}"), tried=0)
    return count


class Scoring:
    """What an undisturbed run gives here, to hold others against; ``work`` is what they do."""

    def __init__(self, folder: Path, work: Callable[..., None] = score_tiny) -> None:
        self.folder, self.work = folder, work
        self.checkpoint = write_checkpoint(folder / "checkpoint")
        seconds_of(score_tiny, *self.into(folder / "warm"))
        seconds_of(score_tiny, *self.into(folder / "undisturbed"))
        self.seconds = seconds_of(work, *self.into(folder / "timed"))

    def into(self, store: Path, number: int = 0) -> tuple[Path, Path, Path]:
        """Arguments of :func:`score_tiny` for a store."""
        return self.checkpoint, store, self.folder / f"{store.name}-{number}.npy"

    def moment(self, rng: np.random.Generator) -> float:
        """A random moment of a run, in seconds from its beginning."""
        return float(rng.uniform(0, self.seconds))

    def faults(self, store: Path, when: str) -> Iterator[str]:
        """Let a run end, and yield how it differs from the undisturbed one; the store goes."""
        if run(self.work, *self.into(store)).status:
            yield f"{when}: scoring failed"
        yield from self.differences(store, when)

    def differences(self, store: Path, when: str) -> Iterator[str]:
        """Yield how a run that came to its end differs; the store goes."""
        if _kept(store) != _kept(self.folder / "undisturbed"):
            yield f"{when}: the store differs"
        elif self._logits("killed") != self._logits("undisturbed"):
            yield f"{when}: the logits differ"
        shutil.rmtree(store, ignore_errors=True)  # a kill may come before there is one

    def _logits(self, name: str) -> bytes:
        return (self.folder / f"{name}-0.npy").read_bytes()


def _kept(store: Path) -> dict[str, bytes]:
    """The files of a store but for locks, and for what a killed run had begun to write."""
    files = (file for file in store.glob("*/*.*") if file.suffix != ".tmp")
    return {str(file.relative_to(store)): file.read_bytes() for file in files}


def interrupt_command(times: int, folder: Path) -> Count:
    """Ctrl-C while ``rerank-precision score`` runs: its exit status, its sentence, and resuming."""
    checkpoint = write_checkpoint(folder / "checkpoint")
    data = _write_set(folder / "own.jsonl")
    count, rng = Count(), np.random.default_rng(2)

    def score(name: str) -> tuple[list[str], Path, dict[str, str]]:
        options = ["--data", str(data), "--model", str(checkpoint)]
        arguments = ["score", str(folder / f"{name}.parquet"), *options]
        return arguments, folder / f"{name}.txt", {FOLDER_VARIABLE: str(folder / name)}

    seconds_of(command, *score("warm"))
    seconds = seconds_of(command, *score("undisturbed"))
    while count.tried < times:
        moment = float(rng.uniform(0, seconds))
        ended = disturbed(command, *score("cut"), after=moment, by=signal.SIGINT)
        if ended.status != 0:
            what = f"interrupted after {moment:.2f} s"
            said = (folder / "cut.txt").read_text(encoding="utf-8")
            count.add(interruption_faults(ended.status, said, what))
        run(command, *score("cut"))
        if (folder / "cut.parquet").read_bytes() != (folder / "undisturbed.parquet").read_bytes():
            count.add([f"after {moment:.2f} s: the logits differ"], tried=0)
        shutil.rmtree(folder / "cut", ignore_errors=True)
        (folder / "cut.parquet").unlink()
    return count


def interruption_faults(status: int, said: str, what: str) -> Iterator[str]:
    """Yield what is wrong with how a command ended that was interrupted."""
    if status != INTERRUPTED:
        yield f"{what}: exit status {status}: {said[-500:]!r}"
    elif SAYS_HOW_TO_GO_ON not in said:
        yield f"{what}: does not say how to go on: {said!r}"
    elif "Traceback" in said:
        yield f"{what}: a traceback"


def _write_set(file: Path) -> Path:
    """A set large enough that scoring it lasts."""
    lines = []
    for query_id, rows in tiny_set(60, 30).pairs.groupby("query_id", sort=False):
        candidates = [
            {"passage_id": row.passage_id, "text": row.passage} for row in rows.itertuples()
        ]
        query = {"query_id": query_id, "query": rows["query"].iloc[0]}
        lines.append(json.dumps({**query, "candidates": candidates}) + "\n")
    file.write_text("".join(lines), encoding="utf-8")
    return file


KINDS = (
    Kind("kill -9 while scoring", "one process, up to four times a run", 90, kill_one),
    Kind("kill -9, several at once", "three processes on one store", 90, kill_among_several),
    Kind("Ctrl-C while scoring", "`rerank-precision score`", 40, interrupt_command),
)
