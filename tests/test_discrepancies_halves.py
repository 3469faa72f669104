"""Two engines in a half type, or with scores printed or clipped: what is said, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from compared_sides import LARGER, NOT_KNOWN, frame_of

from analysis.discrepancies import Side, compare_sides
from analysis.formats import HALVES, format_of
from analysis.scorepath import ScorePath

SEEDS = range(4)
ORDERS = ("another order of results", "one off")
UNSEEN = "rounding can explain it"


def usual(seed: int, n: int = 80) -> np.ndarray:
    """Logits of good and bad passages."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.5, rng.normal(-4, 3, n), rng.normal(6, 2, n))


def narrow(dtype: str) -> ScorePath:
    return ScorePath(dtype, "fused", dtype, dtype)


def half(logits: np.ndarray, dtype: str) -> np.ndarray:
    return format_of(dtype).round(logits).astype(np.float64)


def compared(first: np.ndarray, second: np.ndarray):
    return compare_sides(*(Side("", frame_of(np.asarray(one, float))) for one in (first, second)))


def kind_of(found) -> str | None:
    return None if found.shape is None else found.shape.kind


def within_queries(scores: np.ndarray) -> np.ndarray:
    return np.sort(scores.reshape(-1, 10), axis=1)[:, ::-1].ravel()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", HALVES)
def test_another_order_shows_in_a_half_type(dtype, seed):
    scores = narrow(dtype).scores(usual(seed))
    found = compared(scores, within_queries(scores))
    assert (found.answer, kind_of(found)) == (LARGER, "another order of results")
    found = compared(ScorePath().scores(usual(seed)), within_queries(scores))
    assert (found.answer, kind_of(found)) == (LARGER, "another order of results")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", HALVES)
def test_one_off_shows_in_a_half_type(dtype, seed):
    scores = narrow(dtype).scores(usual(seed))
    for first in (scores, ScorePath().scores(usual(seed))):
        found = compared(first, np.roll(scores, 1))
        assert (found.answer, kind_of(found)) == (LARGER, "one off")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_two_off_is_never_called_random(dtype, seed):
    scores = narrow(dtype).scores(usual(seed))
    assert kind_of(compared(scores, np.roll(scores, 2))) in (None, *ORDERS)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", HALVES)
def test_other_weights_in_a_half_type_are_no_other_order(dtype, seed):
    moved = usual(seed) + np.random.default_rng([seed, 1]).normal(0, 3, 80)
    found = compared(narrow(dtype).scores(usual(seed)), narrow(dtype).scores(moved))
    assert kind_of(found) in (None, "all pairs at random")


def printed(scores: np.ndarray, text: str) -> np.ndarray:
    return np.array([float(text % score) for score in scores])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """In float64, as no engine's path has it."""
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("made", [sigmoid, ScorePath().scores], ids=["unknown path", "float32"])
def test_a_constant_that_printing_or_clipping_leaves_is_no_head(made, seed):
    low = made(np.random.default_rng(seed).normal(-11, 1, 12))
    for scores, left in (
        (low, printed(low, "%.2f")),
        (printed(low, "%.3g"), printed(low, "%.2f")),
        (1 - low, printed(1 - low, "%.2f")),
        (1 - low / 1e3, np.minimum(1 - low / 1e3, 0.9999)),
        (low / 1e3, np.maximum(low / 1e3, 1e-4)),
        (0.37 + 10 * low.clip(max=1e-4), printed(0.37 + low, "%.2f")),
    ):
        assert np.ptp(left) == 0
        for both in ((scores, left), (left, scores)):
            assert compared(*both).answer != LARGER


@pytest.mark.parametrize("made", [sigmoid, ScorePath().scores], ids=["unknown path", "float32"])
@pytest.mark.parametrize("constant", [0.5, 0.37, 1.0])
def test_a_constant_that_is_not_left_of_the_scores_is_one(made, constant):
    found = compared(made(usual(0)), np.full(80, constant))
    assert (found.answer, kind_of(found)) == (LARGER, "constant")
    assert ("head" in found.sentence) == (constant in (0.5, 0.37))
    assert "more" not in str(found)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", HALVES)
def test_a_temperature_on_half_logits_of_a_narrow_range_is_no_other_weights(dtype, seed):
    logits = np.random.default_rng(seed).normal(9, 1, 100)
    for factor in (0.8, 0.5):
        found = compared(half(logits, dtype), half(factor * logits, dtype))
        assert kind_of(found) in ("factor", "one monotonic function", None)
        if kind_of(found) == "factor":
            assert found.shape.factor == pytest.approx(factor, rel=1e-2)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_logits_with_other_last_bits_are_not_called_more(seed):
    logits = np.random.default_rng(seed).normal(9, 1, 100)
    found = compared(half(logits, "bfloat16"), half(logits + 0.01, "bfloat16"))
    assert found.answer in (NOT_KNOWN, UNSEEN)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", HALVES)
def test_a_print_that_hides_last_bits_leaves_the_path_open(dtype, seed):
    other = printed(narrow(dtype).scores(usual(seed)), "%.2f")
    found = compared(ScorePath().scores(usual(seed)), other)
    assert found.answer in (NOT_KNOWN, UNSEEN)
    assert found.finding.wanted


def test_no_path_is_named_where_any_fits():
    found = compared(np.full(30, 0.5), np.full(30, 0.5))
    assert "→" not in str(found)
    assert [side["paths"] for side in found.to_dict()["sides"]] == [[], []]
