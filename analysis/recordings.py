"""What real engines and models returned: recordings, read for tests and notebooks.

Recorded by ``make engines`` (``tools/record_engines.py``); the card in that folder says how. A
run is one engine in one version, behind one interface, in one forward dtype, on the German set.
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
from analysis.places import ENGINES, HOLDOUTS, MODELS
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
JSON_NUMBER = "json"
"""In place of a dtype: the number came as decimal text, and is kept as float64 reads that."""


def recordings() -> pd.DataFrame:
    """Every recorded run, one row per run and pair, in the order of the runs and of the set.

    Columns :data:`COLUMNS`. ``logit`` and ``score`` are float64, which holds what was returned
    exactly; ``logit_dtype`` and ``score_dtype`` are the dtypes that the network and the engine's
    public interface returned, the latter often wider than the scores' own. ``rank`` (Int64) is the
    place in the engine's own order within the query, missing where the engine does not order.
    """
    return pd.read_parquet(_file("engines.parquet"))


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
    return _read("runs.json")


def disable_half() -> pd.DataFrame:
    """Where Infinity's variable INFINITY_DISABLE_HALF was advertised, read, and of any effect.

    One row per version, oldest first: ``version, advertised, read, works, condition`` (the test
    in Infinity's source that reads it, or None).
    """
    return pd.DataFrame(_read("disable_half.json"))


def trust_remote_code() -> pd.DataFrame:
    """Where Infinity's double pass of ``trust_remote_code`` kept a reranker from loading.

    One row per attempt: ``infinity, sentence_transformers, trust_remote_code, loads, error``.
    """
    return pd.DataFrame(_read("trust_remote_code.json"))


def holdouts() -> pd.DataFrame:
    """What the demo reranker returned with one thing changed that is no rounding, and as it is.

    One row per holdout and pair: ``holdout`` (``"as it is"`` stands first), ``query_id, passage_id,
    grade, tokens, logit, score``; see the card in ``data/holdouts``.
    """
    return pd.read_parquet(HOLDOUTS / "holdouts.parquet")


def changes() -> dict[str, str]:
    """What was changed in each of the :func:`holdouts`."""
    return json.loads((HOLDOUTS / "holdouts.json").read_text("utf-8"))


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


def _read(name: str) -> Any:  # noqa: ANN401
    return json.loads(_file(name).read_text("utf-8"))


def _file(name: str) -> Path:
    """Path of a recorded file; InputError says how to make it, if it is not there."""
    file = FOLDER / name
    if not file.exists():
        raise InputError("there are no recordings of engines here", "run `make engines`", file=file)
    return file
