"""``compare``: two sides from files of scores, frames, recordings, servers or models.

A text is the address of a server (``http://…``), else a file or folder of scores that is there,
else a recording (``infinity@0.0.78:float16``, ``:http`` behind it for the server's), else a model.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import pandas as pd

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
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.frames import KEYS
from analysis.places import named_path
from analysis.readers import read
from analysis.readers.lines import suffix_of
from analysis.readers.scores import SCORE_SUFFIXES
from analysis.recordings import recorded_path, recording, unprinted

Source = str | Path | pd.DataFrame

_ADDRESS = re.compile("https?://", re.IGNORECASE)
_RECORDING = re.compile(
    "(?P<engine>[a-z-]+)@(?P<version>[^:]+):(?P<dtype>[a-z0-9]+)(?P<api>:http)?"
)
_MEASURES = {"measure", "expected"}


def compare(
    a: Source,
    b: Source,
    *,
    data: str | Path | None = None,
    dtype: str | None = None,
    format: str | ForwardFormat | None = None,
    timeout: float = 300.0,
    trust_remote_code: bool = False,
) -> Comparison:
    """Say whether rounding explains how the scores of two engines differ, or what else does.

    ``a`` and ``b`` are each a frame (``query_id, passage_id, score`` and perhaps ``logit``), a file
    or folder of scores, a recording of an engine (``"infinity@0.0.78:float16"``), the address of a
    running server, or a model to be run here in the forward ``dtype`` (float32), or in a forward
    ``format`` of another runtime. Only pairs of both are compared. ``data`` names the set of these
    pairs: a server and a model are asked for it (the German set, if none is named), its texts tell
    long pairs from short ones and its grades what the difference is worth. ``timeout`` are the
    seconds that one answer of a server may take.

    Returns a :class:`~analysis.discrepancies.Comparison`: ``answer``, ``sentence`` with the
    evidence, ``shape``, ``rankings``, and ``table``, a row per pair. Raises :class:`InputError` for
    sources that cannot be read and sides without a common pair, and
    :class:`~analysis.auditing.transport.ServerError` for trouble with a server. To compare what two
    runs are worth by measures, see :func:`analysis.comparisons.compare_measures`.
    """
    reading = _Reading(data, one_format(dtype, format), timeout, trust_remote_code)
    scored = [reading.scored(source) for source in (a, b)]
    graded = reading.dataset if data is not None or reading.is_asked else None
    return compare_sides(
        *(Side(_called(one), one.frame, one.path, one.decimals) for one in scored),
        lengths=None if graded is None else _lengths(graded),
        grades=None if graded is None or not graded.has_grades else graded.pairs,
        measured=_measured(scored),
    )


class _Reading:
    """How sources are read, and the set that they are asked for."""

    def __init__(
        self,
        data: str | Path | None,
        format: ForwardFormat | None,
        timeout: float,
        trust_remote_code: bool,
    ) -> None:
        self.data, self.format, self.timeout = data, format, timeout
        self.trust_remote_code = trust_remote_code
        self.is_asked = False

    @cached_property
    def dataset(self) -> RerankingSet:
        """The set named, or the German one."""
        return read("german" if self.data is None else self.data)

    def scored(self, source: Source) -> Scored:
        """Scores of one side."""
        if isinstance(source, pd.DataFrame):
            return _of_frame(source)
        if isinstance(source, str) and _ADDRESS.match(source):
            self.is_asked = True
            return from_server(source, self.dataset, limits=Limits(answer_seconds=self.timeout))
        path = named_path(source, "name a file of scores, a server, a recording or a model")
        if path.exists() and not (path / "config.json").exists():
            return from_file(path)
        self.is_asked = True
        found = _RECORDING.fullmatch(str(source))
        if found is not None:
            return _of_recording(str(source), **found.groupdict())
        if suffix_of(path) in SCORE_SUFFIXES:
            raise InputError("there is no such file", "check the path", file=path)
        return from_model(
            str(source), self.dataset, format=self.format, trust_remote_code=self.trust_remote_code
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


def _of_recording(name: str, *, engine: str, version: str, dtype: str, api: str | None) -> Scored:
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
