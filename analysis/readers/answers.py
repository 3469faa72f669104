"""Saved answers of reranking services, and runs as JSON objects.

An answer is a list of results, or an object that holds one:

============================== =================================================================
service                        answer
============================== =================================================================
Cohere, Jina, vLLM ``/rerank`` ``{"results": [{"index": 3, "relevance_score": 0.99, …}], …}``
Infinity                       the same; ``"data"`` in its first versions
Voyage                         ``{"object": "list", "data": [{"index": 0, "relevance_score": …}]}``
vLLM ``/score``                ``{"object": "list", "data": [{"index": 0, "score": 0.99}], …}``
text-embeddings-inference      ``[{"index": 1, "score": 0.99}, …]``
NVIDIA NIM                     ``{"rankings": [{"index": 0, "logit": 7.6}]}``: logits, as scores
DashScope                      ``{"output": {"results": [{"index": 0, "relevance_score": …}]}}``
sentence-transformers ``rank`` ``[{"corpus_id": 2, "score": 0.99}, …]``
FlashRank                      ``[{"id": 4, "text": …, "score": 0.99}, …]``
============================== =================================================================

It names no query and no passages: a passage is called by its index, a query by the ``query_id``
beside the results if somebody put it there, otherwise by where the answer stands: the file, the
line, the place in a list, or the key. A run is ``{"q1": {"p1": 0.99}}``, as BEIR, pytrec_eval and
ranx keep it, or inside mteb's ``{"mteb_model_meta": …, "default": {"test": {…}}}``.

Sources: https://docs.cohere.com/reference/rerank, https://docs.voyageai.com/reference/reranker-api,
https://api.jina.ai/redoc, ``docs/openapi.json`` of text-embeddings-inference 1.7,
``fastapi_schemas/pymodels.py`` of Infinity, ``entrypoints/pooling/score/protocol.py`` of vLLM 0.13,
``AbsTask._save_task_predictions`` of mteb 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analysis.datasets import as_id
from analysis.errors import Place, quoted
from analysis.numerals import finite_number
from analysis.readers.columns import spelled

_LISTS = ("results", "data", "rankings", "output")
_IDS = ("index", "corpus_id", "id")
SCORE_NAMES = ("relevance_score", "score", "logit")
_MTEB = "mteb_model_meta"
_READABLE = (
    'give an answer with results, {"q1": {"p1": 0.5}}, or rows with query_id, passage_id and score'
)


class Scored(NamedTuple):
    """A score as it is spelled, and the logit if it is known."""

    query_id: str
    passage_id: str
    score: object
    logit: object = None


def scored_rows(value: object, name: str, place: Place) -> Iterator[Scored]:
    """Scores of whatever a JSON value holds: one answer or several, a run, or rows.

    ``name`` is the query's where the value is one answer. Raises :class:`InputError` for anything
    else, with the place inside the value, and for a result without an index or a finite score.
    """
    results = results_of(value)
    if results is not None:
        yield from _of_results(results, _query_id(value, name, place), place)
    elif isinstance(value, list):
        yield from _of_list(value, name, place)
    elif isinstance(value, dict):
        yield from _of_object(value, place)
    else:
        raise place.error(f"there are no scores in {quoted(value)}", _READABLE)


def is_answer(value: object) -> bool:
    """Whether a JSON value is an answer of a service."""
    return results_of(value) is not None


def results_of(value: object) -> list[dict[str, object]] | None:
    """Results of an answer of a service; None if the value is no answer."""
    if isinstance(value, dict) and isinstance(value.get("output"), dict):
        value = value["output"]
    if isinstance(value, dict) and not spelled("passage_id", value):
        held = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
        return held if _are_objects(held) else None
    if isinstance(value, list) and value and _are_objects(value):
        is_result = any(key in value[0] for key in _IDS) and not spelled("query_id", value[0])
        return value if is_result and not any(map(_has_results, value)) else None
    return None


def _has_results(value: dict[str, object]) -> bool:
    """Whether one of a list is an answer: it may have an id, and a result lists of its own."""
    return is_answer(value) and not any(name in value for name in SCORE_NAMES)


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _query_id(answer: object, name: str, place: Place) -> str:
    key = spelled("query_id", answer) if isinstance(answer, dict) else None
    return name if key is None else as_id(answer[key], place._replace(field=key))


def _of_results(results: list[dict[str, object]], query_id: str, place: Place) -> Iterator[Scored]:
    for number, result in enumerate(results):
        at = place.inside(f"results[{number}]")
        passage_id = _named(result, _IDS, at)
        score = _named(result, SCORE_NAMES, at)
        inside = at._replace(field=f"{at.field}.{_key(result, SCORE_NAMES)}")
        finite_number(score, inside)
        yield Scored(query_id, as_id(passage_id, at), score)


def _of_list(value: list[object], name: str, place: Place) -> Iterator[Scored]:
    for number, one in enumerate(value):
        at = place.inside(f"[{number}]")
        if is_answer(one):
            yield from scored_rows(one, f"{name}:{number + 1}", at)
        elif isinstance(one, dict):
            yield row_of(one, at)
        else:
            raise at.error(f"there are no scores in {quoted(one)}", _READABLE)


def _of_object(value: dict[str, object], place: Place) -> Iterator[Scored]:
    if _MTEB in value:
        yield from _of_object(_only_run(value, place), place)
        return
    columns = [spelled(name, value) for name in ("query_id", "passage_id", "score")]
    if all(columns):
        if any(isinstance(value[name], dict | list) for name in columns):
            raise place.error(
                "this is a frame that was written column by column",
                'write it with orient="records"',
            )
        yield row_of(value, place)
        return
    for query_id, held in value.items():
        at = place.inside(quoted(query_id))
        if is_answer(held):
            yield from scored_rows(held, as_id(query_id, at), at)
        elif isinstance(held, dict):
            for passage_id, score in held.items():
                finite_number(score, at._replace(field=f"{at.field}.{quoted(passage_id)}"))
                yield Scored(as_id(query_id, at), as_id(passage_id, at), score)
        else:
            raise at.error(f"there are no scores in {quoted(held)}", _READABLE)


def row_of(record: Mapping[str, object], place: Place) -> Scored:
    """One row with query, passage, score and perhaps logit; its numbers are not checked."""
    found = [_column(record, name, place) for name in ("query_id", "passage_id", "score")]
    return Scored(*found, record.get("logit"))


def _column(record: Mapping[str, object], name: str, place: Place) -> object:
    key = spelled(name, record)
    if key is None:
        raise place.inside(name).error("this key is missing", f'add "{name}" to the object')
    return record[key]


def _only_run(value: dict[str, object], place: Place) -> dict[str, object]:
    """The run in mteb's predictions, which hold one for each subset and split."""
    subsets = {name: held for name, held in value.items() if name != _MTEB}
    runs = [
        run
        for splits in subsets.values()
        if isinstance(splits, dict)
        for run in splits.values()
        if isinstance(run, dict)
    ]
    if len(runs) != 1:
        raise place.error(
            f"these predictions of mteb hold {len(runs)} runs", "keep one subset with one split"
        )
    return runs[0]


def _key(record: Mapping[str, object], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in record), names[0])


def _named(result: Mapping[str, object], names: tuple[str, ...], place: Place) -> object:
    """What a result has under one of the names."""
    key = _key(result, names)
    if key not in result:
        raise place.error(f"the result has no {' or '.join(names)}", _READABLE)
    return result[key]
