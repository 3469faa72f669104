"""The command that scores a set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis import sinks
from analysis.commands.files import WRITE_ELSEWHERE, replaceable
from analysis.commands.options import (
    DTYPES,
    Data,
    Engine,
    Formats,
    Model,
    Pickle,
    Split,
    Trust,
    of_split,
)
from analysis.commands.output import echo, tell
from analysis.places import replacing, writing


def score(
    out: Annotated[Path, typer.Argument(help="Parquet file for the logits.")],
    data: Data = "german",
    split: Split = None,
    model: Model = "demo",
    formats: Formats = DTYPES,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="One pair at a time on one thread: the same bits whatever else is scored; slower.",
        ),
    ] = False,
    engine: Engine = "local",
    trust_remote_code: Trust = False,
    allow_pickle: Pickle = False,
) -> None:
    """Score a set in each forward format and write the logits; a stopped run resumes.

    A Parquet set may be larger than memory: it is scored in pieces of whole queries.
    """
    from analysis import models, readers, scoring, streaming
    from analysis.pieces import is_parquet
    from analysis.store import Store

    out = replaceable(out)  # what fails, fails before the hours of scoring
    source = of_split(data, split)
    candidates = None if is_parquet(source) else readers.read(source)
    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    reranker = models.load(model, **trust)
    options = {"deterministic": deterministic, "store": Store(), "engine": engine}
    if candidates is None:
        with writing(out, WRITE_ELSEWHERE):
            written = streaming.score_file(source, reranker, formats, out=out, **options)
    else:
        tell(candidates.notes)
        logits = scoring.score(candidates, reranker, formats, **options)
        with writing(out, WRITE_ELSEWHERE), replacing(out) as temporary:
            logits.to_parquet(temporary, index=False)
        written = len(logits)
    echo(sinks.terminal(f"{written:,} logits: {out}"))
