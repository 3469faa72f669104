"""Where ties come from, and what float32 logits foretell of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from staged_frames import staged_frame

from analysis.budgets import budget_of, predict
from analysis.budgets.origins import count_origins
from analysis.budgets.stages import STAGES, swaps
from analysis.counting import effects
from analysis.engines import find_engine, known_paths, path_of
from analysis.errors import InputError


def counts_of(table: pd.DataFrame) -> dict[str, float]:
    return {name: count for name, count in table["count"].items() if count}


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=8))
def test_origin_is_the_stage_since_which_it_holds_without_a_break(flags):
    steps = np.array(flags).T  # (6 steps, n candidates)
    steps[-1] = True
    by_swapped = dict(zip(swaps(STAGES), steps, strict=True))
    everyone = np.ones(steps.shape[1], dtype=bool)
    expected = dict.fromkeys(["reference", *STAGES], 0)
    for candidate in steps.T:
        last_break = max((n for n in range(6) if not candidate[n]), default=-1)
        expected[["reference", *STAGES][last_break + 1]] += 1
    assert count_origins(by_swapped, everyone, [STAGES])["count"].to_dict() == expected


def test_only_the_counted_are_counted():
    holds = {swapped: np.array([True, True]) for swapped in swaps(STAGES)}
    counted = count_origins(holds, np.array([True, False]), [STAGES])["count"]
    assert counted["reference"] == counted.sum() == 1


def test_all_orders_of_a_table():
    """A tie that the formula and the stored dtype each make alone goes to whichever is first."""
    path = path_of("haystack", "2.31.0", "float16")
    budget = budget_of(staged_frame([8.5, 9.0], path), path)
    assert counts_of(budget.ties) == {"formula": 2}
    assert (budget.ties.loc[["formula", "stored dtype"], "least"] == 0).all()
    assert (budget.ties.loc[["formula", "stored dtype"], "most"] == 2).all()
    assert budget.ties["averaged"].sum() == pytest.approx(2)


def test_what_rounding_alone_would_not_tie_comes_from_the_stepwise_formula():
    """Rounded once to float16, 8.0 and 8.5 score 0.9995 and 1.0; stepwise, both score 1.0."""
    path = path_of("infinity", "0.0.68", "float16")
    budget = budget_of(staged_frame([8.0, 8.5], path), path)
    row = budget.ties.loc["formula"]
    assert row["count"] == row["least"] == row["most"] == 2
    assert counts_of(budget.saturation) == {"formula": 2}
    assert budget.saturation.loc["formula", "least"] == 1


def test_ties_of_the_weights_the_rounding_the_arithmetic_and_the_reference():
    path = path_of("infinity", "0.0.78", "float16")
    same = [2.0, 2.0]
    for reference, options, origin in (
        (same, {}, "reference"),
        ([2.0, 2.1], {"weights": same, "forward": same}, "weights"),
        ([2.0, 2.0001], {}, "logit"),
        ([2.0, 2.1], {"forward": same}, "arithmetic"),
    ):
        budget = budget_of(staged_frame(reference, path, **options), path)
        assert counts_of(budget.ties) == {origin: 2}


def test_a_tie_that_the_network_breaks_is_none():
    path = path_of("infinity", "0.0.78", "float16")
    budget = budget_of(staged_frame([2.0, 2.0], path, forward=[2.0, 2.1]), path)
    assert budget.ties["count"].sum() == 0


def test_raw_logits_are_not_saturated():
    path = path_of("haystack", "2.31.0", "float16")
    raw = path.raw()
    assert budget_of(staged_frame([1.0, 3.0], raw), raw).saturation["count"].sum() == 0


def random_logits(seed: int = 0) -> pd.DataFrame:
    """Frame of five queries in three dtypes; half dtypes moved a little."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(5, 3, 150).astype(np.float32).astype(np.float64)
    base = pd.DataFrame({"query_id": [f"q{n % 5}" for n in range(150)]})
    base = base.assign(passage_id=[f"p{n}" for n in range(150)], grade=0)
    frames = [
        base.assign(forward_dtype=path.forward_dtype, logit=path.logits(logits + move))
        for path, move in (
            (path_of("haystack", "2.31.0", "float32"), 0),
            (path_of("haystack", "2.31.0", "float16"), rng.normal(0, 0.01, 150)),
            (path_of("haystack", "2.31.0", "bfloat16"), rng.normal(0, 0.1, 150)),
        )
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_counts_are_those_of_the_table_of_effects(k):
    logits = random_logits()
    predicted = predict(logits, k=k)
    table = effects(logits, predicted["path"], k=k)
    assert list(predicted["path"]) == [path for path in known_paths() if path.is_plain]
    for row, counts in zip(predicted.itertuples(), table.itertuples(), strict=True):
        assert row.tied_in_top_measured == counts.tied_in_top
        assert row.ones_measured == (counts.ones if row.path.has_sigmoid else 0)
        assert row.ones_both <= min(row.ones_predicted, row.ones_measured)
        assert row.tied_in_top_both <= min(row.tied_in_top_predicted, row.tied_in_top_measured)


def test_a_network_that_only_rounds_its_logits_is_foretold_exactly():
    logits = random_logits()
    plain = logits[logits["forward_dtype"] == "float32"]
    own = [
        plain.assign(forward_dtype=dtype, logit=path.logits(plain["logit"]))
        for dtype, path in find_engine("haystack", "2.31.0").paths.items()
    ]
    predicted = predict(pd.concat(own, ignore_index=True))
    for name in ("ones", "tied_in_top"):
        assert predicted[f"{name}_predicted"].sum() > 0
        assert predicted[f"{name}_predicted"].equals(predicted[f"{name}_measured"].rename())
        assert predicted[f"{name}_both"].equals(predicted[f"{name}_measured"].rename())


def test_float32_logits_are_enough_to_predict_and_needed():
    logits = random_logits()
    predicted = predict(logits[logits["forward_dtype"] == "float32"])
    half = predicted[[path.forward_dtype != "float32" for path in predicted["path"]]]
    assert half[["ones_measured", "tied_in_top_both"]].isna().all(axis=None)
    assert half[["ones_predicted", "tied_in_top_predicted"]].notna().all(axis=None)
    with pytest.raises(InputError, match="no float32 logits"):
        predict(logits[logits["forward_dtype"] != "float32"])


@pytest.mark.parametrize(("k", "ties"), [(2, {"reference": 2}), (1, {})])
def test_ties_are_within_a_query(k, ties):
    path = path_of("infinity", "0.0.78", "float16")
    pairs = staged_frame([0.5, 0.5, 0.5, 0.7], path, query_ids=["a", "b", "a", "a"])
    assert counts_of(budget_of(pairs, path, k=k).ties) == ties


def test_counts_of_all_orders_enclose_the_paths_order():
    rng = np.random.default_rng(0)
    path = path_of("infinity", "0.0.68", "float16")
    reference = rng.normal(6, 2, 60)
    moved = path.logits(reference + rng.normal(0, 0.01, 60))
    ties = budget_of(staged_frame(reference, path, forward=moved), path).ties
    assert (ties["least"] <= ties["count"]).all()
    assert (ties["count"] <= ties["most"]).all()
    assert ties["averaged"].sum() == pytest.approx(ties["count"].sum())
    assert list(ties.index) == ["reference", *STAGES]
