"""Reranking servers: find which API answers, and ask it for scores and raw scores.

============================= ================================= ==============================
API                           request                           raw scores
============================= ================================= ==============================
Infinity                      ``/rerank`` {query, documents}    ``raw_scores``, from 0.0.59
text-embeddings-inference     ``/rerank`` {query, texts}        ``raw_scores``
Cohere, Jina, vLLM, llama.cpp ``/rerank``, ``/v1/rerank`` or    no
                              ``/v2/rerank``
                              {model, query, documents}
============================= ================================= ==============================

A server says nothing about which of them it is; what counts is what it accepts and returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import httpx

from analysis.auditing.answers import scores_in_order
from analysis.auditing.transport import ServerError, Transport, shown

PATHS = ("rerank", "v1/rerank", "v2/rerank")
DOCUMENTS_PER_REQUEST = 32
"""The smallest default limit among these servers (text-embeddings-inference's batch size).

A score depends on its own pair, so asking for a long list in parts changes nothing but the last
bits that the composition of a batch always changes."""

Field = Literal["documents", "texts"]
_FIELDS: tuple[Field, ...] = ("documents", "texts")
_NO_ENDPOINT = (404, 405)
_OTHER_FIELDS = (400, 422)
_DETECTION = "first pair"


@dataclass(frozen=True)
class Server:
    """A reranking server: where it reranks, and how it is asked.

    ``documents_field`` is what it calls the documents. ``model`` is the name to send, or None to
    send none. ``offers_raw`` says whether it returns logits on request.
    """

    transport: Transport
    url: httpx.URL
    documents_field: Field
    model: str | None = None
    offers_raw: bool = False

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
            payload["truncate"] = True  # the others cut long pairs unasked
        if self.model is not None:
            payload["model"] = self.model
        if raw:
            payload["raw_scores"] = True
        return payload


def find_server(
    transport: Transport, url: httpx.URL, query: str, document: str, *, model: str | None = None
) -> Server:
    """Find the endpoint below an address by asking for the score of one pair.

    An address whose path ends in ``rerank`` is taken as the endpoint itself. Raises
    :class:`ServerError` if nothing there reranks; the error says what was tried.
    """
    refused: ServerError | None = None
    for candidate in _candidates(url):
        for field in _FIELDS:
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
                return replace(server, offers_raw=_offers_raw(server, query, document, plain))
    if refused is not None:
        raise refused
    tried = ", ".join(shown(candidate) for candidate in _candidates(url))
    raise ServerError(
        f"there is no reranking endpoint (tried {tried})",
        "give the address of the endpoint itself, ending in rerank",
        url=url,
        status=404,
    )


def _candidates(url: httpx.URL) -> list[httpx.URL]:
    path = url.path.rstrip("/")
    if path.endswith("rerank"):
        return [url]
    return [url.copy_with(path=f"{path}/{name}") for name in PATHS]


def _offers_raw(server: Server, query: str, document: str, plain: float) -> bool:
    """Whether ``raw_scores`` changes the score: servers without it refuse or ignore it."""
    try:
        (raw,) = server.scores(query, [document], raw=True, asked=_DETECTION)
    except ServerError as error:
        if error.status in _OTHER_FIELDS:
            return False
        raise
    return raw != plain
