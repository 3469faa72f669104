"""Fingerprints with raw logits: which path maps each logit to its score."""

import numpy as np
import pytest
import torch
from score_lists import logits_of, sigmoid_paths, softmax_of, twice

from analysis.errors import InputError
from analysis.fingerprinting import fingerprint
from analysis.formats import FORWARD_DTYPES, HALVES, format_of
from analysis.scorepath import ScorePath


@pytest.mark.parametrize("path", sigmoid_paths(), ids=str)
def test_pairs_show_the_path(path):
    logits = logits_of(path, 800 if path.activation_dtype == "float64" else 80)
    verdict = fingerprint(path.scores(logits), logits)
    assert verdict.path == path, verdict
    assert verdict.calibration is None


@pytest.mark.parametrize("path", sigmoid_paths(), ids=str)
@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_few_pairs_never_exclude_the_truth(path, n):
    for seed in range(5):
        logits = logits_of(path, n, seed)
        verdict = fingerprint(path.scores(logits), logits)
        assert path in verdict.paths, verdict


@pytest.mark.parametrize("half", HALVES)
def test_wide_logits_stored_in_a_half_type_show_with_their_logits(half):
    path = ScorePath("float32", "fused", "float32", half)
    logits = logits_of(path, 200)
    verdict = fingerprint(path.scores(logits), logits)
    assert path in verdict.paths
    assert all(found.forward_dtype == "float32" for found in verdict.paths)


@pytest.mark.parametrize("factor", [0.1, 0.75, 2.0, 1.7])
@pytest.mark.parametrize("dtype", FORWARD_DTYPES)
def test_a_calibration_factor_is_found(factor, dtype):
    """Haystack multiplies in the forward dtype, then takes torch.sigmoid in it."""
    path = ScorePath(dtype, "fused", dtype, dtype)
    logits = logits_of(path, 200)
    product = logits.astype(np.float32) * np.float32(factor)
    scores = path.scores(format_of(dtype).round(product).astype(np.float64))
    verdict = fingerprint(scores, logits)
    assert verdict.calibration == factor, verdict
    assert path in verdict.paths


def test_scores_that_are_the_logits():
    path = ScorePath("bfloat16").raw()
    logits = logits_of(path, 100)
    verdict = fingerprint(logits, logits)
    assert (verdict.kind, verdict.path) == ("logits", path)


def test_a_second_sigmoid_and_a_softmax_are_seen_from_their_logits():
    logits = logits_of(ScorePath(), 100)
    assert fingerprint(twice(ScorePath())(logits), logits).kind == "sigmoid twice"
    labels = torch.from_numpy(np.stack([np.zeros_like(logits), logits], axis=-1)).float()
    softmax = torch.softmax(labels, dim=-1)[:, 1].numpy()
    assert fingerprint(softmax, logits).kind == "softmax"


def test_logits_of_another_run_are_said_to_be_of_no_use():
    path = ScorePath("float16", "stepwise", "float16", "float16")
    logits = logits_of(path, 200)
    others = path.logits(logits + 0.3)
    verdict = fingerprint(path.scores(logits), others)
    assert verdict.path == path
    assert verdict.reason.startswith("no known path maps the logits given")


def test_softmax_scores_are_not_taken_for_a_sigmoid_of_other_logits():
    logits = logits_of(ScorePath(), 300)
    assert fingerprint(softmax_of("float32")(logits), logits).kind != "sigmoid"


def test_saturated_pairs_decide_nothing():
    verdict = fingerprint(np.ones(50), np.linspace(20, 40, 50))
    assert (verdict.kind, verdict.path) == ("cannot tell", None)


def test_logits_of_another_length_or_without_a_value_are_refused():
    with pytest.raises(InputError, match="logits: 1 logits for 2 scores"):
        fingerprint([0.5, 0.6], [0.1])
    with pytest.raises(InputError, match="logits: item 0 is nan"):
        fingerprint([0.5], [float("nan")])
