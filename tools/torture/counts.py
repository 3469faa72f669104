"""What one kind of torture counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


class CannotRunError(Exception):
    """A kind does not run on this machine; the message says why."""


@dataclass
class Count:
    """How often something was tried, and a line for each time that it came out wrong.

    ``note`` is what else was measured, in a few words.
    """

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    note: str = ""

    def add(self, faults: Iterable[str] = (), *, tried: int = 1) -> None:
        """Count what was tried, and each of its faults."""
        self.tried += tried
        self.wrong += faults


@dataclass(frozen=True)
class Kind:
    """One kind of torture.

    ``says`` describes it in the table; ``times`` is how often it is tried unless said otherwise.
    ``run(times, folder)`` does it in an empty folder, the same way each time as far as the clock
    allows, and may raise :class:`CannotRunError`.
    """

    name: str
    says: str
    times: int
    run: Callable[[int, Path], Count]
