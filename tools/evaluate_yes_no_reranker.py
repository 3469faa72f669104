"""Measure the yes/no demo on some queries of the German set; write its figures and fill its card.

    python tools/evaluate_yes_no_reranker.py

Every fifth query of the set is asked, the first among them, since a pair takes long. Writes into
``data/models/demo-yes-no/``: ``pair_logits.parquet``, what the network returned in each forward
dtype (:func:`analysis.recordings.pair_logits`); ``figures.json``, all that is computed from it; and
the parts of the card that stand between HTML comments, so that no number of it is typed.

A query's candidates are one batch. Chance is a random order: every query's scores are shuffled
among its candidates, and the p-value is the share of such orders that rank as well as the model or
better.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import torch
from demo_card import fill
from evaluate_demo_reranker import (
    CUTOFF,
    bm25_scores,
    comparison,
    described,
    mean_with_interval,
    ndcg,
)
from numpy.typing import NDArray
from train_yes_no_reranker import FOLDER, NAME
from yes_no_card import card_figures, card_recipe

from analysis.datasets import RerankingSet, from_pairs
from analysis.formats import format_of
from analysis.heads import TWO_LOGITS, Head
from analysis.models import Reranker, load
from analysis.readers import load_german

EVERY = 5
FORWARD_DTYPES = ("float32", "bfloat16")
WAYS = (
    ("float32", "difference:float32"),
    ("float32", "rows"),
    ("bfloat16", "difference:bfloat16"),
    ("bfloat16", "difference:float32"),
    ("bfloat16", "rows"),
)
"""Forward dtypes, and how one logit is made of what the network returns in them."""
SHIFTS = (-24, -16, 0, 32, 96)
SHUFFLES, SEED = 9_999, 1
ROUNDING = 1e-12  # sums of the same discounts in another order

Values = NDArray[np.float64]
Figures = dict[str, Any]


def asked(dataset: RerankingSet) -> RerankingSet:
    """The queries that the model is asked about: every fifth, the first among them."""
    chosen = dataset.pairs["query_id"].unique()[::EVERY]
    pairs = dataset.pairs[dataset.pairs["query_id"].isin(chosen)]
    return from_pairs(f"every fifth query of {dataset.name}", pairs)


def recorded(dataset: RerankingSet, reranker: Reranker, forward_dtype: str) -> pd.DataFrame:
    """What the network returns for every pair, in the columns of the recording."""
    network = reranker.network(forward_dtype)
    head, states = network.network.lm_head, []
    head.register_forward_pre_hook(lambda _, given: states.append(given[0][:, -1].float()))
    logits = []
    for _, pairs in dataset.pairs.groupby("query_id", sort=False):
        texts = (pairs[name].tolist() for name in ("query", "passage"))
        batch = reranker.batch(reranker.tokens(*texts, length=reranker.length))
        with torch.inference_mode():
            inputs = {name: torch.from_numpy(values) for name, values in batch.items()}
            logits.append(reranker.logits(network(**inputs)))
        print(f"{forward_dtype}: {sum(map(len, logits))} of {dataset.n_pairs}", flush=True)
    no, yes = head.weight[reranker.yes_no.labels].float()
    both = np.concatenate(logits)
    return dataset.pairs[["query_id", "passage_id", "grade"]].assign(
        forward_dtype=forward_dtype,
        logit_no=both[:, 0],
        logit_yes=both[:, 1],
        logit=both[:, 1] - both[:, 0],
        logit_rows=(torch.cat(states) @ (yes - no)).double().numpy(),
    )


def measured(dataset: RerankingSet, pairs: pd.DataFrame) -> Figures:
    """Every figure that comes from the recorded logits."""
    by_dtype = {str(dtype): part for dtype, part in pairs.groupby("forward_dtype", sort=False)}
    reference = by_dtype["float32"]["logit"].to_numpy()
    model, bm25 = ndcg(dataset, reference), ndcg(dataset, bm25_of(dataset))
    return {
        "queries": dataset.n_queries,
        "passages": dataset.n_pairs,
        "ndcg_at_10": {
            "yes_no": mean_with_interval(model),
            "bm25": mean_with_interval(bm25),
            "random_order": mean_with_interval(ndcg(dataset, np.zeros(dataset.n_pairs))),
        },
        "minus_bm25": comparison(model, bm25),
        "above_chance": above_chance(dataset, reference),
        "by_dtype": {dtype: levels(part, reference) for dtype, part in by_dtype.items()},
        "ways": [way(by_dtype[dtype], Head.of_text(head), reference) for dtype, head in WAYS],
        "shifted": [shifted(by_dtype["float32"], by) for by in SHIFTS],
    }


def bm25_of(dataset: RerankingSet) -> Values:
    """BM25 score of each pair, shape (n_pairs,); the collection is the German set."""
    german = load_german()
    scores = pd.Series(bm25_scores(german), index=german.pairs["passage_id"])
    return scores[dataset.pairs["passage_id"]].to_numpy()


def above_chance(dataset: RerankingSet, logits: Values) -> Figures:
    """How often a random order of every query's candidates ranks as well or better."""
    rng = np.random.default_rng(SEED)
    grades = dataset.pairs["grade"].to_numpy(dtype=float)
    queries = dataset.pairs.groupby("query_id", sort=False).indices.values()
    shuffled = np.mean([shuffled_ndcg(grades[q], logits[q], rng) for q in queries], axis=0)
    as_well = int((shuffled >= ndcg(dataset, logits).mean() - ROUNDING).sum())
    return {
        "shuffles": SHUFFLES,
        "mean": round(float(shuffled.mean()), 3),
        "p": round((1 + as_well) / (1 + SHUFFLES), 5),
    }


def shuffled_ndcg(grades: Values, scores: Values, rng: np.random.Generator) -> Values:
    """nDCG@10 of one query in random orders, shape (SHUFFLES,); the gain is the grade."""
    weights = rng.permuted(np.tile(discounts(scores), (SHUFFLES, 1)), axis=1)
    return weights @ grades / (discounts(grades) @ grades)


def discounts(scores: Values) -> Values:
    """DCG's discount of every score's rank, 0 below the cutoff; the mean where scores are equal."""
    ranks = np.arange(len(scores))
    by_rank = np.where(ranks < CUTOFF, 1 / np.log2(ranks + 2), 0)
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    return (np.add.reduceat(by_rank, np.cumsum(sizes) - sizes) / sizes)[group]


def levels(part: pd.DataFrame, reference: Values) -> Figures:
    """Where the two logits of a forward dtype lie, and how far their difference moved."""
    both = part[list(TWO_LOGITS)].to_numpy()
    moved = np.abs(part["logit"].to_numpy() - reference)
    spacing = format_of(part["forward_dtype"].iloc[0]).spacing(np.abs(both))
    return {
        "least": round(float(both.min()), 2),
        "largest": round(float(both.max()), 2),
        "least_difference": round(float(part["logit"].min()), 2),
        "largest_difference": round(float(part["logit"].max()), 2),
        "median_spacing": float(np.median(spacing)),
        "median_moved": round(float(np.median(moved)), 4),
        "most_moved": round(float(moved.max()), 4),
    }


def way(part: pd.DataFrame, head: Head, reference: Values) -> Figures:
    """How many logits a head leaves of the recorded pairs, and how far they lie from float32."""
    forward_dtype = part["forward_dtype"].iloc[0]
    logits = (
        part["logit_rows"].to_numpy()
        if head.kind == "rows"
        else head.difference(part["logit_no"], part["logit_yes"], forward_dtype)
    )
    return {
        "forward_dtype": forward_dtype,
        "head": head.text,
        "says": str(head),
        "distinct": len(np.unique(logits)),
        "most_moved": round(float(np.abs(logits - reference).max()), 4),
    }


def shifted(part: pd.DataFrame, by: float) -> Figures:
    """How many differences are left where both float32 logits are shifted, then kept in a dtype."""
    no, yes = (part[name].to_numpy() + by for name in TWO_LOGITS)
    kept = {name: format_of(name) for name in ("float16", "bfloat16")}
    differences = {name: f.round(yes).astype(float) - f.round(no) for name, f in kept.items()}
    return {"by": by, **{name: len(np.unique(values)) for name, values in differences.items()}}


def main() -> None:
    """Score, write the recording and the figures, fill the card."""
    reranker, dataset = load(NAME, device="cpu"), asked(load_german())
    pairs = pd.concat([recorded(dataset, reranker, dtype) for dtype in FORWARD_DTYPES])
    pairs.to_parquet(FOLDER / "pair_logits.parquet", index=False)
    training = json.loads((FOLDER / "trained.json").read_text("utf-8"))
    figures = described(reranker) | {"training": training} | measured(dataset, pairs)
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / "figures.json").write_text(text, "utf-8")
    fill(FOLDER / "README.md", "figures", card_figures(figures))
    fill(FOLDER / "README.md", "recipe", card_recipe(figures, reranker))
    print(card_figures(figures))


if __name__ == "__main__":
    main()
