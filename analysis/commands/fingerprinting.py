"""The command that tells which score path made scores."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.commands.output import echo, echo_json, tell
from analysis.progress import busy


def fingerprint(
    files: Annotated[
        list[str], typer.Argument(help="Rows, runs or saved answers: files, or folders of them.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Tell from a file of scores, and of logits if it has them, which score path made them."""
    from analysis.fingerprinting import fingerprint as judge
    from analysis.readers.scorestreams import read_or_sample

    found, _ = read_or_sample(files)
    tell(found.notes)
    frame = found.frame
    logits = None if frame["logit"].isna().all() else frame["logit"].to_numpy()
    scores, queries = frame["score"].to_numpy(), frame["query_id"]
    with busy(f"judging {len(frame):,} scores"):
        verdict = judge(scores, logits, queries=queries, decimals=found.decimals)
    if json:
        echo_json(verdict.to_dict())
    else:
        echo(verdict)
