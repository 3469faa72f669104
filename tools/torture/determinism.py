"""``score(deterministic=True)``: the same bits in other company, orders, threads and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES
from torture.counts import CannotRunError, Count, Kind
from torture.processes import seconds_of


class Run(NamedTuple):
    """How a process scores: on so many threads, the pairs turned round, every second one alone."""

    threads: int
    backwards: bool = False
    every: int = 1
    deterministic: bool = True


_RUNS = (Run(1), Run(2), Run(3), Run(2, backwards=True), Run(2, every=2), Run(1, every=3))
_RUNTIMES = ("onednn:float32", "onnxruntime:float32", "onnxruntime:int8-dynamic", "openvino:f32")
"""Forward formats of other runtimes."""


def score_german(pairs: int, text: str, how: Run, file: Path) -> None:
    """Score the first pairs of the German set with the demo reranker and write the logits."""
    from analysis.devices import threads
    from analysis.models import load
    from analysis.readers import read
    from analysis.scoring import score

    german = read("german")
    rows = german.pairs.head(pairs).iloc[:: how.every]
    rows = rows[::-1] if how.backwards else rows
    dataset = replace(german, pairs=rows.reset_index(drop=True))
    reranker = load("demo", device="cpu")
    with threads(how.threads):
        scored = score(dataset, reranker, (text,), deterministic=how.deterministic, progress=False)
    scored[["query_id", "passage_id", "logit"]].to_parquet(file)


def comparing(text: str) -> Callable[[int, Path], Count]:
    """Make the run that scores in processes of their own and compares bit by bit."""

    def run_format(times: int, folder: Path) -> Count:
        _check_runs_here(text)
        count = Count()
        plain, file = Run(2, deterministic=False), folder / "logits.parquet"
        seconds_of(score_german, times, text, plain, file)  # what is imported and read once
        ordinary = seconds_of(score_german, times, text, plain, file)
        seconds, first = [], None
        for how in _RUNS:
            seconds.append(seconds_of(score_german, times, text, how, file))
            found = pd.read_parquet(file).set_index(["query_id", "passage_id"])["logit"]
            first = found if first is None else first
            count.add(_differing(first, found, how), tried=len(found))
        count.note = (
            f"{np.mean(seconds[:3]):.1f} s for {times} pairs, "
            f"{ordinary:.1f} s in batches on {plain.threads} threads"
        )
        return count

    return run_format


def _check_runs_here(text: str) -> None:
    from analysis.forwardformats import as_format
    from analysis.models import load
    from analysis.runtimes import forward

    try:
        forward(load("demo", device="cpu"), as_format(text))
    except InputError as error:
        raise CannotRunError(str(error)) from error


def _differing(first: pd.Series, found: pd.Series, how: Run) -> Iterator[str]:
    """Yield each pair whose logit has other bits than in the first run."""
    for ids, logit in found.items():
        if logit != first[ids]:
            yield f"{ids} is {logit!r} in {how}, {first[ids]!r} at first"


KINDS = tuple(
    Kind(f"deterministic, {text}", "other company, order, threads, process", 60, comparing(text))
    for text in (*FORWARD_DTYPES, *_RUNTIMES)
)
