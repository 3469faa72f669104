"""The staircase: which logits share a score, exactly.

A sigmoid in a number format is a staircase over the logits. Its edges are found by integer
bisection over the ordinals of representable logits, never by sampling; this is exact because
every formula is monotonic (the tests enumerate it).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import InputError
from analysis.formats import Format, format_of
from analysis.sigmoids import Formula, score_format, sigmoid


def staircase(
    formula: Formula,
    dtype: str | Format,
    low: float,
    high: float = 1.0,
    *,
    logit_dtype: str | Format | None = None,
) -> pd.DataFrame:
    """Every attainable score in the closed interval [low, high] with the logits that give it.

    ``logit_dtype`` says which logits exist (default: ``dtype``); ``float32`` shows what a cast
    to ``dtype`` before the sigmoid hides from float32 logits. Columns, in ascending order of
    score:

    - ``score`` and ``one_minus_score``;
    - ``logit_low``, ``logit_high``: the closed interval of finite representable logits with that
      score (the step of score 1.0 ends at the largest finite logit);
    - ``width``: the relevance difference, in logits, that the score hides: ``logit_high -
      logit_low``, infinite at exactly 1.0 and 0.0, and 0 where one logit has the score alone.

    Raises :class:`InputError` for an interval with more than fifty million representable scores.
    """
    if not 0 <= low <= high <= 1:
        raise InputError(
            f"[{low}, {high}] is no interval of scores", "choose 0 ≤ low ≤ high ≤ 1", field="low"
        )
    scores_format, logits_format = score_format(formula, dtype), format_of(logit_dtype or dtype)
    scores = scores_format.values(low, high)
    beyond = scores_format.next_above(high) if high < 1 else np.inf
    first = _first_logits(np.append(scores, beyond), formula, dtype, logits_format)
    steps = pd.DataFrame({"score": scores, "one_minus_score": 1 - scores})
    steps["logit_low"] = logits_format.from_ordinals(first[:-1]).astype(np.float64)
    steps["logit_high"] = logits_format.from_ordinals(first[1:] - 1).astype(np.float64)
    saturated = steps["score"].isin([0.0, 1.0])
    steps["width"] = (steps["logit_high"] - steps["logit_low"]).mask(saturated, np.inf)
    return steps[first[:-1] < first[1:]].reset_index(drop=True)


def distinct_scores(
    formula: Formula,
    dtype: str | Format,
    low: float,
    high: float = 1.0,
    *,
    logit_dtype: str | Format | None = None,
) -> int:
    """How many different scores in the closed interval [low, high] a formula can return."""
    return len(staircase(formula, dtype, low, high, logit_dtype=logit_dtype))


def _first_logits(
    scores: NDArray[np.float64], formula: Formula, dtype: str | Format, logits_format: Format
) -> NDArray[np.int64]:
    """Ordinal of the first logit that scores at least each of ``scores`` (one past all if none).

    All bisections advance together, one evaluation of the sigmoid per halving.
    """
    largest = int(logits_format.ordinals(logits_format.max))
    below = np.full(scores.shape, -largest - 1, dtype=np.int64)
    reached = np.full(scores.shape, largest + 1, dtype=np.int64)
    while np.any(reached - below > 1):
        middle = below + (reached - below) // 2
        logits = logits_format.from_ordinals(middle)
        enough = sigmoid(logits, formula, dtype).astype(np.float64) >= scores
        open_ = reached - below > 1
        reached = np.where(open_ & enough, middle, reached)
        below = np.where(open_ & ~enough, middle, below)
    return reached
