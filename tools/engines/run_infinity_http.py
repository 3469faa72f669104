"""Infinity's own HTTP server on loopback, asked as any client asks: ``POST /rerank``.

Its numbers arrive as JSON text: a score is kept as that text reads in float64. Raw logits are
what the server answers to ``raw_scores`` in a second request with the same documents.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from interface import Answer, Query, Request, Reranked, main

HOST = "127.0.0.1"
START_SECONDS, ANSWER_SECONDS, STOP_SECONDS = 180, 300, 30


def run(request: Request) -> Answer:
    """Start the server, rerank every query, stop the server."""
    with _server(request) as url:
        reranked = [_rerank(url, query) for query in request.queries]
    return Answer(reranked, {"attention": "not told over HTTP"})


@contextmanager
def _server(request: Request) -> Iterator[str]:
    """A running server's URL; the process ends with the block."""
    port = _free_port()
    options = {
        "--model-id": request.model,
        "--served-model-name": "demo",
        "--dtype": request.forward_dtype,
        "--batch-size": str(request.batch_size),
        "--device": "cpu",
        "--engine": "torch",
        "--host": HOST,
        "--port": str(port),
    }
    flags = ["--no-bettertransformer", "--no-model-warmup"]
    command = [str(Path(sys.executable).parent / "infinity_emb"), "v2", *flags]
    command += [part for option in options.items() for part in option]
    environment = {**os.environ, "OMP_NUM_THREADS": str(request.threads)}
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    url = f"http://{HOST}:{port}"
    try:
        _await_health(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def _await_health(url: str, process: subprocess.Popen) -> None:
    """Return once the server answers; raises RuntimeError if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=5):
                return
        except URLError:
            time.sleep(0.5)
    raise RuntimeError(f"Infinity's server at {url} did not start; its output is above")


def _rerank(url: str, query: Query) -> Reranked:
    results = _post(url, query, raw_scores=False)
    raw = _post(url, query, raw_scores=True)
    logits = {result["index"]: result["relevance_score"] for result in raw}
    scores = {result["index"]: result["relevance_score"] for result in results}
    numbers = range(len(query.passages))
    return Reranked(
        [logits[number] for number in numbers],
        "json",
        [scores[number] for number in numbers],
        "json",
        [result["index"] for result in results],
    )


def _post(url: str, query: Query, *, raw_scores: bool) -> list[dict[str, Any]]:
    body = {
        "model": "demo",
        "query": query.text,
        "documents": list(query.passages),
        "raw_scores": raw_scores,
        "return_documents": False,
    }
    request = HttpRequest(
        f"{url}/rerank",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=ANSWER_SECONDS) as response:
        return json.load(response)["results"]


if __name__ == "__main__":
    main(run, ["infinity-emb", "sentence-transformers"])
