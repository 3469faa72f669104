"""Count what goes wrong under torture, and write the table of ``docs/reliability.md``.

    python tools/torture [--times N] [KIND …]

Without a name every kind is run; a word that is part of a name chooses those kinds. ``--times``
tries each of them so often instead of as often as the kind itself says, and leaves the page alone.
Kinds that are done are kept in ``build/torture`` for the code that was tried, so that a run which
was cut goes on with the next one. Exit status 1 where anything came out wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

TOOLS = Path(__file__).parents[1]
sys.path[:0] = [str(TOOLS), str(TOOLS.parent / "tests")]

from torture import (  # noqa: E402 -- they are found where this file puts their folders
    audit_kills,
    damage,
    determinism,
    disks,
    inputs,
    mutations,
    page,
    ray_kills,
    report_kills,
    scoring_kills,
)
from torture.counts import CannotRunError, Count, Kind  # noqa: E402

KINDS: tuple[Kind, ...] = (
    *scoring_kills.KINDS,
    *ray_kills.KINDS,
    *audit_kills.KINDS,
    *report_kills.KINDS,
    *damage.KINDS,
    *disks.KINDS,
    *inputs.KINDS,
    *mutations.KINDS,
    *determinism.KINDS,
)
PAGE = TOOLS.parent / "docs" / "reliability.md"
KEPT = TOOLS.parent / "build" / "torture"
NOT_RUN = "not run"
_MOST_LISTED = 20


def main() -> int:
    """Run the kinds that are chosen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    given = parser.parse_args()
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    wrong = 0
    for kind in KINDS:
        if given.kinds and not any(part in kind.name for part in given.kinds):
            continue
        row = counted(kind, given.times or kind.times)
        wrong += row[2] not in ("0", NOT_RUN)
        print(kind.name, *row, sep=" | ", flush=True)
        if given.times is None:
            page.write_rows(PAGE, {kind.name: row}, [one.name for one in KINDS])
    return int(bool(wrong))


def counted(kind: Kind, times: int) -> page.Row:
    """The row of a kind, from what is kept or from a run."""
    kept = KEPT / code_digest() / f"{kind.name.replace(' ', '-').replace(',', '')}-{times}.json"
    if kept.exists():
        return tuple(json.loads(kept.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        try:
            count = kind.run(times, Path(folder))
        except CannotRunError as error:
            print(f"{kind.name}: {error}", file=sys.stderr)
            return (kind.says, "–", NOT_RUN, "–", "–", "–")
    row = row_of(kind, count, time.perf_counter() - begin)
    kept.parent.mkdir(parents=True, exist_ok=True)
    beside = kept.with_suffix(".part")
    beside.write_text(json.dumps(row), encoding="utf-8")
    beside.replace(kept)
    return row


def row_of(kind: Kind, count: Count, seconds: float) -> page.Row:
    """What the table says of a run; what was wrong is printed."""
    for line in count.wrong[:_MOST_LISTED]:
        print(f"{kind.name}: {line}", file=sys.stderr)
    numbers = (f"{count.tried:,}", f"{len(count.wrong):,}", f"{seconds:,.0f}")
    says = f"{kind.says}: {count.note}" if count.note else kind.says
    return (says, *numbers, datetime.now(UTC).date().isoformat(), machine())


def machine() -> str:
    """The machine that ran it, in a few words."""
    from analysis.devices import describe, pick

    return f"{describe(pick('cpu'))['name']}, {os.cpu_count()} cores"


def code_digest() -> str:
    """Digest of the code that is tried and of what tries it: counts of other code are not kept."""
    folders = (TOOLS.parent / "analysis", TOOLS / "torture", TOOLS.parent / "tests")
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
