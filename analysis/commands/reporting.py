"""The command that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis import sinks
from analysis.commands.options import DTYPES, Data, Dtypes, Model, Split, Trust, of_split
from analysis.commands.output import echo, resuming

_CHAPTERS_FAILED = 4


def report(
    data: Data = "german",
    split: Split = None,
    model: Model = "demo",
    path: Annotated[
        str | None,
        typer.Option(help='Score path of your engine, such as "haystack:float16"; see `paths`.'),
    ] = None,
    dtype: Dtypes = DTYPES,
    out: Annotated[
        Path | None, typer.Option(help="Folder for pages, figures and notebooks.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch of a Hub model.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cuda, cuda:1, mps or cpu; the first that is there.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Tokens of a pair, 512 if not given; longer ones are cut.")
    ] = None,
    trust_remote_code: Trust = False,
) -> None:
    """Say what precision does to a set and what to do: a small site that opens from disk.

    Writes index.html (the answer), review.html (two pages for a review), a page per notebook and
    figures/. An interrupted report goes on where it was.

    Exit status: 0 fine, 2 bad input, 4 a notebook failed (the rest is there), 70 a defect,
    130 interrupted.
    """
    from analysis import reporting

    try:
        with resuming():
            reporting.report(
                model=model,
                data=of_split(data, split),
                dtypes=dtype,
                path=path,
                out=out,
                revision=revision,
                device=device,
                max_length=max_length,
                trust_remote_code=trust_remote_code,
                say=echo,
            )
    except reporting.ChaptersFailedError as error:
        typer.echo(sinks.terminal(f"rerank-precision: {error}", lines=True), err=True)
        raise typer.Exit(_CHAPTERS_FAILED) from error
