"""What every runner reads and writes: one JSON file in, one JSON file out.

    python run_<engine>.py REQUEST ANSWER

This module runs inside the engines' environments and needs nothing but Python. A request is what
:func:`read_request` says, an answer what :func:`write_answer` says; numbers that an engine
returned are written by ``float.hex``, so no digit is lost on the way.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy")


@dataclass(frozen=True)
class Query:
    """A query and its passages, in the order in which the engine gets them."""

    query_id: str
    text: str
    passage_ids: tuple[str, ...]
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What to run: a checkpoint's folder, torch's name of a dtype, and the queries.

    A batch holds at most ``batch_size`` pairs of one query; torch computes on ``threads``.
    """

    model: str
    forward_dtype: str
    batch_size: int
    threads: int
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class Reranked:
    """What an engine made of the passages of one query.

    ``logits`` are what the network returned, ``scores`` what the engine's public interface
    returned, both in the order of the passages. ``order`` lists passage numbers, the best first,
    as the engine gave them back; None for an engine that returns scores without ordering them.
    """

    logits: Sequence[float]
    logit_dtype: str
    scores: Sequence[float]
    score_dtype: str
    order: Sequence[int] | None


@dataclass(frozen=True)
class Answer:
    """What a run gave: one :class:`Reranked` a query, and facts about the engine for the card."""

    reranked: Sequence[Reranked]
    facts: dict[str, str]


Runner = Callable[[Request], Answer]


def main(run: Runner, packages: Sequence[str]) -> None:
    """Run an engine on the request file named first, and write the answer file named second.

    The versions of ``packages`` are written with it, beside those of the libraries below them.
    """
    request_file, answer_file = map(Path, sys.argv[1:])
    request = read_request(request_file)
    answer = run(request)
    versions = {name: version(name) for name in (*packages, *LIBRARIES)}
    write_answer(answer_file, request, answer, versions)


def read_request(file: Path) -> Request:
    """Read a request: the fields of :class:`Request`, each query with its ``candidates``."""
    fields = json.loads(file.read_text("utf-8"))
    queries = tuple(
        Query(
            query["query_id"],
            query["query"],
            tuple(candidate["passage_id"] for candidate in query["candidates"]),
            tuple(candidate["text"] for candidate in query["candidates"]),
        )
        for query in fields.pop("queries")
    )
    return Request(**fields, queries=queries)


def write_answer(file: Path, request: Request, answer: Answer, versions: dict[str, str]) -> None:
    """Write ``{"versions": …, "facts": …, "rows": […]}``, one row a pair, in the request's order.

    A row has ``query_id, passage_id, logit, logit_dtype, score, score_dtype, rank``; the rank is
    null where the engine does not order.
    """
    rows = [
        row
        for query, reranked in zip(request.queries, answer.reranked, strict=True)
        for row in rows_of(query, reranked)
    ]
    content = {"versions": versions, "facts": answer.facts, "rows": rows}
    file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def rows_of(query: Query, reranked: Reranked) -> list[dict[str, Any]]:
    """Rows of one query; raises ValueError where the engine left a passage out or gave it twice."""
    numbers = range(len(query.passages))
    ranks: dict[int, int | None] = dict.fromkeys(numbers)
    if reranked.order is not None:
        if sorted(reranked.order) != list(numbers):
            raise ValueError(f"query {query.query_id}: the engine ordered {reranked.order}")
        ranks = {number: rank for rank, number in enumerate(reranked.order, start=1)}
    values = zip(numbers, query.passage_ids, reranked.logits, reranked.scores, strict=True)
    return [
        {
            "query_id": query.query_id,
            "passage_id": passage_id,
            "logit": float(logit).hex(),
            "logit_dtype": reranked.logit_dtype,
            "score": float(score).hex(),
            "score_dtype": reranked.score_dtype,
            "rank": ranks[number],
        }
        for number, passage_id, logit, score in values
    ]


def dtype_name(score: object) -> str:
    """Name a returned number's dtype: NumPy's, or ``float64`` for a plain Python float."""
    return "float64" if type(score) is float else str(score.dtype)
