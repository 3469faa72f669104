"""Rank agreement under ties against all orders that the ties allow."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from reader_files import refused

from analysis.agreements import agreement, expected_overlap, expected_rbo, kendall_tau_b

NAN = float("nan")
# Means over up to some thousand orders of sums of a few numbers.
TOLERANCE = 1e-12


def random_scores(generator: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of score arrays with ties; passages that one ranking lacks are NaN there."""
    pairs = []
    for _ in range(60):
        scores = generator.integers(0, 3, (2, generator.integers(2, 6))).astype(float)
        scores[:, 1:][generator.random(scores[:, 1:].shape) < 0.2] = NAN
        pairs.append(tuple(scores))
    return pairs


PAIRS = random_scores(np.random.default_rng(0))


def orders(scores: np.ndarray) -> list[tuple[int, ...]]:
    """Passages in every order that the ties allow."""
    levels = sorted(set(scores[~np.isnan(scores)]), reverse=True)
    groups = [np.flatnonzero(scores == level).tolist() for level in levels]
    return [sum(parts, ()) for parts in product(*(permutations(group) for group in groups))]


def mean_over_orders(value, first: np.ndarray, second: np.ndarray) -> float:
    return np.mean([value(a, b) for a in orders(first) for b in orders(second)])


def rbo_of(a: tuple[int, ...], b: tuple[int, ...], p: float) -> float:
    """Webber et al. 2010, equation 32, term by term; ``a`` and ``b`` are without ties."""
    shorter, longer = sorted((a, b), key=len)
    s, n = len(shorter), len(longer)
    common = [len(set(a[:d]) & set(b[:d])) for d in range(n + 1)]
    seen = sum(common[d] / d * p**d for d in range(1, n + 1))
    unseen = sum(common[s] * (d - s) / (s * d) * p**d for d in range(s + 1, n + 1))
    last = (common[n] - common[s]) / n + common[s] / s
    return (1 - p) / p * (seen + unseen) + last * p**n


@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_overlap_is_the_mean_over_orders(k):
    for first, second in PAIRS:

        def overlap(a, b):
            return len(set(a[:k]) & set(b[:k])) / min(k, max(len(a), len(b)))

        mean = mean_over_orders(overlap, first, second)
        assert expected_overlap(first, second, k) == pytest.approx(mean, abs=TOLERANCE)


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_rbo_is_the_mean_over_orders(p):
    for first, second in PAIRS:
        mean = mean_over_orders(lambda a, b: rbo_of(a, b, p), first, second)
        assert expected_rbo(first, second, p) == pytest.approx(mean, abs=TOLERANCE)


def test_tau_b_is_the_mean_over_orders_rescaled():
    for first, second in PAIRS:
        both = ~np.isnan(first) & ~np.isnan(second)
        a, b = first[both], second[both]
        untied = [sum(x != y for x in s for y in s) / 2 for s in (a, b)]
        if not all(untied):
            assert np.isnan(kendall_tau_b(a, b))
            continue

        def concordance(x, y):
            place = {passage: rank for rank, passage in enumerate(y)}
            ranks = [place[passage] for passage in x]
            return sum(np.sign(v - u) for i, u in enumerate(ranks) for v in ranks[i + 1 :])

        # Ties add pairs that are as often concordant as discordant.
        expected = mean_over_orders(concordance, a, b) / np.sqrt(untied[0] * untied[1])
        assert kendall_tau_b(a, b) == pytest.approx(expected, abs=TOLERANCE)


def test_the_same_ranking_without_ties_agrees_fully():
    scores = np.arange(20.0)
    assert expected_overlap(scores, scores, 30) == 1
    assert expected_rbo(scores, scores) == pytest.approx(1, abs=1e-15)
    assert expected_rbo(np.zeros(20), np.zeros(20)) < 0.7


def test_nothing_in_common():
    assert expected_overlap([1, NAN], [NAN, 1], 5) == 0
    assert expected_rbo([1, NAN], [NAN, 1]) == 0
    assert expected_rbo([NAN, NAN], [2, 1]) == 0
    assert np.isnan(kendall_tau_b([], []))


def frame(query_id: str, **scores: float) -> pd.DataFrame:
    return pd.DataFrame(
        {"query_id": query_id, "passage_id": list(scores), "score": list(scores.values())}
    )


def test_the_table():
    first = pd.concat([frame("q2", a=3, b=2, c=1), frame("q1", a=1, b=1)])
    second = pd.concat([frame("q1", b=2, a=1), frame("q2", d=9, a=3, b=2), frame("q3", a=1)])
    table = agreement(first, second, k=2)
    assert table["query_id"].tolist() == ["q2", "q1", "q3"]
    assert table["common"].tolist() == [2, 2, 0]
    assert table["kendall_tau_b"].fillna(9).tolist() == [1, 9, 9]
    assert table["overlap@2"].tolist() == [0.5, 1, 0]
    expected = expected_rbo([3, 2, 1, NAN], [3, 2, NAN, 9])
    assert table["rbo"][0] == pytest.approx(expected, abs=1e-15)


def test_bad_input():
    run = frame("q", a=1)
    assert refused(agreement, run, run, k=0).field == "k"
    assert refused(agreement, run, run, persistence=1.0).field == "persistence"
    assert "second run" in refused(agreement, run, frame("q", a=NAN)).problem
    assert "twice in the first run" in refused(agreement, pd.concat([run, run]), run).problem
