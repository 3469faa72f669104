"""Scores that no plain sigmoid made: each kind that public reports show is named as what it is."""

import numpy as np
import pytest
from score_lists import RAW, by_query, min_max, queries_of, ranks, reranker_logits, scored

from analysis.errors import InputError
from analysis.fingerprinting import fingerprint
from analysis.formats import HALVES, format_of
from analysis.scorepath import ScorePath

RNG = np.random.default_rng
FLOAT16 = ScorePath("float16", "fused", "float16", "float16")
BFLOAT16 = ScorePath("bfloat16", "fused", "bfloat16", "bfloat16")


def logits(n, seed=0):
    return reranker_logits(n, RNG(seed))


# constants


@pytest.mark.parametrize("n", [5, 80])
def test_one_half_everywhere_is_a_head_that_says_nothing(n):
    verdict = fingerprint(np.full(n, 0.5))
    assert verdict.kind == "constant"
    assert "a head that was not loaded" in verdict.reason


@pytest.mark.parametrize("value", [0.25, -3.0, 17.5])
def test_any_value_that_all_candidates_share_is_a_constant(value):
    assert fingerprint(np.full(80, value)).kind == "constant"


def test_ones_for_the_worst_candidates_too_are_a_softmax_over_one_label():
    verdict = fingerprint(np.ones(200), queries=queries_of(200))
    assert verdict.kind == "constant"
    assert "single label" in verdict.reason
    assert not verdict.bounded


@pytest.mark.parametrize("value", [1.0, 0.9995, 0.0])
def test_a_few_shared_scores_at_an_end_may_be_rounded_together(value):
    assert fingerprint(np.full(20, value)).kind == "cannot tell"


# scores of a list


def in_lists(normalise, n=80, size=8, seed=0):
    scores = ScorePath().scores(logits(n, seed))
    return np.concatenate([normalise(one) for one in scores.reshape(-1, size)]), np.arange(
        n
    ) // size


def softmax(scores):
    return np.exp(scores * 3) / np.exp(scores * 3).sum()


@pytest.mark.parametrize(
    ("kind", "normalise"), [("min-max", min_max), ("list softmax", softmax), ("ranks", ranks)]
)
def test_what_was_done_over_a_list_shows_with_the_queries(kind, normalise):
    scores, queries = in_lists(normalise)
    verdict = fingerprint(scores, queries=queries)
    assert verdict.kind == kind, verdict
    assert verdict.stage("after").values[0].startswith(kind)
    assert verdict.stage("after").certain == (kind != "list softmax")
    assert not verdict.bounded
    assert fingerprint(scores).path is None


def test_a_list_whose_candidates_are_all_alike_is_left_out():
    scores, queries = in_lists(min_max)
    scores[:8] = 0.0
    assert fingerprint(scores, queries=queries).kind == "min-max"


@pytest.mark.parametrize("path", [FLOAT16, ScorePath("float16", "stepwise", "float16", "float16")])
def test_a_half_sigmoid_that_saturates_at_both_ends_is_not_min_max(path):
    spread = np.tile(np.array([-30.0, -2.0, -1.0, 0.5, 1.0, 2.0, 3.0, 12.0]), 20)
    scores = path.scores(spread + RNG(0).normal(0, 0.1, 160))
    verdict = fingerprint(scores, queries=np.arange(160) // 8)
    assert verdict.kind in ("sigmoid", "cannot tell")
    assert verdict.bounded


def test_one_list_that_sums_to_one_by_saturation_is_no_softmax():
    scores = ScorePath().scores(np.tile([40.0, -25.0, -26.0, -24.5, -28.0], 20))
    assert fingerprint(scores, queries=np.arange(100) // 5).kind != "list softmax"


def test_ranks_may_be_whole_numbers_but_ratings_tie():
    assert fingerprint(np.tile(np.arange(1, 9), 5), queries=np.arange(40) // 8).kind == "ranks"
    ratings = np.tile([10, 8, 8, 7, 7, 7, 2, 0], 10)
    verdict = fingerprint(ratings, queries=np.arange(80) // 8)
    assert verdict.kind == "whole numbers"


def test_queries_are_one_for_each_score():
    with pytest.raises(InputError, match="queries: 2 queries for 3 scores"):
        fingerprint([0.1, 0.2, 0.3], queries=["a", "b"])


# ranges


@pytest.mark.parametrize("path", [FLOAT16, BFLOAT16, ScorePath("float16")])
def test_sigmoids_times_100_are_percentages_of_their_path(path):
    scores = path.scores(np.append(logits(300), np.full(115, 40.0)))
    verdict = fingerprint(scores * 100)
    assert verdict.kind == "percent", verdict
    assert (verdict.unit, verdict.bounded, verdict.path) == (100.0, True, None)
    assert verdict.stage("after").values == ("times 100",)
    assert verdict.stage("stored dtype").values == fingerprint(scores).stage("stored dtype").values


def test_percentages_in_float32_and_with_two_decimals():
    scores = np.float32(FLOAT16.scores(logits(300))) * np.float32(100)
    assert fingerprint(scores).kind == "percent"
    scores = FLOAT16.scores(np.append(logits(300), np.full(50, 40.0)))
    assert fingerprint((scores * 100).round(2)).kind == "percent"


def test_whole_numbers_are_ratings_not_logits():
    verdict = fingerprint([3, 2, 0, 1, -1, 2])
    assert (verdict.kind, verdict.path, verdict.paths) == ("whole numbers", None, ())


@pytest.mark.parametrize("half", HALVES)
def test_a_log_softmax_in_a_half_type_has_zeros(half):
    """log(1 + e) with every operation rounded, as a half-precision kernel does it."""
    d = logits(300)
    rounded = format_of(half)
    one_plus = rounded.round(1 + rounded.round(np.exp(-d)).astype(float)).astype(float)
    verdict = fingerprint(-rounded.round(np.log(one_plus)).astype(float))
    assert verdict.kind == "log-probabilities", verdict
    assert verdict.stage("sigmoid").values == (f"log-softmax in {half}",)
    assert verdict.path is None


def test_a_float32_log_softmax_shows_the_steps_of_its_logits():
    d = np.rint(logits(120) * 8) / 8
    verdict = fingerprint(np.float32(-np.logaddexp(0, -d)))
    assert verdict.kind == "log-probabilities", verdict
    assert verdict.stage("forward dtype").values == ("equal steps of 0.125",)


UNBOUNDED = {
    "cosines": (np.float32(np.tanh(logits(200) / 4)), "cosines, or logits near 0"),
    "BM25": (RNG(1).gamma(3, 4, 200), "distances, BM25 or other scores"),
    "negated distances": (-RNG(1).gamma(3, 4, 200), "negated distances"),
    "float32 logits": (np.float32(logits(200)), "logits, or other scores without bounds"),
    "bfloat16 cosines": (
        ScorePath("bfloat16").raw().scores(RNG(1).uniform(-1, 1, 200)),
        "cosines, or logits near 0",
    ),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_scores_without_bounds_are_named_by_what_they_are_not(name):
    scores, guess = UNBOUNDED[name]
    verdict = fingerprint(scores)
    assert (verdict.kind, verdict.path, verdict.paths) == ("no sigmoid", None, ())
    assert guess in verdict.reason
    assert not verdict.bounded


@pytest.mark.parametrize("step", [1 / 16, 0.05])
def test_values_in_equal_steps_have_no_dtype(step):
    """Multiples of 1/16 are values of bfloat16 without having been rounded to it."""
    verdict = fingerprint(np.rint(RNG(0).normal(0, 3, 200) / step) * step)
    assert verdict.kind == "no sigmoid"
    assert f"equal steps of {step:g}" in verdict.reason
    assert not verdict.stage("forward dtype").certain


# logits that were rounded, shifted, scaled


@pytest.mark.parametrize("n", [12, 60, 200])
@pytest.mark.parametrize("step", [0.1, 0.01, 0.125, 0.0837])
def test_equal_steps_are_an_explanation_of_their_own(n, step):
    scores = ScorePath().scores(np.rint(RNG(n).normal(0, 3, n) / step) * step)
    verdict = fingerprint(scores)
    assert verdict.kind in ("sigmoid", "cannot tell"), verdict
    assert verdict.path is None
    forward = verdict.stage("forward dtype")
    assert f"equal steps of {step:g}" in forward.values, verdict
    assert not forward.certain or forward.values[0] == f"equal steps of {step:g}"


@pytest.mark.parametrize(
    "multiples",
    [
        [-89, -76, -49, -40, -17, 58, 67, 103, 112, 128],
        [*(-121, -90, -81, -43, -12, 19, 31, 44, 51, 60, 68, 76, 84, 99, 115), 122, 123, 124],
    ],
    ids=["far apart", "nearest where they are known least"],
)
def test_few_multiples_of_a_step_are_not_said_to_be_half_logits(multiples):
    """Whole numbers up to 256 are bfloat16 values: times a factor they explain the scores too."""
    forward = fingerprint(ScorePath().scores(np.array(multiples) * 0.0837)).stage("forward dtype")
    assert "equal steps of 0.0837" in forward.values


def test_printed_scores_of_equal_steps_are_no_softmax():
    scores = ScorePath().scores(RNG(2).integers(-60, 60, 200) * 0.125)
    assert fingerprint(np.round(scores, 4)).kind == "cannot tell"


@pytest.mark.parametrize(("centre", "width"), [(0, 0.05), (3, 0.05), (-4, 0.02), (9, 1)])
def test_float32_sigmoids_of_close_logits_are_no_softmax(centre, width):
    for seed in range(5):
        scores = ScorePath().scores(RNG(seed).normal(centre, width, 60))
        assert fingerprint(scores).kind in ("sigmoid", "cannot tell")


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("shift", [-4.5, -6.0, 2.25])
def test_a_shift_of_the_logit_is_found(half, shift):
    """mxbai-rerank v2 takes the sigmoid of a bfloat16 logit less a constant."""
    scores = ScorePath().scores(format_of(half).round(logits(200)).astype(float) + shift)
    verdict = fingerprint(scores)
    assert verdict.kind == "sigmoid"
    assert verdict.path is None
    assert verdict.stage("after").values == (f"logit shifted by {shift:+g}",)
    assert verdict.stage("forward dtype").values == (half,)


def test_two_shifts_in_one_list_are_no_mixture():
    both = [
        format_of("bfloat16").round(logits(40, s)).astype(float) - c for s, c in enumerate([4.5, 6])
    ]
    verdict = fingerprint(ScorePath().scores(np.concatenate(both)))
    assert verdict.kind in ("sigmoid", "cannot tell"), verdict
    assert verdict.path is None


@pytest.mark.parametrize("half", HALVES)
def test_a_difference_in_a_half_type_is_one_path(half):
    """(no, yes) of a language model, subtracted in its dtype: one path attains every score."""
    pair = (
        format_of(half).round(np.stack([20 - logits(320) / 2, 20 + logits(320) / 2])).astype(float)
    )
    verdict = fingerprint(ScorePath(half).scores(pair[1] - pair[0]))
    assert verdict.kind == "sigmoid", verdict
    assert verdict.stage("sigmoid").values == ("fused in float32",)
    assert not verdict.stage("forward dtype").certain or verdict.stage("forward dtype").values in (
        (half,),
        *((f"equal steps of {2.0**-bits:g}",) for bits in range(12)),
    )


# clips and foreign values


@pytest.mark.parametrize("bound", [1e-7, 1e-6, 1e-3])
@pytest.mark.parametrize("path", [FLOAT16, BFLOAT16], ids=["float16", "bfloat16"])
def test_a_clip_refutes_no_half_path(path, bound):
    for n in (21, 60, 300):
        for seed in range(10):
            clipped = np.clip(path.scores(logits(n, seed)), bound, 1 - bound)
            verdict = fingerprint(np.float32(clipped))
            assert "float32" not in verdict.stage("forward dtype").values[:1], verdict
            assert verdict.path in (None, path)


def test_a_clip_is_named_with_its_bounds():
    clipped = np.clip(BFLOAT16.scores(np.append(logits(300), [40, -40])), 1e-7, 1 - 1e-7)
    verdict = fingerprint(np.float32(clipped))
    assert verdict.stage("after").values == ("clipped at 1e-07 and at 1 − 1e-07",)
    assert verdict.stage("stored dtype").values == ("bfloat16",)


def test_a_foreign_value_is_named_and_refutes_only_the_whole():
    verdict = fingerprint(np.append(FLOAT16.scores(logits(200)), 0.123456789))
    assert verdict.kind == "cannot tell"
    assert "1 score of another making (0.123456789)" in verdict.reason
    assert verdict.stage("stored dtype").values == ("float16",)


# prints


def test_eight_decimals_of_low_scores_are_read_as_decimals():
    """Below 0.1 they look like fewer significant digits."""
    scores = ScorePath("float16").scores(RNG(0).uniform(-6, -4, 40)).round(8)
    verdict = fingerprint(scores)
    assert (verdict.decimals, verdict.digits) == (8, None)
    assert "float16" in verdict.stage("forward dtype").values


def test_the_file_says_how_many_decimals_it_prints():
    few = [0.01584536, 0.01444785, 0.008251, 0.00818791]
    assert fingerprint(few, decimals=8).decimals == 8
    assert fingerprint(np.round(ScorePath().scores(logits(50)), 5), decimals=6).decimals == 6


def test_digits_that_a_reader_lost_do_not_hide_the_dtype():
    """pandas.read_json parses decimals to within some last bits of a float64."""
    scores = ScorePath("float16").scores(logits(200))
    printed = np.array([float(str(np.float32(score))) for score in scores])
    errors = (printed * 2.0**40).astype(np.int64) % 5 - 2
    lost = printed * (1 + errors * 2.0**-52)
    assert fingerprint(lost).path == ScorePath("float16")


@pytest.mark.parametrize("half", HALVES)
def test_logits_to_nine_digits_are_those_logits(half):
    raw = ScorePath(half).raw()
    printed = [float(f"{value:.9g}") for value in raw.scores(logits(200))]
    assert fingerprint(printed).path == raw


def test_few_numbers_with_few_decimals_show_no_dtype():
    """17.5 and 16.25 are values of bfloat16, as one number in 25 with two decimals is there."""
    assert fingerprint([17.5, 16.25]).stages == ()


def test_a_half_everywhere_is_a_logit_of_0_in_lists_too():
    assert "logit of 0 everywhere" in fingerprint([0.5] * 200, queries=queries_of(200)).reason


@pytest.mark.parametrize("n", [5, 40])
def test_zeros_and_ones_are_judgements_or_a_sigmoid_that_saturates(n):
    logits = np.where(np.arange(n) % 3, -12.0, 9.5)
    path = ScorePath("float16", "stepwise", "float16", "float16")
    verdict = fingerprint(path.scores(logits))
    assert (verdict.kind, verdict.bounded) == ("cannot tell", True)
    assert "judgements, or a sigmoid that saturates" in verdict.reason


def test_short_lists_of_ones_may_be_good_passages_that_saturate():
    scores = BFLOAT16.scores(np.linspace(6.7, 12, 18))
    verdict = fingerprint(scores, queries=np.arange(18) // 3)
    assert (verdict.kind, verdict.bounded) == ("cannot tell", True)


def test_zeros_throughout_are_counted_as_saturated():
    verdict = fingerprint(FLOAT16.scores(np.linspace(-30, -19, 60)), queries=queries_of(60))
    assert (verdict.kind, verdict.bounded) == ("cannot tell", True)


def test_a_second_sigmoid_may_make_one_half_everywhere():
    scores = BFLOAT16.scores(BFLOAT16.scores(np.linspace(-12, -8, 8)))
    assert "through the sigmoid once more" in fingerprint(scores).reason


@pytest.mark.parametrize("path", [ScorePath(), FLOAT16])
def test_one_query_asked_again_is_no_rank(path):
    once = path.scores(logits(60))
    verdict = fingerprint(np.tile(once, 3), queries=np.repeat(np.arange(3), 60))
    assert verdict.kind == "sigmoid"
    assert verdict.path == fingerprint(once).path


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_few_digits_are_no_half_type(digits):
    for low in (-11, 0):
        sigmoids = ScorePath().scores(low + logits(60))
        printed = [float(f"{score:.{digits}g}") for score in sigmoids]
        verdict = fingerprint(printed)
        assert not verdict.stage("stored dtype").certain, verdict
        assert verdict.path is None
    bm25 = [float(f"{score:.3g}") for score in RNG(1).gamma(3, 4, 60)]
    assert not fingerprint(bm25).stage("stored dtype").certain


def test_low_scores_rounded_to_six_decimals_are_no_half_type():
    scores = ScorePath().scores(RNG().normal(-11, 1, 20)).round(6)
    assert not fingerprint(scores).stage("stored dtype").certain


def test_one_tiny_score_hides_no_digits():
    float32 = ScorePath("float16", "fused", "float32", "float32")
    scores = float32.scores(np.append(logits(100), -24.3))
    verdict = fingerprint([float(f"{score:.9g}") for score in scores])
    assert verdict.path == float32


NEGATIVE = {
    "bfloat16 logits": ScorePath("bfloat16").raw().scores(RNG(2).normal(-30, 3, 100)),
    "less the best of each list": np.concatenate(
        [np.float16(one) - np.float16(one.max()) for one in logits(100).reshape(-1, 10)]
    ),
    "distances with duplicates": -ScorePath("bfloat16")
    .raw()
    .scores(np.append(RNG(4).gamma(3, 2, 90), np.zeros(10))),
}


@pytest.mark.parametrize("values", NEGATIVE.values(), ids=NEGATIVE)
def test_values_below_zero_alone_are_no_log_probabilities(values):
    assert values.max() <= 0
    assert fingerprint(values).kind == "no sigmoid"


def test_shares_of_a_sum_are_no_softmax_for_certain():
    scores, queries = in_lists(lambda one: one / one.sum())
    verdict = fingerprint(scores, queries=queries)
    assert verdict.stage("after").values[1].startswith("division by the sum")
    assert "or a division by their sum" in verdict.reason


def test_half_cosines_may_pass_one_by_a_rounding():
    cosines = np.append(RNG(5).uniform(-1, 1, 80), 1 + 2.0**-10)
    verdict = fingerprint(ScorePath("float16").raw().scores(cosines))
    assert (verdict.kind, verdict.path) == ("no sigmoid", None)
    assert "cosines" in verdict.reason


def test_percent_is_certain_only_with_the_evidence_for_what_is_behind():
    for seed in range(20):
        verdict = fingerprint(ScorePath().scores(logits(8, seed)) * 100)
        after = verdict.stage("after")
        assert not after.certain or after.odds >= 6, verdict


def test_rounded_percentages_are_not_said_to_be_ratings_alone():
    verdict = fingerprint(np.rint(scored(ScorePath(), 200) * 100))
    assert verdict.kind == "whole numbers"
    assert "percentages without decimals" in verdict.reason


@pytest.mark.parametrize("top", [1.0, 10.0, 100.0])
def test_min_max_may_end_at_any_round_top(top):
    lists = by_query(lambda scores: top * min_max(scores))(reranker_logits(100, RNG()))
    verdict = fingerprint(lists, queries=queries_of(100))
    assert (verdict.kind, verdict.bounded) == ("min-max", False)


def test_min_max_in_float16_shows_in_many_lists_only():
    logits = reranker_logits(400, RNG())
    lists = by_query(lambda scores: np.float16(min_max(scores)).astype(float), RAW)(logits)
    assert fingerprint(lists, queries=queries_of(400)).kind == "min-max"
    assert fingerprint(lists[:100], queries=queries_of(100)).kind == "cannot tell"


def test_printed_ends_are_no_min_max():
    """Four decimals turn logits beyond 10 into 0.0 and 1.0: two such lists show nothing."""
    scores = np.tile([1.0, 0.7312, 0.1237, 0.0], 2)
    assert fingerprint(scores, queries=np.arange(8) // 4, decimals=4).kind != "min-max"


def test_few_decimals_are_no_equal_steps_of_logits():
    """12.5 and 11.25 are multiples of 0.25, as every 25th number of two decimals is."""
    assert "equal steps" not in fingerprint([12.5, 11.25]).reason
    assert "equal steps of 0.25" in fingerprint(RNG(0).integers(-40, 60, 200) / 4).reason
