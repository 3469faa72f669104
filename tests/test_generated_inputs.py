"""Generated inputs, a few of each subject: ``make torture`` tries 100,000."""

from __future__ import annotations

import pytest
from generated_inputs import INPUTS
from hypothesis import HealthCheck, given, settings

READ = [name for name in INPUTS if name.startswith(("sets", "scores"))]
FEW = {"compare": 5, "fingerprint of paths": 15}


@pytest.mark.parametrize("subject", INPUTS)
def test_only_the_documented_error_and_no_wrong_number(subject):
    strategy, check = INPUTS[subject]

    @settings(max_examples=FEW.get(subject, 30), suppress_health_check=[HealthCheck.too_slow])
    @given(strategy)
    def try_one(value: object) -> None:
        check(value)

    try_one()


@pytest.mark.parametrize("subject", READ)
def test_most_of_what_is_generated_is_not_refused_at_once(subject, monkeypatch):
    """A generator of nonsense alone would reach no further than the first line."""
    read = []
    monkeypatch.setattr("generated_inputs._check_read", read.append)
    strategy, check = INPUTS[subject]

    @settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(strategy)
    def try_one(value: object) -> None:
        check(value)

    try_one()
    assert read
