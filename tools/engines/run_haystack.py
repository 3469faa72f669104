"""Haystack's ``TransformersSimilarityRanker``, 2.0 to 2.31."""

from __future__ import annotations

import inspect

import torch
from haystack import Document
from haystack.components.rankers import TransformersSimilarityRanker
from haystack.utils import ComponentDevice
from interface import Answer, Query, Request, Reranked, dtype_name, main
from tap import LogitTap


def run(request: Request) -> Answer:
    """Rerank every query with one ranker, calibration factor 1."""
    torch.set_num_threads(request.threads)
    ranker = TransformersSimilarityRanker(
        model=request.model,
        device=ComponentDevice.from_str("cpu"),
        token=None,
        top_k=max(len(query.passages) for query in request.queries),
        model_kwargs={"torch_dtype": getattr(torch, request.forward_dtype)},
        **_batches(request),
    )
    ranker.warm_up()
    tap = LogitTap(ranker.model, ranker.tokenizer)
    reranked = [_rerank(ranker, tap, query) for query in request.queries]
    return Answer(reranked, {"attention": tap.attention})


def _batches(request: Request) -> dict[str, int]:
    """The batch size, where the ranker has one; before, all passages of a query are one batch."""
    known = inspect.signature(TransformersSimilarityRanker).parameters
    return {"batch_size": request.batch_size} if "batch_size" in known else {}


def _rerank(ranker: TransformersSimilarityRanker, tap: LogitTap, query: Query) -> Reranked:
    documents = [
        Document(id=str(number), content=passage) for number, passage in enumerate(query.passages)
    ]
    ranked = ranker.run(query=query.text, documents=documents)["documents"]
    logits = tap.logits(query.text, query.passages)
    scores = {int(document.id): document.score for document in ranked}
    ordered = [scores[number] for number in sorted(scores)]
    order = [int(document.id) for document in ranked]
    return Reranked(logits, tap.dtype, ordered, dtype_name(ordered[0]), order)


if __name__ == "__main__":
    main(run, ["haystack-ai"])
