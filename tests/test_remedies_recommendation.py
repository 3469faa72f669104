"""The remedy follows what was measured or proved: every rule, on logits and on scores alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from reader_files import refused
from remedy_logits import logits_of

from analysis.counting import count, effects_table
from analysis.engines import path_of
from analysis.fingerprinting import Verdict
from analysis.remedies import Recommendation, measure, recommend
from analysis.remedies.recommendation import Situation, recommended
from analysis.remedies.table import AS_IT_IS, FLOAT32, HPS, RAW, VERIFIED
from analysis.scorepath import ScorePath
from analysis.ties import apply, tied_in_top
from analysis.verifying import try_out

OLD = path_of("infinity@0.0.68:float16")
NEW = {dtype: path_of(f"infinity@0.0.78:{dtype}") for dtype in ("float32", "float16", "bfloat16")}
HALF_STORED = ScorePath("float32", "fused", "float32", "float16")
SATURATED, LOW = [9.0, 8.5, 1.0], [-5.0, -5.0, 1.0]
EQUAL_IN_FLOAT16 = [2.0005, 2.0, 1.0]


def verdict(
    kind: str = "sigmoid",
    paths: Sequence[ScorePath] = (),
    decimals: int | None = None,
    wanted: str = "raw logits",
) -> Verdict:
    return Verdict(kind, None, tuple(paths), decimals, None, 100, 90, 9.0, "because", wanted)


def of_scores(
    path: ScorePath | None, *queries: list[float], made_by: ScorePath = OLD, found=None
) -> Recommendation:
    """The remedy where only scores are known, and perhaps the path or a verdict on it."""
    scored = apply(logits_of(*queries), made_by)
    if found is not None and found.decimals is not None:
        scored["score"] = scored["score"].round(found.decimals)
    shared = scored.loc[tied_in_top(scored, 10), "score"].unique()
    measured = effects_table([(AS_IT_IS, count(scored))], "remedy").set_index("remedy")
    return recommended(Situation(path, measured, shared, verdict=found))


def ties(found: Recommendation) -> dict[str, int]:
    """Ties in the top by remedy, as the recommendation's numbers have them."""
    names = (AS_IT_IS, HPS.name, RAW.name, FLOAT32.name)
    return {name: found.numbers[name]["tied_in_top"] for name in names if name in found.numbers}


def test_hps_where_the_sigmoid_ties():
    found = recommend(logits_of(*[SATURATED] * 10), OLD)
    assert found.remedy == HPS.name
    assert ties(found) == {AS_IT_IS: 20, HPS.name: 0, RAW.name: 0, FLOAT32.name: 0}
    assert "20 as it is, 0 with a float32 sigmoid" in str(found)


def test_hps_and_float32_for_what_ties_in_the_logits():
    found = recommend(logits_of(SATURATED, EQUAL_IN_FLOAT16), OLD)
    assert found.remedy == HPS.name
    assert list(ties(found).values()) == [4, 2, 2, 0]
    assert any("float16 logits tie as well" in reason for reason in found.reasons)


def test_raw_logits_where_they_mend_more():
    # A float32 sigmoid saturates the second query.
    found = recommend(logits_of(SATURATED, [18.0, 17.5, 1.0]), OLD)
    assert found.remedy == RAW.name
    assert list(ties(found).values()) == [4, 2, 0, 2]


@pytest.mark.parametrize("path", [OLD, NEW["float16"]], ids=["half sigmoid", "HPS"])
def test_only_float32_where_the_logits_tie(path):
    found = recommend(logits_of(*[EQUAL_IN_FLOAT16] * 10), path)
    assert found.remedy == FLOAT32.name
    assert list(ties(found).values()) == [20, 20, 20, 0]


def test_nothing_is_recommended_where_float32_was_not_measured():
    logits = logits_of(*[EQUAL_IN_FLOAT16] * 10, dtypes=("float16",))
    found = recommend(logits, OLD)
    assert found.remedy == "more evidence"
    assert "in float32" in found.action
    assert list(ties(found).values()) == [20, 20, 20]


@pytest.mark.parametrize("path", [OLD, NEW["float32"]], ids=["float16", "float32"])
def test_equal_texts_are_looked_at(path):
    found = recommend(logits_of([2.0, 2.0, 1.0]), path)
    assert found.remedy == "equal texts"
    assert set(ties(found).values()) == {2}


@pytest.mark.parametrize("path", [OLD, *NEW.values()], ids=lambda path: path.name)
def test_nothing_to_mend_is_said(path):
    found = recommend(logits_of([3.0, 2.0, 1.0]), path)
    assert found.remedy == "nothing"
    assert any("would saturate" in reason for reason in found.reasons) == path.has_narrow_sigmoid


def test_an_order_that_was_lost_is_said_even_where_nothing_ties():
    found = recommend(logits_of([2.001, 2.0, 1.0], [2.01, 2.002]), NEW["bfloat16"])
    assert found.remedy == FLOAT32.name
    swapped = logits_of([2.0, 1.0])
    is_half = swapped["forward_dtype"] == "bfloat16"
    swapped.loc[is_half, "logit"] = swapped.loc[is_half, "logit"].to_numpy()[::-1]
    found = recommend(swapped, NEW["bfloat16"])
    assert found.remedy == "nothing"
    assert any("1 of 1 query has another top 10" in reason for reason in found.reasons)


def test_scores_that_only_their_storage_ties_are_stored_wider():
    found = recommend(logits_of([9.0, 8.99, 1.0]), HALF_STORED)
    assert found.remedy == "float32 scores"
    assert "instead of float16" in found.action


def test_scores_alone_are_mended_where_the_steps_prove_it():
    found = of_scores(OLD, SATURATED)
    assert found.remedy == HPS.name
    assert any("proved" in reason for reason in found.reasons)
    # So low each score is that of one logit alone: whoever ties here has equal logits.
    assert of_scores(OLD, LOW).remedy == "more evidence"
    assert of_scores(NEW["bfloat16"], LOW, made_by=NEW["bfloat16"]).remedy == "more evidence"


def test_an_unknown_path_needs_evidence():
    found = of_scores(None, SATURATED, found=verdict("cannot tell", wanted="the raw logits."))
    assert found.remedy == "more evidence"
    assert "what is missing" in found.action
    assert "the raw logits. The score path" in found.action
    assert of_scores(None, SATURATED).remedy == "more evidence"


def test_several_paths_with_half_sigmoids_share_their_remedy():
    halves = verdict(paths=[OLD, path_of("haystack:float16")])
    assert of_scores(None, SATURATED, found=halves).remedy == HPS.name
    others = verdict(paths=[OLD, NEW["float16"]])
    assert of_scores(None, SATURATED, found=others).remedy == "more evidence"


def test_a_mixture_is_taken_apart_and_a_second_sigmoid_off():
    assert of_scores(None, SATURATED, found=verdict("mixture")).remedy == "separate audits"
    assert of_scores(None, SATURATED, found=verdict("sigmoid twice")).remedy == "one sigmoid"


def test_scores_that_the_print_ties_need_more_decimals():
    found = of_scores(
        NEW["float32"], [2.001, 2.0, 1.0], made_by=NEW["float32"], found=verdict(decimals=3)
    )
    assert found.remedy == "more decimals"
    assert "more than 3 decimal places" in found.action


@pytest.mark.parametrize(
    ("seconds", "remedy"),
    [
        (None, FLOAT32.name),
        ({"bfloat16": 0.1, "float32": 1.0}, VERIFIED.name),
        ({"bfloat16": 0.9, "float32": 1.0}, FLOAT32.name),
        ({"bfloat16": 3.0, "float32": 1.0}, FLOAT32.name),
        ({"float16": 0.1, "float32": 1.0}, FLOAT32.name),
    ],
)
def test_measured_times_decide_between_float32_and_verifying(seconds, remedy):
    apart = np.arange(-6.0, 2.0, 0.5).tolist()
    logits = logits_of(*[[*apart, 2.001, 2.0]] * 12)
    trial = try_out(logits, "bfloat16")
    found = recommend(logits, NEW["bfloat16"], trial=trial, seconds=seconds)
    assert found.remedy == remedy
    assert found.numbers["rescored"] == trial.rescored
    assert 0.1 < trial.rescored < 0.9
    if seconds and "bfloat16" in seconds:
        saved = 1 - seconds["bfloat16"] - trial.rescored
        assert found.numbers["saved"] == pytest.approx(saved)
    else:
        assert "saved" not in found.numbers


def test_the_numbers_are_those_that_were_measured():
    logits = logits_of(SATURATED, EQUAL_IN_FLOAT16)
    found = recommend(logits, OLD, k=2)
    for row in measure(logits, OLD, k=2).itertuples():
        assert found.numbers[row.remedy]["tied_in_top"] == row.tied_in_top
        assert found.numbers[row.remedy]["reordered"] == row.reordered
    assert found.numbers[RAW.name]["ones"] is None


@pytest.mark.parametrize("path", [OLD, HALF_STORED, *NEW.values()], ids=lambda path: path.text)
def test_every_remedy_that_changes_a_stage_mends_something(path):
    """On random sets: whatever is recommended was measured to leave fewer ties, or fewer ends."""
    generator = np.random.default_rng(7)
    for centre in (-3, 2, 8, 12, 17):
        logits = logits_of(*np.round(generator.normal(centre, 1, (6, 8)), 2).tolist())
        found = recommend(logits, path)
        after = HPS.name if found.remedy == "float32 scores" else found.remedy
        if after not in found.numbers:
            assert found.remedy in ("nothing", "equal texts")
            continue
        before, left = found.numbers[AS_IT_IS], found.numbers[after]
        ends = [(row["ones"] or 0) + (row["zeros"] or 0) for row in (left, before)]
        assert (left["tied_in_top"], ends[0]) < (before["tied_in_top"], ends[1])


def test_every_recommendation_is_said_in_sentences():
    cases = [SATURATED, EQUAL_IN_FLOAT16, LOW, [3.0, 2.0], [18.0, 17.5]]
    for path in (OLD, HALF_STORED, *NEW.values()):
        for logits in cases:
            found = recommend(logits_of(logits), path)
            assert all(said.endswith(".") for said in (found.action, *found.reasons))


# Ties come first; a float32 sigmoid ties float32 logits too; a remedy must have a stage to change.


def test_hps_is_not_recommended_for_ending_saturation_alone_while_all_ties_stay():
    saturated = [9.001, 9.0, 1.0]  # equal in float16, and 1.0 in a half sigmoid
    found = recommend(logits_of(*[saturated] * 10), OLD)
    assert found.remedy == FLOAT32.name
    assert list(ties(found).values()) == [20, 20, 20, 0]
    assert recommend(logits_of(saturated, dtypes=("float16",)), OLD).remedy == "more evidence"


@pytest.mark.parametrize("path", [OLD, NEW["bfloat16"]], ids=["half sigmoid", "HPS"])
def test_float32_logits_that_a_float32_sigmoid_ties_are_ordered_raw(path):
    found = recommend(logits_of([18.001, 18.0, 1.0]), path)
    assert found.remedy == FLOAT32.name
    assert "order by its raw logits" in found.action
    assert "0 by the raw logits of that" in str(found)


def test_half_logits_without_a_sigmoid_are_mended_by_float32_ones():
    path = path_of("mxbai-rerank-v2", None, "bfloat16")
    logits = logits_of([18.001, 18.0, 1.0])
    pairs = logits.assign(logit_no=0.0, logit_yes=logits["logit"])
    assert recommend(pairs, path).remedy == FLOAT32.name


def test_saturation_alone_is_mended_without_a_word_on_fewer_ties():
    assert recommend(logits_of([9.0, 1.0]), OLD).remedy == HPS.name
    found = recommend(logits_of([18.0, 1.0]), NEW["float32"])
    assert found.remedy == RAW.name
    assert "tie" not in found.action
    assert of_scores(OLD, [9.0, 1.0]).remedy == HPS.name
    alone = of_scores(NEW["float32"], [18.0, 1.0], made_by=NEW["float32"])
    assert alone.remedy == RAW.name


def test_saturation_is_mended_where_equal_texts_tie():
    found = recommend(logits_of([9.0, 2.0, 2.0]), OLD)
    assert found.remedy == HPS.name


def test_a_wide_path_has_nothing_to_store_wider():
    """A stepwise sigmoid in float32 ties a few logits that a fused one does not."""
    path = NEW["float32"]
    lower = np.linspace(2, 9, 20_000, dtype=np.float32)
    upper = np.nextafter(lower, np.float32(10))
    tied = path.scores(lower) == path.scores(upper)
    first = np.flatnonzero(tied & (path.hps().scores(lower) != path.hps().scores(upper)))[0]
    pair = [float(lower[first]), float(upper[first])]
    found = recommend(logits_of([*pair, 1.0]), path)
    assert found.remedy == RAW.name


def test_more_decimals_do_not_help_where_the_path_ties():
    found = of_scores(OLD, SATURATED, found=verdict(decimals=4))
    assert found.remedy == HPS.name
    assert any("4 decimal places" in reason for reason in found.reasons)


def test_where_all_allowed_paths_are_narrow_hps_must_still_be_proved():
    halves = verdict(paths=[OLD, path_of("haystack:float16")])
    assert of_scores(None, LOW, found=halves).remedy == "more evidence"


def test_with_logits_an_unknown_path_is_no_obstacle():
    measured = measure(logits_of(SATURATED), OLD).set_index("remedy")
    apart = measure(logits_of([3.0, 2.0, 1.0]), OLD).set_index("remedy")
    unsure = verdict("cannot tell")
    found = recommended(Situation(None, measured, np.array([1.0]), verdict=unsure))
    assert found.remedy == RAW.name
    assert "float16" not in str(found)
    nothing = recommended(Situation(None, apart, np.array([]), verdict=unsure))
    assert nothing.remedy == "nothing"


def test_a_trial_of_something_else_is_refused():
    logits = logits_of([3.0, 2.0, 1.0], [3.0, 2.5])
    for dtype, k in (("float16", 10), ("bfloat16", 5)):
        trial = try_out(logits, dtype, k=k)
        assert refused(recommend, logits, NEW["bfloat16"], trial=trial).field == "trial"


def test_float32s_own_noise_tells_no_texts_apart():
    """Two identical passages in other batches: their float32 logits differ in last bits."""
    found = recommend(logits_of([2.36986804, 2.36986828, 1.0]), path_of("haystack@2.31.0:float16"))
    assert found.remedy == "equal texts"
    assert "no more than noise" in found.action


def test_logits_that_were_stored_narrower_are_to_be_stored_unrounded():
    path = path_of("forward=float32,sigmoid=none,stored=float16")
    found = recommend(logits_of([9.001, 9.002, 9.003, 1.0]), path, k=3)
    assert found.action.startswith("Store the float32 logits unrounded")
    assert ties(found)["order by raw logits"] == 0


def test_what_mends_nothing_is_no_part_of_the_advice():
    """Logits so high that a float32 sigmoid saturates them all: it is not spoken of."""
    found = recommend(logits_of([40.0, 41.0, 42.0]), OLD)
    assert found.remedy == RAW.name
    assert "sigmoid" not in found.action


def test_the_count_that_decided_is_among_the_numbers():
    logits = pd.concat(
        [
            logits_of([20.0, 20.0, 1.0], dtypes=("float16",)),
            logits_of([20.001, 20.002, 1.0], dtypes=("float32",)),
        ]
    )
    found = recommend(logits, path_of("haystack@2.31.0:float16"))
    assert found.remedy == FLOAT32.name
    assert found.numbers["float32 throughout, by raw logits"]["tied_in_top"] == 0


def test_a_path_may_be_given_in_plain_text():
    logits = logits_of([9.0, 8.0, 1.0])
    found = recommend(logits, "infinity@0.0.32:float16")
    assert found == recommend(logits, path_of("infinity", "0.0.32", "float16"))
