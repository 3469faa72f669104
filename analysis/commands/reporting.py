"""The commands that run the notebooks: for a report, and for figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from analysis import sinks
from analysis.commands.options import (
    DTYPES,
    Data,
    Dtypes,
    Engine,
    Formats,
    Model,
    Pickle,
    Split,
    Trust,
    of_split,
)
from analysis.commands.output import echo
from analysis.errors import counted

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
    format: Formats = [],  # noqa: B006 -- typer's way to say "none"
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
    engine: Engine = "local",
    trust_remote_code: Trust = False,
    allow_pickle: Pickle = False,
) -> None:
    """Say what precision does to a set and what to do: a small site that opens from disk.

    Writes index.html (the answer), review.html (two pages for a review), a page per notebook and
    figures/. An interrupted report goes on where it was.

    Exit status: 0 fine, 2 bad input, 4 a notebook failed (the rest is there), 70 a defect,
    130 interrupted.
    """
    from analysis import reporting

    with _chapters_may_fail():
        reporting.report(
            model=model,
            data=of_split(data, split),
            dtypes=dtype,
            formats=format,
            path=path,
            out=out,
            revision=revision,
            device=device,
            max_length=max_length,
            engine=engine,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
            say=echo,
        )


def figures(
    format: Annotated[str, typer.Option(help="Of svg, png and pdf, with commas.")] = "svg,png,pdf",
    style: Annotated[str, typer.Option(help="paper, slide (heavier lines) or dark.")] = "paper",
    width: Annotated[
        str, typer.Option(help="column (3.5 in), page (7 in), slide (13.33 by 7.5 in) or screen.")
    ] = "page",
    only: Annotated[
        list[str], typer.Option(help="A figure's name, such as 02_ruler; repeatable.")
    ] = [],  # noqa: B006 -- typer's way to say "none"
    out: Annotated[
        Path | None, typer.Option(help="Folder for the figures, if not figures-STYLE-WIDTH.")
    ] = None,
    data: Data = "german",
    split: Split = None,
    model: Model = "demo",
    path: Annotated[
        str | None, typer.Option(help="Score path of your engine; see `paths`.")
    ] = None,
    dtype: Dtypes = DTYPES,
    trust_remote_code: Trust = False,
    allow_pickle: Pickle = False,
) -> None:
    """Draw the notebooks' figures for print or slides, with captions.md beside them.

    Fonts are outlined (SVG) or embedded (PDF); the same data give the same bytes, but for figures
    that show times. What has been drawn before is not drawn again.

    Exit status: 0 fine, 2 bad input, 4 a notebook failed (the rest is there), 70 a defect,
    130 interrupted.
    """
    from analysis import reporting

    with _chapters_may_fail():
        files = reporting.draw(
            *only,
            out=out,
            style=style,
            width=width,
            formats=format.split(","),
            model=model,
            data=of_split(data, split),
            dtypes=dtype,
            path=path,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
            say=echo,
        )
        echo(sinks.terminal(f"{counted(len(files), 'file')}: {files[0].parent}"))


@contextmanager
def _chapters_may_fail() -> Iterator[None]:
    """Say which notebooks failed and why, and end with the exit status for that."""
    from analysis.reporting import ChaptersFailedError

    try:
        yield
    except ChaptersFailedError as error:
        typer.echo(sinks.terminal(f"rerank-precision: {error}", lines=True), err=True)
        raise typer.Exit(_CHAPTERS_FAILED) from error
