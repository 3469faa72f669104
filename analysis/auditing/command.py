"""The command ``audit``: which source, what is written where, and the exit status.

Exit status: 0 no condition holds, 1 a condition holds, 2 bad input or options, 3 the server
cannot be reached or its answers cannot be used, 130 interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from analysis.errors import InputError

if TYPE_CHECKING:
    from analysis.auditing.findings import Findings
    from analysis.auditing.sources import Scored

CONDITION_HOLDS = 1
SERVER_TROUBLE = 3
STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class Options:
    """What the user asked for; one of ``url``, ``scores`` and ``model`` is given."""

    url: str | None
    scores: str | None
    model: str | None
    data: str
    dtype: str | None
    engine: str | None
    server_model: str | None
    timeout: float
    trust_remote_code: bool
    fail_on: Sequence[str]
    json: str | None
    html: Path | None

    def check(self) -> None:
        """Raise :class:`InputError` unless there is one source, and only options that it uses."""
        sources = {"--url": self.url, "--scores": self.scores, "--model": self.model}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) != 1:
            raise InputError(
                f"{' and '.join(given) if given else 'no source'} given",
                "give one of --url, --scores and --model",
            )
        belongs = {
            "--dtype": (self.dtype is not None, "--model"),
            "--engine": (self.engine is not None, "--model"),
            "--trust-remote-code": (self.trust_remote_code, "--model"),
            "--server-model": (self.server_model is not None, "--url"),
        }
        for name, (used, source) in belongs.items():
            if used and source != given[0]:
                raise InputError(f"{name} goes with {source} only", "leave it out", field=name)
        if not 0 < self.timeout < math.inf:
            raise InputError(
                "the time must be above 0 and finite", "give seconds", field="--timeout"
            )


def run(options: Options) -> int:
    """Audit, show and write; returns the exit status.

    Raises :class:`InputError`, and its kind :class:`~analysis.auditing.transport.ServerError`.
    """
    options.check()
    from analysis.auditing import conditions as conditions_
    from analysis.auditing.findings import audit
    from analysis.auditing.terminal import print_summary

    conditions = [conditions_.parse(text) for text in options.fail_on]
    ks = [condition.k for condition in conditions if condition.k is not None]
    findings = audit(_scored(options), ks)
    # Standard output is for the JSON alone where it was asked for there.
    console = Console(highlight=False, stderr=options.json == STANDARD_OUTPUT)
    print_summary(findings, conditions, console=console)
    _write(options, findings, conditions)
    held = any(condition.holds(findings.counts) for condition in conditions)
    return CONDITION_HOLDS if held else 0


def _scored(options: Options) -> Scored:
    from analysis import readers
    from analysis.auditing import sources
    from analysis.auditing.transport import Limits
    from analysis.engines import engine_path

    if options.scores is not None:
        return sources.from_file(options.scores)
    dataset = readers.read(options.data)
    if options.url is not None:
        limits = Limits(answer_seconds=options.timeout)
        return sources.from_server(options.url, dataset, model=options.server_model, limits=limits)
    dtype = options.dtype or "float32"
    return sources.from_model(
        options.model or "",
        dataset,
        dtype,
        path=None if options.engine is None else engine_path(options.engine, dtype),
        trust_remote_code=options.trust_remote_code,
    )


def _write(options: Options, findings: Findings, conditions: Sequence) -> None:
    from analysis.auditing.report import as_text

    if options.json == STANDARD_OUTPUT:
        print(as_text(findings, conditions), end="")
    elif options.json is not None:
        _write_file(Path(options.json), as_text(findings, conditions))
    if options.html is not None:
        from analysis.auditing.page import page_html

        _write_file(options.html, page_html(findings, conditions))


def _write_file(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"it cannot be written ({error.strerror})", "name another file", file=path
        ) from error
