"""The stages of the error budget: possible orders, exact ends, contributions that add up."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from staged_frames import staged_frame

from analysis.budgets import budget_of
from analysis.budgets.stages import (
    LOGIT_ORDERS,
    ORDERS,
    STAGES,
    StagedPath,
    _contributions,
    attribute,
    swaps,
)
from analysis.engines import known_paths, path_of
from analysis.errors import InputError
from analysis.formats import format_of
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.sigmoids import sigmoid

ALL = frozenset(STAGES)
ODD = [
    ScorePath("float32", "stepwise", "float16", "bfloat16"),
    ScorePath("bfloat16", "fused", "float16", "float16"),
    ScorePath("float16", "none", "bfloat16", "float8_e5m2"),
]
PATHS = [
    pytest.param(path, id=path.computation) for path in [*known_paths(), *ODD] if path.is_plain
]
SCORE_TOLERANCE = 2.0**-50  # differences of scores are rounded once in float64


def staged(path: ScorePath, seed: int = 0, n_pairs: int = 300) -> StagedPath:
    """Logits as networks give them: float32 ones, and those of the forward dtype."""
    rng = np.random.default_rng(seed)
    reference = rng.normal(4, 4, n_pairs).astype(np.float32).astype(np.float64)
    weights, forward = reference, reference
    if path.forward_dtype != "float32":
        weights = (reference + rng.normal(0, 1e-3, n_pairs)).astype(np.float32).astype(np.float64)
        forward = path.logits(reference + rng.normal(0, 1e-2, n_pairs))
    return StagedPath(path, reference, weights, forward)


def test_orders_are_exactly_those_that_can_be_computed():
    possible = [
        order
        for order in permutations(STAGES)
        if order.index("arithmetic") > max(order.index("weights"), order.index("logit"))
        and order.index("formula") > order.index("logit")
    ]
    assert set(ORDERS) == set(possible)
    assert len(ORDERS) == len(possible) == 25
    assert ORDERS[0] == STAGES
    assert LOGIT_ORDERS == (
        ("weights", "logit", "arithmetic"),
        ("logit", "weights", "arithmetic"),
    )


@pytest.mark.parametrize("path", PATHS)
def test_ends_are_the_reference_and_the_path(path):
    pairs = staged(path)
    expected = pairs.reference
    if path.has_sigmoid:
        expected = sigmoid(pairs.reference, "fused", "float64")
    assert np.array_equal(pairs.scores(frozenset()), expected)
    assert np.array_equal(pairs.scores(ALL), path.scores(pairs.forward))


@pytest.mark.parametrize("path", PATHS)
def test_contributions_add_up_to_the_error(path):
    pairs = staged(path)
    error = pairs.scores(ALL) - pairs.scores(frozenset())
    unit = 1 if path.has_sigmoid else np.abs(pairs.reference).max()
    for order in ORDERS:
        added = _contributions(pairs.scores, order)
        assert list(added) == list(order)
        np.testing.assert_allclose(sum(added.values()), error, rtol=0, atol=unit * SCORE_TOLERANCE)


@given(st.lists(st.floats(-30, 30, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3), min_size=1))
def test_contributions_to_a_logit_add_up_bit_for_bit(logits):
    reference = np.array(logits)
    path = path_of("haystack", "2.31.0", "bfloat16")
    weights = reference.astype(np.float32) * np.float32(1.001)
    pairs = StagedPath(path, reference, weights.astype(np.float64), path.logits(reference * 1.01))
    for order in LOGIT_ORDERS:
        added = _contributions(pairs.logits, order)
        assert np.array_equal(sum(added.values()), path.logits(pairs.forward) - reference)


@pytest.mark.parametrize("path", PATHS)
def test_table_against_every_order_by_hand(path):
    pairs = staged(path)
    table = attribute(pairs.scores, ORDERS)
    error = pairs.scores(ALL) - pairs.scores(frozenset())
    if not error.any():
        assert table["share"].isna().all()
        return
    shares = []
    for order in ORDERS:
        values = [pairs.scores(frozenset(order[:n])) for n in range(len(order) + 1)]
        parts = [np.sum((b - a) * error) / np.sum(error**2) for a, b in pairwise(values)]
        shares.append(pd.Series(parts, index=order))
    shares = pd.DataFrame(shares)[list(STAGES)]
    for column, expected in (
        ("share", shares.iloc[0]),
        ("averaged", shares.mean()),
        ("least", shares.min()),
        ("most", shares.max()),
    ):
        np.testing.assert_allclose(table.loc[list(STAGES), column], expected, rtol=0, atol=1e-12)
    for column in ("mean", "share", "averaged"):
        assert table.loc[list(STAGES), column].sum() == pytest.approx(
            table.loc["total", column], abs=1e-12
        )
    assert table.loc["total", "largest"] == np.abs(error).max()
    assert table.loc["total", "mean_abs"] == np.abs(error).mean()


def test_in_float32_only_the_formula_errs():
    table = attribute(staged(FLOAT32_REFERENCE).scores, ORDERS[:1])
    others = table.drop(["formula", "total"])
    assert (others[["mean_abs", "largest", "share"]] == 0).all(axis=None)
    assert table.loc["formula", "share"] == 1


def test_without_any_error_there_is_no_share():
    pairs = staged(FLOAT32_REFERENCE)
    table = attribute(pairs.logits, LOGIT_ORDERS)
    assert (table[["mean", "mean_abs", "largest"]] == 0).all(axis=None)
    assert table[["share", "averaged", "least", "most"]].isna().all(axis=None)


def test_a_stage_takes_what_is_its_own():
    """Weights alone, then rounding alone, then the network's own arithmetic."""
    path = path_of("haystack", "2.31.0", "float16")
    pairs = staged(path)
    added = _contributions(pairs.logits, LOGIT_ORDERS[0])
    rounded = format_of("float16").round(pairs.weights).astype(np.float64)
    assert np.array_equal(added["weights"], pairs.weights - pairs.reference)
    assert np.array_equal(added["logit"], rounded - pairs.weights)
    assert np.array_equal(added["arithmetic"], pairs.forward - rounded)


def test_a_logit_is_rounded_to_the_activation_dtype_too():
    path = ScorePath("float32", "stepwise", "float16", "float16")
    pairs = staged(path)
    expected = format_of("float16").round(pairs.reference).astype(np.float64)
    assert np.array_equal(pairs.logits(frozenset({"logit"})), expected)


def test_a_formula_that_is_none_adds_nothing():
    pairs = staged(ScorePath("float16", "none", "float16", "float16"))
    assert all(not _contributions(pairs.scores, order)["formula"].any() for order in ORDERS)


def test_swaps_grow_by_one():
    steps = swaps(STAGES)
    assert [len(step) for step in steps] == list(range(6))
    assert all(before < after for before, after in pairwise(steps))


def test_logits_staged_for_another_dtype_are_refused():
    frame = staged_frame([1.0, 2.0], path_of("infinity", "0.0.68", "float16"))
    with pytest.raises(InputError, match=r"the path runs in bfloat16"):
        budget_of(frame, path_of("haystack", "2.31.0", "bfloat16"))


def test_a_path_that_gives_nan_is_refused():
    path = ScorePath("float32", "stepwise", "float8_e4m3fn", "float8_e4m3fn")
    with pytest.raises(InputError, match="gives NaN"):
        budget_of(staged_frame([-300.0, 1.0], path), path)
