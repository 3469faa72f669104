"""A real HTTP server on loopback that reranks, or misbehaves as a test wants it to."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from analysis.scorepath import ScorePath

FLOAT16_INFINITY = ScorePath("float16", "stepwise", "float16", "float16")


@dataclass
class Reply:
    """What the server sends: ``reset`` breaks the connection off, ``drip`` waits between bytes."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    drip: float = 0.0


@dataclass(frozen=True)
class Asked:
    """A request that the server received; ``query`` is what stood behind the question mark."""

    path: str
    query: str
    headers: dict[str, str]
    payload: dict


Answer = Callable[[Asked], Reply]


@dataclass
class Running:
    """A running server; ``answer`` can be exchanged while it runs."""

    url: str
    answer: Answer
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(answer: Answer) -> Iterator[Running]:
    """Serve on a free port of loopback until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    running = server.running = Running(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def logit(document: str) -> float:
    """Logit between −6 and 14 that the test servers give a document, whatever the query."""
    return -6 + 20 * zlib.crc32(document.encode()) / 2**32


def reply(value: object, **options) -> Reply:
    """Reply with a value as JSON."""
    return Reply(json.dumps(value).encode(), **options)


def scored(asked: Asked, path: ScorePath, documents: str) -> list[float]:
    """Scores of the documents asked about, or their logits where raw scores are asked for."""
    logits = path.logits([logit(text) for text in asked.payload[documents]])
    return (logits if asked.payload.get("raw_scores") else path.scores(logits)).tolist()


def scored_plainly(asked: Asked, path: ScorePath, documents: str) -> list[float]:
    """Scores of the documents asked about, whatever else is asked for."""
    return path.scores(path.logits([logit(text) for text in asked.payload[documents]])).tolist()


def in_order(scores: list[float], name: str) -> list[dict]:
    """Results, the best first; scores are called ``name``."""
    order = np.argsort(-np.array(scores), kind="stable").tolist()
    return [{"index": i, name: scores[i]} for i in order]


def infinity(path: ScorePath = FLOAT16_INFINITY, *, results: str = "results") -> Answer:
    """Answer as Infinity does: ``/rerank``, sorted results, raw scores.

    Source: ``infinity_server.py`` and ``fastapi_schemas/pymodels.py`` below
    ``libs/infinity_emb/infinity_emb`` of michaelfeil/infinity. Its results were once ``data``.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank":
            return Reply(status=404)
        if "documents" not in asked.payload:
            return Reply(status=422)
        ranked = in_order(scored(asked, path, "documents"), "relevance_score")
        listed = [one | {"document": None} for one in ranked]
        return reply({"object": "rerank", results: listed, "model": "m"})

    return answer


def text_embeddings_inference(path: ScorePath, *, most: int = 32) -> Answer:
    """Answer as text-embeddings-inference does: ``texts``, a plain list, at most ``most``.

    Source: ``router/src/http/server.rs`` and ``types.rs`` of huggingface/text-embeddings-inference.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank":
            return Reply(status=404)
        if "texts" not in asked.payload:
            return Reply(status=422)
        if len(asked.payload["texts"]) > most:
            return Reply(status=413)
        return reply(in_order(scored(asked, path, "texts"), "score"))

    return answer


def vllm(path: ScorePath, *, longest: int = 10_000) -> Answer:
    """Answer as vLLM does: what is not known is ignored, what is too long refused.

    ``longest`` is in characters, for tokens. Source: ``vllm/entrypoints/pooling/score`` of
    vllm-project/vllm, ``protocol.py`` and ``api_router.py``.
    """

    def answer(asked: Asked) -> Reply:
        said = asked.payload
        reranks = asked.path in ("/rerank", "/v1/rerank", "/v2/rerank")
        if not reranks and asked.path not in ("/score", "/v1/score"):
            return Reply(status=404)
        field = "documents" if reranks else "text_2"
        if not {field, "query" if reranks else "text_1"} <= set(said):
            return Reply(status=400)
        if "truncate_prompt_tokens" not in said and max(map(len, said[field])) > longest:
            return Reply(status=400)
        logits = path.logits([logit(text) for text in said[field]])
        scores = (logits if said.get("use_activation") is False else path.scores(logits)).tolist()
        if reranks:
            listed = [one | {"document": {}} for one in in_order(scores, "relevance_score")]
            return reply({"id": "rerank-1", "model": "m", "usage": {}, "results": listed})
        listed = [{"index": i, "object": "score", "score": s} for i, s in enumerate(scores)]
        return reply({"id": "score-1", "object": "list", "model": "m", "data": listed})

    return answer


def llama_cpp(path: ScorePath) -> Answer:
    """Answer as llama.cpp's server does: Jina's format, or for ``texts`` that of TEI.

    Source: ``tools/server/server.cpp`` and ``server-common.cpp`` of ggml-org/llama.cpp.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path not in ("/rerank", "/reranking", "/v1/rerank", "/v1/reranking"):
            return Reply(status=404)
        if "texts" in asked.payload:
            return reply(in_order(scored_plainly(asked, path, "texts"), "score"))
        if "documents" not in asked.payload:
            return Reply(status=400)
        ranked = in_order(scored_plainly(asked, path, "documents"), "relevance_score")
        return reply({"model": "m", "object": "list", "usage": {}, "results": ranked})

    return answer


def nim(path: ScorePath, *, model: str) -> Answer:
    """Answer as NVIDIA NIM does: objects with a text, rankings with logits.

    Source: "Use NVIDIA NeMo Retriever Reranking NIM" 2.3, in NVIDIA's documentation.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path != "/v1/ranking":
            return Reply(status=404)
        if asked.payload.keys() != {"model", "query", "passages", "truncate"}:
            return Reply(status=422)
        texts = [passage["text"] for passage in asked.payload["passages"]]
        scores = path.scores([logit(text) for text in texts]).tolist()
        return reply({"rankings": in_order(scores, "logit")})

    return answer


def hosted(path: ScorePath, place: str, *, model: str, results: str = "results") -> Answer:
    """Answer as hosted services do: a model must be named, and there are no raw scores.

    Sources: ``src/cohere/v2`` of cohere-ai/cohere-python; ``voyageai/object/reranking.py`` of
    voyage-ai/voyageai-python (its results are ``data``); at ``/v3/rerank``,
    ``docs/model_server_rest_api_rerank.md`` of openvinotoolkit/model_server.
    """

    def answer(asked: Asked) -> Reply:
        if asked.path != place:
            return Reply(status=404)
        if asked.payload.keys() != {"model", "query", "documents"}:
            return Reply(status=400)
        if asked.payload["model"] != model:
            return Reply(status=400)
        scores = scored_plainly(asked, path, "documents")
        return reply({results: in_order(scores, "relevance_score")})

    return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        running: Running = self.server.running
        path, _, query = self.path.partition("?")
        asked = Asked(path, query, dict(self.headers), json.loads(body))
        running.asked.append(asked)
        reply = running.answer(asked)
        self.close_connection = True
        if reply.reset:
            # Lingering for no time makes the system send a reset instead of an orderly end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        self.send_response(reply.status)
        headers = {"Content-Length": str(len(reply.body)), "Connection": "close"} | reply.headers
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        try:
            if not reply.drip:
                self.wfile.write(reply.body)
            for byte in reply.body if reply.drip else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(reply.drip)
        except ConnectionError:  # the client has had enough, as it should
            return

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def drifting(shift: float, path: ScorePath = FLOAT16_INFINITY) -> Answer:
    """Answer as Infinity does; a document that is asked about alone has its logit moved."""

    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank":
            return Reply(status=404)
        if "documents" not in asked.payload:
            return Reply(status=422)
        documents = asked.payload["documents"]
        logits = [logit(text) + shift * (len(documents) == 1) for text in documents]
        scores = logits if asked.payload.get("raw_scores") else path.scores(logits).tolist()
        return reply(
            {"results": [{"relevance_score": s, "index": i} for i, s in enumerate(scores)]}
        )

    return answer
