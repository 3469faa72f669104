"""The fingerprint of scores: which score path made them.

:func:`fingerprint` takes a list of scores (and the raw logits, if the engine offers them) and
returns a :class:`Verdict`. Its evidence is exact: the sets of scores that paths can return
(:mod:`analysis.fingerprinting.attainable`), weighed against chance
(:mod:`analysis.fingerprinting.evidence`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.errors import InputError
from analysis.fingerprinting.deciding import decide_alone
from analysis.fingerprinting.given import Pairs, decide_given
from analysis.fingerprinting.kinds import decide_by_range
from analysis.fingerprinting.lists import decide_lists
from analysis.fingerprinting.observed import Observed, Scores, observe
from analysis.fingerprinting.verdict import StageVerdict, Verdict

__all__ = ["StageVerdict", "Verdict", "fingerprint"]

_MOST_JUDGED = 50_000
"""Of a longer list so many distinct scores are judged, spread evenly over the sorted ones."""
_LOW_SCORE = 0.25
"""Below, scores of a format lie closer together than those that its logits reach."""
_ENOUGH_SCORES = 100


@np.errstate(over="ignore")  # what overflows is no value of any format
def fingerprint(
    scores: ArrayLike,
    logits: ArrayLike | None = None,
    *,
    queries: ArrayLike | None = None,
    decimals: int | None = None,
) -> Verdict:
    """Say which score path made a list of scores, stage by stage, or what else they are.

    ``scores`` have the shape ``(n,)``, in any order, with duplicates as they are, as parsed from
    JSON or a run file or as an array of any float dtype; ``logits``, where the engine offers
    them, are the raw logits of the same passages in the same order. ``queries`` names the query
    of each score: what was normalised over the candidates of a query shows only with it.
    ``decimals`` says that the file prints every score with so many. An empty list, or one of a
    single value, carries no evidence and gets ``cannot tell``.

    Evidence is exact membership in the set of scores that a path can return, computed on this
    machine (:mod:`analysis.fingerprinting.evidence` has the reckoning). Raises
    :class:`~analysis.errors.InputError` for other shapes, for logits or queries of another length,
    and for values that are no finite numbers. Where no path maps the logits given to the scores,
    the scores are judged alone.
    """
    given = _numbers(scores, "scores")
    lists = _lists(given, queries)
    distinct = np.unique(given)
    if distinct.size == 0:
        nothing = Verdict("cannot tell", reason="there are no scores")
        return _completed(nothing, given, distinct, with_logits=False)
    observed = observe(distinct, decimals)
    found = None
    if logits is not None:
        found = decide_given(_pairs(given, _numbers(logits, "logits"), observed))
    if found is None:
        found = _by_scores(given, lists, observed)
        found = found if logits is None else _without(found)
    found = replace(found, decimals=observed.decimals, digits=observed.digits)
    return _completed(found, given, distinct, with_logits=logits is not None)


def _by_scores(scores: Scores, lists: list[Scores], observed: Observed) -> Verdict:
    judged = observed.spread(_MOST_JUDGED)
    return (
        decide_lists(lists, observed)
        or decide_by_range(scores, judged)
        or decide_alone(scores, judged)
    )


def _lists(scores: Scores, queries: ArrayLike | None) -> list[Scores]:
    """The scores of each query, ascending; all together where no queries are known."""
    if queries is None:
        return [np.sort(scores)]
    names = np.asarray(queries)
    if names.shape != scores.shape:
        raise InputError(
            f"{names.size} queries for {scores.size} scores",
            "name the query of each score, in the same order",
            field="queries",
        )
    numbers, _ = pd.factorize(names)
    order = np.lexsort((scores, numbers))
    starts = np.flatnonzero(np.diff(numbers[order])) + 1
    return np.split(scores[order], starts)


def _without(verdict: Verdict) -> Verdict:
    """Say that the logits given did not help."""
    reason = "no known path maps the logits given to these scores; by the scores alone, "
    return replace(verdict, reason=reason + verdict.reason)


def _numbers(values: ArrayLike, field: str) -> Scores:
    """Values as a float64 array of one dimension, all finite."""
    try:
        array = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"not a list of numbers: {error}", "give one number per passage", field=field
        ) from error
    if array.ndim != 1:
        raise InputError(
            f"an array of shape {array.shape}", "give one list, shape (n,)", field=field
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InputError(
            f"item {bad[0]} is {array[bad[0]]}, no finite number ({bad.size} such)",
            "leave these passages out, or score them again in a wider dtype",
            field=field,
        )
    return array


def _pairs(scores: Scores, logits: Scores, observed: Observed) -> Pairs:
    """Distinct (logit, score) pairs, spread evenly where there are many."""
    if logits.shape != scores.shape:
        raise InputError(
            f"{logits.size} logits for {scores.size} scores",
            "give the logits of the same passages, in the same order",
            field="logits",
        )
    order = np.lexsort((scores, logits))
    logits, scores = logits[order], scores[order]
    new = np.ones(logits.shape, dtype=bool)
    new[1:] = (np.diff(logits) != 0) | (np.diff(scores) != 0)
    kept = np.flatnonzero(new)
    kept = kept[:: -(-kept.size // _MOST_JUDGED)]
    places = np.searchsorted(np.unique(scores), scores[kept])
    exact = observe(np.unique(logits))
    at = np.searchsorted(np.unique(logits), logits[kept])
    return Pairs(exact.scores[at], observed.take(places))


def _completed(verdict: Verdict, scores: Scores, distinct: Scores, *, with_logits: bool) -> Verdict:
    """Add how many scores there were, and what would tell more."""
    return replace(
        verdict,
        n_scores=scores.size,
        n_distinct=distinct.size,
        reason=verdict.reason + _judged(distinct),
        wanted="" if verdict.path is not None else _wanted(verdict, distinct, with_logits),
    )


def _judged(distinct: Scores) -> str:
    if distinct.size <= _MOST_JUDGED:
        return ""
    return f" (judged by {_MOST_JUDGED:,} of {distinct.size:,} distinct scores, evenly spread)"


def _wanted(verdict: Verdict, distinct: Scores, with_logits: bool) -> str:
    """What would tell more about scores whose path is not decided."""
    if verdict.kind not in ("sigmoid", "softmax", "percent", "cannot tell"):
        return ""
    wanted: list[str] = []
    if distinct.size < _ENOUGH_SCORES:
        wanted.append(f"at least {_ENOUGH_SCORES} distinct scores")
    if verdict.decimals is not None or verdict.digits is not None:
        wanted.append("scores with all their digits")
    if verdict.paths and (distinct < _LOW_SCORE).sum() < _ENOUGH_SCORES / 2:
        wanted.append(f"more scores below {_LOW_SCORE:g}, where paths differ most")
    wanted += [] if with_logits else ["the raw logits"]
    return "; ".join(wanted)
