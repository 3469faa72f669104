"""What every public function asks of a frame before it counts anything."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import pandas as pd

from analysis.errors import InputError

KEYS = ["query_id", "passage_id"]


def check_columns(frame: pd.DataFrame, names: Iterable[str], what: str, remedy: str = "") -> None:
    """Check that a frame, called ``what``, is one and has the columns; else :class:`InputError`."""
    names = list(names)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"the {what} came as a {type(frame).__name__}",
            remedy or f"give a frame with the columns {', '.join(names)}",
        )
    absent = [name for name in names if name not in frame]
    if absent:
        raise InputError(
            f"the {what} has no column {', '.join(absent)}", remedy or f"give {', '.join(names)}"
        )


def check_ids(frame: pd.DataFrame, what: str) -> None:
    """Check that query and passage ids are all strings, or all whole numbers."""
    if frame.empty:
        return
    for name in KEYS:
        kind = pd.api.types.infer_dtype(frame[name], skipna=False)
        if kind not in ("string", "integer") or frame[name].isna().any():
            raise InputError(
                f"the {what} has ids that are neither strings nor whole numbers ({kind})",
                "give every id as a string or as a whole number",
                field=name,
            )


def check_once(frame: pd.DataFrame, what: str) -> None:
    """Check that each (query, passage) stands once."""
    again = frame.duplicated(KEYS)
    if again.any():
        first = frame[again].iloc[0]
        raise InputError(
            f"passage {first.passage_id!r} of query {first.query_id!r} stands twice in the {what}",
            "keep one row for each passage of a query: one path, one forward format at a time",
            field="passage_id",
        )


def check_numbers(frame: pd.DataFrame, name: str, what: str) -> None:
    """Check that a column holds numbers and no NaN."""
    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column) and not frame.empty:
        raise InputError(f"the {what} has {column.dtype} values there", "give numbers", field=name)
    missing = column.isna().to_numpy()
    if missing.any():
        first = frame.iloc[int(missing.argmax())]
        raise InputError(
            f"the {name} of query {first.query_id!r}, passage {first.passage_id!r} is NaN",
            "score that pair again in a wider dtype, or leave it out",
            field=name,
        )


def same_rows(frame: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two frames have the same pairs in the same order."""
    return all(frame[key].array.equals(other[key].array) for key in KEYS)


def check_same_pairs(frame: pd.DataFrame, other: pd.DataFrame, what: str, others: str) -> None:
    """Check that two frames, each with every pair once, have the same pairs."""
    ours, theirs = (pd.MultiIndex.from_frame(one[KEYS]) for one in (frame, other))
    alone = ours.difference(theirs, sort=False).union(
        theirs.difference(ours, sort=False), sort=False
    )
    if len(alone):
        query_id, passage_id = alone[0]
        raise InputError(
            f"passage {passage_id!r} of query {query_id!r} does not stand both in the {what} and "
            f"in the {others}",
            "give the same pairs in both",
            field="passage_id",
        )


def check_k(k: int) -> None:
    """Check the length of a top ``k``."""
    if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
        raise InputError(f"there is no top {k!r}", "give a whole number, 1 or more", field="k")
