"""Reranking servers: find which API answers, and ask it for scores and raw scores.

============================= ================================= ==============================
API                           request                           raw scores
============================= ================================= ==============================
Infinity                      ``/rerank`` {query, documents}    ``raw_scores``, from 0.0.59
text-embeddings-inference     ``/rerank`` {query, texts}        ``raw_scores``
vLLM                          ``/rerank``, ``/v1/rerank``,      ``use_activation`` false,
                              ``/v2/rerank`` {query,            ``activation`` when older
                              documents}; ``/score``,
                              ``/v1/score`` {text_1, text_2}
llama.cpp                     ``/rerank``, ``/reranking`` {query, its scores are logits, but for
                              documents}                        yes/no models
NVIDIA NIM                    ``/v1/ranking`` {query, passages} its scores are logits
OpenVINO model server         ``/v3/rerank`` {query, documents} no
Cohere, Jina, Voyage          ``/v1/rerank``, ``/v2/rerank``    no
                              {query, documents}
============================= ================================= ==============================

Read in: ``libs/infinity_emb/infinity_emb/infinity_server.py`` of michaelfeil/infinity;
``router/src/http/server.rs`` and ``types.rs`` of huggingface/text-embeddings-inference;
``vllm/entrypoints/pooling/score/protocol.py`` and ``api_router.py`` of vllm-project/vllm;
``tools/server/server.cpp`` and ``server-common.cpp`` of ggml-org/llama.cpp; "Use NVIDIA NeMo
Retriever Reranking NIM" 2.3; ``docs/model_server_rest_api_rerank.md`` of
openvinotoolkit/model_server; ``src/cohere/v2`` of cohere-ai/cohere-python;
``voyageai/object/reranking.py`` of voyage-ai/voyageai-python.

Ollama has no such endpoint (its issue 3368). Pinecone's wants documents as objects and a header of
its own (``2025-10/inference_2025-10.oas.yaml`` of pinecone-io/pinecone-api): of these two, only
saved answers are read.

A server says nothing about which of them it is; what counts is what it accepts and returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import httpx

from analysis.auditing.answers import scores_in_order
from analysis.auditing.transport import ServerError, Transport, shown
from analysis.scorepath import ScorePath

PATHS = (
    *("rerank", "v1/rerank", "v2/rerank", "v3/rerank", "reranking"),
    *("v1/ranking", "score", "v1/score"),
)
DOCUMENTS_PER_REQUEST = 32
"""The smallest default limit among these servers (text-embeddings-inference's batch size).

A long list is asked for in parts. Where a score depends on its own pair that changes its last bits,
as the composition of a batch always does; a network that is quantised with one scale for a batch
moves by whole logits, which :mod:`analysis.auditing.probing` looks for."""

Field = Literal["documents", "texts", "passages", "text_2"]
_FIELDS: dict[str, tuple[Field, ...]] = {"ranking": ("passages",), "score": ("text_2",)}
"""What the documents are called, by the end of the endpoint's path, where it is special."""
_USUAL_FIELDS: tuple[Field, ...] = ("documents", "texts")
_ENDS = ("rerank", "reranking", "ranking", "score")
RawOption = Literal["", "raw_scores", "use_activation"]
_RAW: dict[RawOption, dict[str, bool]] = {
    "raw_scores": {"raw_scores": True},
    "use_activation": {"use_activation": False, "activation": False},
}
"""What to send for raw scores, by the option's name today; vLLM has had two names for it."""
_RAW_FITS = 2**-6
"""How far a score may lie from the sigmoid of its raw score: a bfloat16 sigmoid's rounding."""
_NO_ENDPOINT = (404, 405)
_OTHER_FIELDS = (400, 422)
_DETECTION = "first pair"


@dataclass(frozen=True)
class Server:
    """A reranking server: where it reranks, and how it is asked.

    ``documents_field`` is what it calls the documents. ``model`` is the name to send, or None to
    send none. ``raw_option`` makes it return logits; it is empty where nothing does.
    """

    transport: Transport
    url: httpx.URL
    documents_field: Field
    model: str | None = None
    raw_option: RawOption = ""

    @property
    def offers_raw(self) -> bool:
        """Whether it returns logits on request."""
        return bool(self.raw_option)

    def scores(
        self, query: str, documents: Sequence[str], *, raw: bool = False, asked: str
    ) -> list[float]:
        """Scores (``raw``: logits) of the documents, in their order.

        ``asked`` names the request in an error. Raises what :meth:`Transport.post` and
        :func:`~analysis.auditing.answers.scores_in_order` raise.
        """
        scores = []
        for start in range(0, len(documents), DOCUMENTS_PER_REQUEST):
            some = documents[start : start + DOCUMENTS_PER_REQUEST]
            answer = self.transport.post(self.url, self._payload(query, some, raw))
            scores += scores_in_order(answer, len(some), url=self.url, asked=asked)
        return scores

    def _payload(self, query: str, documents: Sequence[str], raw: bool) -> dict[str, object]:
        payload: dict[str, object] = {"query": query, self.documents_field: list(documents)}
        if self.documents_field == "texts":
            payload["truncate"] = True
        elif self.documents_field == "passages":
            texts = [{"text": document} for document in documents]
            payload = {"query": {"text": query}, "passages": texts, "truncate": "END"}
        elif self.documents_field == "text_2":
            payload = {"text_1": query, "text_2": list(documents)}
        if self._is_vllm:
            payload["truncate_prompt_tokens"] = -1  # to the model's length; refused otherwise
        if self.model is not None:
            payload["model"] = self.model
        return payload | (_RAW[self.raw_option] if raw else {})

    @property
    def _is_vllm(self) -> bool:
        return self.documents_field == "text_2" or self.raw_option == "use_activation"


def find_server(
    transport: Transport, url: httpx.URL, query: str, document: str, *, model: str | None = None
) -> Server:
    """Find the endpoint below an address by asking for the score of one pair.

    An address whose path ends as one of :data:`PATHS` does is taken as the endpoint itself. Raises
    :class:`ServerError` if nothing there reranks; the error says what was tried.
    """
    refused: ServerError | None = None
    for candidate in _candidates(url):
        for field in _FIELDS.get(_end(candidate), _USUAL_FIELDS):
            server = Server(transport, candidate, field, model)
            try:
                (plain,) = server.scores(query, [document], asked=_DETECTION)
            except ServerError as error:
                if error.status in _NO_ENDPOINT:
                    break
                if error.status not in _OTHER_FIELDS:
                    raise
                refused = refused or error
            else:
                return replace(server, raw_option=_raw_option(server, query, document, plain))
    if refused is not None:
        raise refused
    tried = ", ".join(shown(candidate) for candidate in _candidates(url))
    raise ServerError(
        f"there is no reranking endpoint (tried {tried})",
        "give the address of the endpoint itself, ending in rerank, ranking or score",
        url=url,
        status=404,
    )


def _candidates(url: httpx.URL) -> list[httpx.URL]:
    path = url.path.rstrip("/")
    if _end(url) in _ENDS:
        return [url]
    return [url.copy_with(path=f"{path}/{name}") for name in PATHS]


def _end(url: httpx.URL) -> str:
    return url.path.rstrip("/").rpartition("/")[2]


def _raw_option(server: Server, query: str, document: str, plain: float) -> RawOption:
    """What gives the logit of the score: servers that do not know an option refuse or ignore it.

    What differs from the score and is not its logit is no raw score that an audit can use.
    """
    if server.documents_field == "passages":
        return ""
    for option in _RAW:
        asking = replace(server, raw_option=option)
        try:
            (raw,) = asking.scores(query, [document], raw=True, asked=_DETECTION)
        except ServerError as error:
            if error.status in _OTHER_FIELDS:
                continue
            raise
        if raw != plain and abs(float(ScorePath().scores(raw)) - plain) <= _RAW_FITS:
            return option
    return ""
