"""`rerank-precision report` for the German set: cold, then warm.

    python bench/reports.py

Cold: no logits are kept and nothing is in the folder, but the demo reranker's base is unpacked.
Warm: the same again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.demo import demo_base
from analysis.places import cache_folder
from bench.lines import ROOT, Line, keep, show
from bench.rounds import Spread, seconds_of

PART = "reports"


def lines_of() -> list[Line]:
    """Make a report twice."""
    demo_base()
    with tempfile.TemporaryDirectory() as folder, _without_logits():
        command = [sys.executable, "-m", "analysis.cli", "report", "--out", f"{folder}/report"]
        seconds = [
            seconds_of(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))
            for _ in ("cold", "warm")
        ]
    names = ("`rerank-precision report`, cold", "the same, warm")
    return [Line(name, Spread.of([taken])) for name, taken in zip(names, seconds, strict=True)]


@contextmanager
def _without_logits() -> Iterator[None]:
    """Put kept logits aside, and back afterwards; what was computed meanwhile is dropped."""
    kept = cache_folder() / "logits"
    with tempfile.TemporaryDirectory(dir=cache_folder()) as aside:
        if kept.exists():
            kept.rename(Path(aside) / "logits")
        try:
            yield
        finally:
            if kept.exists():
                kept.rename(Path(aside) / "computed")
            if (Path(aside) / "logits").exists():
                (Path(aside) / "logits").rename(kept)


def main() -> None:
    """Time the reports; keep and print the lines."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    lines = lines_of()
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
