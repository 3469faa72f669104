"""Scores: JSONL, CSV and TSV, and TREC runs, gzip allowed; or a frame.

- JSONL: ``{"query_id": …, "passage_id": …, "score": …}`` a line, ``"logit"`` where it is known;
- CSV (comma) and TSV (tab) with these columns, others are left out;
- a TREC run (``.trec``, ``.run`` or ``.txt``): ``query_id Q0 passage_id rank score tag``; its
  ranks are ignored.

:func:`check_scores` is the one gate: numbers become the float64 nearest to their decimals, order
is kept, and bad input is answered with :class:`~analysis.errors.InputError` naming file, line and
field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.datasets import Source, as_id, check_duplicates
from analysis.errors import Place, checked_name
from analysis.readers.lines import finite_number, json_objects, member, suffix_of, table_rows
from analysis.readers.trec import run_lines

_REQUIRED = ("query_id", "passage_id", "score")
_COLUMNS = ("line", *_REQUIRED, "logit")
_FIXED_POINT = re.compile(r"[+-]?[0-9]*\.([0-9]+)")

_Row = tuple[int, object, object, object, object]  # _COLUMNS, numbers as they are spelled


@dataclass(frozen=True)
class ScoreFile:
    """Scores of a file: ``frame`` has ``query_id, passage_id, score, logit`` (NaN: unknown).

    ``decimals`` is the number of decimals if every score is printed with the same number of
    them, as ``%.4f`` does, otherwise None: ``0.9990`` says more about its making than 0.999.
    """

    frame: pd.DataFrame
    decimals: int | None


def read_scores(source: str | Path) -> ScoreFile:
    """Read a file of scores by its suffix (``.gz`` may follow).

    Raises :class:`InputError` for an unknown suffix and for what :func:`check_scores` refuses.
    """
    path = Path(checked_name(source, f"name a file {', '.join(_READERS)} (.gz may follow)"))
    if suffix_of(path) not in _READERS:
        raise Place(path).error(
            f"the suffix {suffix_of(path)!r} does not say what kind of scores these are",
            f"name the file {', '.join(_READERS)} (.gz may follow)",
        )
    rows = _frame(_READERS[suffix_of(path)](path))
    frame = check_scores(rows, file=path, lines=rows["line"].tolist())
    return ScoreFile(frame, _fixed_decimals(rows["score"]))


def read_run(path: str | Path) -> pd.DataFrame:
    """Read a TREC run as :func:`analysis.evaluate` takes it, whatever the file is called.

    Columns ``query_id, passage_id, score``, in the order of the lines; the rank is not read.
    Scores are float64: say ``stored_dtype="float32"`` to count ties as trec_eval does. Raises
    :class:`InputError` as :func:`read_scores` does.
    """
    rows = _frame(_run_rows(Path(path)))
    return check_scores(rows, file=path, lines=rows["line"].tolist())[list(_REQUIRED)]


def check_scores(
    scores: pd.DataFrame, *, file: object = None, lines: Sequence[int] | None = None
) -> pd.DataFrame:
    """Check scores, columns ``query_id, passage_id, score`` and perhaps ``logit``.

    Returns these columns, numbers as float64; ``logit`` is NaN in all rows if it is unknown.
    ``file`` and ``lines`` (one number per row) say where the rows came from; without them an
    error names the row, counted from 0. Raises :class:`InputError` for missing columns, no rows,
    a number that is missing, NaN or infinite, a (query, passage) that stands there twice, and
    where only some logits are known.
    """
    absent = [name for name in _REQUIRED if name not in scores]
    if absent:
        raise Place(file).error(
            f"there is no column {', '.join(absent)}", f"give {', '.join(_REQUIRED)}"
        )
    if scores.empty:
        raise Place(file).error("there is no score", "give one row for each query and passage")
    source = Source(file, lines)
    checked = pd.DataFrame(
        {
            "query_id": source.checked(scores, "query_id", as_id),
            "passage_id": source.checked(scores, "passage_id", as_id),
            "score": source.checked(scores, "score", finite_number),
            "logit": _logits(scores, source),
        }
    )
    check_duplicates(checked, source)
    return checked


def _logits(scores: pd.DataFrame, source: Source) -> list[float]:
    """Logits of all rows, or NaN for all."""
    if "logit" not in scores or scores["logit"].isna().all():
        return [np.nan] * len(scores)
    missing = scores["logit"].isna().to_numpy()
    if missing.any():
        raise source.place(int(missing.argmax()), "logit").error(
            "the logit is missing, and other rows have one", "give it in every row or in none"
        )
    return source.checked(scores, "logit", finite_number)


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=_COLUMNS, dtype=object)


def _json_rows(path: Path) -> Iterator[_Row]:
    # Decimal keeps the digits as they are printed; NaN is refused as a number, by its field.
    for line, record in json_objects(path, parse_float=Decimal, parse_constant=str):
        found = [member(record, name, Place(path, line, name)) for name in _REQUIRED]
        yield line, *found, record.get("logit")


def _table_rows(path: Path) -> Iterator[_Row]:
    for line, row in table_rows(path, _REQUIRED, ["logit"]):
        yield line, *(row[name] for name in _REQUIRED), row.get("logit") or None


def _run_rows(path: Path) -> Iterator[_Row]:
    for row in run_lines(path):
        yield *row, None


_READERS: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".jsonl": _json_rows,
    ".csv": _table_rows,
    ".tsv": _table_rows,
    ".trec": _run_rows,
    ".run": _run_rows,
    ".txt": _run_rows,
}


def _fixed_decimals(spelled: Iterable[object]) -> int | None:
    """Number of decimals that all scores are printed with; None if they differ."""
    found = {_decimals(str(value)) for value in spelled}
    return found.pop() if len(found) == 1 else None


def _decimals(text: str) -> int | None:
    match = _FIXED_POINT.fullmatch(text)
    return len(match[1]) if match else None
