"""Folders as mteb 2 keeps them: Parquet, with the candidates of a first stage."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import write_table
from reader_files import parquet, refused, write

from analysis.errors import InputError
from analysis.readers import read, read_folder, read_qrels, split_file
from analysis.readers.folders import folder_of

TEXTS = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate("abcd")]
QUERIES = [{"_id": "q1", "text": "Wie?"}, {"_id": "q2", "text": "Wo?"}]
QRELS = [
    {"query-id": "q1", "corpus-id": "d0", "score": 1},
    {"query-id": "q2", "corpus-id": "d3", "score": 2},
]
RANKED = [
    {"query-id": "q1", "corpus-ids": ["d2", "d0", "d1"]},
    {"query-id": "q2", "corpus-ids": ["d1"]},
]


def mteb(folder: Path, subset: str = "", split: str = "test", **changed: list[dict]) -> Path:
    """Write a folder as ``_push_dataset_to_hub`` of mteb 2.26 leaves it."""
    parts = {"corpus": TEXTS, "queries": QUERIES, "qrels": QRELS, "top_ranked": RANKED} | changed
    for part, rows in parts.items():
        if rows:
            parquet(folder / f"{subset}{part}" / f"{split}-00000-of-00001.parquet", *rows)
    return folder


def test_candidates_are_the_top_ranked_ones_in_their_order(tmp_path: Path) -> None:
    ours = read(mteb(tmp_path / "m"))
    assert ours.name == "m/test"
    pairs = ours.pairs[["query_id", "passage_id", "grade", "query", "passage"]]
    assert pairs.to_numpy().tolist() == [
        ["q1", "d2", 0, "Wie?", "c"],
        ["q1", "d0", 1, "Wie?", "a"],
        ["q1", "d1", 0, "Wie?", "b"],
        ["q2", "d1", 0, "Wo?", "b"],
    ]


def test_without_them_the_judged_passages_are(tmp_path: Path) -> None:
    ours = read(mteb(tmp_path / "m", top_ranked=[]))
    assert ours.pairs["passage_id"].tolist() == ["d0", "d3"]
    assert ours.pairs["grade"].tolist() == [1, 2]


def test_a_query_without_a_list_has_no_candidates(tmp_path: Path) -> None:
    assert read(mteb(tmp_path / "m", top_ranked=RANKED[:1])).queries_without_candidates == ("q2",)


def test_subsets_are_splits_and_a_file_of_judgements_stands_for_its_own(tmp_path: Path) -> None:
    folder = mteb(mteb(tmp_path / "m", "de-", "dev"), "fr-", "dev", qrels=QRELS[:1])
    assert "(of de-dev, fr-dev)" in refused(read, folder).problem
    assert read(folder, split="fr-dev").queries_without_candidates == ()
    file = split_file(folder, "de-dev")
    assert file == folder / "de-qrels" / "dev-00000-of-00001.parquet"
    assert folder_of(file) == (folder, "de-dev")
    assert read(file).sha256 == read(folder, split="de-dev").sha256


def test_parts_shards_and_splits_as_datasets_names_them(tmp_path: Path) -> None:
    """``data`` for qrels, one split for all texts, and a corpus in two parts."""
    folder = mteb(tmp_path / "m", corpus=[], queries=[], qrels=[])
    parquet(folder / "data" / "test-00000-of-00001.parquet", *QRELS)
    parquet(folder / "queries" / "queries-00000-of-00001.parquet", *QUERIES)
    for part in range(2):
        rows = TEXTS[2 * part : 2 * part + 2]
        parquet(folder / "corpus" / f"corpus-0000{part}-of-00002.parquet", *rows)
    assert read(folder).sha256 == read(mteb(tmp_path / "other")).sha256


def test_lists_of_candidates_beside_beirs_files(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    write(folder / "corpus.jsonl", *TEXTS)
    write(folder / "queries.jsonl", *QUERIES)
    write(folder / "qrels" / "test.jsonl", *QRELS)
    assert read(folder).n_pairs == 2
    ranked = write(tmp_path / "ranked.jsonl", *RANKED)
    assert read_folder(folder, ranked).sha256 == read(mteb(tmp_path / "m")).sha256
    write(folder / "top_ranked" / "test.jsonl", *RANKED)
    assert read(folder).sha256 == read(mteb(tmp_path / "m")).sha256


def test_judgements_may_be_parquet(tmp_path: Path) -> None:
    rows = QRELS[0] | {"score": 0.5}, QRELS[1] | {"score": -1.0}
    assert read_qrels(parquet(tmp_path / "q.parquet", *rows))["grade"].tolist() == [0.5, 0]


def ids(*values: object) -> list[dict]:
    return [RANKED[0], {"query-id": "q2", "corpus-ids": list(values)}]


@pytest.mark.parametrize(
    ("part", "rows", "field", "problem"),
    [
        ("top_ranked", ids("d1", "d2", "d1"), "row 1.corpus-ids", "'d1' is in the list twice"),
        ("top_ranked", ids("d1", None), "row 1.corpus-ids", "None is not an id"),
        ("top_ranked", ids("d9"), "passage_id", "'d9' has no text"),
        ("top_ranked", [RANKED[0], RANKED[0]], "row 1.query-id", "'q1' has a list already"),
        ("top_ranked", [{"query-id": "q9", "corpus-ids": ["d0"]}], "query_id", "'q9' has no text"),
        ("top_ranked", [{"query-id": "q1", "corpus-ids": "d0"}], "row 0.corpus-ids", "not a list"),
        ("top_ranked", [{"qid": "q1", "pid": "d0"}], "row 0.query-id", "missing"),
        ("corpus", [*TEXTS, TEXTS[1]], "row 4.id", "'d1' stands on row 1 and again on row 4"),
        ("corpus", [{"_id": "d0", "image": b"\xff"}], "row 0.text", "missing"),
        ("corpus", [{"_id": "d0", "text": None}], "row 0.text", "not a text"),
        ("queries", [{"_id": "q1", "text": [{"role": "user"}]}], "row 0.text", "not a text"),
        ("qrels", [QRELS[0], QRELS[0]], "row 1.grade", "judged on row 0 and again on row 1"),
        ("qrels", [QRELS[0] | {"score": None}], "row 0.grade", "missing"),
        ("qrels", [QRELS[0] | {"score": 1e9}], "row 0.grade", "outside"),
        ("qrels", [QRELS[0] | {"score": "hoch"}], "row 0.grade", "not a grade"),
        ("qrels", [{"query-id": "q1", "score": 1}], "row 0.corpus-id", "missing"),
    ],
)  # fmt: skip
def test_bad_folders_are_refused_with_their_place(tmp_path, part, rows, field, problem) -> None:
    error = refused(read, mteb(tmp_path / "m", **{part: rows}))
    assert part in str(error.file) or field in ("query_id", "passage_id")
    assert error.field == field
    assert problem in error.problem


@pytest.mark.parametrize("part", ["corpus", "queries"])
def test_a_part_that_is_missing_is_named(tmp_path: Path, part: str) -> None:
    error = refused(read, mteb(tmp_path / "m", **{part: []}))
    assert f"this mteb folder has no {part}/test-….parquet" in error.problem


@pytest.mark.parametrize("part", ["corpus", "queries", "qrels", "top_ranked"])
@pytest.mark.parametrize("damage", ["text", "truncated", "no UTF-8", "two columns"])
def test_damaged_parts_are_refused(tmp_path: Path, part: str, damage: str) -> None:
    file = mteb(tmp_path / "m") / part / "test-00000-of-00001.parquet"
    if damage == "text":
        file.write_text("x")
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-20])
    elif damage == "no UTF-8":
        bytes_ = pa.array([b"\xff"])
        text = pa.Array.from_buffers(pa.string(), 1, bytes_.buffers())
        write_table(pa.table({"_id": text}), file)
    else:
        write_table(pa.table([pa.array(["a"])] * 2, names=["_id", "_id"]), file)
    error = refused(read, tmp_path / "m")
    assert error.file == file
    assert "Parquet" in error.problem or "two columns" in error.problem


SCRAPS = st.none() | st.integers() | st.floats() | st.text(max_size=2) | st.binary(max_size=2)
ROWS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            name: SCRAPS | st.lists(SCRAPS, max_size=2)
            for name in ("_id", "text", "title", "query-id", "corpus-id", "corpus-ids", "score")
        },
    ),
    min_size=1,
    max_size=3,
)


@given(st.sampled_from(["corpus", "queries", "qrels", "top_ranked"]), ROWS)
def test_any_rows_give_a_set_or_one_error(tmp_path_factory, part: str, rows: list[dict]) -> None:
    try:
        folder = mteb(tmp_path_factory.mktemp("any"), **{part: rows})
    except (pa.ArrowException, OverflowError, TypeError, UnicodeEncodeError):
        return  # no table has such rows
    with suppress(InputError):
        assert read(folder).n_pairs
