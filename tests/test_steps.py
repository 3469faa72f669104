"""Steps and saturation of whole paths against enumeration of every logit."""

from itertools import product

import mpmath
import numpy as np
import pandas as pd
import pytest

from analysis.catalogue import CATALOGUE
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.scorepath import ScorePath
from analysis.sigmoids import FORMULAS
from analysis.steps import hidden_logits, logit_intervals, saturation, sets_apart, spans, staircase

SMALL = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
COMBINATIONS = [
    ScorePath(forward, formula, activation, stored)
    for forward, formula, activation, stored in product(SMALL, FORMULAS, FORMATS, FORMATS)
]
CATALOGUED = [path for engine in CATALOGUE for path in engine.paths.values()]
OLD = path_of("infinity", "0.0.68", "float16")
INTERVALS = {32: [(0.99, 1.0), (0.3, 0.31), (0.0, 1e-3)], 64: [], 16: [(0.0, 1.0)], 8: [(0.0, 1.0)]}
"""Stretches of stored scores to enumerate, by the bits of the stored dtype."""


def every_score(path):
    """Logits of the forward dtype that have a score, and the scores, ascending."""
    logits = FORMATS[path.forward_dtype].values(-np.inf, np.inf)
    scores = path.scores(logits)
    return logits[~np.isnan(scores)], scores[~np.isnan(scores)]


def of_stages(path):
    return path.computation


@pytest.mark.parametrize("path", COMBINATIONS, ids=of_stages)
def test_every_path_of_16_bit_logits_is_what_enumeration_gives(path):
    logits, scores = every_score(path)
    assert np.all(np.diff(scores) >= 0)
    found = saturation(path)
    assert_same(found.one_from, logits[scores == 1.0][:1])
    assert_same(found.zero_up_to, logits[scores == 0.0][-1:])
    stored = FORMATS[path.stored_dtype]
    for low, high in INTERVALS[stored.bits]:
        if stored.count(low, high) < 200_000:
            assert_steps(staircase(path, low, high), logits, scores, low, high)


def assert_same(found, expected):
    assert np.isnan(found) if not expected.size else found == expected[0]


def assert_steps(steps, logits, scores, low, high):
    frame = pd.DataFrame({"score": scores, "logit": logits})
    frame = frame[frame["score"].between(low, high)]
    expected = frame.groupby("score")["logit"].agg(["min", "max"]).reset_index()
    assert steps["score"].tolist() == expected["score"].tolist()
    assert steps["logit_low"].tolist() == expected["min"].tolist()
    assert steps["logit_high"].tolist() == expected["max"].tolist()


@pytest.mark.parametrize("path", CATALOGUED, ids=lambda path: path.name)
def test_every_catalogue_path_saturates_where_its_own_scores_do(path):
    found, forward = saturation(path), FORMATS[path.logit_dtype]
    if not path.has_sigmoid or not path.has_steps:
        assert np.isnan([found.one_from, found.zero_up_to]).all()
        return
    ends = [forward.next_below(found.one_from), found.one_from]
    assert (path.scores(ends) == 1.0).tolist() == [False, True]
    ends = [found.zero_up_to, forward.next_above(found.zero_up_to)]
    assert (path.scores(ends) == 0.0).tolist() == [True, False]


@pytest.mark.parametrize(
    ("path", "one_from"),
    [
        (OLD, 7.625),
        (path_of("haystack", "2.31.0", "float16"), 8.3203125),
        (path_of("infinity", "0.0.78", "float16"), 16.640625),
        (path_of("infinity", "0.0.78", "bfloat16"), 16.75),
        (path_of("haystack", "2.31.0", "bfloat16"), 6.25),
        (path_of("infinity", "0.0.68", "float32"), 16.6355324),
        (ScorePath(stored_dtype="float16"), 8.3175220),  # float32 scores in a float16 file
    ],
)
def test_the_first_saturated_logits_that_are_known(path, one_from):
    assert saturation(path).one_from == pytest.approx(one_from, abs=5e-8)


def test_a_float16_sigmoid_rounded_once_saturates_at_the_midpoint_of_the_last_step():
    mpmath.mp.prec = 80
    midpoint = mpmath.log(4 / mpmath.mpf(FORMATS["float16"].eps) - 1)
    one_from = saturation(path_of("haystack", "2.31.0", "float16")).one_from
    assert FORMATS["float16"].next_below(one_from) < midpoint <= one_from


@pytest.mark.parametrize("formula", FORMULAS)
def test_float32_steps_near_one_are_what_enumeration_gives(formula):
    float32, path, low = FORMATS["float32"], ScorePath(formula=formula), 1 - 2e-6
    ordinals = np.arange(int(float32.ordinals(13.0)), int(float32.ordinals(17.0)) + 1)
    logits = float32.from_ordinals(ordinals).astype(np.float64)
    steps = staircase(path, low)
    frame = pd.DataFrame({"score": path.scores(logits), "logit": logits})
    expected = frame[frame["score"] >= low].groupby("score")["logit"].agg(["min", "max"])
    assert steps["score"].tolist() == expected.index.tolist()
    assert steps["logit_low"].tolist() == expected["min"].tolist()
    assert steps["logit_high"].tolist()[:-1] == expected["max"].tolist()[:-1]


@pytest.mark.parametrize("forward", ["float32", "float64"])
def test_wide_logits_cast_to_float16_meet_without_a_gap(forward):
    path = ScorePath(forward, "fused", "float16", "float16")
    edges = staircase(path, 0.998)[["score", "logit_low", "logit_high"]].to_numpy()
    assert path.scores(edges[:, 1]).tolist() == edges[:, 0].tolist()
    assert path.scores(edges[:-1, 2]).tolist() == edges[:-1, 0].tolist()
    assert np.array_equal(FORMATS[forward].next_above(edges[:-1, 2]), edges[1:, 1])


def test_widths_are_infinite_at_the_ends_alone():
    steps = staircase(OLD, 0.0)
    assert steps.loc[np.isinf(steps["width"]), "score"].tolist() == [0.0, 1.0]
    inner = steps[np.isfinite(steps["width"])]
    assert (inner["width"] == inner["logit_high"] - inner["logit_low"]).all()


@pytest.mark.parametrize("ends", [(0.5, 0.4), (-0.1, 1.0), (0.5, 1.5), (np.nan, 1.0)])
def test_no_interval_of_scores_is_refused(ends):
    with pytest.raises(InputError, match="no interval"):
        staircase(OLD, *ends)


def test_raw_logits_have_no_staircase_and_too_long_a_one_is_refused():
    with pytest.raises(InputError, match="without a sigmoid"):
        staircase(OLD.raw(), 0.5)
    with pytest.raises(InputError, match="narrower interval"):
        staircase(ScorePath(), 0.0)


LOGITS = [-9.0, -3.0, 0.0, 0.5, 2.0, 6.5, 7.0, 9.0, 9.0]


@pytest.mark.parametrize("path", [*COMBINATIONS[:: len(SMALL)], OLD.raw()], ids=of_stages)
def test_hidden_steps_are_those_of_enumeration_and_half_a_spacing(path):
    forward = FORMATS[path.forward_dtype]
    logits, scores = every_score(path)
    given = path.scores(LOGITS)
    given = given[~np.isnan(given)]
    for step in hidden_logits(path, given).steps.itertuples():
        same = logits[scores == step.score]
        low = same[0] - forward.spacing_below(same[0]) / 2
        high = same[-1] + forward.spacing_above(same[-1]) / 2
        ends = path.has_sigmoid and step.score == 0.0, path.has_sigmoid and step.score == 1.0
        assert step.logit_low == (-np.inf if ends[0] else low)
        assert step.logit_high == (np.inf if ends[1] else high)
        assert step.share == np.mean(given == step.score)


def test_stored_narrower_than_evaluated_the_step_is_the_stored_ones():
    """Regression: float32 scores in a float16 file saturate where float16 does."""
    path = ScorePath(stored_dtype="float16")
    hidden = hidden_logits(path, path.scores([9.0, 2.0]))
    assert hidden.one_from == pytest.approx(8.31752, abs=1e-5)
    assert hidden.steps["logit_low"].iloc[0] == pytest.approx(hidden.one_from, abs=1e-6)


def test_a_late_sigmoid_hides_no_more_than_its_logits_do():
    # Between 8 and 16 bfloat16 logits are 2^-4 apart, and float32's sigmoid keeps them apart.
    path = path_of("infinity", "0.0.78", "bfloat16")
    hidden = hidden_logits(path, path.scores([9.0, 9.0625]))
    assert hidden.steps["width"].tolist() == [2.0**-4] * 2
    assert (hidden.median_width, hidden.largest_width) == (2.0**-4, 2.0**-4)


def test_a_calibration_factor_stretches_the_steps():
    scores = OLD.scores([2.0, 9.0])
    plain, stretched = hidden_logits(OLD, scores), hidden_logits(OLD, scores, calibration=0.5)
    assert stretched.steps["width"].tolist() == (2 * plain.steps["width"]).tolist()
    assert stretched.one_from == 15.25


def test_printed_decimals_decide_the_step():
    # Near 0.5 float32 scores are 6e-8 apart, which are 2.4e-7 of a logit: so exact are the ends.
    step = hidden_logits(ScorePath(), [0.5], decimals=2).steps.iloc[0]
    assert step.logit_low == pytest.approx(np.log(0.495 / 0.505), abs=2.4e-7)
    assert step.logit_high == pytest.approx(np.log(0.505 / 0.495), abs=2.4e-7)
    # Near 1 they are 1.2e-3 of a logit apart.
    one = hidden_logits(ScorePath(), [1.0], decimals=4).steps.iloc[0]
    assert one.logit_low == pytest.approx(np.log(0.99995 / 0.00005), abs=1.2e-3)
    assert one.width == np.inf


def test_scores_that_the_path_cannot_make_are_not_explained_by_it():
    # The stepwise formula leaves out the last float16 value before 1.0.
    assert hidden_logits(OLD, [0.5, 0.99951171875]) is None


def test_scores_of_another_machines_exponential_are_placed_all_the_same():
    path = path_of("infinity", "0.0.78", "float16")
    scores = path.scores([0.5, 2.0, 9.0])
    moved = FORMATS["float32"].next_above(scores)
    expected = hidden_logits(path, scores).steps["width"].tolist()
    assert hidden_logits(path, moved).steps["width"].tolist() == expected


def test_float32_scores_in_their_shortest_decimals_are_recognised():
    path = ScorePath(formula="stepwise")
    scores = path.scores([1.5, 2.5, 9.0])
    shortest = np.array([float(str(np.float32(score))) for score in scores])
    assert (shortest != scores).any()
    low, high = hidden_logits(path, shortest).steps.iloc[0][["logit_low", "logit_high"]]
    assert low < 9.0 < high


def test_of_many_scores_some_are_looked_at_the_ends_included():
    path = ScorePath()
    scores = path.scores(np.linspace(-4, 4, 600))
    steps = hidden_logits(path, scores).steps
    assert len(steps) == 200
    assert (steps["score"].iloc[0], steps["score"].iloc[-1]) == (scores.max(), scores.min())


def test_a_better_path_sets_apart_what_the_steps_merge_and_nothing_else():
    scores = OLD.scores([9.0, 6.6, -9.0])
    assert staircase(OLD, scores[2], scores[2])["width"].tolist() == [0.0]
    assert sets_apart(OLD.hps(), OLD, scores).tolist() == [True, True, False]
    late = path_of("infinity", "0.0.78", "bfloat16")
    assert not sets_apart(late.raw(), late, late.scores([9.0, 6.5, 0.5])).any()
    assert sets_apart(late.raw(), late, late.scores([20.0])).tolist() == [True]
    assert not sets_apart(late.hps(), late, late.scores([20.0])).any()


def test_what_only_noise_could_tell_apart_is_not_set_apart():
    """A float32 score in the middle stands for a few logits some 1e-6 apart."""
    path = ScorePath()
    scores = path.scores([3.0, 12.0, 20.0])
    assert staircase(path, scores[0], scores[0])["width"].item() > 0
    assert sets_apart(path.raw(), path, scores).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"scores": []}, "scores: there is no score"),
        ({"scores": [0.5], "calibration": 0}, "calibration: no logit is scaled by 0"),
        ({"scores": [0.5], "calibration": np.nan}, "calibration: no logit is scaled by nan"),
    ],
)
def test_nothing_hidden_in_no_scores_or_by_no_factor(arguments, says):
    with pytest.raises(InputError, match=says):
        hidden_logits(ScorePath(), **arguments)


@pytest.mark.parametrize("path", COMBINATIONS[:: len(COMBINATIONS) // 40], ids=of_stages)
def test_a_span_is_every_logit_with_the_score(path):
    logits, scores = every_score(path)
    asked = np.random.default_rng(0).choice(len(logits), 60)
    first, last = spans(path, logits[asked])
    lows = np.searchsorted(scores, scores[asked], side="left")
    highs = np.searchsorted(scores, scores[asked], side="right") - 1
    forward = FORMATS[path.forward_dtype]
    np.testing.assert_array_equal(first, forward.ordinals(logits[lows]))
    np.testing.assert_array_equal(last, forward.ordinals(logits[highs]))


@pytest.mark.parametrize("forward", ["float64", "float32"])
@pytest.mark.parametrize("formula", ["fused", "stepwise", "none"])
def test_spans_of_wide_logits_end_where_the_score_changes(forward, formula):
    number_format = FORMATS[forward]
    for activation, stored in product(["float64", "float32", "float16"], repeat=2):
        path = ScorePath(forward, formula, activation, stored)
        logits = path.logits(np.random.default_rng(1).normal(0, 12, 40))
        first, last = spans(path, logits)
        for ends, step in ((first, -1), (last, 1)):
            at = path.scores(number_format.from_ordinals(ends))
            np.testing.assert_array_equal(at, path.scores(logits))
            beyond = number_format.from_ordinals(ends + step).astype(float)
            assert np.all((path.scores(beyond) != at) | np.isinf(beyond))


OLD = path_of("infinity", "0.0.32", "float16")


@pytest.mark.parametrize("path", [OLD, ScorePath()], ids=["float16", "float32"])
def test_intervals_hold_the_logits_that_made_the_scores(path):
    logits = np.random.default_rng(0).normal(0, 5, 300)
    low, high = logit_intervals(path, path.scores(logits))
    assert ((low <= logits) & (logits <= high)).all()
    assert logit_intervals(path, path.scores(logits).round(3), 3)[0].shape == (300,)


def test_there_are_no_intervals_of_scores_that_the_path_cannot_have_made():
    assert logit_intervals(OLD, [0.1234567]) is None
    assert logit_intervals(ScorePath(after="min-max"), [0.0, 1.0]) is None
