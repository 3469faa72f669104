"""Conditions that make an audit fail: ``saturated>0``, ``top10-ties>=5`` and their like."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from analysis.errors import InputError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_TOP_K = re.compile(r"top([1-9][0-9]{0,5})-ties")
_CONDITION = re.compile(r"\s*([a-z0-9-]+)\s*(>=|<=|==|>|<)\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*")
_COLUMNS = {
    "saturated": "saturated",
    "ones": "ones",
    "zeros": "zeros",
    "ties": "tied",
    "tied-first": "first_shared",
}
_BATCH = "batch-shift"
_NAMES = (*_COLUMNS, "topN-ties", _BATCH)


@dataclass(frozen=True)
class Condition:
    """``name operator bound``, for instance ``saturated > 0``."""

    name: str
    operator: str
    bound: float

    @classmethod
    def of_text(cls, text: str | Condition) -> Condition:
        """Read a condition, or take one; raises :class:`InputError` saying which there are."""
        if isinstance(text, cls):
            return text
        match = _CONDITION.fullmatch(text) if isinstance(text, str) else None
        if not match or not _is_known(match[1], match[3]):
            raise InputError(
                f"{text!r} is no condition",
                f"write NAME>NUMBER (or >=, <, <=, ==) with a name of {', '.join(_NAMES)}, "
                'for instance "saturated>0" or "batch-shift>0.01"',
                field="condition",
            )
        bound = float(match[3]) if match[1] == _BATCH else int(match[3])
        return cls(match[1], match[2], bound)

    @property
    def k(self) -> int | None:
        """The k of ``top<k>-ties``, otherwise None."""
        match = _TOP_K.fullmatch(self.name)
        return int(match[1]) if match else None

    @property
    def is_batch_shift(self) -> bool:
        """Whether it is about the batch probe, in logits, and not about a count."""
        return self.name == _BATCH

    @property
    def column(self) -> str:
        """The count it is about, as :mod:`analysis.counting` names it; not for ties in a top."""
        return _COLUMNS[self.name]

    def holds(self, value: float) -> bool:
        """Whether it holds of a count or a shift, so that the audit fails."""
        return _OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.bound}"


def _is_known(name: str, bound: str) -> bool:
    """Whether there is such a count, which has a whole bound, or shift."""
    is_count = name in _COLUMNS or _TOP_K.fullmatch(name) is not None
    return name == _BATCH or (is_count and "." not in bound)
