"""Fingerprints: the right path where the scores carry the evidence, no path where they do not."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from score_lists import (
    is_settled,
    is_wrong,
    queries_of,
    reranker_logits,
    scaled,
    scored,
    sigmoid_paths,
    softmax_of,
    sources,
    twice,
)

from analysis.engines import find_engine, path_of, run_engines
from analysis.errors import InputError
from analysis.fingerprinting import fingerprint
from analysis.fingerprinting.observed import observe
from analysis.formats import FORWARD_DTYPES, HALVES, format_of
from analysis.scorepath import ScorePath

RUN_PATHS = [path for engine in run_engines() for path in engine.paths.values()]


@pytest.mark.parametrize("path", sigmoid_paths(), ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_the_path_is_found_from_realistic_scores(path, seed):
    n = 800 if path.activation_dtype == "float64" else 200  # its formulas differ in few scores
    verdict = fingerprint(scored(path, n, seed))
    assert verdict.path == path, verdict
    assert verdict.kind == "sigmoid"
    assert verdict.odds > 6


@pytest.mark.parametrize("path", RUN_PATHS, ids=str)
def test_every_engine_that_was_run_is_found_from_a_hundred_scores(path):
    verdict = fingerprint(scored(path, 100, 20))
    assert verdict.path == path, verdict


@pytest.mark.parametrize("dtype", FORWARD_DTYPES)
@pytest.mark.parametrize("batch", [1, 16, 33])
def test_torch_itself_is_found_whatever_the_batch_size(dtype, batch):
    """Short batches and the ends of long ones go through torch's scalar routine."""
    logits = reranker_logits(200, np.random.default_rng([21, batch]))
    batches = torch.from_numpy(logits).to(getattr(torch, dtype)).split(batch)
    older = torch.cat([torch.sigmoid(logits) for logits in batches]).float().numpy()
    assert fingerprint(older).path == path_of("sentence-transformers", "5.1.2", dtype)
    newer = torch.cat([torch.sigmoid(logits.float()) for logits in batches]).numpy()
    assert fingerprint(newer).path == path_of("sentence-transformers", "6.2.0", dtype)


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
@pytest.mark.parametrize("n", [1, 5, 20, 60, 300])
def test_lists_never_get_a_wrong_verdict_and_three_hundred_scores_the_right_one(source, n):
    for seed in range(4):
        scores = source.scores(reranker_logits(n, np.random.default_rng([n, seed])))
        verdict = fingerprint(scores, queries=queries_of(n))
        assert not is_wrong(verdict, source), verdict
        if n == 300 and source.shown:
            assert is_settled(verdict, source), verdict


def test_infinity_over_json_is_read_from_its_digits():
    """Servers print float32 scores with the fewest digits that name them."""
    rng = np.random.default_rng(3)
    for path in find_engine("infinity", "0.0.78").paths.values():
        scores = path.scores(reranker_logits(200, rng)).astype(np.float32)
        printed = json.loads(f"[{', '.join(str(score) for score in scores)}]")
        assert fingerprint(printed).path == path


def test_float16_printed_with_its_own_digits():
    path = path_of("infinity", "0.0.68", "float16")
    scores = scored(path, 200, 3).astype(np.float16)
    verdict = fingerprint([float(str(score)) for score in scores])
    assert verdict.path == path
    assert verdict.decimals is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_of_any_dtype_that_holds_the_scores(dtype):
    path = path_of("haystack", "2.31.0", "float16")
    scores = scored(path, 200, 5)
    assert fingerprint(scores.astype(dtype)).path == path


def test_torch_is_not_loaded():
    code = """
import sys
from analysis import fingerprint
fingerprint([0.5, 0.25, 0.75])
fingerprint([0.5, 0.25], [0.0, -1.0])
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_four_decimals_still_show_float16_steps_near_one():
    path = path_of("infinity", "0.0.68", "float16")
    scores = scored(path, 400, 6)
    verdict = fingerprint(np.round(scores, 4))
    assert verdict.decimals == 4
    assert path in verdict.paths


def test_three_decimals_of_float32_scores_tell_nothing():
    scores = scored(ScorePath(), 400, 6)
    verdict = fingerprint(np.round(scores, 3))
    assert (verdict.kind, verdict.decimals, verdict.path) == ("cannot tell", 3, None)
    assert "all their digits" in verdict.wanted


@pytest.mark.parametrize("half", HALVES)
def test_wider_logits_rounded_to_a_half_type_have_no_trace(half):
    path = ScorePath("float32", "fused", "float32", half)
    verdict = fingerprint(scored(path, 500, 7))
    assert verdict.kind == "cannot tell"
    assert path in verdict.paths


@pytest.mark.parametrize("forward", FORWARD_DTYPES)
def test_softmax_over_two_labels(forward):
    scores = softmax_of(forward)(reranker_logits(300, np.random.default_rng(8)))
    verdict = fingerprint(scores)
    assert (verdict.kind, verdict.path) == ("softmax", None), verdict


@pytest.mark.parametrize(
    "path", [ScorePath(), *find_engine("haystack", "2.31.0").paths.values()], ids=str
)
def test_a_sigmoid_applied_twice(path):
    verdict = fingerprint(twice(path)(reranker_logits(100, np.random.default_rng(9))))
    assert (verdict.kind, verdict.path) == ("sigmoid twice", None)


def test_logits_between_zero_and_one_are_no_proof_of_a_second_sigmoid():
    rng = np.random.default_rng(9)
    verdict = fingerprint(ScorePath().scores(rng.uniform(0, 1, 200)))
    assert verdict.kind == "cannot tell"


@pytest.mark.parametrize("half", HALVES)
def test_half_logits_passed_as_scores(half):
    path = ScorePath(half).raw()
    verdict = fingerprint(scored(path, 200, 10))
    assert (verdict.kind, verdict.path) == ("logits", path)


def test_float32_values_outside_of_0_and_1_are_named_by_what_they_are_not():
    """Logits, distances, BM25 scores: any of them may be such numbers."""
    verdict = fingerprint(scored(ScorePath().raw(), 200, 10))
    assert (verdict.kind, verdict.path, verdict.paths) == ("no sigmoid", None, ())


@pytest.mark.parametrize("half", HALVES)
def test_half_logits_times_a_factor_are_not_taken_for_float32_logits(half):
    scores = scaled(half, 0.3)(reranker_logits(200, np.random.default_rng(11)))
    verdict = fingerprint(scores)
    assert verdict.kind == "sigmoid"
    assert verdict.path is None
    assert {path.forward_dtype for path in verdict.paths} == {half}
    assert "times" in verdict.reason


MIXED = [
    (path_of("infinity", "0.0.68", "float16"), ScorePath()),
    (path_of("sentence-transformers", "6.2.0", "bfloat16"), ScorePath(formula="stepwise")),
]


@pytest.mark.parametrize("paths", MIXED, ids=lambda paths: f"{paths[0]} and {paths[1]}")
def test_two_paths_in_one_list_are_a_mixture(paths):
    rng = np.random.default_rng(12)
    scores = np.concatenate([path.scores(reranker_logits(200, rng)) for path in paths])
    verdict = fingerprint(rng.permutation(scores))
    assert (verdict.kind, verdict.path) == ("mixture", None), verdict
    assert set(paths) <= set(verdict.paths)


@pytest.mark.parametrize("wider", ["float16", "float32"])
def test_a_path_that_attains_two_lists_leaves_the_forward_dtype_open(wider):
    """Every bfloat16 logit is one of float32, and nearly every one of float16."""
    rng = np.random.default_rng(12)
    paths = [ScorePath(forward) for forward in ("bfloat16", wider)]
    verdict = fingerprint(
        np.concatenate([path.scores(reranker_logits(200, rng)) for path in paths])
    )
    assert (verdict.kind, verdict.path) == ("sigmoid", None), verdict
    assert {"bfloat16", wider} <= set(verdict.stage("forward dtype").values)
    assert verdict.stage("sigmoid").certain


@pytest.mark.parametrize("half", HALVES)
def test_another_machines_exponential_leaves_the_formula_open_but_not_the_logits(half):
    """Scores of half logits moved by one float32 value, as another ``exp`` moves some."""
    rng = np.random.default_rng(13)
    path = path_of("infinity", "0.0.78", half)
    scores = path.scores(reranker_logits(200, rng)).astype(np.float32)
    moved = np.where(rng.random(200) < 0.5, np.nextafter(scores, np.float32(0)), scores)
    verdict = fingerprint(moved)
    assert (verdict.kind, verdict.path) == ("sigmoid", None), verdict
    assert {path.forward_dtype for path in verdict.paths} == {half}
    assert "another machine's exponential" in verdict.reason


def test_random_numbers_are_nobodys_scores():
    rng = np.random.default_rng(14)
    for dtype in (np.float64, np.float32, np.float16):
        for n in (10, 100, 1000):
            verdict = fingerprint(rng.random(n).astype(dtype))
            assert verdict.kind == "cannot tell", verdict


@pytest.mark.parametrize("scores", [[], [0.7], [1.0] * 500, [0.25] * 3, [0.0, 0.5, 1.0]], ids=len)
def test_lists_without_evidence(scores):
    verdict = fingerprint(scores)
    assert (verdict.kind, verdict.path) == ("cannot tell", None)
    assert "at least 100 distinct scores" in verdict.wanted
    assert (verdict.n_scores, verdict.n_distinct) == (len(scores), len(set(scores)))


def test_order_and_duplicates_do_not_matter():
    rng = np.random.default_rng(15)
    scores = path_of("haystack", "2.31.0", "bfloat16").scores(reranker_logits(300, rng))
    verdict = fingerprint(scores)
    for same in (np.sort(scores), np.unique(scores), np.repeat(scores, 3), rng.permutation(scores)):
        found = fingerprint(same)
        assert (found.path, found.odds) == (verdict.path, verdict.odds)


def test_saturated_scores_neither_help_nor_hurt():
    scores = path_of("haystack", "2.31.0", "float16").scores(
        reranker_logits(200, np.random.default_rng(16))
    )
    with_ones = fingerprint(np.concatenate([scores, np.ones(50), np.zeros(50)]))
    assert with_ones.path == path_of("haystack", "2.31.0", "float16")


def test_one_score_that_a_path_cannot_attain_refutes_it():
    path = path_of("haystack", "2.31.0", "float16")
    scores = scored(path, 200, 17)
    verdict = fingerprint(np.append(scores, 0.123456789))
    assert verdict.path is None


def test_a_million_scores_are_judged_by_an_even_spread():
    path = path_of("infinity", "0.0.78", "float16")
    scores = scored(path, 1_000_000, 18)
    assert fingerprint(scores).path == path
    wide = scored(ScorePath(), 1_000_000, 18)
    verdict = fingerprint(wide)
    assert verdict.path == ScorePath()
    assert "evenly spread" in verdict.reason


def test_the_verdict_reads_well_and_goes_through_json():
    path = path_of("infinity", "0.0.68", "float16")
    verdict = fingerprint(scored(path, 200, 19))
    text = str(verdict)
    assert "float16 logits → stepwise sigmoid in float16" in text
    assert "against chance" in text
    fields = json.loads(json.dumps(verdict.to_dict()))
    assert fields["path"]["formula"] == "stepwise"
    assert [ScorePath(**path) for path in fields["paths"]] == list(verdict.paths)
    assert verdict.wanted == ""


@pytest.mark.parametrize(
    ("decimals", "said"), [(1, "1 decimal place\n"), (3, "3 decimal places\n")]
)
def test_counts_agree_with_their_nouns(decimals, said):
    verdict = fingerprint(np.round(scored(ScorePath(), 400, 6), decimals))
    assert f"rounded to {said}" in str(verdict)


def test_two_are_both_and_a_constant_was_not_rounded_to_be_one():
    assert "both distinct scores" in fingerprint([0.3, 0.7]).reason
    assert fingerprint([0.7]).reason.startswith("the one score lies in [0.5, 0.7311]")
    assert fingerprint([0.6, 0.7]).reason.startswith("both scores lie in [0.5, 0.7311]")
    constant = fingerprint([0.5] * 30)
    assert constant.kind == "constant"
    assert "rounded" not in str(constant)


def test_the_reason_says_how_many_computations_explain_the_scores():
    random = np.unique(np.random.default_rng(14).random(100).astype(np.float16))
    assert fingerprint(random).reason == (
        f"one computation explains all {random.size} distinct scores, but so might chance "
        "(log-odds 0.0; a verdict needs 6)"
    )
    assert "computations explain the one distinct score" in fingerprint([1.0]).reason


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([0.5, float("nan")], "scores: item 1 is nan"),
        ([0.5, float("inf")], "scores: item 1 is inf"),
        ([[0.5], [0.6]], r"scores: an array of shape \(2, 1\)"),
        (0.5, r"scores: an array of shape \(\)"),
        (["high", "low"], "scores: not a list of numbers"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(scores, problem):
    with pytest.raises(InputError, match=problem):
        fingerprint(scores)


# Lists that were once misread


@pytest.mark.parametrize(
    "scores",
    [
        np.random.default_rng(0).random(2000).round(3),
        ScorePath().scores(np.random.default_rng(0).normal(0, 2, 1000)).round(3),
    ],
    ids=["uniform", "float32"],
)
def test_a_coarse_grid_is_no_evidence_for_a_path_with_two_routines(scores):
    """Each logit stands for its width once, though two routines give it two scores."""
    assert fingerprint(scores).kind == "cannot tell"


@pytest.mark.parametrize(
    ("half", "temperature"),
    # A third of a temperature makes float16 values of bfloat16 ones: no score tells them from such.
    [(half, t) for half in HALVES for t in (1.5, 1.7, 2.3)] + [("float16", 1 / 3)],
)
def test_a_temperature_is_not_taken_for_a_mixture(half, temperature):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        logits = format_of(half).round(reranker_logits(200 + 150 * seed, rng)).astype(np.float32)
        divided = (logits / np.float32(temperature)).astype(np.float64)
        verdict = fingerprint(ScorePath().scores(divided))
        assert verdict.kind in ("sigmoid", "cannot tell")
        assert verdict.path is None


def test_bfloat16_logits_under_a_printed_float64_sigmoid_are_not_scaled_float16():
    """Every bfloat16 value is a float16 value times 1.6."""
    logits = np.random.default_rng(0).normal(0, 4, 300)
    scores = ScorePath("bfloat16", "stepwise", "float64", "float64").scores(logits)
    verdict = fingerprint([float(f"{score:.9g}") for score in scores])
    assert verdict.kind == "sigmoid"
    assert {path.forward_dtype for path in verdict.paths} == {"bfloat16"}


def test_nine_digits_of_a_float32_score_are_that_score():
    scores = ScorePath().scores(np.random.default_rng(4).normal(5, 1.5, 40))
    printed = np.unique([float(f"{score:.9g}") for score in scores])
    observed = observe(printed)
    assert observed.exact
    assert observed.scores.tolist() == np.unique(scores).tolist()
    assert fingerprint(printed).kind == "cannot tell"


def test_significant_digits_make_intervals_of_their_own_width():
    observed = observe(np.array([0.00123456, 0.0123457, 0.123457, 0.234568]))
    assert (observed.decimals, observed.digits) == (None, 6)
    assert observed.spacing == pytest.approx([1e-8, 1e-7, 1e-6, 1e-6])


def test_the_largest_float16_leaves_the_odds_finite():
    assert np.isfinite(fingerprint([65504.0, 0.5, 0.25]).odds)


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("float32 of float16 yes - no at 20", 241),  # coarse scores near 1 hid the finer steps
        ("float32 of bfloat16 yes - no at 0", 1275),  # too few logits to miss a last bit
        ("softmax of bfloat16 logits", 903),
        ("softmax of bfloat16 logits", 1249),
    ],
)
def test_differences_that_look_like_half_logits_stay_open(name, seed):
    (source,) = (one for one in sources() if one.name == name)
    rng = np.random.default_rng(seed)
    n = int(np.exp(rng.uniform(np.log(10), np.log(1_000))))  # as tools/simulate.py draws them
    verdict = fingerprint(source.scores(reranker_logits(n, rng)), queries=queries_of(n))
    assert not is_wrong(verdict, source)
