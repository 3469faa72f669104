"""Reranking servers: find which API answers, and ask it for scores and raw scores.

============================= ================================= ==============================
API                           request                           raw scores
============================= ================================= ==============================
Infinity                      ``/rerank`` {query, documents}    ``raw_scores``, from 0.0.59
text-embeddings-inference     ``/rerank`` {query, texts}        ``raw_scores``
Cohere, Jina, vLLM, llama.cpp ``/rerank``, ``/v1/rerank`` or    no
                              ``/v2/rerank``
                              {model, query, documents}
llama.cpp                     ``/reranking``, the same          no
OpenVINO model server         ``/v3/rerank``, the same          no
Ollama (proposed)             ``/api/rerank``, the same         no
NVIDIA NIM                    ``/v1/ranking`` {query, passages} its scores are logits
vLLM                          ``/score`` {text_1, text_2}       no
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
from analysis.scorepath import ScorePath

PATHS = (
    *("rerank", "v1/rerank", "v2/rerank", "v3/rerank", "reranking"),
    *("api/rerank", "v1/ranking", "score"),
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
_RAW_FITS = 2**-6
"""How far a score may lie from the sigmoid of its raw score: a bfloat16 sigmoid's rounding."""
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
        elif self.documents_field == "passages":
            texts = [{"text": document} for document in documents]
            payload = {"query": {"text": query}, "passages": texts, "truncate": "END"}
        elif self.documents_field == "text_2":
            payload = {"text_1": query, "text_2": list(documents)}
        if self.model is not None:
            payload["model"] = self.model
        if raw:
            payload["raw_scores"] = True
        return payload


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
                return replace(server, offers_raw=_offers_raw(server, query, document, plain))
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


def _offers_raw(server: Server, query: str, document: str, plain: float) -> bool:
    """Whether ``raw_scores`` gives the logit of the score: servers without it refuse or ignore it.

    What differs from the score and is not its logit is no raw score that an audit can use.
    """
    if server.documents_field not in _USUAL_FIELDS:
        return False
    try:
        (raw,) = server.scores(query, [document], raw=True, asked=_DETECTION)
    except ServerError as error:
        if error.status in _OTHER_FIELDS:
            return False
        raise
    return raw != plain and abs(float(ScorePath().scores(raw)) - plain) <= _RAW_FITS
