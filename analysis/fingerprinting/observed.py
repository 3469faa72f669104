"""How scores were stored and printed: each distinct score as the interval it stands for.

A score that arrives as a number may be the value itself, the shortest decimal print of a float32
or float16 (JSON), or a number rounded to n decimals (``%.4f``) or n significant digits (``%.6g``).
In the first two cases the value is known exactly; in the others, only the interval that rounds to
the print. Which of them it is, is decided by rarity: of two prints that write every score the
coarser one, and a rounded print only where the shortest prints of float32 values would hardly all
be as short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.formats import FORMATS, Format

Scores = NDArray[np.float64]
_Answer = TypeVar("_Answer")

_FEW_DECIMALS, _MOST_DECIMALS = 4, 12
_MOST_PRINTED = 15
"""Decimals that a file may be known to have; of so many, float64 shows each."""
_PRINTS_COMPARED = 2_000
_FLOAT32_DIGITS = 9
"""So many digits tell every two float32 values apart."""
_ROUNDED_ODDS = 3.0
"""Log10 odds of a rounded print against shortest float32 prints that are as short by chance."""
_SMALLEST_READ = 1e-10
_READER_ERROR = 2.0**-50
"""What a hasty decimal parser, such as that of ``pandas.read_json``, errs by at most."""
_HALF_STEP = 0.5 * (1 + 1e-6)
"""Half a unit of the last decimal, a little more: how a tie was rounded is not known."""


@dataclass(frozen=True)
class Observed:
    """Distinct scores, ascending, each with the closed interval [low, high] it stands for.

    ``spacing`` is the distance between neighbouring scores that could have been stored;
    ``stored`` the format they came in, or the one their digits name. ``decimals`` or ``digits``
    say how they were rounded, if they were. All arrays have the shape ``(n_distinct,)``.
    """

    scores: Scores
    low: Scores
    high: Scores
    spacing: Scores
    stored: Format
    decimals: int | None = None
    digits: int | None = None
    _answers: dict[Callable[[Observed], Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def ask(self, question: Callable[[Observed], _Answer]) -> _Answer:
        """Answer to a question about the scores, which is worked out once."""
        if question not in self._answers:
            self._answers[question] = question(self)
        return self._answers[question]

    @property
    def exact(self) -> bool:
        """Whether each score is known to its last bit."""
        return self.decimals is None and self.digits is None

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
        parts = ("scores", "low", "high", "spacing")
        return replace(self, **{part: getattr(self, part)[chosen] for part in parts})

    def spread(self, most: int) -> Observed:
        """At most so many scores, evenly spread over the sorted ones."""
        if self.scores.size <= most:
            return self
        return self.take(np.linspace(0, self.scores.size - 1, most).astype(np.intp))

    def widened(self, steps: int) -> Observed:
        """Allow each score so many representable values to either side."""
        reach = steps * self.spacing
        spacing = self.spacing * (2 * steps + 1)
        return replace(self, low=self.low - reach, high=self.high + reach, spacing=spacing)

    def divided(self, unit: float) -> Observed:
        """The scores before they were multiplied by ``unit``, in float64 or in what stores them.

        Each stands for all scores whose product rounds to it.
        """
        scores = self.scores / unit
        error = 0.0 if self._holds(scores) else self.stored.eps / 2
        return replace(
            self,
            scores=scores,
            low=self.low / unit * (1 - error),
            high=self.high / unit * (1 + error),
            spacing=np.maximum(self.spacing / unit, self.stored.spacing(scores)),
            decimals=None if self.decimals is None else self.decimals + round(np.log10(unit)),
        )

    def _holds(self, values: Scores) -> bool:
        return self.exact and _held_by(self.stored, values)


def observe(scores: Scores, decimals: int | None = None) -> Observed:
    """Read distinct scores, ascending, as what they were stored or printed as.

    ``decimals`` says that the file prints each of them with so many. Otherwise few decimals are
    read as such; more may be the shortest print of a float16, bfloat16 or float32, which is then
    taken to that very value, unless they were rounded to fewer digits than the dtype's prints have.
    Anything else is float64.
    """
    if decimals is not None and decimals <= _MOST_PRINTED and _written(scores, 10.0**-decimals):
        return _rounded(scores, decimals)
    if _held_by(FORMATS["float32"], scores):
        return _exactly(scores, FORMATS["float32"])
    fewest, digits = _fewest_decimals(scores), _fewest_digits(scores)
    if fewest is not None and fewest <= _FEW_DECIMALS:
        return _rounded(scores, fewest)
    rounded = _coarser(scores, fewest, digits)
    for half in (FORMATS["float16"], FORMATS["bfloat16"]):
        if _printed_from(half, scores) and not _is_rounded(rounded, half):
            return _exactly(_nearest(half, scores), FORMATS["float32"])
    if _is_rounded(rounded, FORMATS["float32"]):
        return rounded
    telling = [None] if digits is None or digits < _FLOAT32_DIGITS else [None, digits]
    if any(_printed_from(FORMATS["float32"], scores, number) for number in telling):
        return _exactly(_nearest(FORMATS["float32"], scores), FORMATS["float32"])
    return rounded or _exactly(scores, FORMATS["float64"])


def _exactly(scores: Scores, stored: Format) -> Observed:
    return Observed(scores, scores, scores, stored.spacing_below(np.abs(scores)), stored)


def _rounded(scores: Scores, decimals: int) -> Observed:
    return _to_units(scores, np.full(scores.shape, 10.0**-decimals), decimals=decimals)


def _to_units(scores: Scores, units: Scores, **printed: int) -> Observed:
    reach = _HALF_STEP * units
    return Observed(scores, scores - reach, scores + reach, units, FORMATS["float64"], **printed)


def _coarser(scores: Scores, decimals: int | None, digits: int | None) -> Observed | None:
    """The scores as rounded to decimals or to digits, whichever says more about them."""
    prints = [] if decimals is None else [_rounded(scores, decimals)]
    if digits is not None:
        prints.append(_to_units(scores, _units(scores, digits), digits=digits))
    return max(prints, key=lambda one: np.log10(one.spacing).sum(), default=None)


def _is_rounded(rounded: Observed | None, number_format: Format) -> bool:
    """Whether values of the format would hardly all have shortest prints as short as these."""
    if rounded is None:
        return False
    telling = rounded.scores != 0  # 0 is short in any print
    spacing = number_format.spacing(np.abs(rounded.scores[telling]))
    odds = -np.log10(np.minimum(1.0, spacing / rounded.spacing[telling])).sum()
    return bool(odds >= _ROUNDED_ODDS)


def _units(scores: Scores, digits: int) -> Scores:
    """Value of the last of so many significant digits of each score."""
    sizes = np.abs(scores)
    first = np.floor(np.log10(np.where(sizes > 0, sizes, 1.0)))
    return np.maximum(10.0 ** (first - digits + 1), np.finfo(np.float64).tiny)


def _nearest(number_format: Format, scores: Scores) -> Scores:
    return number_format.round(scores).astype(np.float64)


def _held_by(number_format: Format, scores: Scores) -> bool:
    return bool(np.all(_nearest(number_format, scores) == scores))


def _written(scores: Scores, units: Scores | float) -> bool:
    """Whether every score is a multiple of its unit, but for what a reader's parser loses."""
    scale = np.where(np.asarray(units) <= 1, np.rint(1 / np.asarray(units)), 1 / units)
    errors = np.abs(np.rint(scores * scale) / scale - scores)
    return bool(np.all(errors <= _READER_ERROR * np.abs(scores)))


def _fewest_decimals(scores: Scores) -> int | None:
    """Fewest decimals that write every score, or None: more than a rounded file has."""
    every = range(_MOST_DECIMALS + 1)
    return next((number for number in every if _written(scores, 10.0**-number)), None)


def _fewest_digits(scores: Scores) -> int | None:
    """Fewest significant digits that write every score (``%.6g``), or None.

    Digits of very small scores cannot be read off by their units in float64: those are printed.
    """
    small = np.abs(scores) < _SMALLEST_READ
    usual, tiny = scores[~small], scores[small]
    if not usual.size:
        return None
    every = range(1, _MOST_DECIMALS + 1)
    fitting = (number for number in every if _written(usual, _units(usual, number)))
    return next((number for number in fitting if _has_digits(tiny, number)), None)


def _has_digits(scores: Scores, digits: int) -> bool:
    """Whether every score is the print of so many significant digits."""
    return all(float(f"{score:.{digits}g}") == score for score in scores)


def _printed_from(number_format: Format, scores: Scores, digits: int | None = None) -> bool:
    """Whether every score is a print of a value of the format, and of its own.

    The shortest print that tells the values of the format apart, or one to so many digits.
    """
    some = scores[:: -(-scores.size // _PRINTS_COMPARED)]
    values = number_format.round(some)
    texts = map(str, values) if digits is None else (f"{float(v):.{digits}g}" for v in values)
    printed = np.array([float(text) for text in texts])
    close = np.abs(printed - some) <= _READER_ERROR * np.abs(some)
    return bool(np.all(close)) and np.unique(values).size == some.size
