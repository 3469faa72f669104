"""Every measure against all orders that the ties of small rankings allow."""

from __future__ import annotations

from collections import defaultdict
from itertools import permutations, product
from math import log2

import numpy as np
import pandas as pd
import pytest

from analysis.metrics import evaluate

CASES = 1_500
MEASURES = ["nDCG", "nDCG@1", "nDCG@3", "RR", "RR@2", "AP", "AP@3", "P@1", "P@4", "P@9"]
MEASURES += ["R", "R@2", "Success@1", "Success@3", "Success"]
# Values are sums of some ten numbers below 1; the standard deviation's square root makes the most
# of their rounding.
TOLERANCE = 1e-12


def value(measure: str, ranking: tuple[int, ...], grades: list[int], least: int) -> float:
    """A measure of one definite order, by its definition; ``grades`` are all judged ones."""
    label, _, cutoff = measure.partition("@")
    top = ranking[: int(cutoff)] if cutoff else ranking
    if label == "nDCG":
        ideal = sorted(grades, reverse=True)[: int(cutoff) if cutoff else None]
        return dcg(top) / dcg(ideal) if any(grades) else 0.0
    relevant = sum(grade >= least for grade in grades)
    hits = [place for place, grade in enumerate(top, 1) if grade >= least]
    if not relevant:
        return 0.0
    if label == "AP":
        return sum(count / place for count, place in enumerate(hits, 1)) / relevant
    return {
        "RR": 1 / hits[0] if hits else 0.0,
        "P": len(hits) / int(cutoff or 1),
        "R": len(hits) / relevant,
        "Success": float(bool(hits)),
    }[label]


def dcg(grades) -> float:
    return sum(grade / log2(place + 1) for place, grade in enumerate(grades, 1))


def orders(scores: list[int], grades: list[int]) -> list[tuple[int, ...]]:
    """Grades in every order that the ties allow, equally likely ones as often as they come."""
    groups = defaultdict(list)
    for score, grade in zip(scores, grades, strict=True):
        groups[score].append(grade)
    in_each = [permutations(groups[score]) for score in sorted(groups, reverse=True)]
    return [sum(parts, ()) for parts in product(*in_each)]


@pytest.fixture(scope="module")
def cases() -> list[tuple[list[int], list[int], list[int]]]:
    """Scores and grades of retrieved passages, and grades of judged ones not retrieved."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(CASES):
        size = generator.integers(1, 8)
        scores = generator.integers(0, generator.integers(1, 6), size) / 4
        grades = generator.integers(0, 4, size) * (generator.random(size) < generator.random())
        missing = generator.integers(0, 3, generator.integers(0, 3))
        made.append((scores.tolist(), grades.tolist(), missing.tolist()))
    return made


@pytest.fixture(scope="module")
def run(cases) -> pd.DataFrame:
    rows = [
        (f"q{number}", f"p{place}", score)
        for number, (scores, _, _) in enumerate(cases)
        for place, score in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "score"])


@pytest.fixture(scope="module")
def qrels(cases) -> pd.DataFrame:
    rows = [
        (f"q{number}", f"{'pm'[known]}{place}", grade)
        for number, (_, grades, missing) in enumerate(cases)
        for known, some in enumerate((grades, missing))
        for place, grade in enumerate(some)
    ]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "grade"])


@pytest.fixture(scope="module", params=[1, 2])
def least(request) -> int:
    """Lowest grade that counts as relevant."""
    return request.param


@pytest.fixture(scope="module")
def by_orders(cases, least) -> dict[str, np.ndarray]:
    """Mean, minimum, maximum and standard deviation over orders; (n_cases, 4) per measure."""
    found = defaultdict(list)
    for scores, grades, missing in cases:
        every = orders(scores, grades)
        for measure in MEASURES:
            memory = {order: value(measure, order, grades + missing, least) for order in set(every)}
            values = np.array([memory[order] for order in every])
            found[measure].append((values.mean(), values.min(), values.max(), values.std()))
    return {measure: np.array(rows) for measure, rows in found.items()}


@pytest.mark.parametrize("measure", MEASURES)
def test_values_are_those_over_all_orders(run, qrels, by_orders, least, measure):
    """In tenths too: there fractions of grades have no exact binary form."""
    for unit in (1, 0.1):
        graded = qrels.assign(grade=qrels["grade"] * unit)
        ours = evaluate(run, graded, [measure], relevant_from=least * unit)
        values = ours[["expected", "min", "max", "std"]].to_numpy()
        np.testing.assert_allclose(values, by_orders[measure], rtol=0, atol=TOLERANCE)
