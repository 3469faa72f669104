"""The ir_datasets reader: against a stub of the documented interface, and the real library."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import pytest
from reader_files import refused, write

from analysis.readers import read, read_ir_datasets


class Text(NamedTuple):
    query_id: str
    text: str

    def default_text(self) -> str:
        return self.text


class Qrel(NamedTuple):
    query_id: str
    doc_id: str
    relevance: int


class Scored(NamedTuple):
    query_id: str
    doc_id: str
    score: float


class Stub:
    """A dataset of ir_datasets, as far as its documentation promises it."""

    queries = (Text("q1", "Wie?"), Text("q2", "Wo?"))
    documents = {"d1": Text("d1", "eins"), "d2": Text("d2", ""), "d3": Text("d3", "drei")}  # noqa: RUF012
    qrels: tuple | None = (Qrel("q1", "d1", 2), Qrel("q1", "d2", -1))
    scored: tuple | None = None

    def __init__(self, **changed: object) -> None:
        vars(self).update(changed)

    def has_queries(self) -> bool:
        return self.queries is not None

    def has_docs(self) -> bool:
        return self.documents is not None

    def has_qrels(self) -> bool:
        return self.qrels is not None

    def has_scoreddocs(self) -> bool:
        return self.scored is not None

    def queries_iter(self):
        return iter(self.queries)

    def qrels_iter(self):
        return iter(self.qrels)

    def scoreddocs_iter(self):
        return iter(self.scored)

    def docs_store(self):
        return SimpleNamespace(
            get_many=lambda ids: {key: self.documents[key] for key in ids if key in self.documents}
        )


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[str, Stub]:
    """Stub the library and give its datasets, to be filled in."""
    datasets: dict[str, Stub] = {}
    library = ModuleType("ir_datasets")
    library.load = datasets.__getitem__
    monkeypatch.setitem(sys.modules, "ir_datasets", library)
    return datasets


def rows(ours) -> list[list]:
    table = ours.pairs.astype(object)
    return table.where(table.notna(), None).to_numpy().tolist()


def test_judged_documents_are_candidates_where_none_are_scored(catalogue) -> None:
    catalogue["a/dev"] = Stub()
    ours = read("ir_datasets:a/dev")
    assert rows(ours) == [["q1", "d1", 2, "Wie?", "eins"], ["q1", "d2", 0, "Wie?", ""]]
    assert (ours.name, ours.queries_without_candidates) == ("a/dev", ("q2",))
    assert ours.notes == ("1 negative grade counts as 0, not relevant",)


def test_scored_documents_are_candidates_in_their_order(catalogue) -> None:
    scored = Scored("q2", "d3", 0.1), Scored("q1", "d3", 0.2), Scored("q1", "d1", 0.9)
    catalogue["a"] = Stub(scored=scored)
    assert [row[:3] for row in rows(read_ir_datasets("a"))] == [
        ["q2", "d3", None],
        ["q1", "d3", 0],
        ["q1", "d1", 2],
    ]


def test_scored_documents_without_qrels_have_no_grades(catalogue) -> None:
    catalogue["a"] = Stub(scored=(Scored("q1", "d1", 0.1),), qrels=None)
    assert not read_ir_datasets("a").has_grades


def test_of_several_judgements_the_highest_counts(catalogue) -> None:
    catalogue["a"] = Stub(qrels=tuple(Qrel("q1", "d1", grade) for grade in (-2, 3, 1)))
    assert rows(read_ir_datasets("a"))[0][2] == 3


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"queries": None}, "has no queries"),
        ({"documents": None}, "has no docs"),
        ({"qrels": None}, "has no scoreddocs or qrels"),
        ({"queries": None, "qrels": None}, "has no queries, scoreddocs or qrels"),
        ({"qrels": (Qrel("q1", "d9", 1),)}, "'d9' has no text in its documents"),
        ({"qrels": (Qrel("q9", "d1", 1),)}, "'q9' has no text in its queries"),
        ({"qrels": ()}, "no (query, passage) pair"),
        ({"qrels": (Qrel("q1", "d1", "1"),)}, "'1' is not a grade"),
        ({"queries": (Text("q1", " "),)}, "'q1' is empty"),
        ({"queries": (Qrel("q1", "d1", 1),)}, "Qrel has several fields"),
        ({"scored": (Scored("q1", "d1", 1), Scored("q1", "d1", 2))}, "row 0 and again on row 1"),
    ],
)
def test_a_dataset_that_cannot_be_used_is_refused(catalogue, changed, problem) -> None:
    catalogue["a"] = Stub(**changed)
    error = refused(read_ir_datasets, "a")
    assert error.file == "ir_datasets:a"
    assert problem in error.problem


def test_an_unknown_id_is_refused(catalogue) -> None:
    error = refused(read, "ir_datasets:nichts")
    assert (error.file, error.problem) == ("ir_datasets:nichts", "ir_datasets knows no such id")


@pytest.mark.parametrize("failure", [ConnectionError("no network"), RuntimeError("no source")])
def test_data_that_cannot_be_downloaded_are_refused(catalogue, monkeypatch, failure) -> None:
    catalogue["a"] = Stub()

    def fail() -> None:
        raise failure

    monkeypatch.setattr(catalogue["a"], "docs_store", fail, raising=False)
    error = refused(read_ir_datasets, "a")
    assert str(failure) in error.problem
    assert "network" in error.remedy


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    error = refused(read, "ir_datasets:miracl/de/dev")
    assert "pip install 'rerank-precision[ir-datasets]'" in error.remedy
    assert "ir_datasets" in error.problem


def test_the_real_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "home"))
    library = pytest.importorskip("ir_datasets", reason="the extra ir-datasets is not installed")
    dataset = library.create_dataset(
        docs_tsv=str(write(tmp_path / "docs.tsv", "d1\teins", "d2\tFür Öl.")),
        queries_tsv=str(write(tmp_path / "queries.tsv", "q1\tWie?", "q2\tWo?")),
        qrels_trec=str(write(tmp_path / "qrels", "q1 0 d2 3", "q1 0 d1 -1")),
    )
    library.registry.register("rerank-precision/test", dataset)
    ours = read("ir_datasets:rerank-precision/test")
    assert rows(ours) == [["q1", "d2", 3, "Wie?", "Für Öl."], ["q1", "d1", 0, "Wie?", "eins"]]
    assert ours.queries_without_candidates == ("q2",)
    assert "knows no such id" in refused(read_ir_datasets, "rerank-precision/nichts").problem
