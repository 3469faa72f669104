"""Saved answers of services and runs as JSON objects: as the services document them."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_files import refused, write

from analysis.errors import InputError, Place
from analysis.readers import read_scores
from analysis.readers.answers import scored_rows

# Shortened from each service's documentation, keys and order as there.
COHERE = {
    "results": [
        {"index": 3, "relevance_score": 0.999071},
        {"index": 4, "relevance_score": 0.7867867},
        {"index": 0, "relevance_score": 0.32713068},
    ],
    "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf",
    "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
}
JINA = {
    "model": "jina-reranker-v2-base-multilingual",
    "object": "list",
    "usage": {"total_tokens": 815},
    "results": [
        {"index": 3, "relevance_score": 0.999071, "document": {"text": "Bio-Hautpflege"}},
        {"index": 4, "relevance_score": 0.7867867, "document": {"text": "Make-up"}},
        {"index": 0, "relevance_score": 0.32713068, "document": {"text": "Seife"}},
    ],
}
VOYAGE = {
    "object": "list",
    "data": [
        {"relevance_score": 0.999071, "index": 3},
        {"relevance_score": 0.7867867, "index": 4},
        {"relevance_score": 0.32713068, "index": 0},
    ],
    "model": "rerank-2.5",
    "usage": {"total_tokens": 26},
}
INFINITY = {
    "object": "rerank",
    "results": [
        {"relevance_score": 0.999071, "index": 3, "document": None},
        {"relevance_score": 0.7867867, "index": 4, "document": None},
        {"relevance_score": 0.32713068, "index": 0, "document": None},
    ],
    "model": "mixedbread-ai/mxbai-rerank-xsmall-v1",
    "usage": {"prompt_tokens": 12, "total_tokens": 12},
    "id": "infinity-3f1c09a2",
    "created": 1732000000,
}
VLLM_RERANK = {
    "id": "rerank-fae51b2b664d4ed38f5969b612edff77",
    "model": "BAAI/bge-reranker-v2-m3",
    "usage": {"total_tokens": 56},
    "results": [
        {"index": 3, "document": {"text": "Paris"}, "relevance_score": 0.999071},
        {"index": 4, "document": {"text": "Brasilia"}, "relevance_score": 0.7867867},
        {"index": 0, "document": {"text": "Pferde"}, "relevance_score": 0.32713068},
    ],
}
VLLM_SCORE = {
    "id": "score-request-id",
    "object": "list",
    "created": 693447,
    "model": "BAAI/bge-reranker-v2-m3",
    "data": [
        {"index": 3, "object": "score", "score": 0.999071},
        {"index": 4, "object": "score", "score": 0.7867867},
        {"index": 0, "object": "score", "score": 0.32713068},
    ],
    "usage": {},
}
TEI = [
    {"index": 3, "score": 0.999071},
    {"index": 4, "score": 0.7867867, "text": "zwei"},
    {"index": 0, "score": 0.32713068},
]
NIM = {
    "rankings": [
        {"index": i, "logit": s} for i, s in ((3, 0.999071), (4, 0.7867867), (0, 0.32713068))
    ]
}
DASHSCOPE = {
    "output": {"results": COHERE["results"]},
    "usage": {"total_tokens": 79},
    "request_id": "4b0805c0",
}
RANK = [{"corpus_id": r["index"], "score": r["score"], "text": "x"} for r in TEI]
FLASHRANK = [{"id": r["index"], "text": "x", "meta": {}, "score": r["score"]} for r in TEI]
SERVICES = {
    "Cohere": COHERE,
    "Jina": JINA,
    "Voyage": VOYAGE,
    "Infinity": INFINITY,
    "vLLM rerank": VLLM_RERANK,
    "vLLM score": VLLM_SCORE,
    "text-embeddings-inference": TEI,
    "NIM": NIM,
    "DashScope": DASHSCOPE,
    "sentence-transformers": RANK,
    "FlashRank": FLASHRANK,
}
ROWS = [["3", 0.999071], ["4", 0.7867867], ["0", 0.32713068]]


def pairs(source) -> list[list]:
    frame = read_scores(source).frame
    return frame[["passage_id", "score"]].to_numpy().tolist()


def triples(source) -> list[list]:
    frame = read_scores(source).frame
    return frame[["query_id", "passage_id", "score"]].to_numpy().tolist()


@pytest.mark.parametrize("answer", SERVICES.values(), ids=SERVICES)
def test_an_answer_of_each_service(tmp_path: Path, answer) -> None:
    file = tmp_path / "frage-7.json"
    file.write_text(json.dumps(answer, indent=1))
    assert pairs(file) == ROWS
    assert read_scores(file).frame["query_id"].unique().tolist() == ["frage-7"]


def test_answers_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"results": [{"index": 0, "score": 0.5000}, {"index": 1, "score": 0.2500}]}')
    assert read_scores(file).decimals == 4


def test_one_answer_a_line_a_list_of_answers_and_answers_by_query(tmp_path: Path) -> None:
    lines = write(tmp_path / "a.jsonl", COHERE, "", TEI, VOYAGE | {"query_id": "q9"})
    assert pairs(lines) == ROWS * 3
    assert read_scores(lines).frame["query_id"].unique().tolist() == ["a:1", "a:3", "q9"]
    listed = write(tmp_path / "b.json", [COHERE, TEI])
    assert read_scores(listed).frame["query_id"].unique().tolist() == ["b:1", "b:2"]
    keyed = write(tmp_path / "c.json", {"q1": COHERE, "q2": TEI})
    assert read_scores(keyed).frame["query_id"].unique().tolist() == ["q1", "q2"]


@pytest.mark.parametrize("service", ["Cohere", "Infinity", "vLLM rerank", "vLLM score"])
def test_a_list_of_answers_that_have_ids(tmp_path: Path, service) -> None:
    first, second = ({**SERVICES[service], "id": name} for name in ("x", "y"))
    listed = write(tmp_path / "a.json", [first, second])
    assert pairs(listed) == ROWS * 2
    assert read_scores(listed).frame["query_id"].unique().tolist() == ["a:1", "a:2"]


def test_a_list_of_answers_may_begin_with_an_empty_one(tmp_path: Path) -> None:
    listed = write(tmp_path / "a.json", [{"id": "x", "results": []}, COHERE])
    assert read_scores(listed).frame["query_id"].unique().tolist() == ["a:2"]


def test_a_result_may_have_lists_of_its_own(tmp_path: Path) -> None:
    results = [{**one, "data": [{"page": 3}]} for one in FLASHRANK]
    assert pairs(write(tmp_path / "a.json", results)) == ROWS


def test_runs_as_objects(tmp_path: Path) -> None:
    run = {"q1": {"d1": 0.98, "d2": 0.97}, "q2": {"d1": 0.1}}
    expected = [["q1", "d1", 0.98], ["q1", "d2", 0.97], ["q2", "d1", 0.1]]
    assert triples(write(tmp_path / "beir.json", run)) == expected
    packed = tmp_path / "ranx.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(run).encode()))
    assert triples(packed) == expected
    mteb = {"mteb_model_meta": {"model_name": "m", "revision": "r"}, "default": {"test": run}}
    assert triples(write(tmp_path / "NFCorpus_predictions.json", mteb)) == expected
    several = mteb | {"de": {"test": run}}
    assert "hold 2 runs" in refused(read_scores, write(tmp_path / "m.json", several)).problem


def test_rows_as_a_list(tmp_path: Path) -> None:
    rows = [{"qid": "q", "docno": "a", "score": 0.5, "docid": 1, "logit": 0.0}]
    for value in (rows, rows[0]):
        frame = read_scores(write(tmp_path / "a.json", value)).frame
        assert frame.to_numpy().tolist() == [["q", "a", 0.5, 0.0]]


GOOD = {"index": 0, "relevance_score": 0.5}


@pytest.mark.parametrize(
    ("value", "field", "problem"),
    [
        ({"results": [GOOD, {"relevance_score": 0.5}]}, "results[1]", "no index"),
        ({"results": [GOOD, {"index": 1}]}, "results[1]", "no relevance_score"),
        ({"results": [{"index": None, "score": 1}]}, "results[0]", "not an id"),
        ({"results": [{"index": 0.50, "score": 1}]}, "results[0]", "0.5 is not an id"),
        ([["p1", 0.9], ["p2", 0.1]], "[0]", "no scores in ['p1', 0.9]"),
        ({"q1": [["p1", 0.9]]}, "'q1'", "no scores in [['p1', 0.9]]"),
        ({"results": [{"index": 0, "score": "hoch"}]}, "results[0].score", "but a text"),
        ({"results": [{"index": 0, "score": None}]}, "results[0].score", "null"),
        ({"results": [{"index": 0, "score": [0.2, 0.8]}]}, "results[0].score", "a pair of numbers"),
        ({"q1": {"d1": 0.5, "d2": "98 %"}}, "'q1'.'d2'", "a percentage"),
        ({"q1": COHERE, "q2": 7}, "'q2'", "no scores in 7"),
        ({"message": "invalid api token"}, "'message'", "no scores in 'invalid api token'"),
        ([COHERE, 7], "[1]", "no scores in 7"),
        ([{"query_id": "q", "passage_id": "p"}], "[0].score", "missing"),
        (
            {"query_id": {"0": 1}, "passage_id": {"0": 1}, "score": {"0": 1}},
            None,
            "column by column",
        ),
        ({"results": [GOOD, GOOD]}, "row 1, passage_id", "row 0 and again on row 1"),
        ({"results": []}, None, "there is no score"),
        ({}, None, "there is no score"),
        ('{"output": ' * 900 + "{}" + "}" * 900, "'output'.'output'", "an object"),
        ("0.50", None, "no scores in 0.50"),
        ('{"q1": {"d1": %s}}' % ("1" * 5000), None, "a number is too long"),
        ('{"q1": {"d1": 1e%s}}' % ("9" * 30), None, "a number is too long"),
        ('{"q1": {"d1": 1, "d1": 2}}', None, "the key 'd1' stands twice"),
        ('{"q1": {"d1": 1}', None, "invalid JSON"),
        ('{"q1": {"d1": 1_0}}', None, "invalid JSON"),
        ('{"q1": {"d1": NaN}}', "'q1'.'d1'", "'NaN' is not a finite number"),
        ("", None, "invalid JSON"),
    ],
)
def test_other_json_is_refused_with_its_place(tmp_path: Path, value, field, problem) -> None:
    error = refused(read_scores, write(tmp_path / "a.json", value))
    assert (error.file, error.field) == (tmp_path / "a.json", field)
    assert problem in error.problem


def test_invalid_json_names_its_line(tmp_path: Path) -> None:
    error = refused(read_scores, write(tmp_path / "a.json", '{"q1":', '{"d1": x}}'))
    assert error.line == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(
                ["results", "data", "output", "index", "id", "score", "query_id", "logit"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_gives_rows_or_one_error(value) -> None:
    with suppress(InputError):
        assert all(len(row) == 4 for row in scored_rows(value, "name", Place("a.json")))


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_scores_or_one_error(tmp_path_factory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    for suffix in ("json", "jsonl", "csv", "tsv", "trec"):
        file = folder / f"any.{suffix}"
        file.write_bytes(content)
        with suppress(InputError):
            assert len(read_scores(file).frame)
