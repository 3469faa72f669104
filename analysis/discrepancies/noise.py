"""What size of differences rounding makes in the logits of a network, by forward dtype.

Bounded from the recordings in ``data/engines``, every run against a float32 run of the same pairs,
or measured where a model was run in both dtypes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analysis.formats import FORWARD_DTYPES
from analysis.recordings import RUN_COLUMNS, recordings

Values = NDArray[np.float64]

FITS = 2.0
"""Differences up to so many times the noise expected have its size."""
BEYOND = 5.0
"""Larger ones are no rounding: no network here was near that, and the simulation's are up to four
times as noisy as the recorded one."""
_FEW = 6.0
"""A root mean square of n heavy-tailed values may be larger by this over the root of n."""


@dataclass(frozen=True)
class Noise:
    """Size of differences, in logits: root mean square, and the largest."""

    rms: float
    largest: float

    def times(self, factor: float) -> Noise:
        """The same noise, so many times as large."""
        return Noise(self.rms * factor, self.largest * factor)

    @property
    def of_two(self) -> Noise:
        """Of the difference of two logits that both have this noise."""
        return Noise(self.rms * np.sqrt(2), self.largest * 2)

    @property
    def bound(self) -> float:
        """The largest difference that still has this size."""
        return FITS * self.largest

    def fits(self, differences: Values) -> bool:
        """Whether differences (n,), none below 0, have this size or less."""
        found = noise_of(differences)
        return found.largest <= self.bound and found.rms <= FITS * self.rms

    def is_exceeded(self, differences: Values) -> bool:
        """Whether differences (n,) are larger than this noise on any network can be."""
        found = noise_of(differences)
        room = BEYOND * (1 + _FEW / np.sqrt(max(1, differences.size)))
        return found.largest > BEYOND * self.largest or found.rms > room * self.rms


def noise_of(differences: Values) -> Noise:
    """Measure differences (n,); those of no pairs are zero."""
    if not differences.size:
        return Noise(0.0, 0.0)
    return Noise(float(np.sqrt(np.mean(differences**2))), float(np.abs(differences).max()))


@cache
def recorded_noise() -> dict[str, Noise]:
    """Noise of each forward dtype on the recorded model: the largest of all runs."""
    return {
        dtype: Noise(
            max(noise_of(one).rms for one in differences),
            max(noise_of(one).largest for one in differences),
        )
        for dtype, differences in recorded_differences().items()
    }


@cache
def recorded_differences() -> dict[str, tuple[Values, ...]]:
    """Logits of every run less those of a float32 run, in the order of the pairs, by dtype."""
    runs = list(recordings().groupby(list(RUN_COLUMNS), sort=False))
    reference = recorded_logits()
    return {
        dtype: tuple(run["logit"].to_numpy() - reference for key, run in runs if key[-1] == dtype)
        for dtype in FORWARD_DTYPES
    }


@cache
def recorded_logits() -> Values:
    """Float32 logits of the recorded pairs: those of the last float32 run."""
    everything = recordings()
    rows = everything[everything["forward_dtype"] == "float32"]
    last = np.all(rows[list(RUN_COLUMNS)] == rows[list(RUN_COLUMNS)].iloc[-1], axis=1)
    return rows.loc[last, "logit"].to_numpy()


def expected_noise(logits: Values) -> dict[str, Noise]:
    """Noise of the difference of two logits, one or both of a dtype, on some model.

    A model whose logits (n,) spread more widely than the recorded one's has more of it.
    """
    spread = float(np.std(logits)) if logits.size > 1 else 0.0
    scale = max(1.0, spread / float(np.std(recorded_logits())))
    return {dtype: noise.of_two.times(scale) for dtype, noise in recorded_noise().items()}
