"""How large the differences are that rounding makes."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.discrepancies.noise import (
    Noise,
    expected_noise,
    noise_of,
    recorded_differences,
    recorded_logits,
    recorded_noise,
)
from analysis.formats import FORWARD_DTYPES


def test_size_of_differences():
    assert noise_of(np.array([3.0, -4.0])) == Noise(np.sqrt(12.5), 4.0)
    assert noise_of(np.array([])) == Noise(0.0, 0.0)
    assert Noise(1.0, 3.0).of_two == Noise(np.sqrt(2), 6.0)


def test_every_recorded_run_fits_what_is_expected_of_its_dtype():
    for dtype, runs in recorded_differences().items():
        for differences in runs:
            gaps = np.abs(differences)
            assert expected_noise(recorded_logits())[dtype].fits(gaps)
            assert not recorded_noise()[dtype].is_exceeded(gaps)


def test_dtypes_stand_in_the_order_of_their_noise():
    rms = [recorded_noise()[dtype].rms for dtype in FORWARD_DTYPES]
    assert 0 < 100 * rms[0] < rms[1] < rms[2]


def test_between_what_fits_and_what_exceeds_nothing_is_said():
    noise = Noise(0.1, 1.0)
    assert noise.fits(np.array([0.1, 0.1]))
    assert not noise.fits(np.array([0.3, 0.3]))
    assert not noise.is_exceeded(np.array([0.3, 0.3]))
    assert noise.is_exceeded(np.full(10_000, 0.6))
    assert noise.is_exceeded(np.array([5.1]))


@pytest.mark.parametrize(("factor", "more"), [(0.5, 1.0), (1.0, 1.0), (3.0, 3.0)])
def test_logits_that_spread_more_have_more_noise(factor, more):
    usual, other = expected_noise(recorded_logits()), expected_noise(factor * recorded_logits())
    assert other["float16"].rms == pytest.approx(more * usual["float16"].rms)
