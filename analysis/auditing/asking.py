"""``audit``: scores from one source, and what is found in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path

import pandas as pd

from analysis import progress
from analysis.auditing.findings import Findings, findings
from analysis.auditing.sources import (
    Scored,
    from_file,
    from_frame,
    from_model,
    from_server,
    one_format,
)
from analysis.auditing.transport import Limits
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.scorepath import ScorePath


def audit(
    *,
    url: str | None = None,
    scores: str | Path | Sequence[str | Path] | pd.DataFrame | None = None,
    model: str | None = None,
    data: str | Path = "german",
    dtype: str | None = None,
    format: str | ForwardFormat | None = None,
    path: ScorePath | str | None = None,
    engine: str | None = None,
    server_model: str | None = None,
    timeout: float = 300.0,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Findings:
    """Tell from scores how they were computed, what that hides and what to do about it.

    One source is given: ``url``, the address of a running reranking server; ``scores``, a file,
    several or a folder (:mod:`analysis.readers.scores`), or a frame with the columns ``query_id,
    passage_id, score`` and perhaps ``logit``; or ``model``, to
    be run here in the forward ``dtype`` (float32) with the score ``path`` (the
    checkpoint's own activation in float32, a sigmoid as a rule; see
    :func:`~analysis.engines.path_of`, whose texts do as well) by the ``engine`` of
    :func:`analysis.scoring.score`. A server and a model are
    asked for the scores of ``data``; ``server_model`` is the name a server knows its model by,
    ``timeout`` the seconds that one answer may take; ``trust_remote_code`` and ``allow_pickle`` are
    those of :func:`analysis.models.load`. Raises :class:`InputError` and, for trouble
    with a server, its kind :class:`~analysis.auditing.transport.ServerError`.
    """
    given = {"url": url, "scores": scores, "model": model}
    sources = [name for name, value in given.items() if value is not None]
    if len(sources) != 1:
        raise InputError(
            f"{len(sources)} sources given: {' and '.join(sources)}"
            if sources
            else "no source given",
            "give one of url, scores and model",
        )
    for name, value, source in (
        ("dtype", dtype, "model"),
        ("format", format, "model"),
        ("path", path, "model"),
        ("engine", engine, "model"),
        ("trust_remote_code", trust_remote_code or None, "model"),
        ("allow_pickle", allow_pickle or None, "model"),
        ("server_model", server_model, "url"),
    ):
        if value is not None and source != sources[0]:
            raise InputError(f"applies only to {source}", "remove it", field=name)
    limits = limits_of(timeout)
    if scores is not None:
        scored = _of_scores(scores)
    elif url is not None:
        scored = _of_server(url, data, server_model, limits)
    else:
        trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
        chosen = one_format(dtype, format)
        running = {**trust, "engine": engine or "local"}
        scored = _of_model(str(model), data, chosen, path, running)
    with progress.busy(f"judging {len(scored.frame):,} scores"):
        return findings(scored)


def limits_of(timeout: float) -> Limits:
    """Limits on a server whose answers may take so many seconds."""
    if not isinstance(timeout, Real) or not 0 < timeout < math.inf:
        raise InputError("the time must be above 0 and finite", "give seconds", field="timeout")
    return Limits(answer_seconds=timeout)


def _of_scores(scores: str | Path | Sequence[str | Path] | pd.DataFrame) -> Scored:
    if isinstance(scores, pd.DataFrame):
        return from_frame(scores)
    several = isinstance(scores, list | tuple)
    if all(isinstance(one, str | Path) for one in (scores if several else [scores])):
        return from_file(scores)
    raise InputError(
        f"a {type(scores).__name__} has no queries and passages",
        "give a file, or a frame with the columns query_id, passage_id, score",
        field="scores",
    )


def _of_server(url: str, data: str | Path, model: str | None, limits: Limits) -> Scored:
    from analysis.readers import read

    return from_server(url, read(data), model=model, limits=limits)


def _of_model(
    model: str,
    data: str | Path,
    format: ForwardFormat | None,
    path: ScorePath | str | None,
    running: Mapping[str, bool | str],
) -> Scored:
    from analysis.readers import read

    chosen = None if path is None else path_of(path)
    return from_model(model, read(data), chosen, format=format, **running)
