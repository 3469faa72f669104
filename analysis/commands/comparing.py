"""The command that compares two engines."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.commands.options import Pickle, Split, Trust, of_split
from analysis.commands.output import echo, echo_json, servers_may_fail, tell
from analysis.errors import InputError

_BEYOND_ROUNDING = 1


def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="Scores of the first engine: a file, a folder, a server's address, a recording "
            'such as "infinity@0.0.78:float16", or a model.'
        ),
    ],
    b: Annotated[str, typer.Argument(help="Scores of the second, over the same pairs.")],
    data: Annotated[
        str | None, typer.Option(help="Set of the pairs: its texts and grades; see `report`.")
    ] = None,
    split: Split = None,
    dtype: Annotated[
        str | None, typer.Option(help="Forward dtype of a model; float32 if not given.")
    ] = None,
    server_model: Annotated[
        str | None, typer.Option(help="Name a server knows its model by.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for one answer of a server; 300 if not given.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="Forward format of a model, such as onnxruntime:int8-dynamic."),
    ] = None,
    trust_remote_code: Trust = False,
    allow_pickle: Pickle = False,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Say whether rounding explains how the scores of two engines differ, or what else does.

    Exit status: 0 rounding explains it, or nobody can tell; 1 it does not; 2 bad input; 3 server
    trouble; 70 a defect; 130 interrupted.
    """
    from analysis.auditing import compare as compare_sources

    if split is not None and data is None:
        raise InputError("no set is named that has one", "give --data", field="split")
    with servers_may_fail():
        found = compare_sources(
            a,
            b,
            data=None if data is None else of_split(data, split),
            dtype=dtype,
            server_model=server_model,
            format=format,
            timeout=timeout,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        )
    tell(found.notes)
    if json:
        echo_json(found.to_dict())
    else:
        echo(found)
    raise typer.Exit(_BEYOND_ROUNDING if found.is_beyond_rounding else 0)
