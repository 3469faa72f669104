"""Which engines are recorded, and in which environment each of them runs.

``make engines`` builds an environment for every file in ``tools/engines/requirements/`` and a
folder of packages for every file in ``tools/engines/overlays/``; an overlay is put ahead of an
environment, where another version of one package is all that differs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNNERS = ROOT / "tools" / "engines"
ENVIRONMENTS = ROOT / "build" / "engines"
EVERY_DTYPE = ("float32", "float16", "bfloat16")
# NumPy, in whose hands these versions leave the sigmoid, has no bfloat16.
NUMPY_DTYPES = ("float32", "float16")

QUIET = {
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Environment:
    """An engine's Python: a virtual environment, and packages that go ahead of its own."""

    name: str
    overlays: tuple[str, ...] = ()

    def run(self, runner: str, *arguments: Path, settings: Mapping[str, str]) -> None:
        """Run one of ``tools/engines/`` in it; raises CalledProcessError if that fails."""
        ahead = os.pathsep.join(str(ENVIRONMENTS / overlay) for overlay in self.overlays)
        # The engine's own name for its module path; nothing of this project's may leak into it.
        environment = {**os.environ, **QUIET, **settings, "PYTHONPATH": ahead}
        python = ENVIRONMENTS / self.name / "bin" / "python"
        command = [str(python), str(RUNNERS / runner), *map(str, arguments)]
        subprocess.run(command, env=environment, check=True)


@dataclass(frozen=True)
class EngineRun:
    """One engine in one version behind one interface, in every dtype that it takes."""

    engine: str
    version: str
    runner: str
    environment: Environment
    api: str = "in-process"
    dtypes: tuple[str, ...] = EVERY_DTYPE


_INFINITY, _HTTP = "run_infinity.py", "run_infinity_http.py"
_HAYSTACK, _CROSS_ENCODER = "run_haystack.py", "run_sentence_transformers.py"

RUNS = (
    EngineRun("infinity", "0.0.32", _INFINITY, Environment("infinity-0.0.32"), dtypes=NUMPY_DTYPES),
    EngineRun(
        "infinity",
        "0.0.68",
        _INFINITY,
        Environment("infinity-0.0.78", ("infinity-0.0.68",)),
        dtypes=NUMPY_DTYPES,
    ),
    EngineRun(
        "infinity", "0.0.69", _INFINITY, Environment("infinity-0.0.78", ("infinity-0.0.69",))
    ),
    EngineRun("infinity", "0.0.78", _INFINITY, Environment("infinity-0.0.78")),
    EngineRun("infinity", "0.0.78", _HTTP, Environment("infinity-0.0.78"), api="http"),
    EngineRun("haystack", "2.0.1", _HAYSTACK, Environment("haystack-2.0.1")),
    EngineRun("haystack", "2.31.0", _HAYSTACK, Environment("haystack-2.31.0")),
    EngineRun("sentence-transformers", "3.4.1", _CROSS_ENCODER, Environment("infinity-0.0.78")),
    EngineRun("sentence-transformers", "5.1.2", _CROSS_ENCODER, Environment("haystack-2.31.0")),
    EngineRun(
        "sentence-transformers",
        "6.2.0",
        _CROSS_ENCODER,
        Environment("sentence-transformers-6.2.0"),
    ),
)

# Infinity 0.0.32 as it failed, the older library under which it did not, and the version mended.
TRUST_REMOTE_CODE = (
    Environment("infinity-0.0.32", ("sentence-transformers-2.7.0",)),
    Environment("infinity-0.0.32"),
    Environment("infinity-0.0.32", ("infinity-0.0.33", "sentence-transformers-2.7.0")),
)
