"""The runners' interface, without any engine: what goes in, what comes out, to the last bit."""

from __future__ import annotations

import ast
import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TOOLS = Path(__file__).parent.parent / "tools"
VALUES = [0.1 + 0.2, 5e-324, -math.inf, float(np.float16(0.999)), -0.0]


@pytest.fixture(scope="module", autouse=True)
def tools() -> Iterator[None]:
    """Make the tools importable."""
    paths = [str(TOOLS), str(TOOLS / "engines")]
    sys.path[:0] = paths
    yield
    for path in paths:
        sys.path.remove(path)


@pytest.fixture(scope="module")
def interface(tools) -> ModuleType:
    return importlib.import_module("interface")


@pytest.fixture(scope="module")
def record(tools) -> ModuleType:
    return importlib.import_module("record_engines")


@pytest.fixture(scope="module")
def half(tools) -> ModuleType:
    return importlib.import_module("read_disable_half")


def query(interface, n_passages=5):
    ids = tuple(f"p{number}" for number in range(n_passages))
    return interface.Query("q1", "wo", ids, tuple(f"Text {number}" for number in ids))


def test_a_request_reaches_the_runner_as_it_was_asked(interface, record, tiny_pairs, tmp_path):
    asked = record.request_of(tiny_pairs, Path("model"), "float16", n_queries=2)
    file = tmp_path / "request.json"
    file.write_text(json.dumps(asked), "utf-8")
    request = interface.read_request(file)
    assert (request.model, request.forward_dtype) == ("model", "float16")
    assert (request.batch_size, request.threads) == (record.BATCH_SIZE, record.THREADS)
    texts = [
        (found.query_id, found.text, passage_id, passage)
        for found in request.queries
        for passage_id, passage in zip(found.passage_ids, found.passages, strict=True)
    ]
    columns = ["query_id", "query", "passage_id", "passage"]
    first = tiny_pairs.pairs["query_id"].unique()[:2]
    expected = tiny_pairs.pairs[tiny_pairs.pairs["query_id"].isin(first)][columns]
    assert texts == list(expected.itertuples(index=False, name=None))


def test_numbers_come_back_to_the_last_bit(interface, record, tiny_pairs, tmp_path, monkeypatch):
    asked = record.request_of(tiny_pairs, Path("model"), "float32", n_queries=1)
    asked["queries"][0]["candidates"] = asked["queries"][0]["candidates"][: len(VALUES)]
    files = [tmp_path / "request.json", tmp_path / "answer.json"]
    files[0].write_text(json.dumps(asked), "utf-8")

    def run(request):
        order = [4, 3, 2, 1, 0]
        scores = [np.float32(value) for value in VALUES]
        reranked = interface.Reranked(VALUES, "float64", scores, "float32", order)
        return interface.Answer([reranked] * len(request.queries), {"attention": "none"})

    monkeypatch.setattr(sys, "argv", ["runner", *map(str, files)])
    interface.main(run, ["pytest"])
    answer = json.loads(files[1].read_text("utf-8"))
    assert answer["facts"] == {"attention": "none"}
    assert set(answer["versions"]) == {"pytest", *interface.LIBRARIES}
    read = [float.fromhex(row["logit"]) for row in answer["rows"]]
    assert [value.hex() for value in read] == [value.hex() for value in VALUES]
    scores = [float.fromhex(row["score"]) for row in answer["rows"]]
    assert scores == np.float32(VALUES).astype(float).tolist()
    assert [row["rank"] for row in answer["rows"]] == [5, 4, 3, 2, 1]
    names = [candidate["passage_id"] for candidate in asked["queries"][0]["candidates"]]
    assert [row["passage_id"] for row in answer["rows"]] == names


def test_an_engine_without_an_order_has_no_ranks(interface):
    reranked = interface.Reranked(VALUES, "float32", VALUES, "float32", order=None)
    assert [row["rank"] for row in interface.rows_of(query(interface), reranked)] == [None] * 5


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 1, 2, 3, 3], [0, 1, 2, 3, 5]])
def test_a_passage_left_out_or_given_twice_is_no_order(interface, order):
    reranked = interface.Reranked(VALUES, "float32", VALUES, "float32", order)
    with pytest.raises(ValueError, match="query q1: the engine ordered"):
        interface.rows_of(query(interface), reranked)


def test_a_score_left_out_is_no_answer(interface):
    reranked = interface.Reranked(VALUES, "float32", VALUES[:-1], "float32", order=None)
    with pytest.raises(ValueError, match="shorter"):
        interface.rows_of(query(interface), reranked)


def test_a_scores_dtype_is_that_of_the_returned_number(interface):
    assert interface.dtype_name(0.5) == "float64"
    assert interface.dtype_name(np.float16(0.5)) == "float16"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_tap_finds_each_passages_logit_whatever_the_order(tools, tiny_checkpoint, dtype):
    tap_module = importlib.import_module("tap")
    network = AutoModelForSequenceClassification.from_pretrained(
        tiny_checkpoint, dtype=getattr(torch, dtype)
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    tap = tap_module.LogitTap(network, tokenizer)
    passages = ["der Wald", "der Wald der Wald der Wald", "wo"]
    shuffled = [["wo im Wald", passages[number]] for number in (2, 0, 1)]
    inputs = tokenizer(shuffled, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        expected = network(**inputs).logits[:, 0].double().tolist()
    assert tap.logits("wo im Wald", passages) == [expected[1], expected[2], expected[0]]
    assert tap.dtype == dtype
    with pytest.raises(KeyError):
        tap.logits("wo im Wald", ["im Wald"])


@pytest.mark.parametrize(
    ("condition", "advertised", "read", "works"),
    [
        ('self._target_device.type == "cuda" and not os.environ.get("{}", "")', True, True, True),
        ('self.model.device == "cuda" and not os.environ.get("{}", "")', True, True, False),
        ('self._target_device.type == "cuda"', False, False, False),
    ],
)
def test_what_a_source_does_with_the_variable(half, condition, advertised, read, works):
    source = f"if {condition.format(half.VARIABLE)}:\n    half()\n"
    found = half.read("0.0.13", source)
    assert (found["advertised"], found["read"], found["works"]) == (advertised, read, works)
    shown = ast.unparse(ast.parse(condition.format(half.VARIABLE), mode="eval").body)
    assert found["condition"] == (shown if read else None)


def test_a_variable_in_a_log_message_is_advertised_and_not_read(half):
    found = half.read("0.0.27", f'if cuda:\n    log("Disable by setting `{half.VARIABLE}`")\n')
    assert (found["advertised"], found["read"], found["works"]) == (True, False, False)
