"""Every part, each in a process of its own, and the table in `bench/README.md`: `make bench`.

    python bench/run.py [PART…]

Named parts are run and the others' lines taken from their last run, so that a bench that was
stopped goes on; without names all are run. A part that fails is said, and its old lines stay.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench.lines import ROOT, kept
from bench.table import write

PARTS = {
    "scoring": "Scoring",
    "batches": "Batches by token budget",
    "paths": "Every path of the catalogue",
    "measures": "Measures under ties",
    "fingerprints": "Fingerprint",
    "starting": "Starting",
    "reports": "Report",
    "toggles": "The view",
}
"""Modules, and the headings of their tables."""


def main() -> None:
    """Run parts and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    chosen = parser.parse_args().parts or list(PARTS)
    unknown = set(chosen) - set(PARTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    failed = [part for part in chosen if not _run(part)]
    write({heading: kept(part) for part, heading in PARTS.items()})
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _run(part: str) -> bool:
    """Run one part; whether it came to its end."""
    print(f"— {part}", flush=True)
    environment = {**os.environ, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH"))}
    file = Path(__file__).parent / f"{part}.py"
    return subprocess.run([sys.executable, str(file)], env=environment, check=False).returncode == 0


def _with_root(path: str | None) -> str:
    """A module path that begins with the root of the repository."""
    return os.pathsep.join([str(ROOT), *([path] if path else [])])


if __name__ == "__main__":
    main()
