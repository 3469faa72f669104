"""Peers: others' rerankers, each a process in an environment of its own that stays loaded."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.datasets import RerankingSet
from analysis.rerankers import Reranker
from bench.lines import KEPT, ROOT
from bench.pairs import MAX_LENGTH

ENVIRONMENTS = ROOT / "build" / "engines"
RUNNERS = Path(__file__).parent / "peers"
LOG = KEPT / "peers.log"
"""What peers say on the way."""
AGREEMENT = {"float32": 1e-3, "float16": 0.03, "bfloat16": 0.15}
"""How far logits may be from torch's float32 ones on average: the rounding of the dtype, whose
logits move with their batches as well, and room."""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "TOKENIZERS_PARALLELISM": "false",
    # Nothing of this project may stand on a peer's module path.
    "PYTHONPATH": "",
}


@dataclass(frozen=True)
class Peer:
    """Somebody else's reranker: its name, its environment, its runner, its batches."""

    name: str
    environment: str
    runner: str
    batch_sizes: tuple[int, ...] = (32,)


PEERS = (
    Peer(
        "sentence-transformers 6.2.0",
        "sentence-transformers-6.2.0",
        "run_sentence_transformers.py",
        (16, 32, 64),
    ),
    Peer("Haystack 2.31.0", "haystack-2.31.0", "run_haystack.py"),
    Peer("Infinity 0.0.78", "infinity-0.0.78", "run_infinity.py"),
)


@dataclass(frozen=True, eq=False)
class Scored:
    """What one pass over a set took, and the logits that it gave, shape (n_pairs,)."""

    seconds: float
    logits: NDArray[np.float64]


class Running:
    """A peer that has loaded the model in a dtype and waits to be asked."""

    def __init__(self, command: list[str]) -> None:
        KEPT.mkdir(parents=True, exist_ok=True)
        answers, channel = os.pipe()
        self._answers = os.fdopen(answers, encoding="utf-8")
        with LOG.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(channel)],
                env=os.environ | _QUIET,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                encoding="utf-8",
                pass_fds=[channel],
            )
        os.close(channel)
        self.version: str = self._answer()["version"]

    def score(self, dataset: RerankingSet, batch_size: int) -> Scored:
        """Have a set scored."""
        queries = [
            {"query": rows["query"].iloc[0], "passages": rows["passage"].tolist()}
            for _, rows in dataset.pairs.groupby("query_id", sort=False)
        ]
        request = json.dumps({"queries": queries, "batch_size": batch_size}, ensure_ascii=False)
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        return Scored(answer["seconds"], np.array(answer["logits"], dtype=np.float64))

    def end(self) -> None:
        """Let the peer end: there are no more requests."""
        self._process.stdin.close()
        self._answers.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        """The peer's next line; RuntimeError where it has ended instead."""
        line = self._answers.readline()
        if not line:
            self.end()
            raise RuntimeError(
                f"{' '.join(map(str, self._process.args))} ended with no answer; see {LOG}"
            )
        return json.loads(line)


@contextmanager
def running(peer: Peer, model: Path, dtype: str) -> Iterator[Running]:
    """A peer for as long as it is needed."""
    python = ENVIRONMENTS / peer.environment / "bin" / "python"
    started = Running([str(python), str(RUNNERS / peer.runner), str(model), dtype])
    try:
        yield started
    finally:
        started.end()


def saved(reranker: Reranker) -> Path:
    """The reranker as a folder that every peer loads, cut to the same length as here."""
    folder = reranker.save_merged(KEPT / "model")
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) | {"model_max_length": MAX_LENGTH}
    file.write_text(json.dumps(settings), encoding="utf-8")
    return folder


def disagreement(logits: NDArray[np.float64], reference: NDArray[np.float64], dtype: str) -> str:
    """Why times may not be compared: other logits than the reference's; empty where they agree."""
    if logits.shape != reference.shape:
        return f"{len(logits)} logits for {len(reference)} pairs: not compared"
    distance = float(np.abs(logits - reference).mean())
    if distance <= AGREEMENT[dtype]:  # NaN is no agreement
        return ""
    return f"other logits, {distance:.3g} away on average: not compared"
