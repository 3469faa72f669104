"""The one exception that bad input raises anywhere in this package, and the place it names."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import islice
from os import PathLike
from typing import NamedTuple

from analysis import sinks

_SHOWN = 80
"""Most characters of a value from outside that a sentence shows."""


class InputError(ValueError):
    """Input from outside that cannot be used: says where it stands and how to mend it.

    The message reads ``<file>:<line>: <field>: <problem>. <Remedy>.``; the parts that do not
    apply are left out, and without a place the problem begins with a capital too; control
    characters are replaced. ``problem`` and ``remedy`` stay as they were given, without a full
    stop.
    """

    def __init__(
        self,
        problem: str,
        remedy: str,
        *,
        file: object = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.problem, self.remedy = problem, remedy
        self.file, self.line, self.field = file, line, field
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        place += "" if field is None else f"{field}: "
        said = f"{place}{problem}" if place else _capitalised(problem)
        super().__init__(sinks.terminal(f"{said}. {_capitalised(remedy)}."))

    def __reduce__(self) -> tuple[Callable[..., InputError], tuple[str, str]]:
        """As it was made, where another process raised it."""
        place = {"file": self.file, "line": self.line, "field": self.field}
        return partial(type(self), **place), (self.problem, self.remedy)


class Place(NamedTuple):
    """Where a value stands in the input, so that an error can name it."""

    file: object = None
    line: int | None = None
    field: str | None = None

    def error(self, problem: str, remedy: str) -> InputError:
        """Make the :class:`InputError` that says ``problem`` and ``remedy`` about this place."""
        return InputError(problem, remedy, file=self.file, line=self.line, field=self.field)

    @property
    def spot(self) -> str:
        """Line or field, for a sentence about the file."""
        return str(self.field) if self.line is None else f"line {self.line}"

    def inside(self, name: str) -> Place:
        """Give the place of a field inside this one."""
        return self._replace(field=name if self.field is None else f"{self.field}.{name}")


def _capitalised(sentence: str) -> str:
    """Begin a sentence with a capital, unless it begins with a name such as ir_datasets or nDCG."""
    word = sentence.split(" ", 1)[0].rstrip(",;:")
    plain = word.isalpha() and word.islower()
    return sentence[:1].upper() + sentence[1:] if plain else sentence


def checked_name(name: object, remedy: str) -> str | PathLike[str]:
    """Give a name or path as it is; :class:`InputError` for an empty one and for anything else."""
    if not isinstance(name, str | PathLike):
        raise InputError(f"this is no name but a value of type {type(name).__name__}", remedy)
    if not str(name).strip():
        raise InputError("the name is empty", remedy)
    return name


def quoted(value: object) -> str:
    """Spell a value from outside for a sentence: at most 80 characters, whatever it is."""
    try:
        text = repr(_plain(value))
    except Exception:  # an integer of 5,000 digits, or an object's own trouble
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class _Digits(Decimal):
    __repr__ = Decimal.__str__


def _plain(value: object) -> object:
    """A JSON value whose Decimals are spelled as numbers: as much of it as is shown."""
    if isinstance(value, Decimal):
        return _Digits(value)
    if type(value) is list:
        return [_plain(one) for one in value[:_SHOWN]]
    if type(value) is dict:
        return {key: _plain(one) for key, one in islice(value.items(), _SHOWN)}
    return value


def twice(first: str, second: str) -> str:
    """Say where it stands what stands twice: "on line 1 and again on line 3", "twice on line 1"."""
    return f"twice on {first}" if first == second else f"on {first} and again on {second}"


def every(number: int, noun: str) -> str:
    """Name all there are: "the one score", "both scores", "all 3 scores"."""
    return {1: f"the one {noun}", 2: f"both {noun}s"}.get(number, f"all {number:,} {noun}s")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Give a number with its noun: "1 row", "2 rows"; ``nouns`` is a plural without a plain s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"
