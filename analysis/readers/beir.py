"""A BEIR folder: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``, each perhaps .gz.

Qrels have the header ``query-id corpus-id score``, separated by tabs. Without a run file the
judged passages are the candidates.
"""

from __future__ import annotations

from pathlib import Path

from analysis.datasets import RerankingSet
from analysis.errors import Place, counted
from analysis.readers.collection import Qrels, joined, qrels_of, read_texts
from analysis.readers.lines import separated_rows
from analysis.readers.trec import run_candidates

_HEADER = ["query-id", "corpus-id", "score"]


def is_beir(folder: Path) -> bool:
    """Whether a folder looks like BEIR: it has a corpus."""
    return any(path.is_file() for path in _either(folder / "corpus.jsonl"))


def read_beir(
    folder: str | Path, run: str | Path | None = None, split: str = "test"
) -> RerankingSet:
    """Read one split of a BEIR folder; the set is named ``<folder>/<split>``.

    Candidates are those of ``run``, a TREC run file, or the passages that the split's qrels
    judge. A passage is its title, a space and its text. Queries that the qrels judge but the run
    does not name are ``queries_without_candidates``; queries of other splits are left out.
    Raises :class:`InputError` as described in :mod:`analysis.readers`, for a missing part of the
    folder and for a candidate without a text.
    """
    folder = Path(folder)
    corpus, queries = _part(folder, "corpus.jsonl"), _part(folder, "queries.jsonl")
    splits = sorted({path.name.split(".tsv")[0] for path in folder.glob("qrels/*.tsv*")})
    qrels_path = _part(
        folder, f"qrels/{split}.tsv", f" (its splits: {', '.join(splits) or 'none'})"
    )
    qrels = _read_qrels(qrels_path)
    candidates = qrels.candidates if run is None else run_candidates(Path(run))
    return joined(
        f"{folder.resolve().name}/{split}",
        qrels_path if run is None else Path(run),
        candidates,
        qrels,
        read_texts(queries),
        read_texts(corpus, {item.passage_id for item in candidates}),
        qrels.grades,
    )


def _either(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(f"{path.name}.gz")


def _part(folder: Path, name: str, note: str = "") -> Path:
    """Find a file of the folder; raises :class:`InputError` if it is missing."""
    for path in _either(folder / name):
        if path.is_file():
            return path
    raise Place(folder).error(
        f"this BEIR folder has no {name}{note}",
        "give a folder with corpus.jsonl, queries.jsonl and qrels/<split>.tsv",
    )


def _read_qrels(path: Path) -> Qrels:
    rows = separated_rows(path, "\t")
    line, header = next(rows, (1, []))
    if header != _HEADER:
        raise Place(path, line).error(
            f"the header is {header}", f"write {', '.join(_HEADER)}, separated by tabs"
        )
    return qrels_of((_three(row, Place(path, line)) for line, row in rows), path)


def _three(row: list[str], place: Place) -> tuple[int, str, str, str]:
    if len(row) != len(_HEADER):
        raise place.error(
            f"{counted(len(row), 'column')} instead of {len(_HEADER)}",
            f"write {', '.join(_HEADER)}, separated by tabs",
        )
    return (place.line or 0, *row)
