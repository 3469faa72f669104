"""What real engines and models returned: recordings, read for tests and notebooks.

Recorded by ``make engines`` (``tools/record_engines.py``); the card in that folder says how. A
run is one engine in one version, behind one interface, in one forward dtype, on the German set.
``data/formats`` has the same set in every forward format, recorded by ``make formats``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.engines import find_engine
from analysis.errors import InputError
from analysis.places import ENGINES, FORMATS, HOLDOUTS, MODELS
from analysis.scorepath import ScorePath

FOLDER = ENGINES
RUN_COLUMNS = ("engine", "version", "api", "forward_dtype")
COLUMNS = (
    *RUN_COLUMNS,
    "query_id",
    "passage_id",
    "logit",
    "logit_dtype",
    "score",
    "score_dtype",
    "rank",
)
FORMAT_COLUMNS = (
    "query_id",
    "passage_id",
    "grade",
    "forward_format",
    "forward_dtype",
    "batching",
    "threads",
    "logit",
)
ONE_PASSAGE_COLUMNS = ("query_id", "passage_id", "forward_format", "company", "logit")
JSON_NUMBER = "json"
"""In place of a dtype: the number came as decimal text, and is kept as float64 reads that."""


def recordings() -> pd.DataFrame:
    """Every recorded run, one row per run and pair, in the order of the runs and of the set.

    Columns :data:`COLUMNS`. ``logit`` and ``score`` are float64, which holds what was returned
    exactly; ``logit_dtype`` and ``score_dtype`` are the dtypes that the network and the engine's
    public interface returned, the latter often wider than the scores' own. ``rank`` (Int64) is the
    place in the engine's own order within the query, missing where the engine does not order.
    """
    return _table(FOLDER / "engines.parquet", "make engines")


def recording(
    engine: str, version: str, forward_dtype: str, *, api: str = "in-process"
) -> pd.DataFrame:
    """One run's rows of :func:`recordings`; InputError names the runs there are, if it is none.

    ``engine`` is a key of the catalogue (``"infinity"``), ``api`` is ``"in-process"`` or
    ``"http"``.
    """
    asked = (engine, version, api, forward_dtype)
    everything = recordings()
    chosen = everything.loc[np.all(everything[list(RUN_COLUMNS)] == list(asked), axis=1)]
    if chosen.empty:
        known = everything[list(RUN_COLUMNS)].drop_duplicates().itertuples(index=False)
        raise InputError(
            f"there is no recording {_name(*asked)}",
            f"choose one of {', '.join(_name(*run) for run in known)}",
            field="recording",
        )
    return chosen.reset_index(drop=True)


def runs() -> pd.DataFrame:
    """Return the runs, one row each: :data:`RUN_COLUMNS`, ``attention`` and the ``versions``.

    ``versions`` is a dictionary of the packages that computed it.
    """
    return pd.DataFrame(about()["runs"])


def about() -> dict[str, Any]:
    """What all runs share: command, date, CPU, threads, batch size, checksums; and the runs."""
    return _json(FOLDER / "runs.json", "make engines")


def disable_half() -> pd.DataFrame:
    """Where Infinity's variable INFINITY_DISABLE_HALF was advertised, read, and of any effect.

    One row per version, oldest first: ``version, advertised, read, works, condition`` (the test
    in Infinity's source that reads it, or None).
    """
    return pd.DataFrame(_json(FOLDER / "disable_half.json", "make engines"))


def trust_remote_code() -> pd.DataFrame:
    """Where Infinity's double pass of ``trust_remote_code`` kept a reranker from loading.

    One row per attempt: ``infinity, sentence_transformers, trust_remote_code, loads, error``.
    """
    return pd.DataFrame(_json(FOLDER / "trust_remote_code.json", "make engines"))


def holdouts() -> pd.DataFrame:
    """What the demo reranker returned with one thing changed that is no rounding, and as it is.

    One row per holdout and pair: ``holdout`` (``"as it is"`` stands first), ``query_id, passage_id,
    grade, tokens, logit, score``; see the card in ``data/holdouts``.
    """
    return pd.read_parquet(HOLDOUTS / "holdouts.parquet")


def changes() -> dict[str, str]:
    """What was changed in each of the :func:`holdouts`."""
    return json.loads((HOLDOUTS / "holdouts.json").read_text("utf-8"))


def recorded_formats(batching: str = "request", *, threads: int = 1) -> pd.DataFrame:
    """Logits of the German set in every forward format, computed in batches of one kind.

    Columns :data:`FORMAT_COLUMNS` but for ``batching`` and ``threads``: what
    :func:`analysis.scoring.score` returns, one row per format and pair, and so fit for
    ``apply`` and ``effects``. ``request`` has the whole set, each query's candidates together, on
    one thread. The others show what a batch does to a logit, for the queries that they have:
    ``repeated``, ``alone``, ``shuffled`` (sixteen pairs of any queries), ``padded``, and
    ``request`` on two threads. InputError names what there is, if it is none.
    """
    everything = _table(FORMATS / "formats.parquet", "make formats")
    kinds = everything[["batching", "threads"]]
    chosen = everything[(kinds == [batching, threads]).all(axis=1)]
    if chosen.empty:
        known = kinds.drop_duplicates().itertuples(index=False)
        raise InputError(
            f"no format is recorded in batches {batching!r}, threads={threads}",
            "choose " + "; ".join(f"{one.batching!r}, threads={one.threads}" for one in known),
            field="batching",
        )
    return chosen.drop(columns=["batching", "threads"]).reset_index(drop=True)


def one_passage() -> pd.DataFrame:
    """One pair's logit in a hundred companies of fifteen other pairs each, in several formats.

    Columns :data:`ONE_PASSAGE_COLUMNS`; ``company`` counts from 0 and has the same pairs in every
    format. It is the pair that dynamic int8 moves as far as the median pair, from its request to
    alone.
    """
    return _table(FORMATS / "one_passage.parquet", "make formats")


def recorded_runs() -> pd.DataFrame:
    """The recorded forward formats, one row each, in the order of :func:`recorded_formats`.

    ``forward_format``; ``file, bytes, sha256`` of the weights it was loaded from; ``recipe``, how
    they were made, or None; ``precision``, the arithmetic as the runtime reports it, or None;
    ``versions``; ``date`` and ``cpu``, when and on what it was computed; and, once they are timed,
    ``seconds`` per 100 pairs by the number of threads.
    """
    shared = formats_about()
    where = {name: shared[name] for name in ("date", "cpu")}
    return pd.DataFrame([{**where, **run} for run in shared["runs"]])


def formats_about() -> dict[str, Any]:
    """What all forward formats share: command, date, CPU, batches, checksums; and the runs."""
    return _json(FORMATS / "runs.json", "make formats")


def pair_logits() -> pd.DataFrame:
    """The two logits of every pair that the yes/no demo was asked about, in each forward dtype.

    One row per forward dtype and pair: ``query_id, passage_id, grade, forward_dtype``, the logits
    ``logit_no`` and ``logit_yes`` of the tokens it answers with, ``logit`` (yes − no, exact), and
    ``logit_rows``, which the network gives where the head's two rows are subtracted in float32
    before they meet the hidden state. All are float64, which holds what was returned exactly; see
    the card in ``data/models/demo-yes-no``.
    """
    return pd.read_parquet(MODELS / "demo-yes-no" / "pair_logits.parquet")


def recorded_path(engine: str, version: str, forward_dtype: str) -> ScorePath:
    """Return the score path that the catalogue gives for a recorded run."""
    return find_engine(engine, version).paths[forward_dtype]


def evaluated(recorded: pd.DataFrame, path: ScorePath) -> NDArray[np.float64]:
    """Scores of a path for the recorded logits, shape (n,), by the call that engines make.

    Engines hand the logits of one query to ``torch.sigmoid`` at once. So short an array (fewer than
    32 values) goes to another routine than a long one, and in float32 the two differ in last bits.
    Formulas of NumPy have one routine.
    """
    return path.scores(recorded["logit"], short=True)


def unprinted(recorded: pd.DataFrame) -> pd.DataFrame:
    """Rows of :func:`recordings` with the numbers that a server held before it printed them.

    What came as JSON text is rounded to float32: a float32 in its shortest decimal form, read as
    float64, is not that float32, but rounds to it. Other rows stay as they are.
    """
    restored = recorded.copy()
    for column in ("logit", "score"):
        printed = recorded[f"{column}_dtype"] == JSON_NUMBER
        rounded = recorded[column].astype(np.float32).astype(np.float64)
        restored[column] = recorded[column].where(~printed, rounded)
    return restored


def _name(engine: str, version: str, api: str, forward_dtype: str) -> str:
    """A run as ``compare`` takes it."""
    return f"{engine}@{version}:{forward_dtype}" + (":http" if api == "http" else "")


def _table(file: Path, target: str) -> pd.DataFrame:
    return pd.read_parquet(_there(file, target))


def _json(file: Path, target: str) -> Any:  # noqa: ANN401
    return json.loads(_there(file, target).read_text("utf-8"))


def _there(file: Path, target: str) -> Path:
    """The path of a recorded file; InputError says how to make it, if it is not there."""
    if not file.exists():
        raise InputError("there are no recordings here", f"run `{target}`", file=file)
    return file
