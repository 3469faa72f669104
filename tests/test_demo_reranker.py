"""The shipped demo reranker, scored again: what its card says is what it does.

Slow the first time (the German set in float32); later the logits come from the store.
"""

from __future__ import annotations

import copy
import importlib
import json
import math
import operator
import sys
from collections.abc import Iterator
from functools import reduce
from itertools import permutations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from analysis.checkpoints import sha256_of
from analysis.datasets import RerankingSet, from_pairs
from analysis.engines import path_of
from analysis.models import Reranker, load
from analysis.readers import load_german
from analysis.scoring import score
from analysis.steps import saturation
from analysis.store import Store

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data"
DEMO = DATA / "models" / "demo"
# Before any test changes it: the number of threads is part of the store's key.
THREADS = torch.get_num_threads()
# Float32 kernels of other CPUs move a logit by 1e-5 or so; only logits nearer to a threshold
# than this may change sides.
LOGIT_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    """The tool that measures."""
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module("evaluate_demo_reranker")
    sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def card(tool) -> ModuleType:
    """The module that writes the card."""
    return importlib.import_module("demo_card")


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """What the tool wrote; nothing of it is believed here."""
    return json.loads((DEMO / "figures.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def reranker() -> Iterator[Reranker]:
    """The shipped reranker, run on as many threads as in the report."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield load("demo", device="cpu")
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scored(reranker) -> pd.DataFrame:
    """Float32 logits of the German set."""
    return score(load_german(), reranker, ["float32"], store=Store(), progress=False)


@pytest.fixture(scope="module")
def again(tool, scored) -> dict[str, Any]:
    """The figures, measured again."""
    german, demo = load_german(), scored["logit"].to_numpy()
    softened = tool.float32_logits("demo-softened", german)
    return tool.measured(german, scored) | {"softened": tool.softened(german, softened, demo)}


def made_set() -> RerankingSet:
    """Two queries over five passages, "rundum" in three of them."""
    texts = [
        "Rost am Rad",
        "Rost rundum Jahre",
        "der Rost rostet rundum",
        "Milch",
        "rundum Vögel",
    ]
    rows = [("a", "Rost, RUNDUM unbekannt", text) for text in texts[:3]]
    rows += [("b", "Xylophon", text) for text in texts[3:]]
    frame = pd.DataFrame(rows, columns=["query_id", "query", "passage"])
    return from_pairs("made", frame.assign(passage_id=list("vwxyz"), grade=[3, 0, 1, 2, 0]))


# ---- the shipped model


def test_figures_belong_to_the_shipped_weights(figures, reranker):
    assert figures["sha256"] == {
        "base": sha256_of(reranker.weights[0]),
        "adapter": sha256_of(DEMO / "adapter_model.safetensors"),
    }


def test_ndcg_is_what_the_card_says(figures, again):
    assert again["queries"] == figures["queries"] == 64
    assert again["passages"] == figures["passages"]
    for part in ("ndcg_at_10", "demo_minus"):
        assert again[part].keys() == figures[part].keys()
        for name, row in again[part].items():
            stated = figures[part][name]
            assert row["mean"] == pytest.approx(stated["mean"], abs=0.005)
            assert row["interval_95"] == pytest.approx(stated["interval_95"], abs=0.01)


@pytest.mark.parametrize("baseline", ["base_cosine", "bm25", "random_order"])
def test_demo_ranks_better_than_the_baselines(again, baseline):
    difference = again["demo_minus"][baseline]
    assert difference["mean"] > 0
    assert difference["p"] < 0.05
    assert difference["interval_95"][0] > 0


def test_high_logits_are_as_many_as_the_card_says(tool, figures, scored):
    german, logits = load_german(), scored["logit"].to_numpy()
    stated = figures["high_logits"]
    threshold = stated["logit"]
    assert threshold == 7.6
    most = tool.high_logits(german, logits, threshold - LOGIT_TOLERANCE)
    least = tool.high_logits(german, logits, threshold + LOGIT_TOLERANCE)
    for name in ("passages_of_grade_3", "queries_with_two", "passages_of_lower_grades"):
        assert least[name] <= stated[name] <= most[name]
    full = german.pairs["grade"].eq(3).sum()
    assert stated["share_of_grade_3"] == pytest.approx(
        stated["passages_of_grade_3"] / full, abs=6e-4
    )


@pytest.mark.parametrize("part", [(), ("softened",)])
def test_logits_lie_where_the_card_says(figures, again, part):
    measured, stated = again, figures
    for name in part:
        measured, stated = measured[name], stated[name]
    assert again["quantiles"] == figures["quantiles"]
    assert measured["logits_by_grade"].keys() == stated["logits_by_grade"].keys()
    for grade, row in measured["logits_by_grade"].items():
        assert row["passages"] == stated["logits_by_grade"][grade]["passages"]
        assert row["quantiles"] == pytest.approx(
            stated["logits_by_grade"][grade]["quantiles"], abs=0.011
        )


def test_the_softened_version_does_not_reach_where_the_demo_saturates(again, scored):
    one_from = saturation(path_of("infinity", "0.0.68", "float16")).one_from
    assert again["softened"]["largest_logit"] < one_from < scored["logit"].max()


def test_the_card_says_which_requirements_are_met(card, again):
    required = card.requirements(again)
    text = (DEMO / "README.md").read_text("utf-8")
    missed = [requirement.what for requirement in required if not requirement.met]
    assert missed == ["medians in the order of the grades"]
    said = {True: "yes", False: "**no**", None: "–"}
    for what, _, met, aim, reached in required:
        [line] = [line for line in text.splitlines() if line.startswith(f"| {what} |")]
        assert line.endswith(f"| {said[met]} | {aim} | {said[reached]} |")
    assert "**The model misses 1 of the 10 requirements set for it.**" in text


def with_value(figures: dict[str, Any], place: list, value: object) -> dict[str, Any]:
    """The figures with one of them changed."""
    changed = copy.deepcopy(figures)
    *path, last = place
    reduce(operator.getitem, path, changed)[last] = value
    return changed


@pytest.fixture(scope="module")
def met(figures) -> dict[str, Any]:
    """Figures with which every requirement is met."""
    return with_value(figures, ["logits_by_grade", "0", "quantiles", 3], -9.95)


def test_a_card_says_when_nothing_is_missed(card, met):
    assert card.verdict(met).startswith("The model meets the 10 requirements")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["ndcg_at_10", "demo", "mean"], 0.849),
        (["demo_minus", "bm25", "p"], 0.05),
        (["demo_minus", "base_cosine", "mean"], -0.01),
        (["high_logits", "queries_with_two"], 14),
        (["logits_by_grade", "0", "share_above_zero"], 0.251),
        (["logits_by_grade", "2", "quantiles", 3], -9.9),
        (["softened", "largest_logit"], 6.01),
        (["softened", "minus_demo", "mean"], -0.011),
    ],
)
def test_a_card_says_plainly_what_is_missed(card, met, place, value):
    verdict = card.verdict(with_value(met, place, value))
    assert verdict.startswith("**The model misses 1 of the 10 requirements")


def test_a_card_counts_what_is_missed(card, met):
    # grade 0 at -1 is too high for its own bound, and above grade 1
    verdict = card.verdict(with_value(met, ["logits_by_grade", "0", "quantiles", 3], -1.0))
    assert verdict.startswith("**The model misses 2 of the 10 requirements")


def test_card_is_what_the_figures_give(card, figures):
    text = (DEMO / "README.md").read_text("utf-8")
    filled = card.filled(text, "figures", card.figures_text(figures))
    assert card.filled(filled, "recipe", card.recipe_text(figures)) == text
    text = (DEMO.with_name("demo-softened") / "README.md").read_text("utf-8")
    assert card.filled(text, "figures", card.softened_text(figures)) == text


def test_recipe_is_that_of_the_adapter(tool, figures):
    assert tool.adapter_size(DEMO) == figures["adapter"]


def test_scoring_again_gives_the_same_bits(reranker):
    eight = from_pairs("eight", load_german().pairs.head(8))
    first, second = (
        score(eight, network, ["float32"], progress=False)["logit"].to_numpy()
        for network in (reranker, load("demo", device="cpu"))
    )
    assert first.tobytes() == second.tobytes()
    assert len(np.unique(first)) == 8


def test_adapter_is_a_small_safetensors_file_without_a_machines_path():
    file = DEMO / "adapter_model.safetensors"
    assert file.stat().st_size < 12_000_000
    with safe_open(file, framework="numpy") as weights:
        assert any("lora_" in name for name in weights.keys())  # noqa: SIM118
    config = json.loads((DEMO / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"].startswith("intfloat/multilingual-e5-small")
    for name in ("README.md", "figures.json"):
        assert "site-packages" not in (DEMO / name).read_text("utf-8")


def test_no_data_file_is_a_pickle():
    files = [file for file in DATA.rglob("*") if file.is_file()]
    assert files
    for file in files:
        assert file.suffix not in {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"}
        if file.suffix != ".safetensors":  # which begins with a length, so with any byte
            start = file.read_bytes()[:2]
            assert not start.startswith((b"\x80", b"PK")), file


# ---- how it is measured


def test_bm25_is_lucenes_formula(tool):
    dataset = made_set()
    bm25 = importlib.import_module("bm25")
    passages = [bm25.words(text) for text in dataset.pairs["passage"]]
    mean_length = sum(map(len, passages)) / len(passages)
    expected = []
    for passage, query in zip(passages, dataset.pairs["query"], strict=True):
        total = 0.0
        for word in bm25.words(query):
            having = sum(word in other for other in passages)
            rarity = math.log(1 + (len(passages) - having + 0.5) / (having + 0.5))
            count, length = passage.count(word), len(passage) / mean_length
            total += rarity * count / (count + 1.5 * (1 - 0.75 + 0.75 * length))
        expected.append(total)
    scores = tool.bm25_scores(dataset)
    assert scores == pytest.approx(expected, rel=1e-6)
    assert scores[1] > scores[0] > 0
    assert scores[3:].tolist() == [0, 0]  # no passage has a word of that query


def test_ndcg_of_equal_scores_is_the_mean_over_all_orders(tool):
    dataset = made_set()
    random_order = tool.ndcg(dataset, np.zeros(5))
    for grades, value in zip(([3, 0, 1], [2, 0]), random_order, strict=True):
        orders = [ndcg_of([grades[i] for i in order]) for order in permutations(range(len(grades)))]
        assert value == pytest.approx(np.mean(orders))
    best = tool.ndcg(dataset, np.array([3, 1, 2, 2, 1.0]))
    assert best == pytest.approx([1, 1])


def ndcg_of(grades: list[int]) -> float:
    def gain(ordered: list[int]) -> float:
        return sum(grade / math.log2(place + 1) for place, grade in enumerate(ordered[:10], 1))

    return gain(grades) / gain(sorted(grades, reverse=True))


def test_ndcg_of_the_german_set_query_by_query(tool):
    german = load_german()
    scores = np.random.default_rng(0).permutation(german.n_pairs).astype(float)
    frame = german.pairs.assign(score=scores).sort_values("score", ascending=False, kind="stable")
    by_query = dict(list(frame.groupby("query_id")["grade"]))
    expected = [ndcg_of(by_query[query].tolist()) for query in german.pairs["query_id"].unique()]
    assert tool.ndcg(german, scores) == pytest.approx(expected)


def test_ndcg_is_cut_at_ten(tool):
    rows = [("q", f"p{n}", int(n == 11), "Frage", f"Text {n}") for n in range(12)]
    columns = ["query_id", "passage_id", "grade", "query", "passage"]
    dataset = from_pairs("twelve", pd.DataFrame(rows, columns=columns))
    assert tool.ndcg(dataset, -np.arange(12.0)).tolist() == [0]
    at_place_ten = -np.arange(12.0)
    at_place_ten[11] = -8.5
    assert tool.ndcg(dataset, at_place_ten) == pytest.approx([1 / math.log2(11)])


def test_comparison_is_the_exact_test_where_that_is_possible(tool):
    ours, baseline = np.array([0.9, 0.8, 0.7, 0.9, 0.6]), np.array([0.5, 0.7, 0.4, 0.3, 0.7])
    differences = ours - baseline
    signs = np.array(np.meshgrid(*[[1, -1]] * 5)).reshape(5, -1).T
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    result = tool.comparison(ours, baseline)
    assert result["p"] == pytest.approx(exact)
    assert result["mean"] == pytest.approx(0.26)
    assert result["interval_95"][0] < 0.26 < result["interval_95"][1]
    assert [result[f"queries_{how}"] for how in ("better", "equal", "worse")] == [4, 0, 1]
    assert tool.comparison(ours, baseline) == result


def test_high_logits_are_counted_by_grade_and_query(tool):
    rows = [
        ("a", 3, 8.0), ("a", 3, 7.7), ("a", 2, 9.0), ("b", 3, 7.6), ("b", 3, 9.0), ("b", 0, -1.0),
    ]  # fmt: skip
    pairs = pd.DataFrame(rows, columns=["query_id", "grade", "logit"])
    pairs = pairs.assign(passage_id=list("stuvwx"), query=pairs["query_id"], passage="Text")
    dataset = from_pairs("six", pairs.drop(columns="logit"))
    assert tool.high_logits(dataset, pairs["logit"].to_numpy()) == {
        "logit": 7.6,
        "passages_of_grade_3": 3,
        "share_of_grade_3": 0.75,
        "queries_with_two": 1,
        "passages_of_lower_grades": 1,
    }


def test_card_without_its_comments_is_refused(card):
    text = "a\n<!-- x: written by the tool -->\nold\n<!-- end of x -->\nb"
    new = "a\n<!-- x: written by the tool -->\nnew\n<!-- end of x -->\nb"
    assert card.filled(text, "x", "new") == new
    for spoiled in (text.replace("end of", "end"), text.replace("written", "made")):
        with pytest.raises(ValueError, match="the card lacks"):
            card.filled(spoiled, "x", "new")
