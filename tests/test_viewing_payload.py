"""The payload: what the browser is given, taken apart again in Python."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
import pytest
from few_rows import INT8, few_logits, few_logits_of_runtimes, few_pairs
from made_logits import german_logits, german_set

from analysis.formats import HALVES, format_of
from analysis.scorepath import ScorePath
from analysis.sigmoids import FORMULAS, sigmoid
from analysis.viewing import payload as made
from analysis.viewing.payload import checksum, key, payload, stages, unpacked
from analysis.viewing.rows import rows_of


def read(block: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    header, arrays = unpacked(block)
    return header, dict(arrays)


@pytest.fixture(scope="module")
def rows():
    return rows_of(few_logits(few_pairs()), few_pairs())


@pytest.fixture(scope="module")
def few(rows):
    return read(payload(rows))


def test_the_same_bytes_on_every_run():
    blocks = [payload(rows_of(few_logits(few_pairs()), few_pairs())) for _ in range(2)]
    assert blocks[0] == blocks[1]


def test_arrays_are_aligned(few):
    header, _ = few
    assert all(place % 8 == 0 for _, place, _ in header["arrays"].values())


def test_texts_ids_and_grades_come_in_order(few, rows):
    header, arrays = few
    ends = arrays["textEnds"].tolist()
    texts = [
        arrays["texts"][start:end].tobytes().decode()
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    assert [texts[n] for n in arrays["textOf"]] == rows.pairs["passage"].tolist()
    assert len(texts) == 8  # the queries share theirs
    assert header["passages"] == rows.pairs["passage_id"].tolist()
    assert header["grades"] == rows.pairs["grade"].tolist()
    assert arrays["candidates"].tolist() == [8, 2, 1]
    assert header["queries"] == ["q1", "q2", "q3"]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_staircase_has_the_score_of_every_logit(few, formula, dtype):
    _, arrays = few
    number_format = format_of(dtype)
    logits, scores = (
        np.cumsum(arrays[f"{name}|{formula}|{dtype}"]) for name in ("stepLogits", "stepScores")
    )
    every = number_format.values(-np.inf, np.inf)
    step = np.searchsorted(logits, number_format.ordinals(every), side="right") - 1
    found = number_format.from_ordinals(scores[step]).astype(float)
    np.testing.assert_array_equal(found, sigmoid(every, formula, dtype).astype(float))


def test_a_checksum_is_that_of_the_paths_scores(few, rows):
    header, _ = few
    assert len(header["checksums"]) == 73
    path = ScorePath("float16", "stepwise", "float16", "float32")
    scores = path.scores(rows.logits["float16"])
    assert key(path) == "float16|stepwise|float16|float16"
    assert header["checksums"][key(path)] == checksum(path, rows) == zlib.crc32(scores.tobytes())


def test_a_float16_and_a_float64_sigmoid_in_float32_share_nothing():
    wide = ScorePath("float32", "fused", "float64", "float32")
    assert key(wide) != key(ScorePath("float32", "fused", "float32", "float32"))


def test_engines_have_their_paths_and_whether_they_were_run(few):
    header, _ = few
    engines = {engine["name"]: engine for engine in header["engines"]}
    assert engines["Infinity 0.0.13–0.0.68"]["wasRun"]
    assert not engines["vLLM ≥ 0.11"]["wasRun"]
    path = ["float16", "stepwise", "float16", "float16", "input order"]
    assert path in engines["Infinity 0.0.13–0.0.68"]["paths"]
    assert "mxbai-rerank v2" not in engines  # two logits leave its network


def test_paths_of_absent_forward_dtypes_are_left_out():
    header, _ = read(payload(rows_of(few_logits(few_pairs(), "float32"), few_pairs())))
    assert header["forwardFormats"] == ["float32"]
    assert {path[0] for engine in header["engines"] for path in engine["paths"]} == {"float32"}


def test_a_format_of_another_runtime_has_a_name_a_dtype_and_a_hint():
    rows = rows_of(few_logits_of_runtimes(few_pairs()), few_pairs())
    header, arrays = read(payload(rows))
    assert header["forwardFormats"] == ["float32", "float16", "bfloat16", INT8]
    *dtypes, own = header["formats"]
    assert [one["name"] for one in dtypes] == ["float64", "float32", "float16", "bfloat16"]
    assert not any("dtype" in one for one in dtypes)
    assert (own["name"], own["dtype"], own["bits"]) == (INT8, "float32", 32)
    assert own["hint"].startswith("int8 weights, uint8 activations with one scale for the whole")
    np.testing.assert_array_equal(arrays[f"logits|{INT8}"], rows.logits[INT8])
    path = ScorePath("float32").raw()
    assert key(path, INT8) == f"{INT8}|none|float32|float32"
    assert header["checksums"][key(path, INT8)] == checksum(path, rows, INT8)
    assert {path[0] for engine in header["engines"] for path in engine["paths"]} == {
        *("float32", "float16", "bfloat16")
    }


def test_spans_are_left_out_of_large_sets(monkeypatch, rows):
    monkeypatch.setattr(made, "MOST_SPANS", 5)
    _, arrays = read(payload(rows))
    assert not [name for name in arrays if name.startswith(("span", "neighbours"))]


def test_whole_number_ids_stand_for_their_digits_in_their_own_order():
    pairs = few_pairs()
    for frame in (pairs, logits := few_logits(pairs)):
        frame["passage_id"] = frame["passage_id"].str[1:].astype(int) + 5
        frame["query_id"] = frame["query_id"].str[1:].astype(int)
    header, arrays = read(payload(rows_of(logits, pairs)))
    assert header["passages"][:6] == ["5", "6", "7", "8", "9", "10"]
    assert header["wholeNumbers"] == [True, True]
    assert arrays["idOrder"][:6].tolist() == [1, 2, 3, 4, 5, 6]  # as strings, "10" comes first


def test_ids_beyond_the_basic_plane_are_ordered_by_code_points():
    pairs = few_pairs().iloc[8:10].assign(passage_id=["\U0001f600", "\uff61"])
    logits = few_logits(few_pairs())
    logits = logits[logits["query_id"] == "q2"].assign(passage_id=["\U0001f600", "\uff61"] * 3)
    _, arrays = read(payload(rows_of(logits, pairs)))
    assert arrays["idOrder"].tolist() == [2, 1]  # JavaScript compares UTF-16 units: the other way


def test_half_a_surrogate_pair_and_missing_grades_do_no_harm():
    pairs = few_pairs()
    pairs["passage"] = pairs["passage"].astype(object)
    pairs.loc[1, "passage"] = "half \ud83d"
    logits = few_logits(pairs).assign(grade=pd.array([pd.NA] * 33, dtype="Int64"))
    header, arrays = read(payload(rows_of(logits, pairs)))
    assert b"half ?" in arrays["texts"].tobytes()
    assert header["grades"] == [None] * 11


def test_the_german_sets_payload_is_small():
    import gzip

    block = payload(rows_of(german_logits(), german_set()))
    assert len(gzip.compress(block, 9)) < 260_000


def test_stages_make_a_path_again():
    path = ScorePath("float16", "stepwise", "float32", "bfloat16", "expected")
    assert ScorePath(*stages(path)) == path
