"""Verified top k: never wrong within the bound, nothing rescored in vain, and an honest bound."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_files import refused
from scipy import stats

from analysis.formats import FORMATS
from analysis.verifying import (
    error_bound,
    query_errors,
    time_saved,
    top_k,
    try_out,
    uncertain,
    verified_top_k,
)

logits_ = st.floats(-20, 20, width=32)
pairs_ = st.lists(st.tuples(logits_, logits_), min_size=1, max_size=12)


def brute_force_top_k(float32, k):
    """Positions by falling logit, equal ones as they came: sorted by a key, not by argsort."""
    return sorted(range(len(float32)), key=lambda row: (-float32[row], row))[:k]


@given(pairs_, st.integers(1, 14))
@settings(max_examples=400)
def test_equals_the_float32_top_k_whenever_every_error_is_within_the_bound(pairs, k):
    cheap, float32 = np.array(pairs).T
    bound = np.abs(cheap - float32).max()
    found = verified_top_k(cheap, k, bound, float32.__getitem__)
    assert found.order.tolist() == brute_force_top_k(float32.tolist(), k)
    assert top_k(found.logits, k).tolist() == found.order.tolist()
    assert found.within


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=6),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=150)
def test_rescores_exactly_those_whose_place_some_error_can_change(cheap, k, bound):
    """Every combination of errors at the ends of the bound and inside, by brute force."""
    cheap = np.array(cheap, dtype=float)
    rows = uncertain(cheap, k, bound)
    orders = [
        brute_force_top_k((cheap + errors).tolist(), k)
        for errors in product(*[(-bound, 0.0, bound)] * len(cheap))
    ]
    for row in set(range(len(cheap))) - set(rows.tolist()):
        places = {order.index(row) if row in order else None for order in orders}
        assert len(places) == 1, "a candidate that was left alone changes its place"
    for row in rows if bound else ():
        others = np.delete(cheap, row)
        assert np.abs(others - cheap[row]).min() <= 2 * bound, "nothing can change its place"
        assert (others - cheap[row] > 2 * bound).sum() < k, "it can never reach the top"


def test_of_well_separated_candidates_none_is_rescored():
    def forbidden(rows):
        raise AssertionError("nothing was to be rescored")

    found = verified_top_k([1.0, 9.0, 5.0], 2, 0.5, forbidden)
    assert found.order.tolist() == [1, 2]
    assert found.rescored.size == 0


def test_only_the_open_places_are_rescored_and_ties_keep_the_input_order():
    #        open↓      ↓open      certain↓   far below k↓ ↓
    cheap = [7.0, 6.9, 5.0, -1.0, -1.05]
    asked = []

    def rescore(rows):
        asked.append(rows.tolist())
        return [6.95, 6.95]

    found = verified_top_k(cheap, 3, 0.1, rescore)
    assert asked == [[0, 1]]
    assert found.order.tolist() == [0, 1, 2]
    assert found.logits.tolist() == [6.95, 6.95, 5.0, -1.0, -1.05]


def test_a_candidate_just_below_k_is_rescored_and_can_rise():
    found = verified_top_k([3.0, 2.0, 1.9], 2, 0.06, lambda rows: [1.94, 1.95])
    assert found.rescored.tolist() == [1, 2]
    assert found.order.tolist() == [0, 2]


def test_a_rescored_logit_beyond_the_bound_is_told():
    found = verified_top_k([3.0, 2.95], 2, 0.1, lambda rows: [3.0, 3.2])
    assert found.order.tolist() == [1, 0]
    assert not found.within


def test_without_a_bound_everything_is_rescored():
    found = verified_top_k([3.0, 9.0, 1.0], 1, np.inf, lambda rows: [1.0, 2.0, 3.0])
    assert (found.rescored.tolist(), found.order.tolist()) == ([0, 1, 2], [2])


def test_lists_shorter_than_k_and_empty_ones():
    assert verified_top_k([1.0, 3.0], 10, 0.1, pytest.fail).order.tolist() == [1, 0]
    assert verified_top_k([], 10, np.inf, pytest.fail).order.tolist() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1.0], 0, 0.1), "k: there is no top 0"),
        (([1.0], 1.5, 0.1), "k: there is no top 1.5"),
        (([1.0], 1, -0.1), "bound: -0.1 bounds no error"),
        (([1.0], 1, np.nan), "bound: nan bounds no error"),
        (([1.0], 1, "0.1"), "bound: '0.1' bounds no error"),
        (([np.inf], 1, 0.1), "cheap: .*not finite"),
        (([[1.0]], 1, 0.1), r"cheap: .*shape \(1, 1\)"),
        (([1.0, 1.0], 1, 0.1), "rescore: 2 candidates were to be rescored, 1 logits"),
    ],
)
def test_what_cannot_be_verified_is_refused(arguments, says):
    assert re.search(says, str(refused(verified_top_k, *arguments, lambda rows: [1.0])))


def binomial_below(place: int, n: int, share: Fraction) -> Fraction:
    """P(fewer than ``place`` of ``n`` trials succeed), exactly."""
    return sum(
        (comb(n, hits) * share**hits * (1 - share) ** (n - hits) for hits in range(place)),
        Fraction(0),
    )


@pytest.mark.parametrize("n", [1, 5, 22, 28, 29, 60, 100])
@pytest.mark.parametrize("share", ["1/2", "9/10", "99/100"])
def test_the_bound_is_the_first_order_statistic_that_is_a_tolerance_limit(n, share):
    exact, confidence = Fraction(share), Fraction(95, 100)
    places = [m for m in range(1, n + 1) if binomial_below(m, n, exact) >= confidence]
    errors = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    if places:
        found = error_bound(errors, share=float(exact), confidence=0.95)
        assert (found.place, found.bound, found.n_queries) == (places[0], places[0], n)
        return
    error = refused(error_bound, errors, share=float(exact), confidence=0.95)
    (needed,) = map(int, re.findall(r"calibrate on (\d+) or more", error.remedy))
    assert binomial_below(needed, needed, exact) >= confidence
    assert binomial_below(needed - 1, needed - 1, exact) < confidence


@pytest.mark.parametrize("n", [1, 10, 32, 64])
def test_left_out_the_share_is_the_largest_that_the_maximum_supports(n):
    found = error_bound(np.arange(n) / 8, confidence=0.9)
    assert (found.bound, found.place) == ((n - 1) / 8, n)
    assert 1 - found.share**n == pytest.approx(0.9, abs=1e-12)


def test_as_often_as_stated_the_share_within_the_bound_is_reached():
    """Simulated: log-normal errors, whose distribution the bound knows nothing of."""
    drawn = np.random.default_rng(7).lognormal(size=(2_000, 60))
    bounds = np.array([error_bound(errors, share=0.9).bound for errors in drawn])
    reached = (stats.lognorm(1).cdf(bounds) >= 0.9).mean()
    exact = float(binomial_below(error_bound(drawn[0], share=0.9).place, 60, Fraction(9, 10)))
    assert exact >= 0.95
    assert reached == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2_000))


def test_without_queries_there_is_no_bound():
    found = error_bound([])
    assert found.bound == np.inf
    assert "everything is rescored" in str(found)


def test_the_bound_says_what_it_guarantees_and_rounds_down():
    said = str(error_bound(np.linspace(0, 0.25, 32)))
    assert said.startswith("0.25 of a logit (place 32 of the errors of 32 calibration queries")
    assert "with 95% confidence at least 91% of further queries" in said  # 0.9106…
    assert "at least 57% of" in str(error_bound(np.arange(60.0), share=0.57))


@pytest.mark.parametrize(
    ("errors", "named", "says"),
    [
        ([-1.0], {}, "errors: an error is negative"),
        ([np.nan], {}, "errors: .*not finite"),
        ([1.0], {"share": 1.0}, "share: 1.0 is not between"),
        ([1.0], {"confidence": 0.0}, "confidence: 0.0 is not between"),
    ],
)
def test_errors_that_bound_nothing_are_refused(errors, named, says):
    assert re.search(says, str(refused(error_bound, errors, **named)))


@pytest.fixture
def scored() -> pd.DataFrame:
    """Logits of 40 queries of 12 candidates in float32, float16 and bfloat16; rows mixed."""
    random = np.random.default_rng(3)
    pairs = pd.DataFrame(list(product(range(40), range(12))), columns=["query_id", "passage_id"])
    pairs = pairs.astype(str).assign(float32=FORMATS["float32"].round(random.normal(6, 3, 480)))
    frames = [pairs.rename(columns={"float32": "logit"}).assign(forward_dtype="float32")]
    for dtype in ("float16", "bfloat16"):
        moved = FORMATS[dtype].round(pairs["float32"] + random.normal(0, 0.01, 480)).astype(float)
        frames.append(pairs[["query_id", "passage_id"]].assign(forward_dtype=dtype, logit=moved))
    return pd.concat(frames).astype({"logit": float}).sample(frac=1, random_state=0)


def test_query_errors_are_the_largest_of_each_query(scored):
    found = query_errors(scored, "bfloat16")
    wide = scored.pivot(index=["query_id", "passage_id"], columns="forward_dtype", values="logit")
    for query_id, error in found.items():
        rows = wide.loc[query_id]
        assert error == max(abs(a - b) for a, b in zip(rows.bfloat16, rows.float32, strict=True))
    assert len(found) == 40


def test_a_pair_without_its_float32_logit_is_refused(scored):
    for frame, dtype in ((scored.iloc[1:], "bfloat16"), (scored, "float64")):
        error = refused(query_errors, frame, dtype)
        assert f"not every pair has a logit in float32 and in {dtype}" in str(error)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_trial_holds_every_query_out_and_is_right_wherever_the_bound_holds(scored, dtype):
    found = try_out(scored, dtype, k=5)
    assert len(found.queries) == found.queries["query_id"].nunique() == 40
    assert found.queries.loc[found.queries["within"], "equal"].all()
    assert not found.queries["cheap_equal"].all()
    errors = query_errors(scored, dtype)
    by_bound = found.queries.groupby("bound")["query_id"]
    halves = [by_bound.get_group(bound.bound) for bound in found.bounds]
    assert [len(half) for half in halves] == [20, 20]
    for bound, other in zip(found.bounds, halves[::-1], strict=True):
        assert bound.bound == errors[other].max()
    rescored = found.queries["rescored"].sum()
    assert found.rescored == rescored / 480
    assert 0 < found.rescored < 1
    assert f"{found.queries['equal'].sum()} of 40 held-out queries" in str(found)


def test_the_run_of_a_trial_is_ordered_as_float32_orders_it(scored):
    found = try_out(scored, "float16", k=5)
    float32 = scored[scored["forward_dtype"] == "float32"]
    within = set(found.queries.loc[found.queries["within"], "query_id"])
    assert within
    for query_id in within:
        best = [
            frame[frame["query_id"] == query_id].nlargest(5, column)["passage_id"].tolist()
            for frame, column in ((found.run, "score"), (float32, "logit"))
        ]
        assert best[0] == best[1]


def test_the_split_is_the_seed_s(scored):
    first, again, other = (try_out(scored, "float16", seed=seed).queries for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_one_query_alone_is_rescored_whole(scored):
    one = scored[scored["query_id"] == "7"]
    found = try_out(one, "bfloat16")
    assert found.rescored == 1.0
    assert found.queries["equal"].all()


def test_time_saved_is_what_is_left_of_a_float32_run():
    # 100 pairs: float32 takes 200 s; cheap 100 × 0.5 s and 10 × 2 s again.
    assert time_saved(rescored=0.1, cheap=0.5, full=2.0) == pytest.approx((200 - 50 - 20) / 200)
    assert time_saved(rescored=0.5, cheap=1.5, full=2.0) < 0
