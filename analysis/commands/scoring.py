"""The command that scores a set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis import sinks
from analysis.commands.files import replaceable
from analysis.commands.options import DTYPES, Data, Formats, Model, Split, Trust, of_split
from analysis.commands.output import echo, resuming, tell
from analysis.places import replacing


def score(
    out: Annotated[Path, typer.Argument(help="Parquet file for the logits.")],
    data: Data = "german",
    split: Split = None,
    model: Model = "demo",
    formats: Formats = DTYPES,
    trust_remote_code: Trust = False,
) -> None:
    """Score a set in each forward format and write the logits; a stopped run resumes."""
    from analysis import models, readers, scoring
    from analysis.store import Store

    out = replaceable(out)  # what fails, fails before the hours of scoring
    candidates = readers.read(of_split(data, split))
    tell(candidates.notes)
    reranker = models.load(model, trust_remote_code=trust_remote_code)
    with resuming():
        logits = scoring.score(candidates, reranker, formats, store=Store())
    with replacing(out) as temporary:
        logits.to_parquet(temporary, index=False)
    echo(sinks.terminal(f"{len(logits):,} logits: {out}"))
