"""Inputs made by Hypothesis, for every reader, the fingerprint, measures, compare and steps.

Used by the tests and by ``tools/torture``. ``INPUTS`` has, for each subject, a strategy and a
check: the check raises AssertionError where what comes out is wrong, and lets through whatever
exception is not the documented :class:`InputError`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from generated_files import FILES, FRAMES, JSON, Contents, mostly
from hypothesis import strategies as st
from score_lists import Source, queries_of, sigmoid_paths, sources

from analysis.auditing import compare
from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import InputError
from analysis.fingerprinting import fingerprint
from analysis.formats import format_of
from analysis.metrics import evaluate
from analysis.readers import (
    check_scores,
    read,
    read_qrels,
    read_run,
    read_scores,
    read_trec,
)
from analysis.scorepath import ScorePath
from analysis.steps import spans


class Input(NamedTuple):
    """A subject's strategy, and the check of what it gives."""

    strategy: st.SearchStrategy
    check: Callable[[object], None]


def _with_files(use: Callable[[Path], object]) -> Callable[[Contents], None]:
    """Make the check that writes files, reads them, and looks at what comes out."""

    def check(contents: Contents) -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            for name, content in contents.items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            found = _answered(use, folder)
        finally:
            shutil.rmtree(folder)
        if found is not None:
            _check_read(found)

    return check


def _with_frame(use: Callable[[pd.DataFrame], object]) -> Callable[[pd.DataFrame], None]:
    """Make the check of what takes a frame."""

    def check(frame: pd.DataFrame) -> None:
        found = _answered(use, frame)
        if found is not None:
            _check_read(found)

    return check


def _answered(use: Callable[..., object], *arguments: object) -> object:
    """What is returned; None for the documented error, which must say what is wrong."""
    try:
        return use(*arguments)
    except InputError as error:
        refusal = error
    assert refusal.problem
    assert refusal.remedy
    assert "\x1b" not in str(refusal)
    return None


def _check_read(found: object) -> None:
    """A set or scores that were read hold what they promise."""
    frame = found.pairs if isinstance(found, RerankingSet) else getattr(found, "frame", found)
    assert len(frame)
    ids = frame[["query_id", "passage_id"]]
    assert all(isinstance(one, str) and one.strip() for name in ids for one in ids[name])
    assert not ids.duplicated().any()
    if "score" in frame:
        assert np.isfinite(frame["score"]).all()
    if "logit" in frame:
        assert frame["logit"].isna().all() or np.isfinite(frame["logit"]).all()
    if "query" in frame:
        assert frame["query"].str.strip().all()
    if "grade" in frame:
        grades = frame["grade"].dropna().astype(float)
        assert (np.isfinite(grades) & (grades >= 0)).all()


# The fingerprint.

_SOURCES = {source.name: source for source in sources()}
_LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=60)


def _check_verdict(given: tuple[str, list[float]]) -> None:
    """What a path made is never said to be of others, however its logits lie.

    What is certain of single stages is a claim about odds: ``make simulate`` counts it over lists
    of realistic logits.
    """
    name, logits = given
    source: Source = _SOURCES[name]
    scores = source.scores(np.array(logits))
    verdict = _answered(lambda: fingerprint(scores, queries=queries_of(len(scores))))
    if verdict is not None:
        assert str(verdict)
        json.dumps(verdict.to_dict(), allow_nan=False)
        unprinted = not name.startswith("%")  # a short list may not show how it was rounded
        if unprinted and source.path and (source.kind, verdict.kind) == ("sigmoid", "sigmoid"):
            assert source.path in verdict.paths, f"{name}: {verdict}"


def _check_any_scores(given: tuple[list[object], list[object] | None, int | None]) -> None:
    scores, logits, decimals = given
    verdict = _answered(lambda: fingerprint(scores, logits, decimals=decimals))
    if verdict is not None:
        assert str(verdict)
        json.dumps(verdict.to_dict(), allow_nan=False)


_ANY_NUMBER = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.floats(0, 1, width=16),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, 5e-324, 1e308, np.nan, np.inf]),
)
_ANY_SCORES = st.tuples(
    st.lists(mostly(_ANY_NUMBER, JSON), max_size=40),
    st.none() | st.lists(_ANY_NUMBER, max_size=40),
    st.none() | st.integers(0, 20),
)


# Measures and compare.

_RUN_FRAME = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2"]),
        st.sampled_from([f"p{n}" for n in range(8)]),
        st.one_of(st.sampled_from([0.0, 0.5, 1.0, -0.0]), st.floats(-9, 9)),
    ),
    min_size=1,
    max_size=16,
    unique_by=lambda row: row[:2],
).map(lambda rows: pd.DataFrame(rows, columns=["query_id", "passage_id", "score"]))
_QRELS_FRAME = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2", "q3"]),
        st.sampled_from([f"p{n}" for n in range(10)]),
        mostly(st.integers(0, 3), st.one_of(st.integers(-2, 2**40), st.floats())),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: pd.DataFrame(rows, columns=["query_id", "passage_id", "grade"]))
_MEASURES = ("nDCG@3", "nDCG", "RR@2", "RR", "AP@4", "AP", "P@3", "R@3", "Success@1")
_SLACK = 1e-12
"""Sums in other orders differ in their last bits."""


def _check_measures(given: tuple[pd.DataFrame, pd.DataFrame, int]) -> None:
    """The minimum, the expected value and the maximum stand in order; equal scores tie."""
    run, qrels, seed = given
    measured = _answered(evaluate, run, qrels, _MEASURES)
    if measured is None:
        return
    least, expected, most = (measured[name] for name in ("min", "expected", "max"))
    assert (least <= expected).all()
    assert (expected <= most).all()
    assert least.ge(0).all()
    assert most.le(1 + _SLACK).all()
    assert measured["std"].ge(0).all()
    other_order = run.sample(frac=1, random_state=seed)
    again = evaluate(other_order, qrels, _MEASURES)
    for name in ("min", "expected", "max"):
        assert np.allclose(measured[name], again[name], rtol=0, atol=_SLACK)


def _check_compare(given: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Nothing is more than rounding away from itself, and both sides may be named first."""
    first, second = given
    found = _answered(compare, first, second)
    other = _answered(compare, second, first)
    assert (found is None) == (other is None)
    for one in (found, other):
        if one is not None:
            assert str(one)
            json.dumps(one.to_dict(), allow_nan=False)
    itself = _answered(compare, first, first)
    assert itself is None or not itself.is_beyond_rounding


# Steps.

_PATHS = [path for path in sigmoid_paths() if path.has_steps]


def _check_steps(given: tuple[int, list[float]]) -> None:
    """The ends of a logit's step have its score, and their neighbours have not."""
    path: ScorePath = _PATHS[given[0]]
    made = path.logits(given[1])
    scores = path.scores(made)
    logits = format_of(path.logit_dtype)
    for ends in spans(path, made):
        assert np.array_equal(path.scores(logits.from_ordinals(ends)), scores)


def _read_only_file(reader: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: reader(next(folder.iterdir()))


def _read_trec_folder(at: Path) -> RerankingSet:
    names = {"queries": at / "queries.tsv", "passages": at / "passages.tsv"}
    return read_trec(at / "own.run", at / "own.qrels", **names)


_READERS: dict[str, Callable[[Path], object]] = {
    "sets, JSONL": _read_only_file(read),
    "sets, CSV and TSV": _read_only_file(read),
    "sets, gzip": _read_only_file(read),
    "sets, BEIR": read,
    "sets, MS MARCO": _read_only_file(read),
    "sets, TREC": _read_trec_folder,
    "qrels": _read_only_file(read_qrels),
    "runs": _read_only_file(read_run),
    "scores, JSON and JSONL": _read_only_file(read_scores),
    "scores, CSV and runs": _read_only_file(read_scores),
    "scores, Parquet": _read_only_file(read_scores),
}
"""What reads the folder of each subject's files."""

INPUTS: dict[str, Input] = {
    **{name: Input(FILES[name], _with_files(reader)) for name, reader in _READERS.items()},
    "sets, frames": Input(FRAMES["sets, frames"], _with_frame(partial(from_pairs, "own"))),
    "scores, frames": Input(FRAMES["scores, frames"], _with_frame(check_scores)),
    "fingerprint of paths": Input(
        st.tuples(st.sampled_from(sorted(_SOURCES)), _LOGITS), _check_verdict
    ),
    "fingerprint of anything": Input(_ANY_SCORES, _check_any_scores),
    "measures": Input(st.tuples(_RUN_FRAME, _QRELS_FRAME, st.integers(0, 9)), _check_measures),
    "compare": Input(st.tuples(_RUN_FRAME, _RUN_FRAME), _check_compare),
    "steps": Input(
        st.tuples(st.integers(0, len(_PATHS) - 1), st.lists(st.floats(-25, 25), max_size=20)),
        _check_steps,
    ),
}
