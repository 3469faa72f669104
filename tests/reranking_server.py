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


def infinity(path: ScorePath = FLOAT16_INFINITY) -> Answer:
    """Answer as Infinity does: ``/rerank``, sorted results, raw scores."""

    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank":
            return Reply(status=404)
        if "documents" not in asked.payload:
            return Reply(status=422)
        scores = scored(asked, path, "documents")
        order = np.argsort(-np.array(scores), kind="stable").tolist()
        results = [{"relevance_score": scores[i], "index": i, "document": None} for i in order]
        return reply({"object": "rerank", "results": results, "model": "m"})

    return answer


def text_embeddings_inference(path: ScorePath, *, most: int = 32) -> Answer:
    """Answer as text-embeddings-inference does: ``texts``, a plain list, at most ``most``."""

    def answer(asked: Asked) -> Reply:
        if asked.path != "/rerank":
            return Reply(status=404)
        if "texts" not in asked.payload or len(asked.payload["texts"]) > most:
            return Reply(status=422)
        scores = scored(asked, path, "texts")
        order = np.argsort(-np.array(scores), kind="stable").tolist()
        return reply([{"index": i, "score": scores[i]} for i in order])

    return answer


def cohere(path: ScorePath, place: str, *, model: str) -> Answer:
    """Answer as hosted services do: a model must be named, and there are no raw scores."""

    def answer(asked: Asked) -> Reply:
        if asked.path != place:
            return Reply(status=404)
        if asked.payload.get("model") != model or "raw_scores" in asked.payload:
            return Reply(status=400)
        scores = scored(asked, path, "documents")
        return reply(
            {"results": [{"index": i, "relevance_score": s} for i, s in enumerate(scores)]}
        )

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


def named(place: str, field: str, results: str, score: str, path: ScorePath) -> Answer:
    """Answer at one place as its documentation has it: what documents and results are called."""

    def answer(asked: Asked) -> Reply:
        if asked.path != place:
            return Reply(status=404)
        if field not in asked.payload or "raw_scores" in asked.payload:
            return Reply(status=422)
        texts = [t["text"] if isinstance(t, dict) else t for t in asked.payload[field]]
        scores = path.scores([logit(text) for text in texts])
        return reply({results: [{"index": i, score: float(s)} for i, s in enumerate(scores)]})

    return answer


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
