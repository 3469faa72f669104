"""Where ties come from, and what float32 logits foretell of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.budgets import ORDERS, STAGES, budget_of, known_paths, predict, words
from analysis.budgets.origins import count_origins, origins, tied, tied_in_top
from analysis.budgets.stages import swaps
from analysis.catalogue import CATALOGUE
from analysis.engines import known_paths, path_of
from analysis.errors import InputError
from analysis.ties import apply, summary


def pairs_of(reference, path, *, weights=None, forward=None) -> pd.DataFrame:
    """One query; where nothing else is said, the network only rounds its logit."""
    reference = np.array(reference, dtype=np.float64)
    forward = path.logits(reference) if forward is None else np.array(forward, dtype=np.float64)
    return pd.DataFrame(
        {
            "query_id": "q",
            "passage_id": [f"p{n}" for n in range(len(reference))],
            "forward_dtype": path.forward_dtype,
            "reference": reference,
            "weights": reference if weights is None else np.array(weights, dtype=np.float64),
            "forward": forward,
        }
    )


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
    assert origins(by_swapped.__getitem__, everyone, STAGES).to_dict() == expected


def test_only_the_counted_are_counted():
    holds = {swapped: np.array([True, True]) for swapped in swaps(STAGES)}
    counted = origins(holds.__getitem__, np.array([True, False]), STAGES)
    assert counted["reference"] == counted.sum() == 1


def test_all_orders_of_a_table():
    """A tie that the formula and the stored dtype each make alone goes to whichever is first."""
    path = path_of("haystack", "2.31.0", "float16")
    budget = budget_of(pairs_of([8.5, 9.0], path), path)
    assert counts_of(budget.ties) == {"formula": 2}
    assert (budget.ties.loc[["formula", "stored dtype"], "least"] == 0).all()
    assert (budget.ties.loc[["formula", "stored dtype"], "most"] == 2).all()
    assert budget.ties["averaged"].sum() == pytest.approx(2)


def test_what_rounding_alone_would_not_tie_comes_from_the_stepwise_formula():
    """Rounded once to float16, 8.0 and 8.5 score 0.9995 and 1.0; stepwise, both score 1.0."""
    path = path_of("infinity", "0.0.68", "float16")
    budget = budget_of(pairs_of([8.0, 8.5], path), path)
    row = budget.ties.loc["formula"]
    assert row["count"] == row["least"] == row["most"] == 2
    assert counts_of(budget.saturation) == {"formula": 2}
    assert budget.saturation.loc["formula", "least"] == 1
    assert "2 come from the formula and none from the weights" in budget.sentence()
    assert budget.order_sentence().startswith("Each of the 25 possible orders")


def test_ties_of_the_weights_the_rounding_the_arithmetic_and_the_reference():
    path = path_of("infinity", "0.0.78", "float16")
    same = [2.0, 2.0]
    for reference, options, origin in (
        (same, {}, "reference"),
        ([2.0, 2.1], {"weights": same, "forward": same}, "weights"),
        ([2.0, 2.0001], {}, "logit"),
        ([2.0, 2.1], {"forward": same}, "arithmetic"),
    ):
        budget = budget_of(pairs_of(reference, path, **options), path)
        assert counts_of(budget.ties) == {origin: 2}


def test_a_tie_that_the_network_breaks_is_none():
    path = path_of("infinity", "0.0.78", "float16")
    budget = budget_of(pairs_of([2.0, 2.0], path, forward=[2.0, 2.1]), path)
    assert budget.ties["count"].sum() == 0
    assert "no candidates that tie" in budget.sentence()
    assert budget.order_sentence() == ""


def test_raw_logits_are_not_saturated():
    path = path_of("haystack", "2.31.0", "float16")
    raw = type(path)("float16", "none", "float16", "float16")
    assert budget_of(pairs_of([1.0, 3.0], raw), raw).saturation["count"].sum() == 0


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


def test_known_paths_are_the_catalogue_each_once():
    known = known_paths()
    computations = [path.computation for path in known]
    assert len(set(computations)) == len(computations)
    for engine in CATALOGUE:
        for path in engine.paths.values():
            (names,) = (names for own, names in known.items() if own == path)
            assert engine.name in names.split("; ")


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_counts_are_those_of_the_ties_module(k):
    logits = random_logits()
    for row, path in zip(predict(logits, k=k).itertuples(), known_paths(), strict=True):
        counts = summary(apply(logits, path), k)
        assert row.tied_measured == counts[f"tied_in_top_{k}"]
        assert row.saturated_measured == (counts["saturated"] if path.formula != "none" else 0)
        assert row.saturated_both <= min(row.saturated_predicted, row.saturated_measured)
        assert row.tied_both <= min(row.tied_predicted, row.tied_measured)


def test_a_network_that_only_rounds_its_logits_is_foretold_exactly():
    logits = random_logits()
    plain = logits[logits["forward_dtype"] == "float32"]
    own = [
        plain.assign(forward_dtype=dtype, logit=path.logits(plain["logit"]))
        for dtype, path in HAYSTACK_2.items()
    ]
    predicted = predict(pd.concat(own, ignore_index=True))
    for name in ("saturated", "tied"):
        assert predicted[f"{name}_predicted"].sum() > 0
        assert predicted[f"{name}_predicted"].equals(predicted[f"{name}_measured"].rename())
        assert predicted[f"{name}_both"].equals(predicted[f"{name}_measured"].rename())


def test_float32_logits_are_enough_to_predict_and_needed():
    logits = random_logits()
    plain = logits[logits["forward_dtype"] == "float32"]
    half = predict(plain).query("forward_dtype != 'float32'")
    assert half[["saturated_measured", "tied_both"]].isna().all(axis=None)
    assert half[["saturated_predicted", "tied_predicted"]].notna().all(axis=None)
    assert words.prediction_sentence(half, 10).startswith("No path")
    with pytest.raises(InputError, match="no float32 logits"):
        predict(logits[logits["forward_dtype"] != "float32"])


def test_ties_are_within_a_query():
    queries = pd.Series(["a", "b", "a", "a"])
    scores = np.array([0.5, 0.5, 0.5, 0.7])
    assert tied(queries, scores).tolist() == [True, False, True, False]
    assert tied_in_top(queries, scores, 2).tolist() == [True, False, True, False]
    assert not tied_in_top(queries, scores, 1).any()


def test_counts_of_all_orders_enclose_the_paths_order():
    rng = np.random.default_rng(0)
    path = path_of("infinity", "0.0.68", "float16")
    reference = rng.normal(6, 2, 60)
    moved = path.logits(reference + rng.normal(0, 0.01, 60))
    ties = budget_of(pairs_of(reference, path, forward=moved), path).ties
    assert (ties["least"] <= ties["count"]).all()
    assert (ties["count"] <= ties["most"]).all()
    assert ties["averaged"].sum() == pytest.approx(ties["count"].sum())
    assert len(count_origins(lambda _: np.ones(1, bool), np.ones(1, bool), ORDERS)) == 6


def test_sentences_say_what_is_there():
    logits = random_logits()
    sentence = words.prediction_sentence(predict(logits), 10)
    half = predict(logits).query("forward_dtype != 'float32'")
    assert f"{half['saturated_predicted'].sum()} scores of exactly 1.0" in sentence
    assert words.listed(["a"], "and") == "a"
    assert words.listed(["a", "b", "c"], "or") == "a, b or c"
