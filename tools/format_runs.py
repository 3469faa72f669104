"""Which forward formats are recorded, by which runner and in which environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine_runs import ROOT, RUNNERS, Environment

EVERY = ("request", "repeated", "alone", "shuffled", "padded")


class Own(Environment):
    """This project's own environment."""

    def run(self, runner: str, *arguments: Path, settings: Mapping[str, str]) -> None:
        """Run one of ``tools/engines/``, to which ``analysis`` is known."""
        command = [sys.executable, str(RUNNERS / runner), *map(str, arguments)]
        ahead = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **settings, "PYTHONPATH": ahead}
        subprocess.run(command, env=environment, check=True)


@dataclass(frozen=True)
class FormatRun:
    """A runtime's formats, and the files its runner is made of, the runner itself first.

    ``batchings`` are those that the runtime has; one that pads nothing has no ``"padded"``.
    """

    formats: tuple[str, ...]
    environment: Environment
    files: tuple[str, ...]
    batchings: tuple[str, ...] = EVERY


RUNS = (
    FormatRun(
        ("torch:float32", "torch:bfloat16", "torch:float16", "torch:float64"),
        Own("own"),
        ("run_torch.py", "passes.py"),
    ),
    FormatRun(
        ("llama.cpp:q8_0", "llama.cpp:q4_0", "llama.cpp:f16"),
        Environment("llama-cpp"),
        ("run_llama_cpp.py", "bert_gguf.py", "llama_cpp_server.py", "passes.py", "llama-cpp.txt"),
        ("request", "repeated", "alone", "shuffled"),
    ),
    FormatRun(
        ("torchao:int8-dynamic", "torchao:int8-weights", "torchao:float8-weights"),
        Environment("torchao-0.18.0"),
        ("run_torchao.py", "passes.py", "requirements/torchao-0.18.0.txt"),
    ),
)
