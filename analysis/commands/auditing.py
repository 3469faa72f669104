"""The command that audits a server, a file of scores or a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rich.console
import typer

from analysis.commands.files import refuse_folders, write_file
from analysis.commands.options import Data, Split, of_split
from analysis.commands.output import echo, servers_may_fail

if TYPE_CHECKING:
    from analysis.auditing import Condition, Findings

_CONDITION_HOLDS = 1
_STANDARD_OUTPUT = "-"


def audit(
    url: Annotated[str | None, typer.Option(help="Address of a running reranking server.")] = None,
    scores: Annotated[
        list[str], typer.Option(help="Rows, runs or saved answers: file or folder; repeatable.")
    ] = [],  # noqa: B006 -- typer's way to say "none"
    model: Annotated[
        str | None, typer.Option(help="demo, a checkpoint's folder, or a Hub id, to be run here.")
    ] = None,
    data: Data = "german",
    split: Split = None,
    dtype: Annotated[
        str | None, typer.Option(help="Forward dtype (--model); float32 if not given.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="Forward format (--model), such as onnxruntime:int8-dynamic."),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(help='Score path to apply (--model), such as "infinity@0.0.32:float16".'),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="local, or ray: on the workers of a Ray cluster (--model)."),
    ] = None,
    server_model: Annotated[
        str | None, typer.Option(help="Name the server knows its model by (--url).")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one answer (--url).")] = 300.0,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code that the checkpoint brings along (--model).")
    ] = False,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            help="Load pickled weights where there are no safetensors: unpickling can run code "
            "(--model)."
        ),
    ] = False,
    fail_on: Annotated[
        list[str], typer.Option(help='Exit status 1 if it holds: "saturated>0"; repeatable.')
    ] = [],  # noqa: B006 -- typer's way to say "none"
    json: Annotated[
        str | None, typer.Option(help="File for the report as JSON; - for standard output.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="File for the report as a page.")] = None,
) -> None:
    """Tell from scores how they were computed, what that hides and what to do about it.

    Needs one of --url, --scores and --model. Exit status: 0 fine, 1 a --fail-on condition holds,
    2 bad input, 3 server trouble, 70 a defect, 130 interrupted. A server's token is read from
    RERANK_PRECISION_TOKEN.
    """
    from analysis.auditing import Condition, audit
    from analysis.auditing.terminal import print_summary

    conditions = [Condition.of_text(text) for text in fail_on]
    refuse_folders(None if json in (None, _STANDARD_OUTPUT) else Path(json), html)
    with servers_may_fail():
        found = audit(
            url=url,
            scores=scores or None,
            model=model,
            data=of_split(data, split),
            dtype=dtype,
            format=format,
            path=path,
            engine=engine,
            server_model=server_model,
            timeout=timeout,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        )
    # Standard output is for the JSON alone where it was asked for there.
    console = rich.console.Console(highlight=False, emoji=False, stderr=json == _STANDARD_OUTPUT)
    print_summary(found, conditions, console=console)
    _write(found, conditions, json, html)
    held = any(found.holds(condition) for condition in conditions)
    raise typer.Exit(_CONDITION_HOLDS if held else 0)


def _write(
    found: Findings, conditions: Sequence[Condition], json: str | None, html: Path | None
) -> None:
    """Write the audit's report where it was asked for."""
    if json is not None:
        from analysis.auditing.record import as_json

        if json == _STANDARD_OUTPUT:
            echo(as_json(found, conditions), end=False)
        else:
            write_file(Path(json), as_json(found, conditions))
    if html is not None:
        from analysis.auditing.page import page_html

        write_file(html, page_html(found, conditions))
