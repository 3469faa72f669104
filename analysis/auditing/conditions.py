"""Conditions that make an audit fail: ``saturated>0``, ``top10-ties>=5`` and their like."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from analysis.auditing.findings import Counts
from analysis.errors import InputError

_OPERATORS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_TOP_K = re.compile(r"top([1-9][0-9]{0,5})-ties")
_CONDITION = re.compile(r"\s*([a-z0-9-]+)\s*(>=|<=|==|>|<)\s*([0-9]{1,15})\s*")
_VALUES: dict[str, Callable[[Counts], int]] = {
    "saturated": lambda counts: counts.saturated,
    "ones": lambda counts: counts.ones,
    "zeros": lambda counts: counts.zeros,
    "ties": lambda counts: counts.tied,
    "tied-first": lambda counts: counts.queries_with_tied_first,
}
NAMES = (*_VALUES, "topN-ties")
"""What a condition can be about; the counts are explained at :class:`.findings.Counts`."""


@dataclass(frozen=True)
class Condition:
    """``name operator bound``, for instance ``saturated > 0``."""

    name: str
    operator: str
    bound: int

    @property
    def k(self) -> int | None:
        """The k of ``top<k>-ties``, otherwise None."""
        match = _TOP_K.fullmatch(self.name)
        return int(match[1]) if match else None

    def value(self, counts: Counts) -> int:
        """Return the count that the condition is about; ``counts`` knows its k."""
        return _VALUES[self.name](counts) if self.k is None else counts.tied_in_top[self.k]

    def holds(self, counts: Counts) -> bool:
        """Whether the condition holds, so that the audit fails."""
        return _OPERATORS[self.operator](self.value(counts), self.bound)

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.bound}"


def parse(text: str) -> Condition:
    """Read a condition; raises :class:`InputError` saying which there are."""
    match = _CONDITION.fullmatch(text)
    if not match or (match[1] not in _VALUES and not _TOP_K.fullmatch(match[1])):
        raise InputError(
            f"{text!r} is no condition",
            f"write NAME>NUMBER (or >=, <, <=, ==) with a name of {', '.join(NAMES)}, "
            'for instance "saturated>0" or "top10-ties>0"',
            field="--fail-on",
        )
    return Condition(match[1], match[2], int(match[3]))
