"""Times of what is compared, taken in turn, so that load on the machine disturbs all alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from cProfile import Profile
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from types import CodeType
from typing import TypeVar

Result = TypeVar("Result")

_NAMED = 3
_ADDRESS = re.compile(" of .* at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of what was measured in several rounds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarise values, one or more."""
        values = sorted(values)
        return cls(values[0], median(values), values[-1])


def in_turn(tasks: Mapping[str, Callable[[int], Result]], rounds: int) -> dict[str, list[Result]]:
    """Call every task once a round, with the number of the round; results by task, in order."""
    results: dict[str, list[Result]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name, task in tasks.items():
            results[name].append(task(number))
    return results


def ratios(theirs: Iterable[float], ours: Iterable[float]) -> Spread:
    """How many times as long theirs took, round by round."""
    return Spread.of(one / other for one, other in zip(theirs, ours, strict=True))


def seconds_of(task: Callable[[], object]) -> float:
    """Seconds on the wall clock that one call takes."""
    begin = perf_counter()
    task()
    return perf_counter() - begin


def cpu_seconds_of(task: Callable[[], object]) -> float:
    """CPU seconds that one call takes, of all threads of this process."""
    begin = process_time()
    task()
    return process_time() - begin


def where_time_goes(task: Callable[[], object]) -> str:
    """The three functions that a call spends most time in, as Python's profiler finds them."""
    profile = Profile()
    profile.runcall(task)
    entries = sorted(profile.getstats(), key=lambda entry: -entry.inlinetime)
    total = sum(entry.inlinetime for entry in entries)
    shares = ((_name(entry.code), entry.inlinetime / total) for entry in entries[:_NAMED])
    named = (f"{share:.0%} in `{name}`" for name, share in shares)
    return f"it spends {', '.join(named)}"


def _name(code: CodeType | str) -> str:
    """A function's name; of what is written in C without where it lies in memory."""
    if not isinstance(code, str):
        return code.co_qualname
    return _ADDRESS.sub("", code).removeprefix("<").removesuffix(">")
