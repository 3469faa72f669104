"""Record the German set in every forward format that runs here: `make formats`.

    python tools/record_formats.py [--times] [--out data/formats]

Writes ``formats.parquet`` (a row per format, batching and pair), ``one_passage.parquet``,
``runs.json`` and the table of runs in ``README.md``. The model is the demo reranker, saved as an
ordinary checkpoint. Answers of runners are kept in ``build/engines/answers`` under a hash of
everything that went into them, so a recording that was stopped goes on where it was. ``--times``
computes no logits anew: it times every recorded format, for which nothing else may run beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from demo_card import fill, table
from engine_runs import ENVIRONMENTS, RUNNERS
from format_runs import RUNS, FormatRun
from record_engines import write_json

from analysis.checkpoints import ADAPTER_FILES, sha256_of
from analysis.datasets import RerankingSet
from analysis.devices import describe
from analysis.models import load
from analysis.places import FORMATS
from analysis.readers import load_german
from analysis.recordings import FORMAT_COLUMNS, ONE_PASSAGE_COLUMNS

COMMAND = "make formats"
ONE_IN = 8
"""One query in so many, the first among them, is computed in other batches too."""
WHOLE_SET = ("onnxruntime:int8-dynamic",)
"""Alone and shuffled, these are recorded for every query: their logits belong to the batch."""
SHUFFLED = 16
WIDTH = 256
ONE_PASSAGE = ("onnxruntime:int8-dynamic", "torch:float32", "torch:bfloat16", "torch:float16")
COMPANIES = 100
TIMED_QUERIES = 9
SEED = 7

Json = dict[str, Any]
Batches = list[list[int]]


@dataclass(frozen=True)
class Batching:
    """Batches by a name, as row numbers of the set, and on how many threads they are computed."""

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
        """What is computed in a format, the whole set first."""
        some = self.requests[::ONE_IN]
        widely = self.requests if forward_format in WHOLE_SET else some
        order = np.random.default_rng(SEED).permutation(np.concatenate(widely)).tolist()
        shuffled = [order[start : start + SHUFFLED] for start in range(0, len(order), SHUFFLED)]
        batchings = [
            Batching("request", self.requests),
            Batching("alone", [[row] for row in np.concatenate(widely).tolist()]),
            Batching("shuffled", shuffled),
            Batching("repeated", some),
            Batching("request", some, threads=2),
            Batching("padded", some, width=WIDTH),
        ]
        return [batching for batching in batchings if batching.name in run.batchings]

    def companies(self, row: int) -> Batching:
        """A pair in batches with others, drawn at random each time; it stands first."""
        others = np.delete(np.arange(self.dataset.n_pairs), row)
        random = np.random.default_rng(SEED)
        drawn = [random.choice(others, SHUFFLED - 1, replace=False) for _ in range(COMPANIES)]
        return Batching("companies", [[row, *company.tolist()] for company in drawn])

    def answer(self, run: FormatRun, forward_format: str, batching: Batching) -> Json:
        """What a runner answers; kept, and read again while nothing has changed."""
        request = self._request(forward_format, batching)
        digest = hashlib.sha256(json.dumps([request, batching.name, self._weights]).encode())
        for name in run.files:
            digest.update((RUNNERS / name).read_bytes())
        kept = ENVIRONMENTS / "answers" / f"{digest.hexdigest()}.json"
        if not kept.exists():
            self._ask(run, request, kept)
        return json.loads(kept.read_text("utf-8"))

    def seconds(self, run: FormatRun, forward_format: str, threads: int) -> float:
        """Seconds per 100 pairs, a query at a time, after a first query that is not counted."""
        requests = self.requests[:TIMED_QUERIES]
        request = self._request(forward_format, Batching("request", requests, threads))
        answered = ENVIRONMENTS / "answers" / "times.json"
        self._ask(run, request, answered)
        seconds = json.loads(answered.read_text("utf-8"))["seconds"]
        return 100 * sum(seconds[1:]) / sum(map(len, requests[1:]))

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

    def _request(self, forward_format: str, batching: Batching) -> Json:
        """What a runner is asked (``tools/engines/passes.py``), but for the checkpoint's folder."""
        rows = sorted({row for batch in batching.batches for row in batch})
        numbers = {row: number for number, row in enumerate(rows)}
        return {
            "forward_format": forward_format,
            "threads": batching.threads,
            "width": batching.width,
            "pairs": [self._pairs[row] for row in rows],
            "batches": [[numbers[row] for row in batch] for batch in batching.batches],
        }

    def _ask(self, run: FormatRun, request: Json, answer: Path) -> None:
        answer.parent.mkdir(parents=True, exist_ok=True)
        asked, answered = answer.with_suffix(".request"), answer.with_suffix(".answer")
        asked.write_text(json.dumps({"model": str(self.checkpoint), **request}), "utf-8")
        threads = {"OMP_NUM_THREADS": str(request["threads"])}
        run.environment.run(run.files[0], asked, answered, settings=threads)
        answered.rename(answer)
        asked.unlink()


def recorded(recorder: Recorder) -> tuple[pd.DataFrame, list[Json]]:
    """Rows of every format in every batching, and what the runs were."""
    frames, runs = [], []
    for run in RUNS:
        for forward_format in run.formats:
            for batching in recorder.batchings(run, forward_format):
                print(forward_format, batching.name, batching.threads, flush=True)
                answer = recorder.answer(run, forward_format, batching)
                frames.append(rows_of(recorder.dataset, forward_format, batching, answer))
            versions = {"versions": answer["versions"]}
            runs.append({"forward_format": forward_format, **answer["facts"], **versions})
    return pd.concat(frames, ignore_index=True)[list(FORMAT_COLUMNS)], runs


def rows_of(
    dataset: RerankingSet, forward_format: str, batching: Batching, answer: Json
) -> pd.DataFrame:
    """A batching's rows, in the set's order."""
    rows = [row for batch in batching.batches for row in batch]
    logits = [float.fromhex(logit) for batch in answer["logits"] for logit in batch]
    pairs = dataset.pairs[["query_id", "passage_id", "grade"]].iloc[rows].assign(logit=logits)
    return pairs.sort_index().assign(
        forward_format=forward_format,
        forward_dtype=forward_dtype(forward_format),
        batching=batching.name,
        threads=batching.threads,
    )


def typical_row(dataset: RerankingSet, formats: pd.DataFrame) -> int:
    """Number of the pair whose logit moves, from its request to alone, by the median of the set.

    In the first of :data:`ONE_PASSAGE`, whose logits depend on the batch most.
    """
    own = formats[formats["forward_format"] == ONE_PASSAGE[0]]
    request, alone = (
        own[(own["batching"] == name) & (own["threads"] == 1)]["logit"].to_numpy()
        for name in ("request", "alone")
    )
    return int(np.argsort(np.abs(alone - request), kind="stable")[dataset.n_pairs // 2])


def one_passage(recorder: Recorder, row: int) -> pd.DataFrame:
    """One pair's logit in a hundred companies, in each of :data:`ONE_PASSAGE`."""
    frames = []
    batching = recorder.companies(row)
    for run in RUNS:
        for forward_format in [name for name in run.formats if name in ONE_PASSAGE]:
            print(forward_format, batching.name, flush=True)
            answer = recorder.answer(run, forward_format, batching)
            logits = [float.fromhex(batch[0]) for batch in answer["logits"]]
            frame = pd.DataFrame({"company": range(COMPANIES), "logit": logits})
            frames.append(frame.assign(forward_format=forward_format))
    pair = recorder.dataset.pairs.iloc[row]
    named = {name: pair[name] for name in ("query_id", "passage_id")}
    return pd.concat(frames, ignore_index=True).assign(**named)[list(ONE_PASSAGE_COLUMNS)]


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
        "settings": described["settings"],
        "data": {"name": dataset.name, "sha256": dataset.sha256, "pairs": dataset.n_pairs},
        "adapter": {name: sha256_of(adapter / name) for name in ADAPTER_FILES},
        "one_query_in": ONE_IN,
        "shuffled_pairs": SHUFFLED,
        "padded_to": WIDTH,
        "seed": SEED,
    }
