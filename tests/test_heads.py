"""Heads with two labels: as torch computes them, and how many scores they leave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.errors import InputError
from analysis.formats import FORMATS, HALVES, format_of
from analysis.heads import HEAD_KINDS, Head, distinct_differences
from analysis.scorepath import ScorePath

HEADS = [
    Head("one"),
    Head("rows"),
    *(Head(kind, "bfloat16") for kind in HEAD_KINDS[3:]),
    Head("difference", "float32"),
]


def halves(name, low=-40.0, high=40.0):
    """Every value of a half type between, as float64."""
    return FORMATS[name].values(low, high)


def of_torch(function, dtype, logits, level=0.0):
    """A function of torch over the pairs (level, level + logit), for the second label."""
    pair = torch.from_numpy(np.stack([np.full_like(logits, level), level + logits], axis=-1))
    return function(pair.to(getattr(torch, dtype)), dim=-1)[:, 1].double().numpy()


@pytest.mark.parametrize("half", HALVES)
def test_every_half_softmax_is_torchs(half):
    logits = halves(half)
    assert np.array_equal(
        Head("softmax", half).evaluate(logits), of_torch(torch.softmax, half, logits)
    )


@pytest.mark.parametrize("half", HALVES)
def test_every_half_log_softmax_is_torchs_on_a_cpu(half):
    logits = halves(half)
    logarithm = of_torch(torch.log_softmax, half, logits)
    assert np.array_equal(Head("log-softmax", half).evaluate(logits), logarithm)
    exponential = torch.from_numpy(logarithm).to(getattr(torch, half)).exp().double().numpy()
    assert np.array_equal(Head("exp log-softmax", half).evaluate(logits), exponential)


@pytest.mark.parametrize("half", HALVES)
def test_only_the_difference_counts(half):
    """Around 20 the pair has coarser steps; its difference has the same softmax as from 0."""
    pair = format_of(half).round(20 + np.random.default_rng(0).normal(0, 3, (2, 500))).astype(float)
    both = torch.from_numpy(pair.T).to(getattr(torch, half))
    for kind, function in {"softmax": torch.softmax, "log-softmax": torch.log_softmax}.items():
        head = Head(kind, half)
        found = head.evaluate(head.difference(*pair, half))
        assert np.array_equal(found, function(both, dim=-1)[:, 1].double().numpy())


@pytest.mark.parametrize("half", HALVES)
def test_a_softmax_does_not_round_the_difference_of_a_pair(half):
    """From −8 to 8 there are differences that the half type cannot hold; torch keeps them."""
    pair = format_of(half).round(np.random.default_rng(1).normal(0, 8, (2, 4000))).astype(float)
    both = torch.from_numpy(pair.T).to(getattr(torch, half))
    rounded = format_of(half).round(pair[1] - pair[0]).astype(float)
    for kind, function in {"softmax": torch.softmax, "log-softmax": torch.log_softmax}.items():
        expected = function(both, dim=-1)[:, 1].double().numpy()
        path = ScorePath(half, "none", half, half, head=f"{kind}:{half}")
        assert np.array_equal(path.scores_of_pairs(*pair), expected)
        assert not np.array_equal(path.scores(rounded), expected)


def test_a_narrower_head_rounds_each_logit_first():
    no, yes = np.array([24.3]), np.array([25.1])
    both = torch.tensor([24.3, 25.1]).bfloat16()
    found = Head("difference", "bfloat16").difference(no, yes, "float32")
    assert found == float(both[1] - both[0])


def test_float32_softmax_is_torchs_and_its_logarithm_near():
    logits = np.float32(np.random.default_rng(1).normal(0, 8, 4_000)).astype(float)
    softmax = Head("softmax", "float32").evaluate(logits)
    assert np.array_equal(softmax, of_torch(torch.softmax, "float32", logits))
    logarithm = Head("log-softmax", "float32").evaluate(logits)
    expected = of_torch(torch.log_softmax, "float32", logits)  # another logarithm, in last bits
    assert logarithm == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_float64_is_evaluated_in_float64():
    logits = np.linspace(-30, 30, 101)
    assert Head("softmax", "float64").evaluate(logits) == pytest.approx(1 / (1 + np.exp(-logits)))
    logarithm = Head("log-softmax", "float64").evaluate(logits)
    assert logarithm == pytest.approx(-np.logaddexp(0, -logits))


def test_rows_are_subtracted_before_anything_is_rounded():
    no, yes = np.array([24.3]), np.array([25.1])
    assert Head("rows").difference(no, yes, "bfloat16") == np.float32(25.1 - 24.3)
    assert Head("difference", "float32").difference(no, yes, "bfloat16") == 25.125 - 24.25
    assert Head("one").difference(no, yes, "bfloat16") == 25.125


# How many differences two logits leave


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("level", [1.5, 5.0, 25.0, 100.0])
def test_the_number_of_differences_is_that_of_all_pairs(half, level):
    binade = 2.0 ** np.floor(np.log2(level))
    pairs = FORMATS[half].values(binade, 2 * binade)[:-1]
    differences = np.unique(pairs[:, None] - pairs[None, :])
    for width in (0.0, 0.3, 0.9):
        counted = int((np.abs(differences) <= width * binade).sum())
        assert distinct_differences(level, width * binade, half) == counted


@pytest.mark.parametrize("half", HALVES)
def test_the_dtype_holds_every_difference_so_that_an_upcast_restores_nothing(half):
    pairs = FORMATS[half].values(16.0, 32.0)[:-1:8]
    no, yes = (side.ravel() for side in np.meshgrid(pairs, pairs))
    narrow = Head("difference", half).difference(no, yes, half)
    assert np.array_equal(narrow, Head("difference", "float32").difference(no, yes, half))


def test_the_higher_the_logits_the_fewer_the_scores():
    counts = [distinct_differences(level, 1.0, "bfloat16") for level in (3, 6, 12, 24, 48)]
    assert counts == sorted(counts, reverse=True)
    path = ScorePath("bfloat16", head="difference:float32", activation_dtype="float32")
    yes = 25 + np.random.default_rng(0).uniform(-0.3, 0.3, 10_000)
    scores = path.scores_of_pairs(np.full(10_000, 25.0), yes)
    reached = distinct_differences(25, 0.3 + 0.0625, "bfloat16")  # rounded to the nearest step
    assert np.unique(scores).size == reached


@pytest.mark.parametrize(("level", "width"), [(25, 16), (25, -1), (0, 0.1)])
def test_pairs_across_a_power_of_two_have_no_one_spacing(level, width):
    with pytest.raises(InputError, match="width"):
        distinct_differences(level, width, "bfloat16")


# Plain text


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_the_plain_text_reads_back(head):
    assert Head.of_text(head.text) == head


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("banana", "unknown head"),
        ("softmax", "is evaluated in a dtype"),
        ("rows:float32", "has no dtype of its own"),
        ("softmax:float99", "unknown dtype"),
    ],
)
def test_what_is_no_head_is_refused(text, problem):
    with pytest.raises(InputError, match=problem):
        Head.of_text(text)


def test_a_head_in_the_forward_dtype_follows_it():
    own = ScorePath("bfloat16", "none", "bfloat16", "bfloat16", head="difference:bfloat16")
    assert own.within("float32").head == Head("difference", "float32")
    upcast = ScorePath("bfloat16", head="difference:float32")
    assert upcast.within("float16").head == Head("difference", "float32")
