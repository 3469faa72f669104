"""sentence-transformers: ``CrossEncoder.rank``, from 3 on."""

from __future__ import annotations

import inspect

import torch
from interface import Answer, Query, Request, Reranked, dtype_name, main
from sentence_transformers import CrossEncoder
from tap import LogitTap


def run(request: Request) -> Answer:
    """Rerank every query with one cross-encoder and its own default activation."""
    torch.set_num_threads(request.threads)
    # Version 4 renamed the argument.
    known = inspect.signature(CrossEncoder).parameters
    argument = "model_kwargs" if "model_kwargs" in known else "automodel_args"
    dtype = {"torch_dtype": getattr(torch, request.forward_dtype)}
    encoder = CrossEncoder(request.model, device="cpu", **{argument: dtype})
    tap = LogitTap(encoder.model, encoder.tokenizer)
    reranked = [_rerank(encoder, tap, query, request.batch_size) for query in request.queries]
    return Answer(reranked, {"attention": tap.attention})


def _rerank(encoder: CrossEncoder, tap: LogitTap, query: Query, batch_size: int) -> Reranked:
    ranked = encoder.rank(
        query.text, list(query.passages), batch_size=batch_size, show_progress_bar=False
    )
    logits = tap.logits(query.text, query.passages)
    scores = {result["corpus_id"]: result["score"] for result in ranked}
    ordered = [scores[number] for number in sorted(scores)]
    order = [result["corpus_id"] for result in ranked]
    return Reranked(logits, tap.dtype, ordered, dtype_name(ordered[0]), order)


if __name__ == "__main__":
    main(run, ["sentence-transformers"])
