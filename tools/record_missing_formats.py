"""Record the forward formats that the recording in `data/formats` lacks, beside those it has.

    python tools/record_missing_formats.py [--out data/formats]

For a format that has come since ``make formats``, whose runtime's environment must be there. What
is recorded stays as it is: the model, the data, the batches and the runtime's versions must be
those of the recording, else nothing is written. The machine may be another; it is written beside
the format.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from format_runs import RUNS
from record_formats import (
    MACHINE,
    Json,
    Recorder,
    about,
    every_format,
    recorded,
    recorder_of,
    write_about,
    write_table,
)

from analysis.forwardformats import ForwardFormat
from analysis.places import FORMATS


def add_missing(recorder: Recorder, folder: Path) -> None:
    """Record what is missing in a folder of recordings, and write all of them."""
    shared, now = json.loads((folder / "runs.json").read_text("utf-8")), about(recorder.dataset)
    check_same(shared, now)
    known = {run["forward_format"]: run for run in shared["runs"]}
    missing = list(every_format(known))
    if not missing:
        return
    rows, runs = recorded(recorder, missing)
    for run in runs:
        check_versions(run, shared["runs"])
        known[run["forward_format"]] = {**run, **{name: now[name] for name in MACHINE}}
    rows = pd.concat([pd.read_parquet(folder / "formats.parquet"), rows])
    write_table(in_order(rows), folder / "formats.parquet")
    write_about(folder, {**shared, "runs": [known[text] for text in places() if text in known]})


def check_same(shared: Json, now: Json) -> None:
    """Stop where what would be recorded is of another model, other data or other batches."""
    for name in now.keys() - {*MACHINE}:
        if shared[name] != now[name]:
            raise SystemExit(
                f"the recording has another {name}: {shared[name]} instead of {now[name]}. "
                "Record everything: make formats"
            )


def check_versions(run: Json, runs: list[Json]) -> None:
    """Stop where a format's runtime has another version than in what is recorded."""
    runtime = ForwardFormat.of_text(run["forward_format"]).runtime
    for one in runs:
        same = ForwardFormat.of_text(one["forward_format"]).runtime == runtime
        if same and one["versions"] != run["versions"]:
            raise SystemExit(
                f"{one['forward_format']} is recorded with {one['versions']}, and here are "
                f"{run['versions']}. Install those, or record everything: make formats"
            )


def places() -> dict[str, int]:
    """Where each format stands."""
    texts = [text for run in RUNS for text in run.formats]
    return {text: number for number, text in enumerate(texts)}


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with formats in the order of the runs; those of a format as they were."""
    return rows.sort_values(
        "forward_format",
        key=lambda texts: texts.map(places()),
        kind="stable",
        ignore_index=True,
    )


def main() -> None:
    """Record what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FORMATS)
    args = parser.parse_args()
    queries = json.loads((args.out / "runs.json").read_text("utf-8"))["data"]["queries"]
    add_missing(recorder_of(queries), args.out)


if __name__ == "__main__":
    main()
