"""The interface of the runners of forward formats, and what they are asked, without any runtime."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from analysis.forwardformats import FORWARD_FORMATS

TOOLS = Path(__file__).parent.parent / "tools"


@pytest.fixture(scope="module", autouse=True)
def tools():
    """Make the tools importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS / "engines")
        patch.syspath_prepend(TOOLS)
        yield


@pytest.fixture(scope="module")
def passes(tools) -> ModuleType:
    return importlib.import_module("passes")


@pytest.fixture(scope="module")
def record(tools) -> ModuleType:
    return importlib.import_module("record_formats")


@pytest.fixture
def recorder(record, tiny_pairs, monkeypatch):
    """A recorder of the tiny set, one query in two of which is computed in other batches."""
    monkeypatch.setattr(record, "ONE_IN", 2)
    monkeypatch.setattr(record, "SHUFFLED", 4)
    one = record.Recorder(tiny_pairs, Path("model"))
    tokens = [{"query": "wo", "passage": "da", "tokens": [1, row]} for row in range(24)]
    vars(one)["_pairs"] = tokens
    return one


def run_of(record, text: str):
    return next(run for run in record.RUNS if text in run.formats)


def test_every_format_has_one_runner_that_is_there(record):
    texts = list(chain(*(run.formats for run in record.RUNS)))
    assert len(texts) == len(set(texts))
    assert set(texts) <= set(FORWARD_FORMATS)
    for run in record.RUNS:
        assert all(file.is_file() for file in run.files)


def test_a_request_reaches_the_runner_as_it_was_asked(passes, record, recorder, tmp_path):
    batchings = recorder.batchings(run_of(record, "torch:float32"), "torch:float32")
    request = recorder._request("torch:float32", [one for one in batchings if one.threads == 1])
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"model": "model", **request}), "utf-8")
    read = passes.read_request(file)
    assert (read.model, read.recipe, read.threads) == (Path("model"), "float32", 1)
    asked = [[pair.tokens[1] for batch in one.batches for pair in batch] for one in read.passes]
    assert asked == [list(chain(*one.batches)) for one in batchings if one.threads == 1]
    assert [one.width for one in read.passes] == [1, 1, 1, 1, record.WIDTH]


def test_every_batching_has_each_of_its_pairs_once(record, recorder):
    every = list(range(24))
    some = [*range(6), *range(12, 18)]
    for text, widely in (("torch:float32", some), ("onnxruntime:int8-dynamic", every)):
        found = {}
        for one in recorder.batchings(run_of(record, text), text):
            found[one.name, one.threads] = sorted(chain(*one.batches))
        assert found == {
            ("request", 1): every,
            ("repeated", 1): some,
            ("alone", 1): widely,
            ("shuffled", 1): widely,
            ("padded", 1): some,
            ("request", 2): some,
        }


def test_llama_cpp_is_not_asked_to_pad(record, recorder):
    names = {
        one.name for one in recorder.batchings(run_of(record, "llama.cpp:q8_0"), "llama.cpp:q8_0")
    }
    assert names == {"request", "repeated", "alone", "shuffled"}


def test_a_pair_stands_first_in_a_hundred_companies_without_itself(record, recorder):
    companies = recorder.companies(5).batches
    assert len(companies) == record.COMPANIES
    assert {len(set(company)) for company in companies} == {4}
    assert {company[0] for company in companies} == {5}


def test_an_answers_rows_are_in_the_sets_order(record, tiny_pairs):
    batching = record.Batching("shuffled", [[3, 0], [2]])
    computed = {"logits": [[(0.5).hex(), (1.5).hex()], [(2.5).hex()]]}
    rows = record.rows_of(tiny_pairs, "torch:bfloat16", batching, computed)
    assert rows["logit"].tolist() == [1.5, 2.5, 0.5]
    assert rows["passage_id"].tolist() == tiny_pairs.pairs["passage_id"][[0, 2, 3]].tolist()
    assert set(rows["forward_dtype"]) == {"bfloat16"}


def test_the_typical_pair_moves_as_far_as_the_median(record):
    moved = [0.0, 9.0, 0.2, 0.1, 4.0]
    rows = [
        {"forward_format": record.STRIPS[0], "threads": 1, "batching": name, "logit": logit}
        for name, logits in (("request", np.zeros(5)), ("alone", moved))
        for logit in logits
    ]
    assert record.typical_row(pd.DataFrame(rows)) == 2


def test_what_a_runner_computes_is_written_to_the_last_bit(passes, tmp_path, monkeypatch):
    asked, answered = tmp_path / "request.json", tmp_path / "answer.json"
    pairs = [{"query": "wo", "passage": str(number), "tokens": [number]} for number in range(3)]
    one = {"width": 7, "batches": [[2, 0], [1]]}
    request = {"model": "m", "forward_format": "a:b", "threads": 1, "pairs": pairs, "passes": [one]}
    asked.write_text(json.dumps(request), "utf-8")
    monkeypatch.setattr(sys, "argv", ["runner", str(asked), str(answered)])

    def load(request) -> object:
        assert request.recipe == "b"
        return passes.Network(
            lambda batch, width: [pair.tokens[0] / width for pair in batch], {"file": "f"}
        )

    passes.main(load, ["numpy"])
    answer = json.loads(answered.read_text("utf-8"))
    assert answer["versions"] == {"numpy": np.__version__}
    (computed,) = answer["passes"]
    assert computed["logits"] == [[(2 / 7).hex(), (0.0).hex()], [(1 / 7).hex()]]
    assert len(computed["seconds"]) == 2


def test_a_batch_is_padded_on_the_right(passes):
    batch = [passes.Pair("", "", (5, 6)), passes.Pair("", "", (7,))]
    assert passes.padded(batch, 1, fill=1) == ([[5, 6], [7, 1]], [[1, 1], [1, 0]])
    assert passes.padded(batch, 3, fill=1)[1] == [[1, 1, 0], [1, 0, 0]]


def test_seconds_leave_the_first_query_out(record, recorder, monkeypatch, tmp_path):
    def ask(recorder, run, request, answer: Path) -> None:
        assert request["threads"] == 2
        answer.parent.mkdir(parents=True)
        answer.write_text(json.dumps({"passes": [{"seconds": [9.0, 1.0, 2.0]}]}))

    monkeypatch.setattr(record, "TIMED_QUERIES", 3)
    monkeypatch.setattr(record, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(record.Recorder, "_ask", ask)
    run = run_of(record, "torch:float32")
    assert recorder.seconds(run, "torch:float32", threads=2) == 100 * 3 / 12


def test_times_go_into_the_runs_and_the_card(record, recorder, monkeypatch, tmp_path):
    text, card = "torch:float32", "<!-- runs: written by the tool -->\n<!-- end of runs -->\n"
    (tmp_path / "README.md").write_text(card, "utf-8")
    run = {"forward_format": text, "file": "model.safetensors", "bytes": 272_855_548}
    shared = {**record.about(recorder.dataset), "runs": [run]}
    record.write_about(tmp_path, shared)
    assert f"| `{text}` | `model.safetensors` | 273 |\n" in (tmp_path / "README.md").read_text(
        "utf-8"
    )
    now = {name: shared[name] for name in record.MACHINE}
    monkeypatch.setattr(record, "RUNS", [replace(run_of(record, text), formats=(text,))])
    monkeypatch.setattr(record.Recorder, "seconds", lambda self, run, text, threads: 5 / threads)
    record.add_times(recorder, tmp_path)
    timed = json.loads((tmp_path / "runs.json").read_text("utf-8"))
    timed_run = {**run, "seconds": {"1": 5.0, "2": 2.5}}
    assert timed == {**shared, "timed": now, "runs": [timed_run]}
    assert "| 273 | 5.0 | 2.5 |\n" in (tmp_path / "README.md").read_text("utf-8")
