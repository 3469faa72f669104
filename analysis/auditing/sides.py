"""``compare``: two sides from files of scores, frames, recordings, servers or models.

A text is the address of a server (``http://…``), else a file or folder of scores that is there,
else a recording (``infinity@0.0.78:float16``, ``:http`` behind it for the server's), else a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from analysis import progress
from analysis.auditing.asking import limits_of
from analysis.auditing.sources import (
    Scored,
    from_file,
    from_frame,
    from_model,
    from_server,
    one_format,
)
from analysis.auditing.transport import Limits
from analysis.datasets import RerankingSet
from analysis.discrepancies import Comparison, Side, compare_sides
from analysis.discrepancies.noise import Noise, noise_of
from analysis.discrepancies.streams import compare_streams
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.frames import KEYS
from analysis.places import named_path
from analysis.readers import read
from analysis.readers.lines import suffix_of
from analysis.readers.scores import SCORE_SUFFIXES
from analysis.readers.scorestreams import ScoreStream
from analysis.recordings import recorded_path, recording, unprinted

Source = str | Path | pd.DataFrame

_ADDRESS = re.compile("https?://", re.IGNORECASE)
_RECORDING = re.compile("([a-z-]+)@([^:]+):([a-z0-9]+)(:http)?")  # engine, version, dtype
_MEASURES = {"measure", "expected"}


def compare(
    a: Source,
    b: Source,
    *,
    data: str | Path | None = None,
    dtype: str | None = None,
    server_model: str | None = None,
    timeout: float | None = None,
    format: str | ForwardFormat | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Comparison:
    """Say whether rounding explains how the scores of two engines differ, or what else does.

    ``a`` and ``b`` are each a frame (``query_id, passage_id, score`` and perhaps ``logit``), a file
    or folder of scores, a recording of an engine (``"infinity@0.0.78:float16"``), the address of a
    running server, or a model to be run here in the forward ``dtype`` (float32), or in a forward
    ``format`` of another runtime. Only pairs of both are compared. Two sources of Parquet may be
    larger than memory (:mod:`analysis.discrepancies.streams`). ``data`` names the set of these
    pairs: a server and a model are asked for it (the German set, if none is named), its texts tell
    long pairs from short ones and its grades what the difference is worth. ``server_model`` is the
    name a server knows its model by, ``timeout`` the seconds that one answer may take (300);
    ``trust_remote_code`` and ``allow_pickle`` are those of
    :func:`analysis.models.load`.

    Returns a :class:`~analysis.discrepancies.Comparison`: ``answer``, ``sentence`` with the
    evidence, ``shape``, ``rankings``, and ``table``, a row per pair. Raises :class:`InputError` for
    sources that cannot be read, sides without a common pair and what is asked of a model or a
    server where no side is one, and
    :class:`~analysis.auditing.transport.ServerError` for trouble with a server. To compare what two
    runs are worth by measures, see :func:`analysis.comparisons.compare_measures`.
    """
    kinds = [_kind(source) for source in (a, b)]
    trust = {"trust_remote_code": trust_remote_code, "allow_pickle": allow_pickle}
    asked = {
        "model": {"dtype": dtype, "format": format}
        | {name: it or None for name, it in trust.items()},
        "server": {"server_model": server_model, "timeout": timeout},
    }
    for kind, options in asked.items():
        _check_applies(kind, options, kinds)
    is_asked = bool({"server", "recording", "model"}.intersection(kinds))
    dataset = read("german" if data is None else data) if is_asked or data is not None else None
    known = {
        "lengths": None if dataset is None else _lengths(dataset),
        "grades": None if dataset is None or not dataset.has_grades else dataset.pairs,
    }
    streams = [
        ScoreStream.of(source) if kind == "file" else None
        for source, kind in zip((a, b), kinds, strict=True)
    ]
    if None not in streams and any(stream.is_large for stream in streams):
        with progress.busy("comparing in parts"):
            return compare_streams(*streams, **known)
    limits = Limits() if timeout is None else limits_of(timeout)
    chosen = one_format(dtype, format)
    scorers = {
        "frame": _of_frame,
        "file": from_file,
        "recording": _of_recording,
        "server": partial(from_server, dataset=dataset, model=server_model, limits=limits),
        "model": partial(from_model, dataset=dataset, format=chosen, **trust),
    }
    sources = (one if isinstance(one, pd.DataFrame) else str(one) for one in (a, b))
    scored = [scorers[kind](source) for kind, source in zip(kinds, sources, strict=True)]
    return compare_sides(
        *(Side(_called(one), one.frame, one.path, one.decimals) for one in scored),
        **known,
        measured=_measured(scored),
    )


def _kind(source: Source) -> str:
    """What a side is: *frame*, *server*, *file* (or folder), *recording* or *model*."""
    if isinstance(source, pd.DataFrame):
        return "frame"
    if isinstance(source, str) and _ADDRESS.match(source):
        return "server"
    path = named_path(source, "name a file of scores, a server, a recording or a model")
    if path.exists() and not (path / "config.json").exists():
        return "file"
    if _RECORDING.fullmatch(str(source)):
        return "recording"
    if suffix_of(path) in SCORE_SUFFIXES:
        raise InputError("there is no such file", "check the path", file=path)
    return "model"


def _check_applies(kind: str, options: Mapping[str, object], kinds: list[str]) -> None:
    """Refuse what is asked of a kind of side that there is none of."""
    for name, value in options.items():
        if value is not None and kind not in kinds:
            raise InputError(
                f"applies only to a {kind}, and neither side is one", "remove it", field=name
            )


def _called(one: Scored) -> str:
    """Name of a side, with the forward format where another runtime than torch ran a model."""
    own = one.forward_format
    return one.name if own is None or own.is_torch else f"{one.name} in {own.name}"


def _of_frame(frame: pd.DataFrame) -> Scored:
    if set(frame.columns) >= _MEASURES:
        raise InputError(
            "these are measures of a run, not its scores",
            "give the runs, or compare measures by analysis.comparisons.compare_measures",
        )
    return from_frame(frame)


def _of_recording(name: str) -> Scored:
    engine, version, dtype, api = _RECORDING.fullmatch(name).groups()
    rows = recording(engine, version, dtype, api="http" if api else "in-process")
    frame = unprinted(rows)[[*KEYS, "score", "logit"]]
    return Scored("recording", name, frame, path=recorded_path(engine, version, dtype))


def _lengths(dataset: RerankingSet) -> pd.DataFrame:
    """Characters of each pair."""
    pairs = dataset.pairs
    return pairs[KEYS].assign(length=pairs["query"].str.len() + pairs["passage"].str.len())


def _measured(scored: list[Scored]) -> dict[str, Noise]:
    """Noise of the dtypes that models were run in here, beside float32.

    Only torch's rounding is noise: what a quantised network differs by is no rounding of a dtype.
    """
    found = {}
    for one in scored:
        is_rounding = one.forward_format is None or one.forward_format.is_torch
        if is_rounding and one.path is not None and one.float32_logits is not None:
            difference = one.frame["logit"].to_numpy() - one.float32_logits.to_numpy()
            found[one.path.forward_dtype] = noise_of(difference).of_two
    return {dtype: noise for dtype, noise in found.items() if noise.largest > 0}
