"""The shipped yes/no demo: its card follows from what is recorded, and it does it again."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import ndcg_score
from transformers import AutoModelForCausalLM

from analysis.checkpoints import sha256_of
from analysis.datasets import RerankingSet, from_pairs
from analysis.demo import SMOLLM2
from analysis.models import Reranker, load
from analysis.places import MODELS
from analysis.readers import load_german
from analysis.recordings import pair_logits
from analysis.scoring import score
from analysis.tokenizing import pair_lengths

ROOT = Path(__file__).parent.parent
FOLDER = MODELS / "demo-yes-no"
PROMPT = (
    "<|im_start|>system\nDoes the text answer the question? Say yes or no.<|im_end|>\n"
    "<|im_start|>user\nQuestion: Wie neu?\nText: Alt.<|im_end|>\n<|im_start|>assistant\n"
)
TOKENS = (
    "1 9690 198 14748 260 1694 2988 260 1962 47 16172 9805 355 787 30 2 198 "
    "1 4093 198 17872 42 408 519 420 101 47 198 8060 42 19659 30 2 198 1 520 9531 198"
)


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    """The tool that measures."""
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module("evaluate_yes_no_reranker")
    sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """What the tool wrote; nothing of it is believed here."""
    return json.loads((FOLDER / "figures.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def asked(tool) -> RerankingSet:
    """The queries that were asked."""
    return tool.asked(load_german())


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    """The shipped reranker; its base is fetched and converted if it is not here."""
    return load("demo-yes-no", device="cpu")


# What is recorded, and what the card says of it


def test_the_recording_has_every_fifth_query_in_each_dtype(asked):
    recorded = pair_logits()
    german = load_german().pairs["query_id"].unique().tolist()
    for _, part in recorded.groupby("forward_dtype"):
        assert part["query_id"].unique().tolist() == german[::5]
        for name in ("query_id", "passage_id", "grade"):
            assert part[name].tolist() == asked.pairs[name].tolist()
    assert recorded["forward_dtype"].unique().tolist() == ["float32", "bfloat16"]


def test_the_recorded_logits_lie_on_their_dtypes_grid():
    recorded = pair_logits()
    half = recorded["forward_dtype"].eq("bfloat16").to_numpy()
    for name in ("logit_no", "logit_yes"):
        values = recorded[name].to_numpy()
        assert np.array_equal(values, values.astype(np.float32))
        assert np.array_equal(values[half], values[half].astype(ml_dtypes.bfloat16))
    assert recorded["logit"].equals(recorded["logit_yes"] - recorded["logit_no"])


def test_every_figure_follows_from_the_recording(tool, asked, figures):
    again = tool.measured(asked, pair_logits())
    assert again == {name: figures[name] for name in again}


def test_the_card_says_what_the_figures_say(tool, figures):
    card = (FOLDER / "README.md").read_text("utf-8")
    assert (
        importlib.import_module("demo_card").filled(card, "figures", tool.card_figures(figures))
        == card
    )


def test_figures_and_recipe_belong_to_the_shipped_adapter(figures):
    adapter = sha256_of(FOLDER / "adapter_model.safetensors")
    assert figures["sha256"] == {"base": SMOLLM2.sha256["model.safetensors"], "adapter": adapter}
    assert f"`{adapter}`" in (FOLDER / "README.md").read_text("utf-8")


def test_upcasting_restores_no_logit_and_subtracting_rows_does(figures):
    left = {(row["forward_dtype"], row["head"]): row["distinct"] for row in figures["ways"]}
    late, upcast = left["bfloat16", "difference:bfloat16"], left["bfloat16", "difference:float32"]
    assert late <= upcast < left["bfloat16", "rows"]
    for dtype in ("float16", "bfloat16"):
        counts = [row[dtype] for row in figures["shifted"]]
        assert counts == sorted(counts, reverse=True)


def test_the_verdict_names_what_the_tests_found(tool, figures):
    card = importlib.import_module("yes_no_card")

    def verdict(chance: float, difference: float, p: float) -> str:
        bm25 = {"mean": difference, "interval_95": [-1, 1], "p": p}
        return card.verdict({"above_chance": {"p": chance, "shuffles": 9}, "minus_bm25": bm25})

    assert "ranks above chance" in verdict(0.01, 0.1, 0.5)
    assert "does not rank above chance" in verdict(0.2, 0.1, 0.5)
    assert "and better than BM25" in verdict(0.01, 0.1, 0.01)
    assert "and worse than BM25" in verdict(0.01, -0.1, 0.01)
    assert "neither better nor worse" in verdict(0.01, -0.1, 0.5)


# The measure of chance


def test_discounts_are_those_of_the_expected_ndcg(tool):
    rng = np.random.default_rng(0)
    for _ in range(20):
        grades, scores = rng.integers(0, 4, 14).astype(float), rng.integers(0, 5, 14).astype(float)
        ours = tool.discounts(scores) @ grades / (tool.discounts(grades) @ grades)
        assert ours == pytest.approx(ndcg_score([grades], [scores], k=10), abs=1e-12)


def test_orders_that_know_nothing_are_not_told_from_chance_and_the_best_is(tool, asked):
    grades = asked.pairs["grade"].to_numpy(dtype=float)
    least = 1 / (1 + tool.SHUFFLES)
    assert tool.above_chance(asked, grades)["p"] == pytest.approx(least, abs=1e-5)
    assert tool.above_chance(asked, -grades)["p"] == 1
    knows_nothing = np.random.default_rng(3).normal(size=len(grades))
    assert tool.above_chance(asked, knows_nothing)["p"] > 0.05


# The model


def test_the_prompt_and_its_answers(reranker):
    assert "".join(reranker.yes_no.ask("Wie neu?", "Alt.")) == PROMPT
    spelled = reranker.tokenizer.convert_ids_to_tokens
    assert spelled(reranker.yes_no.labels) == ["no", "yes"]
    [ids] = reranker.tokens(["Wie neu?"], ["Alt."], 512)["input_ids"]
    assert " ".join(map(str, ids)) == TOKENS
    pair = pd.DataFrame({"query": ["Wie neu?"], "passage": ["Alt."]})
    lengths, most = pair_lengths(pair, "demo-yes-no")
    assert (lengths.tolist(), most) == ([len(ids)], 8192)


def test_a_pair_is_scored_with_the_bits_of_transformers_alone(reranker):
    from peft import PeftModel

    network = AutoModelForCausalLM.from_pretrained(SMOLLM2.folder(), dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        merged = PeftModel.from_pretrained(network, FOLDER).merge_and_unload().eval()
    ids = reranker.tokenizer(PROMPT, add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        no, yes = merged(**ids, logits_to_keep=1).logits[0, -1, [4607, 10407]].tolist()
    row = {"query_id": "q", "query": "Wie neu?", "passage_id": "p", "passage": "Alt.", "grade": 1}
    scored = score(from_pairs("one", pd.DataFrame([row])), reranker, ["float32"], progress=False)
    assert (scored["logit_no"][0], scored["logit_yes"][0]) == (no, yes)


def test_the_first_query_is_scored_as_it_was_recorded(tool, asked, reranker):
    """Other CPUs' float32 kernels, and other batches, move a logit by 1e-4 at most."""
    first = asked.pairs["query_id"].iloc[0]
    some = from_pairs("first", asked.pairs[asked.pairs["query_id"] == first].head(2))
    again = tool.recorded(some, reranker, "float32")
    was = pair_logits().query("forward_dtype == 'float32'").head(2)
    for name in ("logit_no", "logit_yes", "logit_rows"):
        np.testing.assert_allclose(again[name], was[name], atol=1e-3)
