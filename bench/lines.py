"""A line of the table: what was measured, beside what, and what it is held to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machines import machine
from bench.rounds import Spread

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Line:
    """One comparison, or one cost that has nothing beside it.

    ``ours`` and ``theirs`` are in ``unit``; ``rival`` names what theirs is. ``ratio`` is theirs
    over ours, round by round. With a rival ``goal`` is the least ratio, else the most that ours may
    be; None where nothing is held to. ``note`` says what a reader must know: why a goal is missed,
    or why two are not compared.
    """

    what: str
    ours: Spread
    unit: str = "s"
    rival: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    goal: float | None = None
    note: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the goal is reached; None where there is none, or nothing to compare."""
        if self.goal is None or (self.rival and self.ratio is None):
            return None
        return self.ratio.middle >= self.goal if self.ratio else self.ours.middle <= self.goal

    @property
    def verdict(self) -> str:
        """The goal's answer in words, with the note."""
        if self.held is None:
            return self.note
        if self.held:
            return f"as held to; {self.note}" if self.note else "as held to"
        return f"below, because {self.note or 'no reason was found'}"


@dataclass(frozen=True)
class Part:
    """What a part measured, and on which machine and day, over how much."""

    machine: str
    lines: list[Line]


def keep(part: str, lines: Iterable[Line], over: str = "") -> None:
    """Keep the lines of a part for the table, in the place of those of an earlier run.

    ``over`` is a sentence that says how much was measured, where the command line has a say in it.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    where = f"{machine()} {over}".rstrip()
    content = {"machine": where, "lines": [asdict(line) for line in lines]}
    _file(part).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def kept(part: str) -> Part | None:
    """What a part measured when it last ran; None where it never has."""
    file = _file(part)
    if not file.exists():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    return Part(content["machine"], [_line(fields) for fields in content["lines"]])


def show(lines: Iterable[Line]) -> None:
    """Print lines for whoever runs a part alone."""
    for line in lines:
        beside = f", {line.rival} {line.theirs.middle:.3g} {line.unit}" if line.theirs else ""
        ratio = f", ratio {line.ratio.middle:.2f}" if line.ratio else ""
        goal = "" if line.goal is None else f" (goal {line.goal:g})"
        print(
            f"{line.what}: {line.ours.middle:.3g} {line.unit}{beside}{ratio}{goal} {line.verdict}"
        )


def _file(part: str) -> Path:
    return KEPT / f"{part}.json"


def _line(fields: dict) -> Line:
    """A line from JSON, its spreads put together again."""
    spreads = ("ours", "theirs", "ratio")
    made = {name: Spread(**fields[name]) for name in spreads if fields[name] is not None}
    return Line(**{**fields, **made})
