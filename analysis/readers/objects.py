"""JSON, strictly: no NaN, no key twice in an object, and every error with its place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from analysis.errors import Place, quoted
from analysis.readers.lines import text_lines, whole_text

_KINDS = {list: "list", str: "string", bool: "truth value", type(None): "null"}
_FEWER_DIGITS = "write 17 digits and an exponent, which is all that a float64 holds"
_ONE_A_LINE = "write one whole JSON object a line (json.dumps does)"


class _TwiceError(ValueError):
    """A key that stands twice in an object: Python's parser would keep the last."""


class _ConstantError(ValueError):
    """NaN or Infinity, which Python's parser would take and JSON does not know."""


def json_values(path: Path, **hooks: Callable) -> Iterator[tuple[int, object]]:
    """Line number and JSON value of each line that is not blank.

    ``hooks`` are those of :func:`json.loads`; without them NaN and Infinity are refused. A key
    twice in an object is always. Raises :class:`InputError`.
    """
    for number, line in enumerate(text_lines(path), 1):
        if line.strip():
            yield number, _parsed(line.rstrip(), Place(path, number), _ONE_A_LINE, hooks)


def json_objects(path: Path, **hooks: Callable) -> Iterator[tuple[int, dict[str, object]]]:
    """As :func:`json_values`, and each value must be an object."""
    for number, value in json_values(path, **hooks):
        yield number, as_object(value, Place(path, number))


def json_file(path: Path, **hooks: Callable) -> object:
    """The one JSON value that a file holds; raises :class:`InputError` as :func:`json_values`."""
    return _parsed(whole_text(path), Place(path), "write it anew (json.dump does)", hooks)


def as_object(value: object, place: Place) -> dict[str, object]:
    """Give an object as it is; :class:`InputError` for another JSON value."""
    if not isinstance(value, dict):
        kind = _KINDS.get(type(value), "number")
        raise place.error(
            f"this is a JSON {kind}, not an object",
            'write {"query_id": …} on each line',
        )
    return value


def member(record: dict[str, object], key: str, place: Place) -> object:
    """``record[key]``; raises :class:`InputError` if the key is missing."""
    if key not in record:
        raise place.error("this key is missing", f'add "{key}" to the object')
    return record[key]


def _parsed(text: str, place: Place, remedy: str, hooks: dict[str, Callable]) -> object:
    hooks = {"parse_constant": _no_number} | hooks
    try:
        return json.loads(text, object_pairs_hook=_once, **hooks)
    except _TwiceError as error:
        raise place.error(str(error), "keep one of the two") from error
    except _ConstantError as error:
        raise place.error(f"invalid JSON ({error})", remedy) from error
    except json.JSONDecodeError as error:
        # The error's own text names a line too, of the string that was parsed.
        at = place if place.line is not None else place._replace(line=error.lineno)
        raise at.error(f"invalid JSON ({error.msg}: column {error.colno})", remedy) from error
    except RecursionError as error:
        raise place.error("invalid JSON (nested too deeply)", remedy) from error
    except (ValueError, ArithmeticError) as error:
        # Python converts no whole number of more than 4,300 digits, Decimal no such exponent.
        raise place.error("a number is too long to be read", _FEWER_DIGITS) from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _TwiceError(f"the key {quoted(twice)} stands twice in one object")
    return found


def _no_number(constant: str) -> NoReturn:
    raise _ConstantError(f"{constant} is not JSON; null stands for a missing value")
