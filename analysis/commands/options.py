"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.formats import FORWARD_DTYPES

DTYPES = list(FORWARD_DTYPES)

Data = Annotated[
    str,
    typer.Option(
        help="german, a JSONL/CSV/TSV file, a folder (BEIR, MIRACL, MS MARCO, mteb, or such "
        "files), ir_datasets:ID."
    ),
]
Split = Annotated[
    str | None, typer.Option(help="Split of a folder that has several; test, if not given.")
]
Model = Annotated[str, typer.Option(help="demo, a checkpoint's folder, or a Hub id.")]
Dtypes = Annotated[list[str], typer.Option("--dtype", help="Forward dtype; repeat for several.")]
Formats = Annotated[
    list[str],
    typer.Option(
        "--format",
        help="Forward format: a dtype, or a text that `formats` lists; repeat for several.",
    ),
]
Engine = Annotated[
    str, typer.Option(help="local, or ray: on the workers of a Ray cluster; needs the extra ray.")
]
Trust = Annotated[bool, typer.Option(help="Run code that the checkpoint brings along.")]
Pickle = Annotated[
    bool,
    typer.Option(
        help="Load pickled weights where there are no safetensors: unpickling can run code."
    ),
]


def of_split(data: str, split: str | None) -> str:
    """The source that stands for one split of a folder."""
    if split is None:
        return data
    from analysis.readers import split_file

    return str(split_file(data, split))
