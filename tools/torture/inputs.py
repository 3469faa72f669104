"""Generated inputs: only the documented error, never a traceback, a hang or a wrong number.

Each subject of ``tests/generated_inputs.py`` is tried in a process of its own that may take 500 MB
more than it has after its imports, and ten seconds of CPU time for an input: a machine that is
busy with other work hangs nobody.
"""

from __future__ import annotations

import json
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from torture.counts import Count, Kind
from torture.processes import run

_MOST_BYTES = 500 * 2**20
_MOST_SECONDS = 10
_MOST_KEPT = 50
_LONGEST_INPUT = 2_000
_AT_ONCE = 1_000
"""Hypothesis remembers what it has tried, 30 kB an input, until it is begun anew."""
_SUBJECTS = {
    "sets, JSONL": 9_000,
    "sets, CSV and TSV": 9_000,
    "sets, gzip": 4_000,
    "sets, BEIR": 8_000,
    "sets, MS MARCO": 6_000,
    "sets, TREC": 8_000,
    "sets, frames": 6_000,
    "qrels": 8_000,
    "runs": 8_000,
    "scores, JSON and JSONL": 9_000,
    "scores, CSV and runs": 9_000,
    "scores, Parquet": 5_000,
    "scores, frames": 5_000,
    "fingerprint of paths": 1_000,
    "fingerprint of anything": 1_000,
    "measures": 2_000,
    "compare": 1_000,
    "steps": 1_000,
}
"""How often each is tried: 100,000 in all, most where one takes milliseconds."""


def trying(subject: str) -> Callable[[int, Path], Count]:
    """Make the run that tries one subject."""

    def run_subject(times: int, folder: Path) -> Count:
        found = folder / "found.json"
        ended = run(try_inputs, subject, times, found)
        if not found.exists():
            return Count(0, [f"the process ended with status {ended.status}"])
        tried, wrong = json.loads(found.read_text(encoding="utf-8"))
        return Count(tried, wrong)

    return run_subject


def try_inputs(subject: str, times: int, found: Path) -> None:
    """Try inputs of one subject, the same ones each time, and write down what came out wrong."""
    from generated_inputs import INPUTS
    from hypothesis import HealthCheck, Phase, given, seed, settings

    strategy, check = INPUTS[subject]
    wrong: list[str] = []
    tried = 0
    limit_memory()
    warnings.simplefilter("error")  # a warning is no documented answer either
    signal.signal(signal.SIGPROF, _too_slow)

    def try_one(value: object) -> None:
        nonlocal tried
        tried += 1
        signal.setitimer(signal.ITIMER_PROF, _MOST_SECONDS)
        try:
            check(value)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            wrong.append(f"{said[:300]} ({_place(error)}) — {repr(value)[:_LONGEST_INPUT]}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    for first in range(0, times, _AT_ONCE):
        examples = settings(
            max_examples=min(_AT_ONCE, times - first),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(first)(examples(given(strategy)(try_one)))()
    found.write_text(json.dumps((tried, wrong[:_MOST_KEPT])), encoding="utf-8")


def limit_memory() -> None:
    """Let the process take so much more address space than it has, which is more than memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + _MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _place(error: Exception) -> str:
    """File and line of our own that an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}"


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {_MOST_SECONDS} seconds of CPU time")


KINDS = tuple(
    Kind(f"inputs: {subject}", "generated", times, trying(subject))
    for subject, times in _SUBJECTS.items()
)
