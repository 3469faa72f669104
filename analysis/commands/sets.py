"""The commands about sets: what is in one."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis import sinks
from analysis.commands.options import Split
from analysis.commands.output import echo
from analysis.errors import counted


def check(
    data: Annotated[list[str], typer.Argument(help="What to read; see `report --data`.")],
    split: Split = None,
) -> None:
    """Read a set, from one file or several, and say what is in it, or what is wrong with it."""
    from analysis import readers

    candidates = readers.read(data if len(data) > 1 else data[0], split)
    queries = counted(candidates.n_queries, "query", "queries")
    pairs = counted(candidates.n_pairs, "pair")
    graded = "all graded" if candidates.has_grades else "not all graded"
    echo(sinks.terminal(f"{candidates.name}: {queries}, {pairs}, {graded}"))
    for note in candidates.notes:
        echo(sinks.terminal(note))
    for query_id in candidates.queries_without_candidates:
        echo(sinks.terminal(f"query {query_id} has no candidates and is left out"))
