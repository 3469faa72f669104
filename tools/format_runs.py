"""Which forward formats are recorded, by which runner and in which environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine_runs import ROOT, RUNNERS, Environment

from analysis.forwardformats import FORWARD_FORMATS, RUN_HERE

PADDED = "padded"


class Own(Environment):
    """The project's own environment, with its extra ``runtimes``."""

    def run(self, runner: str, *arguments: Path, settings: Mapping[str, str]) -> None:
        """Run one of ``tools/engines/``, to which ``analysis`` is known."""
        command = [sys.executable, str(RUNNERS / runner), *map(str, arguments)]
        ahead = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **settings, "PYTHONPATH": ahead}
        subprocess.run(command, env=environment, check=True)


@dataclass(frozen=True)
class FormatRun:
    """A runtime's formats, and the files that decide what its runner answers, the runner first.

    ``left_out`` names the batchings that the runtime does not have.
    """

    formats: tuple[str, ...]
    environment: Environment
    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()


def _of(runtime: str) -> tuple[str, ...]:
    return tuple(text for text, one in FORWARD_FORMATS.items() if one.runtime == runtime)


def _files(*names: str) -> tuple[Path, ...]:
    return tuple(RUNNERS / name for name in (*names, "passes.py"))


_OWN_FILES = (ROOT / "constraints.txt", *sorted((ROOT / "analysis" / "runtimes").glob("*.py")))

RUNS = (
    FormatRun(tuple(RUN_HERE), Own("own"), (*_files("run_analysis.py"), *_OWN_FILES)),
    FormatRun(
        _of("llama.cpp"),
        Environment("llama-cpp"),
        _files("run_llama_cpp.py", "bert_gguf.py", "llama_cpp_server.py", "llama-cpp.txt"),
        left_out=(PADDED,),  # it packs pairs one behind the other
    ),
    FormatRun(
        _of("torchao"),
        Environment("torchao-0.18.0"),
        _files("run_torchao.py", "requirements/torchao-0.18.0.txt"),
    ),
)
