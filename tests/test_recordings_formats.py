"""The recordings of forward formats: whole, of the shipped model, and what they say of batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.checkpoints import sha256_of
from analysis.errors import InputError
from analysis.formats import FORMATS as DTYPES
from analysis.forwardformats import FORWARD_FORMATS, ForwardFormat, as_format
from analysis.models import load
from analysis.places import FORMATS
from analysis.readers import load_german
from analysis.recordings import (
    FORMAT_COLUMNS,
    ONE_PASSAGE_COLUMNS,
    formats_about,
    one_passage,
    recorded_formats,
    recorded_runs,
)

TEXTS = recorded_runs()["forward_format"].tolist()
KEYS = ["query_id", "passage_id"]
OTHER_BATCHES = ("alone", "shuffled", "padded")
# What sums in another order move a float32 logit by was measured to be less than this, in every
# batching and in every runtime that multiplies in float32.
LAST_BITS = 1e-3
FLOAT32_LIKE = ("torch:float64", "onnxruntime:float32", "openvino:f32")

every_format = pytest.mark.parametrize("text", TEXTS)


def logits(text: str, batching: str = "request", threads: int = 1) -> pd.Series:
    """A format's logits in batches of one kind, by pair."""
    rows = recorded_formats(batching, threads=threads)
    return rows[rows["forward_format"] == text].set_index(KEYS)["logit"]


def shift(text: str, batching: str, threads: int = 1) -> pd.Series:
    """How far other batches move a format's logits from where the pairs' requests have them."""
    other = logits(text, batching, threads)
    return (other - logits(text).loc[other.index]).abs()


def test_every_format_is_recorded_that_has_a_text_and_runs_in_a_network():
    networks = {text for text, one in FORWARD_FORMATS.items() if one.name not in DTYPES}
    torch = {"torch:float64", "torch:float32", "torch:float16", "torch:bfloat16"}
    assert set(TEXTS) == networks | torch


@every_format
def test_a_request_holds_every_pair_of_its_queries_in_the_sets_order(text):
    pairs = load_german().pairs
    first = pairs["query_id"].unique()[: formats_about()["data"]["queries"]]
    pairs = pairs[pairs["query_id"].isin(first)]
    rows = recorded_formats()
    rows = rows[rows["forward_format"] == text]
    for column in (*KEYS, "grade"):
        assert rows[column].tolist() == pairs[column].tolist()
    assert set(rows["forward_dtype"]) == {as_format(text).forward_dtype}


def test_the_columns_are_what_scoring_returns():
    rows = recorded_formats()
    shown = [name for name in FORMAT_COLUMNS if name not in ("batching", "threads")]
    assert list(rows) == shown
    assert not rows.isna().any(axis=None)
    assert rows["forward_format"].drop_duplicates().tolist() == TEXTS


@every_format
def test_logits_are_values_of_the_dtype_that_they_leave_in(text):
    values = logits(text).to_numpy()
    assert DTYPES[as_format(text).forward_dtype].round(values).tolist() == values.tolist()


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith("llama.cpp:")])
def test_the_same_batches_again_give_the_same_logits(text):
    """llama.cpp's server makes its own batches, of what has arrived when it looks."""
    assert shift(text, "repeated").max() == 0


@pytest.mark.parametrize("text", FLOAT32_LIKE)
def test_what_multiplies_in_float32_differs_from_torch_by_last_bits(text):
    assert (logits(text) - logits("torch:float32")).abs().max() < LAST_BITS


@pytest.mark.parametrize("text", ["torch:float32", *FLOAT32_LIKE])
@pytest.mark.parametrize("batching", OTHER_BATCHES)
def test_a_batch_moves_float32_by_last_bits(text, batching):
    assert shift(text, batching).max() < LAST_BITS


@pytest.mark.parametrize(
    "text", [text for text in TEXTS if ForwardFormat.of_text(text).depends_on_batch]
)
@pytest.mark.parametrize("batching", OTHER_BATCHES)
def test_one_scale_for_a_batch_moves_logits_by_more_than_float16_rounds_them(text, batching):
    moved = shift(text, batching)
    assert moved.mean() > 0.1
    assert moved.mean() > (logits("torch:float16") - logits("torch:float32")).abs().mean()


def test_what_is_computed_in_other_batches_is_whole_where_logits_depend_on_them():
    dependent = logits("onnxruntime:int8-dynamic", "alone")
    assert len(dependent) == len(logits("onnxruntime:int8-dynamic"))
    assert 0 < len(logits("torch:float32", "alone")) < len(dependent)


def test_what_pads_nothing_has_no_padded_batches():
    padded = set(recorded_formats("padded")["forward_format"])
    assert {text for text in TEXTS if text not in padded} == {
        text for text in TEXTS if text.startswith("llama.cpp:")
    }


def test_fewer_bits_of_a_weight_are_worse():
    error = {
        kind: (logits(f"llama.cpp:{kind}") - logits("torch:float32")).abs().mean()
        for kind in ("f16", "q8_0", "q4_0")
    }
    assert error["f16"] < error["q8_0"] < error["q4_0"]


def test_q8_0_errs_by_as_much_as_its_rounded_weights_let_expect():
    """To an order of magnitude: llama.cpp rounds activations too, and has a table for GELU."""
    reranker, pairs = load("demo", device="cpu"), load_german().pairs
    pairs = pairs[pairs["query_id"] == pairs["query_id"].iloc[0]]
    network = reranker.network("float32")
    for name, parameter in network.named_parameters():
        if min(parameter.shape) > 1 and parameter.ndim == 2 and "position" not in name:
            parameter.data = in_q8_0(parameter.data)
    texts = pairs["query"].tolist(), pairs["passage"].tolist()
    inputs = reranker.batch(reranker.tokens(*texts, reranker.length))
    with torch.inference_mode():
        rounded = network(**{name: torch.from_numpy(rows) for name, rows in inputs.items()})
    exact = logits("torch:float32").head(len(pairs))
    expected = np.abs(reranker.logits(rounded)[:, 0] - exact).mean()
    recorded = (logits("llama.cpp:q8_0").head(len(pairs)) - exact).abs().mean()
    assert expected / 10 < recorded < 10 * expected


def in_q8_0(weights: torch.Tensor) -> torch.Tensor:
    """Blocks of 32 in 8 bits, each with a float16 scale."""
    blocks = weights.reshape(-1, 32)
    scale = (blocks.abs().amax(1, keepdim=True) / 127).half().float().clamp(min=1e-12)
    return ((blocks / scale).round() * scale).reshape(weights.shape)


def test_one_passage_is_spread_by_its_company_as_its_format_has_it():
    strips = one_passage()
    assert tuple(strips) == ONE_PASSAGE_COLUMNS
    assert strips[KEYS].drop_duplicates().shape == (1, 2)
    assert strips.groupby("forward_format").size().eq(100).all()
    spread = strips.groupby("forward_format")["logit"].agg(np.ptp)
    assert spread["torch:float32"] < LAST_BITS
    assert spread["torch:float32"] <= spread["torch:float16"] < spread["onnxruntime:int8-dynamic"]


def test_the_recording_is_of_the_shipped_reranker_and_set():
    adapter = load("demo", device="cpu").adapter
    for name, digest in formats_about()["adapter"].items():
        assert sha256_of(adapter / name) == digest
    assert formats_about()["data"]["sha256"] == load_german().sha256


def test_files_are_named_by_what_they_hold():
    runs = recorded_runs().set_index("forward_format")
    digests = runs.groupby("sha256").groups
    for texts in digests.values():
        assert runs.loc[texts, "bytes"].nunique() == 1
    assert runs.loc["llama.cpp:q8_0", "bytes"] < runs.loc["llama.cpp:f16", "bytes"]
    assert runs["versions"].map(len).min() > 0


def test_openvino_says_what_it_runs_a_float32_file_in():
    precision = recorded_runs().set_index("forward_format")["precision"]
    assert (precision["openvino:f32"], precision["openvino:bf16"]) == ("f32", "bf16")
    assert precision["openvino:default"] in ("f32", "bf16", "f16")


def test_recordings_are_small_enough_for_git():
    assert sum(file.stat().st_size for file in FORMATS.iterdir()) < 2_000_000


def test_the_card_lists_every_format():
    card = (FORMATS / "README.md").read_text("utf-8")
    for text in TEXTS:
        assert f"| `{text}` |" in card


def test_batches_that_nobody_made_are_answered_with_those_there_are():
    with pytest.raises(InputError, match=r"Choose 'request', threads=1; .*; 'request', threads=2"):
        recorded_formats("backwards")


def test_recordings_that_are_not_there_are_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.recordings.FORMATS", tmp_path)
    for read, name in [(recorded_formats, "formats.parquet"), (recorded_runs, "runs.json")]:
        with pytest.raises(
            InputError, match=f"{name}: there are no recordings here. Run `make formats`"
        ):
            read()
