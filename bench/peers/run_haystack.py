"""Haystack 2's ``TransformersSimilarityRanker``, a call for each query."""

from __future__ import annotations

import torch
from haystack import Document
from haystack.components.rankers import TransformersSimilarityRanker
from haystack.utils import ComponentDevice
from serving import Query, arguments, serve


def main() -> None:
    """Load the model and serve."""
    model, dtype = arguments()
    ranker = TransformersSimilarityRanker(
        model=model,
        device=ComponentDevice.from_str("cpu"),
        token=None,
        scale_score=False,
        model_kwargs={"torch_dtype": getattr(torch, dtype)},
    )
    ranker.warm_up()

    def score(queries: list[Query], batch_size: int) -> list[float]:
        """Logits of all pairs, in order."""
        ranker.batch_size = batch_size
        return [logit for query in queries for logit in _rank(ranker, *query)]

    serve(score, "haystack-ai")


def _rank(ranker: TransformersSimilarityRanker, query: str, passages: list[str]) -> list[float]:
    documents = [Document(id=str(number), content=text) for number, text in enumerate(passages)]
    ranked = ranker.run(query=query, documents=documents, top_k=len(documents))["documents"]
    logits = {int(document.id): document.score for document in ranked}
    return [logits[number] for number in range(len(passages))]


if __name__ == "__main__":
    main()
