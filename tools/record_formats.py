"""Record the German set in every forward format that runs here: `make formats`.

    python tools/record_formats.py [--queries N] [--out data/formats]
    python tools/record_formats.py --times

Writes ``formats.parquet`` (a row per format, batching and pair), ``one_passage.parquet``,
``runs.json`` and the table of runs in ``README.md``. The model is the demo reranker, saved as an
ordinary checkpoint. Answers of runners are kept in ``build/engines/answers`` under a hash of
everything that went into them, so a recording that was stopped goes on where it was. ``--times``
computes no logits anew: it times what is recorded, for which nothing else may run beside it, and
writes the seconds, and on what CPU, into ``runs.json`` and the table. Formats that have come since
a recording are added to it by ``record_missing_formats.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from demo_card import fill, table
from engine_runs import ENVIRONMENTS
from format_runs import PADDED, RUNS, FormatRun
from record_engines import write_json

from analysis.checkpoints import ADAPTER_FILES, sha256_of
from analysis.datasets import RerankingSet, from_pairs
from analysis.devices import cpu_flags, describe
from analysis.forwardformats import ForwardFormat
from analysis.models import load
from analysis.places import FORMATS
from analysis.readers import load_german
from analysis.recordings import FORMAT_COLUMNS, ONE_PASSAGE_COLUMNS

COMMAND = "make formats"
ONE_IN = 8
"""One query in so many, the first among them, is computed in other batches too."""
SHUFFLED = 16
WIDTH = 256
COMPANIES = 100
MACHINE = ("date", "python", "cpu", "cpu_capability", "cpu_flags", "settings")
"""What :func:`about` says of when and where, and not of what."""
STRIPS = ("onnxruntime:int8-dynamic", "torch:float32", "torch:bfloat16", "torch:float16")
"""The formats in which one pair is shown in many companies; the first says which pair."""
TIMED_QUERIES = 9
SEED = 7

Json = dict[str, Any]
Batches = list[list[int]]


@dataclass(frozen=True)
class Batching:
    """Batches under a name, as row numbers of the set; padded to ``width`` tokens or more."""

    name: str
    batches: Batches
    threads: int = 1
    width: int = 1


@dataclass(frozen=True)
class Recorder:
    """A set, and the folder of the checkpoint that reads it."""

    dataset: RerankingSet
    checkpoint: Path

    @cached_property
    def requests(self) -> Batches:
        """Each query's pairs together: what an engine is sent."""
        by_query = self.dataset.pairs.groupby("query_id", sort=False)
        return [rows.tolist() for rows in by_query.groups.values()]

    def batchings(self, run: FormatRun, forward_format: str) -> list[Batching]:
        """What is computed in a format.

        A query at a time for the whole set; in other batches for some queries, or for all of them
        where logits are expected to depend on the batch.
        """
        some = self.requests[::ONE_IN]
        depends = ForwardFormat.of_text(forward_format).depends_on_batch
        rows = np.concatenate(self.requests if depends else some)
        order = np.random.default_rng(SEED).permutation(rows).tolist()
        shuffled = [order[start : start + SHUFFLED] for start in range(0, len(order), SHUFFLED)]
        batchings = [
            Batching("request", self.requests),
            Batching("repeated", some),
            Batching("alone", [[row] for row in rows.tolist()]),
            Batching("shuffled", shuffled),
            Batching(PADDED, some, width=WIDTH),
            Batching("request", some, threads=2),
        ]
        return [batching for batching in batchings if batching.name not in run.left_out]

    def companies(self, row: int) -> Batching:
        """A pair, which stands first, with other pairs that are drawn anew for each batch."""
        others = np.delete(np.arange(self.dataset.n_pairs), row)
        random = np.random.default_rng(SEED)
        drawn = [random.choice(others, SHUFFLED - 1, replace=False) for _ in range(COMPANIES)]
        return Batching("companies", [[row, *company.tolist()] for company in drawn])

    def answer(self, run: FormatRun, forward_format: str, batchings: list[Batching]) -> Json:
        """What a runner answers; kept, and read again while nothing has changed."""
        request = self._request(forward_format, batchings)
        digest = hashlib.sha256(json.dumps([request, self._weights]).encode())
        for file in run.files:
            digest.update(file.read_bytes())
        kept = ENVIRONMENTS / "answers" / f"{digest.hexdigest()}.json"
        if not kept.exists():
            self._ask(run, request, kept)
        return json.loads(kept.read_text("utf-8"))

    def seconds(self, run: FormatRun, forward_format: str, threads: int) -> float:
        """Seconds per 100 pairs, a query at a time, after a first query that is not counted."""
        requests = self.requests[:TIMED_QUERIES]
        request = self._request(forward_format, [Batching("request", requests, threads)])
        answered = ENVIRONMENTS / "answers" / "times.json"
        self._ask(run, request, answered)
        (timed,) = json.loads(answered.read_text("utf-8"))["passes"]
        return 100 * sum(timed["seconds"][1:]) / sum(map(len, requests[1:]))

    @cached_property
    def _weights(self) -> str:
        return sha256_of(self.checkpoint / "model.safetensors")

    @cached_property
    def _pairs(self) -> list[Json]:
        """What runners are told of each pair."""
        reranker, pairs = load("demo"), self.dataset.pairs
        texts = pairs["query"].tolist(), pairs["passage"].tolist()
        tokens = reranker.tokens(*texts, reranker.length)["input_ids"]
        return [
            {"query": query, "passage": passage, "tokens": row.tolist()}
            for query, passage, row in zip(*texts, tokens, strict=True)
        ]

    def _request(self, forward_format: str, batchings: list[Batching]) -> Json:
        """What a runner is asked (``tools/engines/passes.py``), but for the checkpoint's folder."""
        (threads,) = {batching.threads for batching in batchings}
        passes = [{"width": one.width, "batches": one.batches} for one in batchings]
        return {
            "forward_format": forward_format,
            "threads": threads,
            "passes": passes,
            "pairs": self._pairs,
        }

    def _ask(self, run: FormatRun, request: Json, answer: Path) -> None:
        answer.parent.mkdir(parents=True, exist_ok=True)
        asked, answered = answer.with_suffix(".request"), answer.with_suffix(".answer")
        asked.write_text(json.dumps({"model": str(self.checkpoint), **request}), "utf-8")
        threads = {"OMP_NUM_THREADS": str(request["threads"])}
        run.environment.run(run.files[0].name, asked, answered, settings=threads)
        answered.rename(answer)
        asked.unlink()


def every_format(known: Collection[str] = ()) -> Iterator[tuple[FormatRun, str]]:
    """Yield each format that is not known, and its run; says which, as it takes its time."""
    for run in RUNS:
        for forward_format in run.formats:
            if forward_format not in known:
                print(forward_format, flush=True)
                yield run, forward_format


def recorded(
    recorder: Recorder, formats: Iterable[tuple[FormatRun, str]]
) -> tuple[pd.DataFrame, list[Json]]:
    """Rows of formats in every batching, and what the runs were."""
    frames, runs = [], []
    for run, forward_format in formats:
        batchings = recorder.batchings(run, forward_format)
        for threads in (1, 2):
            some = [one for one in batchings if one.threads == threads]
            answer = recorder.answer(run, forward_format, some)
            for batching, computed in zip(some, answer["passes"], strict=True):
                frames.append(rows_of(recorder.dataset, forward_format, batching, computed))
        versions = {"versions": answer["versions"]}
        runs.append({"forward_format": forward_format, **answer["facts"], **versions})
    return pd.concat(frames, ignore_index=True)[list(FORMAT_COLUMNS)], runs


def rows_of(
    dataset: RerankingSet, forward_format: str, batching: Batching, computed: Json
) -> pd.DataFrame:
    """A batching's rows, in the set's order."""
    rows = [row for batch in batching.batches for row in batch]
    logits = [float.fromhex(logit) for batch in computed["logits"] for logit in batch]
    pairs = dataset.pairs[["query_id", "passage_id", "grade"]].iloc[rows].assign(logit=logits)
    return pairs.sort_index().assign(
        forward_format=forward_format,
        forward_dtype=ForwardFormat.of_text(forward_format).forward_dtype,
        batching=batching.name,
        threads=batching.threads,
    )


def typical_row(formats: pd.DataFrame) -> int:
    """Row number of the pair that moves, from its request to alone, as far as the median pair.

    In the first of :data:`STRIPS`.
    """
    own = formats[(formats["forward_format"] == STRIPS[0]) & (formats["threads"] == 1)]
    logits = {name: rows["logit"].to_numpy() for name, rows in own.groupby("batching")}
    moved = np.abs(logits["alone"] - logits["request"])
    return int(np.argsort(moved, kind="stable")[len(moved) // 2])


def one_passage(recorder: Recorder, row: int) -> pd.DataFrame:
    """One pair's logit in a hundred companies, in each of :data:`STRIPS`."""
    pair, companies = recorder.dataset.pairs.iloc[row], recorder.companies(row)
    frames = []
    for run, forward_format in every_format():
        if forward_format in STRIPS:
            (computed,) = recorder.answer(run, forward_format, [companies])["passes"]
            logits = [float.fromhex(batch[0]) for batch in computed["logits"]]
            frame = pd.DataFrame({"company": range(COMPANIES), "logit": logits})
            frames.append(frame.assign(forward_format=forward_format))
    together = pd.concat(frames, ignore_index=True)
    named = {name: pair[name] for name in ("query_id", "passage_id")}
    return together.assign(**named)[list(ONE_PASSAGE_COLUMNS)]


def about(dataset: RerankingSet) -> Json:
    """What all runs share: the model, the data, the machine and how batches were made."""
    adapter = load("demo").adapter
    described = describe(torch.device("cpu"))
    return {
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpu": described["name"],
        "cpu_capability": described["capability"],
        "cpu_flags": cpu_flags(),
        "settings": described["settings"],
        "data": {"sha256": load_german().sha256, "queries": dataset.n_queries},
        "adapter": {name: sha256_of(adapter / name) for name in ADAPTER_FILES},
        "one_query_in": ONE_IN,
        "shuffled": SHUFFLED,
        "padded": WIDTH,
    }


def runs_text(shared: Json) -> str:
    """The card's section on the runs."""
    facts = [
        ["recorded on", shared["date"]],
        ["by", f"`{shared['command']}`, Python {shared['python']}"],
        ["CPU", f"{shared['cpu']}, {shared['cpu_capability']}"],
        ["queries", f"the first {shared['data']['queries']} of the German set"],
        *[
            [f"SHA-256 of `{name}`", f"`{digest}`"]
            for name, digest in sorted(shared["adapter"].items())
        ],
    ]
    facts += [
        [f"`{run['forward_format']}`", f"on {run['date']}, {run['cpu']}, {run['cpu_capability']}"]
        for run in shared["runs"]
        if "date" in run  # it was added later
    ]
    threads = {}
    if "timed" in shared:
        timed = shared["timed"]
        facts.append(["timed on", f"{timed['date']}, {timed['cpu']}, {timed['cpu_capability']}"])
        threads = {"1": "seconds per 100 pairs, one thread", "2": "two"}
    rows = [
        [
            f"`{run['forward_format']}`",
            f"`{run['file']}`",
            round(run["bytes"] / 1e6),
            *(f"{run['seconds'][n]:.1f}" if "seconds" in run else "" for n in threads),
        ]
        for run in shared["runs"]
    ]
    head = ["forward format", "loaded from", "MB", *threads.values()]
    return f"{table(['', ''], facts)}\n\n{table(head, rows)}"


def write_about(folder: Path, shared: Json) -> None:
    """Write what the runs were, for programs and into the card."""
    write_json(folder / "runs.json", shared)
    fill(folder / "README.md", "runs", runs_text(shared))


def write_table(frame: pd.DataFrame, file: Path) -> None:
    """Write a table of recordings."""
    frame.to_parquet(file, index=False, compression="zstd")


def record(recorder: Recorder, folder: Path) -> None:
    """Record every format."""
    formats, runs = recorded(recorder, every_format())
    strips = one_passage(recorder, typical_row(formats))
    write_table(formats, folder / "formats.parquet")
    write_table(strips, folder / "one_passage.parquet")
    write_about(folder, {**about(recorder.dataset), "runs": runs})


def add_times(recorder: Recorder, folder: Path) -> None:
    """Time what is recorded and has not been timed on this CPU; a format it has not is left out."""
    shared = json.loads((folder / "runs.json").read_text("utf-8"))
    runs = {run["forward_format"]: run for run in shared["runs"]}
    now = {name: about(recorder.dataset)[name] for name in MACHINE}
    if shared.get("timed", {}).get("cpu_flags") != now["cpu_flags"]:
        for run in shared["runs"]:
            run.pop("seconds", None)
    shared["timed"] = now
    timed = [text for text, run in runs.items() if "seconds" in run]
    for run, text in every_format(timed):
        try:
            taken = {str(n): round(recorder.seconds(run, text, n), 3) for n in (1, 2)}
        except subprocess.CalledProcessError as error:
            print(f"{text}: not timed, {error}", file=sys.stderr, flush=True)
            continue
        runs[text]["seconds"] = taken
        write_about(folder, shared)


def recorder_of(queries: int | None = None) -> Recorder:
    """The demo reranker, as an ordinary checkpoint, and the German set, or its first queries."""
    pairs = load_german().pairs
    first = pairs["query_id"].isin(pairs["query_id"].unique()[:queries])
    checkpoint = load("demo").save_merged(ENVIRONMENTS / "model")
    return Recorder(from_pairs("german", pairs[first]), checkpoint)


def main() -> None:
    """Record everything, or time it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, help="only the first ones, to try it out")
    parser.add_argument("--times", action="store_true", help="time what is recorded")
    parser.add_argument("--out", type=Path, default=FORMATS)
    args = parser.parse_args()
    (add_times if args.times else record)(recorder_of(args.queries), args.out)


if __name__ == "__main__":
    main()
