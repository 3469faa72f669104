"""Infinity in-process: ``AsyncEmbeddingEngine.rerank``, all queries at once.

It makes its batches itself, from whatever waits, of the size that it has by default.
"""

from __future__ import annotations

import asyncio

from infinity_emb import AsyncEmbeddingEngine, EngineArgs
from serving import Query, arguments, serve


def main() -> None:
    """Load the model and serve."""
    model, dtype = arguments()
    engine = AsyncEmbeddingEngine.from_args(
        EngineArgs(
            model_name_or_path=model,
            engine="torch",
            device="cpu",
            dtype=dtype,
            bettertransformer=False,
            model_warmup=False,
        )
    )
    with asyncio.Runner() as runner:
        runner.run(engine.astart())
        serve(lambda queries, _batch_size: runner.run(_rerank(engine, queries)), "infinity-emb")
        runner.run(engine.astop())


async def _rerank(engine: AsyncEmbeddingEngine, queries: list[Query]) -> list[float]:
    """Logits of all pairs, in order."""
    asked = [
        engine.rerank(query=query, docs=passages, raw_scores=True) for query, passages in queries
    ]
    return [
        logit for results, _usage in await asyncio.gather(*asked) for logit in _ordered(results)
    ]


def _ordered(results: list) -> list[float]:
    """Logits in the order of the passages; the engine sorts them by logit."""
    logits = {result.index: result.relevance_score for result in results}
    return [logits[number] for number in range(len(logits))]


if __name__ == "__main__":
    main()
