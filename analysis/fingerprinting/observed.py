"""How scores were stored and printed: each distinct score as the interval it stands for.

A score that arrives as a number may be the value itself, the shortest decimal print of a float32
or float16 (JSON), or a number rounded to n decimals (``%.4f``) or n significant digits (``%.9g``).
In the first two cases the value is known exactly; in the others, only the interval that rounds to
the print.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.formats import FORMATS, Format

Scores = NDArray[np.float64]

_FEW_DECIMALS, _SOME_DECIMALS, _MOST_DECIMALS = 4, 7, 12
_PRINTS_COMPARED = 2_000
_FLOAT32_DIGITS = 9
"""So many digits tell every two float32 values apart."""
_SMALLEST_READ = 1e-10
_HALF_STEP = 0.5 * (1 + 1e-6)
"""Half a unit of the last decimal, a little more: how a tie was rounded is not known."""


@dataclass(frozen=True)
class Observed:
    """Distinct scores, ascending, each with the closed interval [low, high] it stands for.

    ``spacing`` is the distance between neighbouring scores that could have been stored;
    ``stored`` the format they came in, or the one their digits name. All arrays have the shape
    ``(n_distinct,)``.
    """

    scores: Scores
    low: Scores
    high: Scores
    spacing: Scores
    stored: Format
    decimals: int | None = None

    @property
    def exact(self) -> bool:
        """Whether each score is known to its last bit."""
        return self.decimals is None

    def cells(self) -> Scores:
        """Width, in logits, that one storable score stands for under a smooth distribution.

        NaN at 0.0 and 1.0, which stand for unbounded sets of logits and so carry no evidence.
        """
        slope = self.scores * (1 - self.scores)
        return np.divide(self.spacing, slope, out=np.full(slope.shape, np.nan), where=slope > 0)

    def logits(self) -> Scores:
        """Logit of each score, in float64; infinite at 0.0 and 1.0, NaN outside of [0, 1]."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(self.scores) - np.log1p(-self.scores)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Observed:
        """Return the chosen scores (indices or mask) with their intervals."""
        parts = (part[chosen] for part in (self.scores, self.low, self.high, self.spacing))
        return Observed(*parts, self.stored, self.decimals)

    def spread(self, most: int) -> Observed:
        """At most so many scores, evenly spread over the sorted ones."""
        if self.scores.size <= most:
            return self
        return self.take(np.linspace(0, self.scores.size - 1, most).astype(np.intp))

    def widened(self, steps: int) -> Observed:
        """Allow each score so many representable values to either side."""
        reach = steps * self.spacing
        return Observed(
            self.scores,
            self.low - reach,
            self.high + reach,
            self.spacing * (2 * steps + 1),
            self.stored,
            self.decimals,
        )


def observe(scores: Scores) -> Observed:
    """Read distinct scores, ascending and in [0, 1], as what they were stored or printed as.

    Few decimals are read as such; more may be the shortest print of a float16, bfloat16 or
    float32, which is then taken to that very value. Anything else is float64.
    """
    if _held_by(FORMATS["float32"], scores):
        return _exactly(scores, FORMATS["float32"])
    decimals = fewest_decimals(scores)
    if decimals is not None and decimals <= _FEW_DECIMALS:
        return _rounded(scores, decimals)
    for half in (FORMATS["float16"], FORMATS["bfloat16"]):
        if _printed_from(half, scores):
            return _exactly(_nearest(half, scores), FORMATS["float32"])
    if decimals is not None and decimals <= _SOME_DECIMALS:
        return _rounded(scores, decimals)
    digits = _fewest_digits(scores)
    if digits is not None and digits <= _SOME_DECIMALS:
        return _rounded_to_digits(scores, digits)
    telling = [None] if digits is None or digits < _FLOAT32_DIGITS else [None, digits]
    if any(_printed_from(FORMATS["float32"], scores, number) for number in telling):
        return _exactly(_nearest(FORMATS["float32"], scores), FORMATS["float32"])
    if digits is not None and (decimals is None or digits < decimals):
        return _rounded_to_digits(scores, digits)
    if decimals is not None:
        return _rounded(scores, decimals)
    return _exactly(scores, FORMATS["float64"])


def _exactly(scores: Scores, stored: Format) -> Observed:
    return Observed(scores, scores, scores, stored.spacing_below(scores), stored)


def _rounded(scores: Scores, decimals: int) -> Observed:
    unit = 10.0**-decimals
    reach = _HALF_STEP * unit
    spacing = np.full(scores.shape, unit)
    return Observed(scores, scores - reach, scores + reach, spacing, FORMATS["float64"], decimals)


def _rounded_to_digits(scores: Scores, digits: int) -> Observed:
    unit = _units(scores, digits)
    reach = _HALF_STEP * unit
    return Observed(scores, scores - reach, scores + reach, unit, FORMATS["float64"], digits)


def _units(scores: Scores, digits: int) -> Scores:
    """Value of the last of so many significant digits of each score."""
    first = np.floor(np.log10(np.where(scores > 0, scores, 1.0)))
    return 10.0 ** (first - digits + 1)


def _nearest(number_format: Format, scores: Scores) -> Scores:
    return number_format.round(scores).astype(np.float64)


def _held_by(number_format: Format, scores: Scores) -> bool:
    return bool(np.all(_nearest(number_format, scores) == scores))


def fewest_decimals(scores: Scores) -> int | None:
    """Fewest decimals that write every score, or None: more than a rounded file has."""
    for decimals in range(_MOST_DECIMALS + 1):
        unit = 10.0**decimals
        if np.all(np.rint(scores * unit) / unit == scores):
            return decimals
    return None


def _fewest_digits(scores: Scores) -> int | None:
    """Fewest significant digits that write every score (``%.9g``), or None.

    None as well for values outside [0, 1], and where one is so small that its digits cannot be
    read off in float64.
    """
    if scores[0] < 0 or scores[-1] > 1 or np.any((scores > 0) & (scores < _SMALLEST_READ)):
        return None
    for digits in range(1, _MOST_DECIMALS + 1):
        scale = np.rint(1 / _units(scores, digits))
        if np.all(np.rint(scores * scale) / scale == scores):
            return digits
    return None


def _printed_from(number_format: Format, scores: Scores, digits: int | None = None) -> bool:
    """Whether every score is a print of a value of the format, and of its own.

    The shortest print that tells the values of the format apart, or one to so many digits.
    """
    some = scores[:: -(-scores.size // _PRINTS_COMPARED)]
    values = number_format.round(some)
    texts = map(str, values) if digits is None else (f"{float(v):.{digits}g}" for v in values)
    printed = np.array([float(text) for text in texts])
    return bool(np.all(printed == some)) and np.unique(values).size == some.size
