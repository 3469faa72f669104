"""Readers for a user's own data: file formats into :class:`~analysis.datasets.RerankingSet`.

All of them answer bad input with :class:`~analysis.errors.InputError`, whose message names file,
line, field and remedy; what counts as bad is said in :mod:`analysis.datasets`. Beyond that:

- Text is UTF-8, with or without a byte order mark, with LF or CRLF. A name ending in ``.gz`` is
  gzip. Blank lines are skipped. Lines, files and what a gzip file may become are limited
  (:mod:`analysis.limits`); a pipe or a device is no file.
- Ids that are JSON numbers are taken as their decimal digits: 7 and "7" are the same id.
- Candidates keep the order of the file. For a run that is the order of its lines; its rank and
  score columns do not change it.
- JSONL and CSV rows carry their own texts, so a passage id may have another text under another
  query. In a collection (BEIR, MIRACL, MS MARCO, mteb, TREC) an id names one text: twice is an
  error.
- Where qrels are given, a candidate that they do not name has grade 0, as in trec_eval, if they
  judge its query at all, and no grade otherwise. Negative judgements count as 0. Judged passages
  that are no candidates are left out.
- In JSON a key that stands twice in an object is an error; in numbers an underscore is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import Place, quoted
from analysis.places import GERMAN, named_path
from analysis.readers.folders import folder_of, is_collection, read_folder, split_file
from analysis.readers.irds import read_ir_datasets
from analysis.readers.jsonl import read_jsonl
from analysis.readers.lines import suffix_of
from analysis.readers.parquet import read_parquet
from analysis.readers.qrels import read_qrels
from analysis.readers.scores import ScoreFile, check_scores, read_run, read_scores
from analysis.readers.several import check_apart, files_of
from analysis.readers.table import read_csv, read_top1000
from analysis.readers.trec import read_trec

__all__ = [
    "ScoreFile",
    "check_scores",
    "load_german",
    "read",
    "read_csv",
    "read_folder",
    "read_ir_datasets",
    "read_jsonl",
    "read_qrels",
    "read_run",
    "read_scores",
    "read_top1000",
    "read_trec",
    "split_file",
]

_BY_SUFFIX = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
}
_TOP1000 = "top1000."
_KINDS = (
    "give german, a .jsonl, .csv, .tsv or .parquet file, a folder of them, a BEIR, MIRACL, "
    "MS MARCO or mteb folder, or ir_datasets:<id>; a TREC run needs its other files: in Python "
    "read_trec"
)
_REMEDY = f"{_KINDS}; a frame is taken by from_pairs of analysis.datasets"


def read(source: str | Path | Sequence[str | Path], split: str | None = None) -> RerankingSet:
    """Read a set by what ``source`` is.

    ``"german"`` is the shipped set, ``"ir_datasets:<id>"`` one of that catalogue. A folder is read
    by its layout (:mod:`analysis.readers.folders`), or else all its files, as several in a list
    are; a file by its suffix; a folder's file of judgements as that split. ``split`` chooses one
    in a folder that has several, none of them ``test``. A file or folder that is itself called
    ``german`` is meant by ``Path("german")``. Raises :class:`InputError` for a source of another
    kind and whatever the reader of its kind raises.
    """
    if split is not None:
        return read(split_file(source, split))
    if isinstance(source, str) and source == "german":
        return load_german()
    if isinstance(source, str) and source.startswith("ir_datasets:"):
        return read_ir_datasets(source.removeprefix("ir_datasets:"))
    if isinstance(source, str | Path):
        path = named_path(source, _REMEDY)
        folder, chosen = (path, None) if path.is_dir() else folder_of(path) or (path, None)
        if is_collection(folder):
            return read_folder(folder, split=chosen)
    files = files_of(source, _BY_SUFFIX, _REMEDY)
    sets = [_read_file(file) for file in files]
    return sets[0] if len(sets) == 1 else _together(files, sets)


def load_german() -> RerankingSet:
    """Read the German set that this project ships; :class:`InputError` if it is not there."""
    if not GERMAN.is_file():
        raise Place(GERMAN).error(
            "the German set is not here",
            "it comes with the package: install that anew",
        )
    return read_jsonl(GERMAN)


def _read_file(path: Path) -> RerankingSet:
    if not path.exists():
        raise Place(path).error("there is no such file or folder", f"check the path, or {_KINDS}")
    if path.name.startswith(_TOP1000):
        return read_top1000(path)
    if suffix_of(path) not in _BY_SUFFIX:
        raise Place(path).error(f"sets are not read from {quoted(path.suffix)} files", _KINDS)
    return _BY_SUFFIX[suffix_of(path)](path)


def _together(files: Sequence[Path], sets: Sequence[RerankingSet]) -> RerankingSet:
    """One set of several files' sets; no pair may stand in two of them."""
    check_apart(files, [one.pairs for one in sets])
    pairs = pd.concat([one.pairs for one in sets], ignore_index=True)
    empty = dict.fromkeys(query for one in sets for query in one.queries_without_candidates)
    asked = set(pairs["query_id"])
    return from_pairs(
        f"{sets[0].name} and {len(sets) - 1} more",
        pairs,
        [query_id for query_id in empty if query_id not in asked],
        file=files[0].parent,
        notes=[f"{len(files)} files, from {files[0].name} to {files[-1].name}"],
    )
