"""Hosted services, whose arithmetic nobody outside can read: what their documentation says."""

SERVICES: dict[str, str] = {
    "cohere": "relevance scores in [0, 1]; docs.cohere.com/reference/rerank",
    "jina": "relevance scores, of jina-reranker-v3 cosines of projected embeddings; "
    "api.jina.ai/redoc",
    "nvidia-nim": "raw logits without bounds, under rankings; "
    "docs.nvidia.com/nim/nemo-retriever/text-reranking",
    "pinecone": "scores in [0, 1], normalised; docs.pinecone.io/guides/search/rerank-results",
    "voyage": "relevance scores; docs.voyageai.com/reference/reranker-api",
}
"""By name: no dtype and no formula is documented, so none of them has a score path here."""
