"""Measure the demo reranker on the German set; write its figures and fill its card.

    python tools/evaluate_demo_reranker.py

Writes ``data/models/demo/figures.json`` and, from it, the parts of ``data/models/demo/README.md``
that stand between HTML comments, so that no number of the card is typed; the counts in
``data/training/README.md`` likewise. Logits come from the store where it has them. Figures are
rounded when they are written: nDCG and shares to three digits, logits to two, what half types
move to four.

The baseline is BM25 as bm25s has it by default (Lucene's variant, k1 = 1.5, b = 0.75), with all
passages of the set as its collection and lower-case words as they stand: no stop words, no
stemming; a query word that no passage has is ignored. It ranks each query's own candidates, as
the reranker does.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pandas as pd
from demo_card import figures_text, fill, recipe_text, training_counts
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
TRAINING = ROOT / "data" / "training"

CUTOFF = 10
HIGH_LOGIT = 7.6  # just below 7.625, where the stepwise float16 sigmoid becomes exactly 1.0
DIFFERENCES = (("demo", "bm25"), ("demo", "random_order"), ("bm25", "random_order"))
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SEED = 1
PERMUTATIONS = 99_999
RESAMPLES = 9_999

Values = NDArray[np.float64]
Figures = dict[str, Any]


def bm25_scores(dataset: RerankingSet) -> Values:
    """BM25 score of each pair, shape (n_pairs,); the collection is every passage of the set."""
    index = bm25s.BM25()
    index.index([words(text) for text in dataset.pairs["passage"]], show_progress=False)
    scores = np.zeros(dataset.n_pairs)
    for query_id, rows in dataset.pairs.groupby("query_id", sort=False).indices.items():
        ids = index.get_tokens_ids(words(dataset.query_text(query_id)))
        scores[rows] = index.get_scores_from_ids(ids)[rows]
    return scores


def words(text: str) -> list[str]:
    """Lower-case words of a text, in order."""
    return re.findall(r"\w+", text.lower())


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
    interval = stats.bootstrap(
        (ours, baseline),
        difference,
        paired=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return {
        "mean": round(float(test.statistic), 3),
        "interval_95": [round(float(end), 3) for end in interval],
        "p": round(float(test.pvalue), 5),
        "queries_better": int((ours > baseline).sum()),
        "queries_equal": int((ours == baseline).sum()),
        "queries_worse": int((ours < baseline).sum()),
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
        "bm25": ndcg(dataset, bm25_scores(dataset)),
        "random_order": ndcg(dataset, np.zeros(dataset.n_pairs)),
    }
    moved = {dtype: np.abs(values - reference) for dtype, values in logits.items()}
    return {
        "queries": dataset.n_queries,
        "passages": dataset.n_pairs,
        "ndcg_at_10": {name: round(float(values.mean()), 3) for name, values in orders.items()},
        "differences": {
            f"{ours}_minus_{baseline}": comparison(orders[ours], orders[baseline])
            for ours, baseline in DIFFERENCES
        },
        "high_logits": high_logits(dataset, reference),
        "permutations": PERMUTATIONS,
        "quantiles": list(QUANTILES),
        "logits_by_grade": quantiles_by_grade(dataset, reference),
        "moved_against_float32": {
            dtype: {"median": round(float(np.median(m)), 4), "largest": round(float(m.max()), 4)}
            for dtype, m in moved.items()
        },
    }


def described(reranker: Reranker) -> Figures:
    """Which network the figures belong to, and the machine and libraries that ran it."""
    identity = reranker.identity()
    return {
        "adapter": adapter_size(DEMO),
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


def main() -> None:
    """Measure, write the figures, fill the cards."""
    reranker, dataset = load("demo", device="cpu"), load_german()
    scored = score(dataset, reranker, store=Store())
    figures = described(reranker) | measured(dataset, scored)
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (DEMO / "figures.json").write_text(text, "utf-8")
    fill(DEMO / "README.md", "figures", figures_text(figures))
    fill(DEMO / "README.md", "recipe", recipe_text(figures))
    fill(TRAINING / "README.md", "counts", training_counts(TRAINING))
    print(figures_text(figures))


if __name__ == "__main__":
    main()
