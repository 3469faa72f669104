"""The commands about sets: an example to begin with, and what is in a set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis import sinks
from analysis.commands.options import Split, Trust
from analysis.commands.output import echo
from analysis.errors import InputError
from analysis.places import named_path

if TYPE_CHECKING:
    from analysis.datasets import RerankingSet
    from analysis.surveying import Lengths

_EXAMPLE = Path(__file__).parent / "example"


def init(
    folder: Annotated[Path, typer.Argument(help="Folder for the example; it need not exist.")],
) -> None:
    """Write a small commented example of a set, to be replaced by your own data.

    Nothing is overwritten.
    """
    folder = named_path(folder, "name a folder")
    files = {folder / one.name: one for one in sorted(_EXAMPLE.iterdir())}
    for file in (folder, *files):
        if file.exists() and not (file == folder and folder.is_dir()):
            raise InputError("this is there already", "name another folder", file=file)
    folder.mkdir(parents=True, exist_ok=True)
    for file, example in files.items():
        with file.open("x", encoding="utf-8") as written:
            written.write(example.read_text("utf-8"))
        echo(sinks.terminal(f"written: {file}"))
    echo(sinks.terminal(f"next: rerank-precision check {shlex.quote(str(folder))} --model demo"))


def check(
    data: Annotated[list[str], typer.Argument(help="What to read; see `report --data`.")],
    split: Split = None,
    model: Annotated[
        str | None,
        typer.Option(help="Count tokens too: demo, a checkpoint's folder, or a Hub id."),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Tokens at which pairs are cut (--model); 512, as in report.")
    ] = None,
    trust_remote_code: Trust = False,
) -> None:
    """Read a set, from one file or several, and say what is in it, or what is wrong with it.

    Says how many queries, candidates and grades there are, what stands twice, and with --model how
    many pairs are longer than it takes. Nothing is scored.
    """
    from analysis import readers
    from analysis.surveying import survey

    if max_length is not None and model is None:
        raise InputError("without a model nothing is cut", "give --model", field="max_length")
    candidates = readers.read(data if len(data) > 1 else data[0], split)
    lengths = None
    if model is not None:
        lengths = _lengths(candidates, model, max_length, trust_remote_code)
    for line in survey(candidates, lengths):
        echo(sinks.terminal(line))


def _lengths(
    candidates: RerankingSet, model: str, max_length: int | None, trust_remote_code: bool
) -> Lengths:
    from analysis.surveying import Lengths
    from analysis.tokenizing import MAX_LENGTH, check_length, pair_lengths

    limit = MAX_LENGTH if max_length is None else max_length
    check_length(limit, "max_length")
    tokens, most = pair_lengths(
        candidates.pairs, model, max_length=limit, trust_remote_code=trust_remote_code
    )
    return Lengths(model, tokens, min(limit, most or limit))
