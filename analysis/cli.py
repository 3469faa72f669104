"""The command line: every command in the order of the help, each with its examples."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature

import typer

from analysis.commands.auditing import audit
from analysis.commands.comparing import compare
from analysis.commands.fingerprinting import fingerprint
from analysis.commands.listing import formats, paths
from analysis.commands.output import complain, outlive_closed_pipes
from analysis.commands.reporting import figures, report
from analysis.commands.scoring import score
from analysis.commands.sets import check, init
from analysis.errors import InputError

_INTERRUPTED = 130
"""Exit status of what SIGINT (2) ended: 128 and the signal's number; Typer's as well."""
_DEFECT = 70
"""Exit status of a defect of this program (EX_SOFTWARE of sysexits.h)."""

COMMANDS = {
    init: ("my_set",),
    check: (
        "own.jsonl",
        "own.jsonl --model my-org/reranker --max-length 256",
        "scifact --split train",
    ),
    report: (
        "--out my_report",
        "--model my-org/reranker --data beir_folder --out site",
        "--data own.jsonl --path haystack:bfloat16 --out site",
    ),
    figures: (
        "--out my_figures",
        "--only 02_ruler --width column --format pdf --out paper",
        "--style dark --width slide --data own.jsonl --out talk",
    ),
    score: (
        "logits.parquet",
        "logits.parquet --model my-org/reranker --data own.jsonl --format float16",
        "logits.parquet --format float32 --format onnxruntime:int8-dynamic",
    ),
    fingerprint: ("scores.csv", "run.trec --json", "answers_folder"),
    audit: (
        "--url http://localhost:7997",
        "--scores answers.jsonl --html audit.html",
        "--model my-org/reranker --path haystack:bfloat16",
        '--url http://localhost:7997 --fail-on "saturated>0" --json -',
    ),
    compare: (
        "old.jsonl new.jsonl",
        "old.jsonl http://localhost:7997 --data own.jsonl",
        "infinity@0.0.32:float16 infinity@0.0.78:float16",
    ),
    paths: ("",),
    formats: ("",),
}
"""The arguments of each example."""


def _naming_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let an error about an option call it as the command line does, not as Python."""
    options = {
        name: f"--{name.replace('_', '-')}"
        for name, parameter in signature(command).parameters.items()
        if parameter.default is not Parameter.empty
    }

    @wraps(command)
    def run(**given: object) -> None:
        """The command."""
        try:
            command(**given)
        except InputError as error:
            if error.file is not None or error.field not in options:
                raise
            field = options[error.field]
            raise InputError(error.problem, error.remedy, field=field) from error

    return run


app = typer.Typer(
    help="What floating-point precision does to reranking results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command, _examples in COMMANDS.items():
    _lines = [f"rerank-precision {_command.__name__} {one}".rstrip() for one in _examples]
    # Typer keeps the line ends of a docstring, which fit no terminal but its author's.
    _flowing = [" ".join(one.split()) for one in (_command.__doc__ or "").split("\n\n")]
    app.command(help="\n\n".join(_flowing), epilog="\n\n".join(["Examples:", *_lines]))(
        _naming_options(_command)
    )


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit status 2.

    An interruption, wherever it comes, is one line as well, and exit status 130.

    What nobody foresaw keeps its traceback, and never the exit status 1, by which a pipeline reads
    that a condition of the audit holds.
    """
    outlive_closed_pipes()
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as end:
        status = end.code if isinstance(end, SystemExit) else _INTERRUPTED
        if status == _INTERRUPTED:
            complain("interrupted; the same command goes on with what it has kept")
        sys.exit(status)
    except (InputError, OSError) as error:
        complain(error)
        sys.exit(2)
    except Exception as error:
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing and not missing.startswith("analysis"):
            # With requirements-audit.txt alone no model runs.
            remedy = "Install all that the package needs: pip install rerank-precision."
            complain(f"{missing} is not installed. {remedy}")
            sys.exit(2)
        traceback.print_exc()
        sys.exit(_DEFECT)
