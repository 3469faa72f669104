"""The audit's summary for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import sinks
from analysis.auditing import tables
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import TOP_K, Findings

_TIES_SHOWN = 5


def print_summary(
    findings: Findings, conditions: Sequence[Condition] = (), *, console: Console | None = None
) -> None:
    """Print the findings; ids and names are text, never markup, emoji or control characters."""
    console = console or Console(highlight=False)
    source = findings.scored
    console.print(Text(sinks.terminal(f"Audit of {source.name}"), style="bold"))
    for name, value in source.details.items():
        console.print(Text(sinks.terminal(f"  {name}: {value}"), style="dim"))
    _say(console, "What is there", tables.headline(findings))
    console.print(_table(("", ""), tables.counts(findings), header=False))
    if len(findings.ties) > _TIES_SHOWN:
        console.print(f"The {_TIES_SHOWN} largest tie groups in the top {TOP_K}:")
    if not findings.ties.empty:
        console.print(_ties(findings))
    _say(console, "Score path", tables.path_found(findings))
    _say(console, "What it hides", tables.hidden_sentence(findings))
    for title, note, (heads, rows) in (
        ("", "", tables.steps(findings)),
        (
            "What a better path would change",
            tables.reference_note(findings),
            tables.better_paths(findings),
        ),
    ):
        if rows:
            if title:
                _say(console, title, note)
            console.print(_table(heads, rows))
    _say(console, "Remedy", str(findings.recommendation))
    for condition in conditions:
        holds, value = findings.holds(condition), findings.value(condition)
        verdict = "HOLDS" if holds else "does not hold"
        console.print(
            Text(f"{condition}: {verdict} ({value:,})", style="bold red" if holds else "green")
        )


def _say(console: Console, title: str, sentence: str) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    console.print(Text(sinks.terminal(sentence, lines=True)))


def _ties(findings: Findings) -> Table:
    rows = [
        (group.query_id, tables.score_text(group.score), f"{group.size:,}", f"{group.first_rank:,}")
        for group in findings.ties.head(_TIES_SHOWN).itertuples()
    ]
    return _table(("query", "score shared", "by candidates", "from rank"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, header: bool = True) -> Table:
    table = Table(box=box.SIMPLE_HEAD if header else None, show_header=header, pad_edge=header)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(sinks.terminal(cell)) for cell in row))
    return table
