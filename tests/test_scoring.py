"""Scoring: exact logits, fixed batches, documented truncation, and what is reported."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from reader_files import refused
from tiny_checkpoints import WORDS, change_weights, write_checkpoint

from analysis import scoring
from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import InputError
from analysis.forwardformats import as_format
from analysis.models import Reranker, load
from analysis.scoring import score
from analysis.store import Store

DTYPES = ("float32", "float16", "bfloat16")


@pytest.fixture
def reranker(tiny_checkpoint) -> Reranker:
    return load(tiny_checkpoint, device="cpu")


@pytest.fixture
def overflowing(tiny_checkpoint, tmp_path) -> Reranker:
    """Reranker whose logits are beyond float16."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "overflowing")
    change_weights(folder, lambda tensors: tensors["classifier.bias"].fill_(1e5))
    return load(folder, device="cpu")


@pytest.fixture
def loaded(monkeypatch) -> list[str]:
    """Collect the dtypes of all networks that are loaded."""
    dtypes, real = [], Reranker.network

    def spy(self, forward_dtype):
        dtypes.append(forward_dtype)
        return real(self, forward_dtype)

    monkeypatch.setattr(Reranker, "network", spy)
    return dtypes


def quietly(dataset, reranker, *dtypes, **options) -> pd.DataFrame:
    return score(dataset, reranker, dtypes or DTYPES, progress=False, **options)


def one_pair(query: str, passage: str) -> RerankingSet:
    columns = ["query_id", "passage_id", "query", "passage"]
    return from_pairs("pair", pd.DataFrame([("q", "p", query, passage)], columns=columns))


def words(number: int, start: int = 0) -> str:
    return " ".join((WORDS * 10)[start : start + number])


def plan_of(dataset, reranker, max_length=512, batch_tokens=8192) -> scoring._Plan:
    return scoring._Plan(dataset, reranker, max_length, batch_tokens)


def test_frame_has_every_pair_in_every_dtype_in_order(tiny_pairs, reranker):
    frame = quietly(tiny_pairs, reranker)
    assert tuple(frame.columns) == scoring.COLUMNS
    assert frame["forward_dtype"].tolist() == [d for d in DTYPES for _ in range(24)]
    ids = tiny_pairs.pairs[["query_id", "passage_id", "grade"]]
    for _, part in frame.groupby("forward_dtype"):
        pd.testing.assert_frame_equal(part[ids.columns].reset_index(drop=True), ids)
    assert frame["logit"].dtype == np.float64
    assert frame["grade"].isna().sum() == 3


@pytest.mark.parametrize("forward_dtype", DTYPES)
def test_logits_are_the_networks_bit_for_bit(tiny_pairs, reranker, forward_dtype):
    """Batches made here once more: longest first, rectangles of at most 100 tokens."""
    frame = quietly(tiny_pairs, reranker, forward_dtype, batch_tokens=100)
    texts = list(zip(tiny_pairs.pairs["query"], tiny_pairs.pairs["passage"], strict=True))
    lengths = [len(reranker.tokenizer(*text)["input_ids"]) for text in texts]
    left = sorted(range(24), key=lambda row: -lengths[row])
    network, expected = reranker.network(forward_dtype), np.empty(24)
    while left:
        rows = left[: 100 // lengths[left[0]]]
        left = left[len(rows) :]
        batch = [texts[row] for row in rows]
        encoded = reranker.tokenizer(batch, padding=True, return_tensors="pt")
        with torch.inference_mode():
            expected[rows] = network(**encoded).logits.double().numpy()[:, 0]
    assert frame["logit"].tolist() == expected.tolist()
    assert len(set(frame["logit"])) > 20


def test_logits_are_values_of_their_dtype_and_differ_between_dtypes(tiny_pairs, reranker):
    frame = quietly(tiny_pairs, reranker)
    by_dtype = {}
    for forward_dtype, part in frame.groupby("forward_dtype"):
        exact = torch.tensor(part["logit"].to_numpy(), dtype=torch.float64)
        rounded = exact.to(getattr(torch, forward_dtype)).double()
        assert torch.equal(rounded, exact)
        by_dtype[forward_dtype] = tuple(part["logit"])
    assert len(set(by_dtype.values())) == 3


def test_two_labels_are_scored_by_their_difference(tiny_pairs, tmp_path):
    two = load(write_checkpoint(tmp_path / "two", num_labels=2), device="cpu")
    frame = quietly(tiny_pairs, two, "float32")
    encoded = two.tokenizer(*tiny_pairs.pairs.loc[7, ["query", "passage"]], return_tensors="pt")
    labels = two.network("float32")(**encoded).logits[0].double().tolist()
    assert tuple(frame.columns) == (*scoring.COLUMNS, "logit_no", "logit_yes")
    assert frame.loc[7, ["logit_no", "logit_yes"]].tolist() == pytest.approx(labels, abs=1e-5)
    assert (frame["logit"] == frame["logit_yes"] - frame["logit_no"]).all()


def test_two_labels_come_back_from_the_store(tiny_pairs, tmp_path, loaded):
    two = load(write_checkpoint(tmp_path / "two", num_labels=2), device="cpu")
    store = Store(tmp_path / "store")
    first = quietly(tiny_pairs, two, "float16", batch_tokens=100, store=store)
    for file in store.folder.glob("*/logits.parquet"):
        file.unlink()  # as a stopped run leaves it
    next(store.folder.glob("*/shard-00001.parquet")).unlink()
    for _ in range(2):
        again = quietly(tiny_pairs, two, "float16", batch_tokens=100, store=store)
        pd.testing.assert_frame_equal(again, first, check_exact=True)
    assert loaded == ["float16"] * 2


def test_same_run_gives_the_same_bits(tiny_pairs, reranker):
    first = quietly(tiny_pairs, reranker)
    pd.testing.assert_frame_equal(quietly(tiny_pairs, reranker), first, check_exact=True)


def test_callers_autocast_changes_nothing(tiny_pairs, reranker):
    expected = quietly(tiny_pairs, reranker, "float32")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert quietly(tiny_pairs, reranker, "float32").equals(expected)


@pytest.mark.parametrize("batch_tokens", [1, 60, 100, 8192])
def test_batches_hold_each_pair_once_within_the_budget(tiny_pairs, reranker, batch_tokens):
    plan = plan_of(tiny_pairs, reranker, batch_tokens=batch_tokens)
    assert sorted(np.concatenate(plan.batches)) == list(range(24))
    longest = [plan.inputs(rows)["input_ids"].shape for rows in plan.batches]
    assert all(n * width <= batch_tokens or n == 1 for n, width in longest)
    assert [width for _, width in longest] == sorted((width for _, width in longest), reverse=True)
    assert len(plan.batches) == {1: 24, 8192: 1}.get(batch_tokens, len(plan.batches))


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_the_tokenizers(tiny_pairs, reranker, side):
    reranker.tokenizer.padding_side = side
    inputs = plan_of(tiny_pairs, reranker).inputs(np.arange(24))
    texts = tiny_pairs.pairs[["query", "passage"]].to_numpy().tolist()
    expected = reranker.tokenizer(texts, padding=True, return_tensors="np")
    assert set(inputs) == set(expected)
    for name, values in inputs.items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize(
    ("query", "passage", "kept"),
    [
        (5, 6, (5, 6)),  # fits
        (5, 50, (5, 12)),  # the passage is cut
        (7, 11, (7, 10)),
        (30, 4, (13, 4)),  # the query alone takes more than half: it is cut
        (30, 50, (8, 9)),  # both do
        (5, 0, (5, 0)),  # an empty passage is scored too
    ],
)
def test_pairs_are_cut_from_the_longer_text(reranker, query, passage, kept):
    """20 tokens, 3 of them special, leave 17: a query of up to 8 stays whole."""
    plan = plan_of(one_pair(words(query), words(passage, 3)), reranker, max_length=20)
    cut = one_pair(words(kept[0]), words(kept[1], 3))
    expected = plan_of(cut, reranker, max_length=48)
    for name, [tokens] in plan.tokens.items():
        assert tokens.tolist() == expected.tokens[name][0].tolist()


def test_longest_pair_is_what_the_model_takes(reranker):
    long = one_pair(words(5), words(100))
    frames = [quietly(long, reranker, "float32", max_length=n) for n in (48, 512, 20)]
    assert frames[0].equals(frames[1])
    assert not frames[0].equals(frames[2])


@pytest.mark.parametrize("name", ["max_length", "batch_tokens"])
@pytest.mark.parametrize("number", [0, -1, True, 1.5])
def test_numbers_that_are_none_are_refused(tiny_pairs, reranker, name, number):
    with pytest.raises(InputError, match=f"{name}: {number} is no number of tokens"):
        quietly(tiny_pairs, reranker, **{name: number})


def test_length_without_room_for_a_pair_is_refused(tiny_pairs, reranker):
    with pytest.raises(InputError, match=r"4 tokens leave no room .* Give 5 or more"):
        quietly(tiny_pairs, reranker, max_length=4)
    assert len(quietly(tiny_pairs, reranker, "float32", max_length=5)) == 24


@pytest.mark.parametrize(
    "dtypes", [(), "float32", ("float32", "float8_e5m2"), ("float16", "half"), ("float32",) * 2]
)
def test_other_dtypes_are_refused_before_anything_is_scored(tiny_pairs, reranker, loaded, dtypes):
    with pytest.raises(InputError, match="formats: "):
        score(tiny_pairs, reranker, dtypes)
    assert not loaded


def test_no_pairs_give_an_empty_frame(tiny_pairs, reranker, tmp_path, loaded):
    empty = replace(tiny_pairs, pairs=tiny_pairs.pairs.iloc[:0])
    expected = quietly(tiny_pairs, reranker, "float32").iloc[:0]
    loaded.clear()
    for store in (None, Store(tmp_path), Store(tmp_path)):
        pd.testing.assert_frame_equal(quietly(empty, reranker, "float32", store=store), expected)
    assert not loaded


def test_logits_that_are_not_finite_are_listed_after_all_is_stored(
    tiny_pairs, overflowing, tmp_path, loaded
):
    store = Store(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            quietly(tiny_pairs, overflowing, "float16", "float32", store=store)
    message = str(caught.value)
    assert "24 of 48 logits" in message
    assert "'q0', 'p0': inf in float16; 'q0', 'p1': inf in float16" in message
    assert message.count("inf in") == 10
    assert "and 14 more" in message
    assert "Leave out float16 (float16 overflows above 65504" in message
    assert loaded == ["float16", "float32"]  # by the first run
    assert len(quietly(tiny_pairs, overflowing, "float32", store=store)) == 24
    assert loaded == ["float16", "float32"]


def test_progress_is_drawn_only_if_wanted(tiny_pairs, reranker, capsys):
    quietly(tiny_pairs, reranker)
    assert capsys.readouterr() == ("", "")
    score(tiny_pairs, reranker, ("float16",))
    drawn = capsys.readouterr().err
    assert "float16" in drawn
    assert "24/24" in drawn


def test_known_logits_need_no_network(tiny_pairs, reranker, tmp_path, loaded):
    store = Store(tmp_path)
    first = quietly(tiny_pairs, reranker, store=store)
    assert loaded == list(DTYPES)
    again = quietly(tiny_pairs, reranker, "bfloat16", "float32", "float64", store=store)
    assert loaded == [*DTYPES, "float64"]
    for forward_dtype in ("bfloat16", "float32"):
        parts = [
            f[f["forward_dtype"] == forward_dtype].reset_index(drop=True) for f in (first, again)
        ]
        pd.testing.assert_frame_equal(*parts, check_exact=True)


def leaves(key: dict, path: tuple = ()) -> list[tuple]:
    """Paths of all values of a nested dict."""
    found = []
    for name, value in key.items():
        below = isinstance(value, dict) and value
        found += leaves(value, (*path, name)) if below else [(*path, name)]
    return found


def test_key_changes_with_each_of_its_ingredients(tiny_pairs, reranker):
    key = plan_of(tiny_pairs, reranker).key(as_format("float32"))
    paths = leaves(key)
    for path in paths:
        changed = copy.deepcopy(key)
        at = changed
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = "another"
        assert Store("s").place(changed) != Store("s").place(key)
    ends = {path[-1] for path in paths}
    ends |= {path[0] for path in paths}
    assert ends >= {
        *("model", "data", "forward_dtype", "device", "max_length", "batch_tokens", "batches"),
        *("model.safetensors", "adapter", "revision", "attention", "kind", "capability"),
        *("threads", "torch", "transformers", "tokenizers", "peft", "numpy"),
    }


def test_key_follows_what_is_scored_and_how(tiny_pairs, reranker, overflowing, monkeypatch):
    def place(dataset=tiny_pairs, model=reranker, length=512, tokens=8192, dtype="float32"):
        return Store("s").place(plan_of(dataset, model, length, tokens).key(as_format(dtype)))

    more = from_pairs("tiny", tiny_pairs.pairs.assign(grade=1))
    left = load(reranker.folder, device="cpu")
    left.tokenizer.padding_side = "left"
    places = [
        place(),
        place(dataset=more),
        place(model=overflowing),
        place(model=replace(reranker, attention="eager")),
        place(model=left),
        place(length=20),
        place(tokens=100),
        place(dtype="float16"),
    ]
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    places.append(place())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    places.append(place())
    assert len(set(places)) == len(places)
    assert place(length=48) == place(length=512)  # the model takes 48


def test_a_tokeniser_with_more_words_than_the_network_is_refused(tiny_checkpoint, tiny_pairs):
    reranker = load(tiny_checkpoint, device="cpu")
    reranker.config.vocab_size = 3
    assert "and the network knows 3" in refused(score, tiny_pairs, reranker).problem


def test_names_in_place_of_a_set_and_a_model_are_refused():
    error = refused(score, "german", "demo")
    assert str(error) == 'A str is no RerankingSet. Give read("german").'
    pairs = pd.DataFrame({"query_id": ["q"], "passage_id": ["p"], "query": ["wo"]})
    error = refused(score, from_pairs("own", pairs.assign(passage="hier")), "demo")
    assert str(error) == 'A str is no Reranker. Give load("demo").'
