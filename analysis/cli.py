"""The command line: report, score, fingerprint, audit, compare, check, paths.

A reader who closes the pipe early (``| head``) is no trouble: the rest of the output goes nowhere,
the command finishes, and its exit status is what it would have been.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from json import dumps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from analysis import sinks
from analysis.engines import run_engines
from analysis.errors import InputError, counted
from analysis.formats import FORWARD_DTYPES
from analysis.places import named_path, replacing
from analysis.steps import saturation

if TYPE_CHECKING:
    from analysis.auditing import Condition, Findings

_DEFECT = 70
"""Exit status of a defect of this program (EX_SOFTWARE of sysexits.h)."""
_CONDITION_HOLDS = 1
"""Exit status of an audit of which a condition holds, and of a difference beyond rounding."""
_SERVER_TROUBLE = 3
_CHAPTERS_FAILED = 4
_STANDARD_OUTPUT = "-"
_DTYPES = list(FORWARD_DTYPES)

_REPORTS = """Examples:

rerank-precision report --out my_report

rerank-precision report --model my-org/reranker --data beir_folder --out site

rerank-precision report --data own.jsonl --path haystack:bfloat16 --out site
"""

app = typer.Typer(
    help="What floating-point precision does to reranking results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[
    str,
    typer.Option(
        help="german, a JSONL/CSV/TSV file, a folder (BEIR, MIRACL, MS MARCO, or such files), "
        "ir_datasets:ID."
    ),
]
Split = Annotated[
    str | None, typer.Option(help="Split of a folder that has several, none of them test.")
]
Model = Annotated[str, typer.Option(help="demo, a checkpoint's folder, or a Hub id.")]
Dtypes = Annotated[list[str], typer.Option("--dtype", help="Forward dtype; repeat for several.")]


@app.command(epilog=_REPORTS)
def report(
    data: Data = "german",
    split: Split = None,
    model: Model = "demo",
    path: Annotated[
        str | None,
        typer.Option(help='Score path of your engine, such as "haystack:float16"; see `paths`.'),
    ] = None,
    dtype: Dtypes = _DTYPES,
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
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code that the checkpoint brings along.")
    ] = False,
) -> None:
    """Say what precision does to a set and what to do: a small site that opens from disk.

    Writes index.html (the answer), review.html (two pages for a review), a page per notebook and
    figures/. An interrupted report goes on where it was.

    Exit status: 0 fine, 2 bad input, 4 a notebook failed (the rest is there), 70 a defect.
    """
    from analysis import reporting

    try:
        reporting.report(
            model=model,
            data=_of_split(data, split),
            dtypes=dtype,
            path=path,
            out=out,
            revision=revision,
            device=device,
            max_length=max_length,
            trust_remote_code=trust_remote_code,
            say=_echo,
        )
    except reporting.ChaptersFailedError as error:
        typer.echo(sinks.terminal(f"rerank-precision: {error}", lines=True), err=True)
        raise typer.Exit(_CHAPTERS_FAILED) from error


@app.command()
def score(
    out: Annotated[Path, typer.Argument(help="Parquet file for the logits.")],
    data: Data = "german",
    split: Split = None,
    model: Model = "demo",
    dtype: Dtypes = _DTYPES,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code that the checkpoint brings along.")
    ] = False,
) -> None:
    """Score a set in each forward dtype and write the logits; a stopped run resumes."""
    from analysis import models, readers, scoring
    from analysis.store import Store

    out = _replaceable(out)  # what fails, fails before the hours of scoring
    candidates = readers.read(_of_split(data, split))
    _tell(candidates.notes)
    reranker = models.load(model, trust_remote_code=trust_remote_code)
    logits = scoring.score(candidates, reranker, dtype, store=Store())
    with replacing(out) as temporary:
        logits.to_parquet(temporary, index=False)
    _echo(sinks.terminal(f"{len(logits):,} logits: {out}"))


@app.command()
def fingerprint(
    scores: Annotated[
        list[str], typer.Argument(help="Rows, runs or saved answers: files, or folders of them.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Tell from a file of scores, and of logits if it has them, which score path made them."""
    from analysis.fingerprinting import fingerprint as judge
    from analysis.readers import read_scores

    found = read_scores(scores)
    _tell(found.notes)
    frame = found.frame
    logits = None if frame["logit"].isna().all() else frame["logit"].to_numpy()
    verdict = judge(
        frame["score"].to_numpy(), logits, queries=frame["query_id"], decimals=found.decimals
    )
    _echo(dumps(verdict.to_dict(), ensure_ascii=False, indent=2) if json else verdict)


@app.command()
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
    path: Annotated[
        str | None,
        typer.Option(help='Score path to apply (--model), such as "infinity@0.0.32:float16".'),
    ] = None,
    server_model: Annotated[
        str | None, typer.Option(help="Name the server knows its model by (--url).")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one answer (--url).")] = 300.0,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code that the checkpoint brings along (--model).")
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
    2 bad input, 3 server trouble, 70 a defect. A server's token is read from
    RERANK_PRECISION_TOKEN.
    """
    from analysis.auditing import Condition, audit
    from analysis.auditing.terminal import print_summary
    from analysis.auditing.transport import ServerError

    conditions = [Condition.of_text(text) for text in fail_on]
    _refuse_folders(None if json in (None, _STANDARD_OUTPUT) else Path(json), html)
    try:
        found = audit(
            url=url,
            scores=scores or None,
            model=model,
            data=_of_split(data, split),
            dtype=dtype,
            path=path,
            server_model=server_model,
            timeout=timeout,
            trust_remote_code=trust_remote_code,
        )
    except ServerError as error:
        _complain(error)
        raise typer.Exit(_SERVER_TROUBLE) from error
    # Standard output is for the JSON alone where it was asked for there.
    console = _Console(highlight=False, emoji=False, stderr=json == _STANDARD_OUTPUT)
    print_summary(found, conditions, console=console)
    _write(found, conditions, json, html)
    held = any(found.holds(condition) for condition in conditions)
    raise typer.Exit(_CONDITION_HOLDS if held else 0)


@app.command()
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
    dtype: Annotated[str, typer.Option(help="Forward dtype of a model.")] = "float32",
    timeout: Annotated[float, typer.Option(help="Seconds for one answer of a server.")] = 300.0,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code that a checkpoint brings along.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Say whether rounding explains how the scores of two engines differ, or what else does.

    Exit status: 0 rounding explains it, or nobody can tell; 1 it does not; 2 bad input; 3 server
    trouble; 70 a defect.
    """
    from analysis.auditing import compare as compare_sources
    from analysis.auditing.transport import ServerError

    try:
        found = compare_sources(
            a,
            b,
            data=None if data is None else _of_split(data, split),
            dtype=dtype,
            timeout=timeout,
            trust_remote_code=trust_remote_code,
        )
    except ServerError as error:
        _complain(error)
        raise typer.Exit(_SERVER_TROUBLE) from error
    _echo(dumps(found.to_dict(), ensure_ascii=False, indent=2) if json else found)
    raise typer.Exit(_CONDITION_HOLDS if found.answer == "larger than any rounding" else 0)


@app.command()
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
    _echo(sinks.terminal(f"{candidates.name}: {queries}, {pairs}, {graded}"))
    for note in candidates.notes:
        _echo(sinks.terminal(note))
    for query_id in candidates.queries_without_candidates:
        _echo(sinks.terminal(f"query {query_id} has no candidates and is left out"))


@app.command()
def paths() -> None:
    """List the known engines' score paths, as `--path` takes them, and where each saturates."""
    for engine in run_engines():
        for path in engine.paths.values():
            one_from = saturation(path).one_from
            _echo(f"{path}; exactly 1.0 from logit {one_from:.7g}\n  {path.text}")


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit status 2.

    What nobody foresaw keeps its traceback, and never the exit status 1, by which a pipeline reads
    that a condition of the audit holds.
    """
    try:
        app()
    except (InputError, OSError) as error:
        _complain(error)
        sys.exit(2)
    except Exception as error:
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing and not missing.startswith("analysis"):
            # With requirements-audit.txt alone no model runs.
            remedy = "Install all that the package needs: pip install rerank-precision."
            _complain(f"{missing} is not installed. {remedy}")
            sys.exit(2)
        traceback.print_exc()
        sys.exit(_DEFECT)


class _Console(Console):
    """A console that goes on where nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Drop what is still to be printed; the base class would end with exit status 1."""
        _to_nowhere(self.file)


def _echo(text: object, *, end: bool = True) -> None:
    """Print to standard output, as long as somebody reads it."""
    try:
        typer.echo(text, nl=end)
    except BrokenPipeError:
        _to_nowhere(sys.stdout)


def _complain(error: object) -> None:
    typer.echo(sinks.terminal(f"rerank-precision: {error}"), err=True)


def _to_nowhere(stream: IO[str]) -> None:
    """Let a stream end in the null device, what it still holds included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _write(
    found: Findings, conditions: Sequence[Condition], json: str | None, html: Path | None
) -> None:
    """Write the audit's report where it was asked for."""
    if json is not None:
        from analysis.auditing.record import as_json

        if json == _STANDARD_OUTPUT:
            _echo(as_json(found, conditions), end=False)
        else:
            _write_file(Path(json), as_json(found, conditions))
    if html is not None:
        from analysis.auditing.page import page_html

        _write_file(html, page_html(found, conditions))


def _of_split(data: str, split: str | None) -> str:
    """The source that stands for one split of a folder."""
    if split is None:
        return data
    from analysis.readers import split_file

    return str(split_file(data, split))


def _tell(notes: Iterable[str]) -> None:
    """Say on standard error how something was read; standard output is for results."""
    for note in notes:
        _complain(note)


def _refuse_folders(*files: Path | None) -> None:
    """Refuse folders in place of files to be written, before what is written takes its time."""
    for file in files:
        if file is not None and file.is_dir():
            raise InputError("this is a folder", "name a file to be written", file=file)


def _replaceable(out: Path) -> Path:
    """A file that a finished one may take the place of; its folder is made."""
    file = named_path(out, "name a file to be written")
    _refuse_folders(file)
    if file.exists() and not file.is_file():
        raise InputError("this is a pipe or a device", "name a file to be written", file=file)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _write_file(file: Path, text: str) -> None:
    path = named_path(file, "name a file to be written")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"it cannot be written ({error.strerror})", "name another file", file=path
        ) from error
