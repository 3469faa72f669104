"""Infinity in-process: ``AsyncEmbeddingEngine.rerank``, from version 0.0.32 on."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import torch
from infinity_emb import AsyncEmbeddingEngine, EngineArgs
from interface import Answer, Query, Request, Reranked, dtype_name, main
from packaging.version import Version
from tap import LogitTap

# From here on the engine itself takes every dtype on every device.
DTYPE_ON_CPU = Version("0.0.69")


def run(request: Request) -> Answer:
    """Rerank every query with one engine."""
    torch.set_num_threads(request.threads)
    return asyncio.run(_run(request))


async def _run(request: Request) -> Answer:
    by_option = Version(version("infinity-emb")) >= DTYPE_ON_CPU
    engine = AsyncEmbeddingEngine.from_args(
        EngineArgs(
            model_name_or_path=request.model,
            engine="torch",
            device="cpu",
            batch_size=request.batch_size,
            dtype=request.forward_dtype if by_option else "auto",
            bettertransformer=False,
            model_warmup=False,
        )
    )
    patched = _cross_encoder(engine)
    if not by_option and request.forward_dtype != "float32":
        # What the engine does on CUDA, in CrossEncoderPatched.__init__; on a CPU it does not.
        patched.model.to(dtype=getattr(torch, request.forward_dtype))
    tap = LogitTap(patched.model, patched.tokenizer)
    async with engine:
        reranked = [await _rerank(engine, tap, query) for query in request.queries]
    return Answer(reranked, {"attention": tap.attention})


async def _rerank(engine: AsyncEmbeddingEngine, tap: LogitTap, query: Query) -> Reranked:
    results, _usage = await engine.rerank(query=query.text, docs=list(query.passages))
    # Infinity strips the texts before it tokenises them.
    logits = tap.logits(query.text.strip(), [passage.strip() for passage in query.passages])
    if isinstance(results[0], float):  # to 0.0.61: scores in the order of the documents
        return Reranked(logits, tap.dtype, results, dtype_name(results[0]), order=None)
    order = [result.index for result in results]
    scores = {result.index: result.relevance_score for result in results}
    ordered = [scores[number] for number in sorted(scores)]
    return Reranked(logits, tap.dtype, ordered, dtype_name(ordered[0]), order)


def _cross_encoder(engine: AsyncEmbeddingEngine) -> Any:  # noqa: ANN401
    """The engine's ``CrossEncoderPatched``; newer versions keep a list of replicas."""
    replicas = getattr(engine, "_model_replicas", None)
    return replicas[0] if replicas else engine._model


if __name__ == "__main__":
    main(run, ["infinity-emb", "sentence-transformers"])
