"""What reranking servers answer, as scores in the order of the documents that were sent."""

from __future__ import annotations

import math
from numbers import Real

import httpx

from analysis.auditing.transport import ServerError
from analysis.errors import counted
from analysis.readers.answers import SCORE_NAMES, results_of

_FORMAT = "check that this is a reranking endpoint"


def scores_in_order(answer: object, n_documents: int, *, url: httpx.URL, asked: str) -> list[float]:
    """Scores of an answer, one per document, in the order sent; servers sort them.

    ``answer`` is what :mod:`analysis.readers.answers` knows; a result has an ``index``.
    ``asked`` names the request in an error. Raises :class:`ServerError` for another structure,
    for missing, duplicated or unknown indices, and for scores that are not finite numbers.
    """
    scores: dict[int, float] = {}
    for result in _results(answer, url, asked):
        index = _index(result, n_documents, url, asked)
        if index in scores:
            raise ServerError(
                f"document {index} is scored twice",
                "report that to the server's makers: the scores cannot be assigned",
                url=url,
                field=asked,
            )
        scores[index] = _score(result, index, url, asked)
    if len(scores) < n_documents:
        raise ServerError(
            f"there are scores for {len(scores)} of {n_documents} documents only",
            "let the server return all of them (a top_n or a threshold cuts them)",
            url=url,
            field=asked,
        )
    return [scores[index] for index in range(n_documents)]


def _results(answer: object, url: httpx.URL, asked: str) -> list[dict[str, object]]:
    results = answer if isinstance(answer, list) else results_of(answer)
    if results is None or not all(isinstance(item, dict) for item in results):
        raise ServerError("the answer has no list of results", _FORMAT, url=url, field=asked)
    return results


def _index(result: dict[str, object], n_documents: int, url: httpx.URL, asked: str) -> int:
    index = result.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise ServerError(
            "a result has no index, so its document is unknown", _FORMAT, url=url, field=asked
        )
    if not 0 <= index < n_documents:
        raise ServerError(
            f"a result has an index beyond the {counted(n_documents, 'document')} sent",
            "report that to the server's makers: the scores cannot be assigned",
            url=url,
            field=asked,
        )
    return index


def _score(result: dict[str, object], index: int, url: httpx.URL, asked: str) -> float:
    name = next((name for name in SCORE_NAMES if name in result), None)
    if name is None:
        problem = f"the result of document {index} has no {' or '.join(SCORE_NAMES)}"
        raise ServerError(problem, _FORMAT, url=url, field=asked)
    score = finite(result[name])
    if score is None:
        # A NaN becomes null in strict JSON. The value is not quoted: it may be any text.
        raise ServerError(
            f"the {name} of document {index} is not a finite number",
            "run the model in bfloat16 or float32: float16 overflows above 65504",
            url=url,
            field=asked,
        )
    return score


def finite(value: object) -> float | None:
    """Give a value as a float64, or None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None
