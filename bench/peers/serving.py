"""What every peer does: it loads once, then scores what it is sent, one line of JSON at a time.

    python run_<peer>.py MODEL DTYPE CHANNEL

CHANNEL is the number of an open file that answers are written to: whatever libraries print goes to
standard output. A request is ``{"queries": [{"query": …, "passages": […]}], "batch_size": …}``. Its
answer ``{"seconds": …, "logits": […]}`` has the logits of all pairs in the order of the request and
the seconds that scoring took, from texts to logits. The first line that is sent back says that the
model is there: ``{"version": …}``. This runs in the peers' environments and needs nothing but
Python.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from time import perf_counter
from typing import Any, TextIO

Query = tuple[str, list[str]]
Score = Callable[[list[Query], int], Sequence[float]]


def arguments() -> tuple[str, str]:
    """The model's folder and the dtype."""
    model, dtype, _channel = sys.argv[1:]
    return model, dtype


def serve(score: Score, package: str) -> None:
    """Answer requests until there are no more."""
    with os.fdopen(int(sys.argv[3]), "w", encoding="utf-8") as channel:
        _answer(channel, {"version": version(package)})
        for request in map(json.loads, sys.stdin):
            queries = [(one["query"], one["passages"]) for one in request["queries"]]
            begin = perf_counter()
            logits = score(queries, request["batch_size"])
            seconds = perf_counter() - begin
            _answer(channel, {"seconds": seconds, "logits": [float(logit) for logit in logits]})


def _answer(channel: TextIO, content: dict[str, Any]) -> None:
    channel.write(json.dumps(content) + "\n")
    channel.flush()
