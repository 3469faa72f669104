"""What stands before any work: `import analysis`, and the command line's help.

    python bench/starting.py [--rounds N]

Each in an interpreter of its own; the time of an interpreter that does nothing is beside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench.lines import ROOT, Line, keep, show
from bench.rounds import Spread, in_turn, seconds_of

PART = "starting"
ROUNDS = 5
PROGRAMS = {
    "an interpreter that does nothing": ("-c", ""),
    "`import analysis`": ("-c", "import analysis"),
    "`from analysis import evaluate`": ("-c", "from analysis import evaluate"),
    "`from analysis import score`": ("-c", "from analysis import score"),
    "`rerank-precision --help`": ("-m", "analysis.cli", "--help"),
}


def lines_of(rounds: int) -> list[Line]:
    """Time each program in turn, files and caches warm."""
    tasks = {name: lambda _, program=program: _run(program) for name, program in PROGRAMS.items()}
    in_turn(tasks, 1)
    return [Line(name, Spread.of(seconds)) for name, seconds in in_turn(tasks, rounds).items()]


def _run(program: tuple[str, ...]) -> float:
    command = [sys.executable, *program]
    return seconds_of(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))


def main() -> None:
    """Time the starts; keep and print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    lines = lines_of(parser.parse_args().rounds)
    keep(PART, lines)
    show(lines)


if __name__ == "__main__":
    main()
