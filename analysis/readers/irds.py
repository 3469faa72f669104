"""Sets of the ir_datasets catalogue, an optional extra: ``rerank-precision[ir-datasets]``.

Its catalogue downloads a collection on first use and keeps it in ``~/.ir_datasets``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from analysis.datasets import RerankingSet, as_grade
from analysis.errors import Place
from analysis.readers.collection import Texts, joined
from analysis.readers.qrels import Candidate, Qrels


class _Query(Protocol):
    query_id: str

    def default_text(self) -> str:
        """What the query says."""


class _Document(Protocol):
    def default_text(self) -> str:
        """Title and body, as the library joins them."""


class _Judgement(Protocol):
    query_id: str
    doc_id: str
    relevance: int


class _ScoredDocument(Protocol):
    query_id: str
    doc_id: str


class _DocStore(Protocol):
    def get_many(self, doc_ids: Iterable[str]) -> Mapping[str, _Document]:
        """Documents by id; unknown ids are left out."""


class _Dataset(Protocol):
    """What is used of the library's datasets."""

    def has_queries(self) -> bool:
        """Whether there are queries."""

    def has_docs(self) -> bool:
        """Whether there are documents."""

    def has_qrels(self) -> bool:
        """Whether there are judgements."""

    def has_scoreddocs(self) -> bool:
        """Whether there are candidates of a first stage."""

    def queries_iter(self) -> Iterator[_Query]:
        """All queries."""

    def docs_store(self) -> _DocStore:
        """The documents, by id."""

    def qrels_iter(self) -> Iterator[_Judgement]:
        """All judgements."""

    def scoreddocs_iter(self) -> Iterator[_ScoredDocument]:
        """All candidates, query by query."""


def read_ir_datasets(dataset_id: str) -> RerankingSet:
    """Read one dataset of the catalogue, such as ``miracl/de/dev``; the set has the same name.

    Candidates are the dataset's scored documents, in their order, or where it has none the
    judged ones that have a text. Texts are the library's ``default_text()``. Of several
    judgements of one pair (subtopics) the highest counts. Queries without candidates are listed.
    Raises :class:`InputError` if the library is not installed, the id is unknown, the dataset
    lacks a part, or its data cannot be had.
    """
    place = Place(f"ir_datasets:{dataset_id}")
    dataset = _loaded(dataset_id, place)
    _check_parts(dataset, place)
    try:
        return _read(dataset, dataset_id, place)
    except (OSError, RuntimeError) as error:
        raise place.error(
            f"the data cannot be had ({error})",
            "check the network, and `ir_datasets list` for what the dataset asks of its users",
        ) from error


def _loaded(dataset_id: str, place: Place) -> _Dataset:
    try:
        library = importlib.import_module("ir_datasets")
    except ModuleNotFoundError as error:
        raise place.error(
            f"reading it needs a library that is missing ({error.name})",
            "run pip install 'rerank-precision[ir-datasets]'",
        ) from error
    try:
        return library.load(dataset_id)
    except KeyError as error:
        raise place.error(
            "ir_datasets knows no such id", "see `ir_datasets list`, for example miracl/de/dev"
        ) from error


def _check_parts(dataset: _Dataset, place: Place) -> None:
    absent = [part for part in ("queries", "docs") if not getattr(dataset, f"has_{part}")()]
    if not (dataset.has_scoreddocs() or dataset.has_qrels()):
        absent.append("scoreddocs or qrels")
    if absent:
        raise place.error(
            f"the dataset has no {', '.join(absent)}",
            "choose one of its parts that has, such as …/dev or …/test",
        )


def _read(dataset: _Dataset, dataset_id: str, place: Place) -> RerankingSet:
    qrels = _qrels(dataset.qrels_iter(), place) if dataset.has_qrels() else None
    run = None
    if dataset.has_scoreddocs():
        run = [Candidate(row.query_id, row.doc_id) for row in dataset.scoreddocs_iter()]
    candidates = qrels.candidates if run is None else run
    queries = {query.query_id: _text(query, place) for query in dataset.queries_iter()}
    documents = dataset.docs_store().get_many({item.passage_id for item in candidates})
    passages = {doc_id: _text(document, place) for doc_id, document in documents.items()}
    return joined(
        dataset_id,
        place.file,
        run,
        Texts("its queries", queries),
        Texts("its documents", passages),
        qrels,
        queries,
    )


def _qrels(judgements: Iterable[_Judgement], place: Place) -> Qrels:
    grades: dict[str, dict[str, int | float]] = {}
    negatives = 0
    for item in judgements:
        grade = as_grade(item.relevance, place._replace(field="grade"), negatives_as_zero=True)
        row = grades.setdefault(item.query_id, {})
        row[item.doc_id] = max(row.get(item.doc_id, 0), grade or 0)
        negatives += grade is not None and item.relevance < 0
    judged = [Candidate(query_id, doc_id) for query_id, row in grades.items() for doc_id in row]
    return Qrels(grades, judged, negatives)


def _text(record: _Query | _Document, place: Place) -> str:
    if not hasattr(record, "default_text"):
        raise place.error(
            f"{type(record).__name__} has several fields and no default_text()",
            "export the dataset (`ir_datasets export`) and write the texts as JSONL",
        )
    return record.default_text()
