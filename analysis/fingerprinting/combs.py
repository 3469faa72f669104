"""A path's scores from near: a comb. Which scores stand on its teeth, and the odds of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.fingerprinting.attainable import path_scores, path_table
from analysis.fingerprinting.evidence import DECIDED
from analysis.fingerprinting.hypotheses import Hypothesis, hypotheses
from analysis.fingerprinting.observed import Observed, Scores, observe
from analysis.formats import HALVES, format_of
from analysis.scorepath import ScorePath

_NEAR_ONE = 0.99
_BEYOND = 0.01
"""So many logits beyond a window are evaluated too, more than a float32 sigmoid errs by there."""


@dataclass(frozen=True)
class Window:
    """A closed interval of scores, given by the logits at its two ends (float64)."""

    logit_low: float
    logit_high: float

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest score inside."""
        low, high = 1 / (1 + np.exp(-np.array([self.logit_low, self.logit_high])))
        return float(low), float(high)

    def of(self, scores: ArrayLike) -> Scores:
        """Return the distinct scores inside, ascending."""
        low, high = self.ends
        distinct = np.unique(np.asarray(scores, dtype=np.float64))
        return distinct[(distinct >= low) & (distinct <= high)]


def busiest_window(scores: ArrayLike, width: float) -> Window:
    """Window of so many logits that holds most distinct scores near 1.

    Near 1 means at least 0.99; if there are none, any score but 0 and 1 counts. Of several such
    windows the lowest; each begins at a score. Without any score: around logit 0.
    """
    distinct = np.unique(np.asarray(scores, dtype=np.float64))
    inner = distinct[(distinct > 0) & (distinct < 1)]
    high = inner[inner >= _NEAR_ONE]
    chosen = high if high.size else inner
    if not chosen.size:
        return Window(-width / 2, width / 2)
    logits = np.log(chosen) - np.log1p(-chosen)
    held = np.searchsorted(logits, logits + width, side="right") - np.arange(logits.size)
    first = float(logits[np.argmax(held)])
    edge = 1e-6 * width  # the first score is inside, whatever its logit was rounded to
    return Window(first - edge, first + width)


def teeth(path: ScorePath, window: Window) -> Scores:
    """Every score that a sigmoid path can return inside a window, ascending.

    By any routine that may have evaluated it: ``path_scores`` of
    :mod:`analysis.fingerprinting.attainable`.
    """
    if path.forward_dtype in HALVES:
        return window.of(path_table((path,)).scores)
    reach = window.logit_low - _BEYOND, window.logit_high + _BEYOND
    logits = format_of(path.forward_dtype).values(*reach)
    return window.of(np.concatenate(path_scores(path, logits)))


def comb_table(paths: Sequence[ScorePath], window: Window, scores: ArrayLike) -> pd.DataFrame:
    """How many of the scores in a window each path can return.

    ``scores`` are held to the combs as they are, bit for bit. One row per path: ``computation,
    teeth`` (scores that exist there), ``scores`` (distinct ones inside the window), ``attained``.
    """
    inside = window.of(scores)
    rows = []
    for path in paths:
        comb = teeth(path, window)
        attained = int(np.isin(inside, comb).sum())
        rows.append((path.computation, comb.size, inside.size, attained))
    return pd.DataFrame(rows, columns=["computation", "teeth", "scores", "attained"])


@dataclass(frozen=True)
class Line:
    """Odds of one path while scores are read one after another.

    ``odds[i]`` is the log10 odds against chance after ``i + 1`` distinct scores. The line ends
    before the first score that the path cannot return: ``refuted`` says whether there is one.
    """

    path: ScorePath
    odds: NDArray[np.float64]
    refuted: bool

    @property
    def decided_after(self) -> int | None:
        """Number of scores from which on the odds stay where a verdict is given, if they do."""
        short = np.flatnonzero(self.odds < DECIDED)
        first = 0 if short.size == 0 else int(short[-1]) + 1
        return first + 1 if not self.refuted and first < self.odds.size else None


def odds_lines(scores: ArrayLike, paths: Sequence[ScorePath], seed: int) -> list[Line]:
    """Odds of each path's set as the distinct scores arrive in random order.

    The odds are those of the verdict (:mod:`analysis.fingerprinting.evidence`): less the best odds of
    a distribution without steps of its own. Paths that one set stands for, and paths no set stands
    for, have one line and none.
    """
    distinct = np.unique(np.asarray(scores, dtype=np.float64))
    observed = observe(distinct)
    observed = observed.take(np.random.default_rng(seed).permutation(distinct.size))
    smooth = [_summed(one, observed) for one in hypotheses() if one.family == "smooth"]
    chance = np.max([np.zeros(distinct.size), *(odds for odds, _ in smooth)], axis=0)
    wanted = {path.computation for path in paths}
    lines = []
    for one in hypotheses():
        named = [path for path in one.paths if path.computation in wanted]
        if one.family == "sigmoid" and named:
            odds, length = _summed(one, observed)
            lines.append(Line(named[0], (odds - chance)[:length], length < distinct.size))
    return lines


def _summed(hypothesis: Hypothesis, observed: Observed) -> tuple[NDArray[np.float64], int]:
    """Odds summed score by score, minus infinity from the first refuted one; and its index."""
    widths = hypothesis.widths(observed)
    refuted = np.flatnonzero(widths == 0)
    length = int(refuted[0]) if refuted.size else widths.size
    telling = np.where(widths > 0, widths / observed.cells(), 1.0)
    odds = np.nancumsum(np.log10(telling))
    odds[length:] = -np.inf
    return odds, length
