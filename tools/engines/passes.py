"""What a runner of forward formats reads and writes: passes over pairs, in batches that are given.

    python run_<runtime>.py REQUEST ANSWER

Like :mod:`interface`, this module runs inside the runtimes' environments and needs nothing but
Python; logits are written by ``float.hex``, so no digit is lost on the way.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pair:
    """A query and a passage, and their tokens together as the model's tokeniser gives them."""

    query: str
    passage: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Pass:
    """Batches, one after the other; each is padded to ``width`` tokens, or to its longest pair."""

    width: int
    batches: tuple[tuple[Pair, ...], ...]


@dataclass(frozen=True)
class Request:
    """What to compute: passes by a checkpoint's folder in one forward format."""

    model: Path
    forward_format: str
    threads: int
    passes: tuple[Pass, ...]

    @property
    def recipe(self) -> str:
        """The format's name within its runtime."""
        return self.forward_format.partition(":")[2]


@dataclass(frozen=True)
class Network:
    """A network in one forward format: the logits of a batch of a width, and what is known of it.

    ``facts`` has the file that it was loaded from (:func:`weighed`), ``recipe``, how that file or
    the network was quantised, and ``precision``, the arithmetic as the runtime reports it, or None.
    """

    logits: Callable[[Sequence[Pair], int], list[float]]
    facts: dict[str, Any]


def main(load: Callable[[Request], Network], packages: Sequence[str]) -> None:
    """Load the network for the request file named first, and write the answer file named second.

    The answer is ``{"versions": …, "facts": …, "passes": [{"logits": [[…], …], "seconds": […]}]}``:
    of each batch its logits, as it has its pairs, and its seconds.
    """
    request_file, answer_file = map(Path, sys.argv[1:])
    request = read_request(request_file)
    network = load(request)
    passes = [_computed(network, one) for one in request.passes]
    versions = {name: version(name) for name in packages}
    answer = {"versions": versions, "facts": network.facts, "passes": passes}
    answer_file.write_text(json.dumps(answer), "utf-8")


def _computed(network: Network, one: Pass) -> dict[str, Any]:
    logits, seconds = [], []
    for batch in one.batches:
        begun = time.perf_counter()
        logits.append([float(logit).hex() for logit in network.logits(batch, one.width)])
        seconds.append(time.perf_counter() - begun)
    return {"logits": logits, "seconds": seconds}


def read_request(file: Path) -> Request:
    """Read a request: the fields of :class:`Request`; batches are numbers of its ``pairs``."""
    fields = json.loads(file.read_text("utf-8"))
    pairs = [
        Pair(pair["query"], pair["passage"], tuple(pair["tokens"])) for pair in fields["pairs"]
    ]
    passes = [
        Pass(one["width"], tuple(tuple(pairs[row] for row in batch) for batch in one["batches"]))
        for one in fields["passes"]
    ]
    model, threads = Path(fields["model"]), fields["threads"]
    return Request(model, fields["forward_format"], threads, tuple(passes))


def padded(batch: Sequence[Pair], width: int, fill: int) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids and attention mask of a batch, as rows of one width."""
    longest = max(width, *(len(pair.tokens) for pair in batch))
    ids = [[*pair.tokens, *[fill] * (longest - len(pair.tokens))] for pair in batch]
    mask = [[1] * len(pair.tokens) + [0] * (longest - len(pair.tokens)) for pair in batch]
    return ids, mask


def weighed(file: Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file of weights."""
    with file.open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    return {"file": file.name, "bytes": file.stat().st_size, "sha256": digest}
