"""Measure the demo reranker on the German set; write its figures and fill the cards.

    python tools/evaluate_demo_reranker.py

Writes ``data/models/demo/figures.json`` and, from it, the parts of both models' cards that stand
between HTML comments, so that no number of a card is typed; the counts in
``data/training/README.md`` likewise. Logits come from the store where it has them. Figures are
rounded when they are written: nDCG and shares to three digits, logits to two, what half types
move to four.

There are two baselines. One is the cosine of the base model's embeddings, as its authors use it.
The other is BM25 (:mod:`bm25`), with all passages of the set as its collection. Both rank each
query's own candidates, as the reranker does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from base_cosine import passage_embeddings, question_embeddings
from bm25 import Bm25
from demo_card import figures_text, fill, recipe_text, softened_text, training_counts
from numpy.typing import NDArray
from safetensors import safe_open
from scipy import stats
from sklearn.metrics import ndcg_score

from analysis.datasets import RerankingSet
from analysis.devices import describe, libraries
from analysis.models import Reranker, load
from analysis.readers import load_german
from analysis.scoring import score
from analysis.store import Store

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "data" / "models" / "demo"
SOFTENED = ROOT / "data" / "models" / "demo-softened"
TRAINING = ROOT / "data" / "training"

CUTOFF = 10
HIGH_LOGIT = 7.6  # just below 7.625, where the stepwise float16 sigmoid becomes exactly 1.0
BASELINES = ("base_cosine", "bm25", "random_order")
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SEED = 1
PERMUTATIONS = 99_999
RESAMPLES = 9_999

Values = NDArray[np.float64]
Figures = dict[str, Any]


def bm25_scores(dataset: RerankingSet) -> Values:
    """BM25 score of each pair, shape (n_pairs,); the collection is every passage of the set."""
    bm25 = Bm25(dataset.pairs["passage"])
    scores = np.zeros(dataset.n_pairs)
    for query_id, rows in dataset.pairs.groupby("query_id", sort=False).indices.items():
        passages = dataset.pairs["passage"].iloc[rows].tolist()
        scores[rows] = bm25.scores(dataset.query_text(query_id), passages)
    return scores


def base_cosines(dataset: RerankingSet) -> Values:
    """Cosine of the base model's embeddings of each pair, shape (n_pairs,)."""
    queries = question_embeddings(dataset.pairs["query"].unique().tolist())
    passages = passage_embeddings(dataset.pairs["passage"].tolist())
    pairs = zip(dataset.pairs["query"], dataset.pairs["passage"], strict=True)
    return np.array([float(queries[query] @ passages[passage]) for query, passage in pairs])


def ndcg(dataset: RerankingSet, scores: Values) -> Values:
    """nDCG@10 of each query in the set's order, shape (n_queries,); the gain is the grade.

    Equal scores count as the exact mean over every order they can take.
    """
    grades = dataset.pairs["grade"].to_numpy(dtype=float)
    queries = dataset.pairs.groupby("query_id", sort=False).indices.values()
    return np.array([ndcg_score([grades[q]], [scores[q]], k=CUTOFF) for q in queries])


def comparison(ours: Values, baseline: Values) -> Figures:
    """Paired comparison of two measures over the same queries.

    The p-value is two-sided: how often a difference of means at least as large comes up when
    each query's two values are swapped at random. The interval is a bootstrap's (BCa, 95 %).
    """

    def difference(a: Values, b: Values, axis: int = -1) -> Values:
        return np.mean(a - b, axis=axis)

    test = stats.permutation_test(
        (ours, baseline),
        difference,
        permutation_type="samples",
        n_resamples=PERMUTATIONS,
        batch=10_000,
        rng=np.random.default_rng(SEED),
    )
    return {
        **mean_with_interval(ours - baseline),
        "p": round(float(test.pvalue), 5),
        "queries_better": int((ours > baseline).sum()),
        "queries_equal": int((ours == baseline).sum()),
        "queries_worse": int((ours < baseline).sum()),
    }


def mean_with_interval(values: Values) -> Figures:
    """Mean over queries, and its bootstrap interval (BCa, 95 %)."""
    rng = np.random.default_rng(SEED)
    interval = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, rng=rng)
    return {
        "mean": round(float(values.mean()), 3),
        "interval_95": [round(float(end), 3) for end in interval.confidence_interval],
    }


def high_logits(dataset: RerankingSet, logits: Values, threshold: float = HIGH_LOGIT) -> Figures:
    """Count the passages whose logit lies above the threshold, by grade and by query."""
    full = dataset.pairs["grade"].eq(3).to_numpy(dtype=bool)
    high = logits > threshold
    per_query = pd.Series(full & high).groupby(dataset.pairs["query_id"].to_numpy()).sum()
    return {
        "logit": threshold,
        "passages_of_grade_3": int((full & high).sum()),
        "share_of_grade_3": round(float(high[full].mean()), 3),
        "queries_with_two": int((per_query >= 2).sum()),
        "passages_of_lower_grades": int((~full & high).sum()),
    }


def quantiles_by_grade(dataset: RerankingSet, logits: Values) -> Figures:
    """Number of passages and quantiles of their logits for each grade, the highest first."""
    grades = dataset.pairs["grade"].to_numpy(dtype=int)
    return {
        str(grade): {
            "passages": int((grades == grade).sum()),
            "share_above_zero": round(float((logits[grades == grade] > 0).mean()), 3),
            "quantiles": np.quantile(logits[grades == grade], QUANTILES).round(2).tolist(),
        }
        for grade in sorted(set(grades.tolist()), reverse=True)
    }


def measured(dataset: RerankingSet, scored: pd.DataFrame) -> Figures:
    """Every figure that comes from logits; ``scored`` is what :func:`analysis.scoring.score` gave.

    It has float32 and any other dtypes, the pairs of each in the set's order.
    """
    by_dtype = scored.groupby("forward_dtype", sort=False)["logit"]
    logits = {str(dtype): part.to_numpy() for dtype, part in by_dtype}
    reference = logits.pop("float32")
    orders = {
        "demo": ndcg(dataset, reference),
        "base_cosine": ndcg(dataset, base_cosines(dataset)),
        "bm25": ndcg(dataset, bm25_scores(dataset)),
        "random_order": ndcg(dataset, np.zeros(dataset.n_pairs)),
    }
    moved = {dtype: np.abs(values - reference) for dtype, values in logits.items()}
    return {
        "queries": dataset.n_queries,
        "passages": dataset.n_pairs,
        "ndcg_at_10": {name: mean_with_interval(values) for name, values in orders.items()},
        "demo_minus": {name: comparison(orders["demo"], orders[name]) for name in BASELINES},
        "high_logits": high_logits(dataset, reference),
        "permutations": PERMUTATIONS,
        "quantiles": list(QUANTILES),
        "logits_by_grade": quantiles_by_grade(dataset, reference),
        "moved_against_float32": {
            dtype: {"median": round(float(np.median(m)), 4), "largest": round(float(m.max()), 4)}
            for dtype, m in moved.items()
        },
    }


def softened(dataset: RerankingSet, logits: Values, demo: Values) -> Figures:
    """How the softened version differs from the demo reranker, by float32 logits of both."""
    difference = ndcg(dataset, logits) - ndcg(dataset, demo)
    return {
        "largest_logit": round(float(logits.max()), 2),
        "ndcg_at_10": mean_with_interval(ndcg(dataset, logits)),
        "minus_demo": mean_with_interval(difference),
        "logits_by_grade": quantiles_by_grade(dataset, logits),
    }


def described(reranker: Reranker) -> Figures:
    """Which network the figures belong to, and the machine and libraries that ran it."""
    identity = reranker.identity()
    return {
        "adapter": adapter_size(reranker.adapter),
        "sha256": {
            "base": identity["weights"]["model.safetensors"],
            "adapter": identity["adapter"]["adapter_model.safetensors"],
        },
        "device": describe(reranker.device),
        "libraries": libraries(),
    }


def adapter_size(folder: Path) -> Figures:
    """Rank, scale, layers and number of weights of an adapter, read from its files."""
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    with safe_open(folder / "adapter_model.safetensors", framework="numpy") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    lowered = {name: shape for name, shape in shapes.items() if ".lora_" in name}
    return {
        "rank": config["r"],
        "alpha": config["lora_alpha"],
        "adapted_layers": len(lowered) // 2,
        "trained_weights": int(sum(np.prod(shape) for shape in shapes.values())),
        "of_these_in_pooler_and_classifier": int(
            sum(np.prod(shape) for name, shape in shapes.items() if name not in lowered)
        ),
    }


def float32_logits(model: str, dataset: RerankingSet) -> Values:
    """Logits of a shipped version, in the set's order."""
    return score(dataset, load(model, device="cpu"), ["float32"], store=Store())["logit"].to_numpy()


def main() -> None:
    """Measure, write the figures, fill the cards."""
    reranker, dataset = load("demo", device="cpu"), load_german()
    figures = described(reranker) | measured(dataset, score(dataset, reranker, store=Store()))
    both = (float32_logits(model, dataset) for model in ("demo-softened", "demo"))
    figures["softened"] = softened(dataset, *both)
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (DEMO / "figures.json").write_text(text, "utf-8")
    fill(DEMO / "README.md", "figures", figures_text(figures))
    fill(DEMO / "README.md", "recipe", recipe_text(figures))
    fill(SOFTENED / "README.md", "figures", softened_text(figures))
    fill(TRAINING / "README.md", "counts", training_counts(TRAINING))
    print(figures_text(figures), softened_text(figures), sep="\n\n")


if __name__ == "__main__":
    main()
