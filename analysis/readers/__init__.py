"""Readers for a user's own data: file formats into :class:`~analysis.datasets.RerankingSet`.

All of them answer bad input with :class:`~analysis.errors.InputError`, whose message names file,
line, field and remedy; what counts as bad is said in :mod:`analysis.datasets`. Beyond that:

- Text is UTF-8, with or without a byte order mark, with LF or CRLF. A name ending in ``.gz`` is
  gzip. Blank lines are skipped.
- Ids that are JSON numbers are taken as their decimal digits: 7 and "7" are the same id.
- Candidates keep the order of the file. For a run that is the order of its lines; its rank and
  score columns do not change it.
- JSONL and CSV rows carry their own texts, so a passage id may have another text under another
  query. In BEIR and TREC an id names one text of the collection: twice is an error.
- Where qrels are given, a candidate that they do not name has grade 0, as in trec_eval, if they
  judge its query at all, and no grade otherwise. Negative judgements count as 0. Judged passages
  that are no candidates are left out.
"""

from __future__ import annotations

from pathlib import Path

from analysis.datasets import RerankingSet
from analysis.errors import Place, checked_name
from analysis.places import GERMAN
from analysis.readers.beir import is_beir, read_beir
from analysis.readers.irds import read_ir_datasets
from analysis.readers.jsonl import read_jsonl
from analysis.readers.lines import suffix_of
from analysis.readers.scores import ScoreFile, check_scores, read_run, read_scores
from analysis.readers.table import read_csv
from analysis.readers.trec import read_qrels, read_trec

__all__ = [
    "ScoreFile",
    "check_scores",
    "load_german",
    "read",
    "read_beir",
    "read_csv",
    "read_ir_datasets",
    "read_jsonl",
    "read_qrels",
    "read_run",
    "read_scores",
    "read_trec",
]

_BY_SUFFIX = {".jsonl": read_jsonl, ".csv": read_csv, ".tsv": read_csv}
_KINDS = (
    'give "german", a .jsonl, .csv or .tsv file (.gz allowed), a BEIR folder or '
    '"ir_datasets:<id>"; a TREC run is read with read_trec, which needs its other files'
)


def read(source: str | Path) -> RerankingSet:
    """Read a set by what ``source`` is.

    ``"german"`` is the shipped set, ``"ir_datasets:<id>"`` one of that catalogue; a folder is
    read as BEIR (its split ``test``), a file by its suffix. A file or folder that is itself
    called ``german`` is meant by ``Path("german")``. Raises :class:`InputError` for a source of
    another kind and whatever the reader of its kind raises.
    """
    checked_name(source, _KINDS + "; a frame is taken by analysis.datasets.from_pairs")
    if source == "german":
        return load_german()
    if isinstance(source, str) and source.startswith("ir_datasets:"):
        return read_ir_datasets(source.removeprefix("ir_datasets:"))
    path = Path(source)
    if is_beir(path):
        return read_beir(path)
    reader = _BY_SUFFIX.get(suffix_of(path))
    if not path.exists():
        raise Place(path).error("there is no such file or folder", f"check the path, or {_KINDS}")
    if path.is_dir():
        raise Place(path).error(
            "this folder has no corpus.jsonl, so it is not a BEIR folder", _KINDS
        )
    if reader is None:
        raise Place(path).error(f"sets are not read from {path.suffix!r} files", _KINDS)
    return reader(path)


def load_german() -> RerankingSet:
    """Read the German set that this project ships; :class:`InputError` if it is not there."""
    if not GERMAN.is_file():
        raise Place(GERMAN).error(
            "the German set is not here",
            "it comes with the package: install that anew",
        )
    return read_jsonl(GERMAN)
