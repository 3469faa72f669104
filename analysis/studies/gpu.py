"""What was recorded on a GPU, for notebook 08: `make gpu` (``tools/record_gpu.py``) writes it.

A *setting* is a forward dtype, whether float32 products ran in TF32, and the attention. Under each,
every pair was scored in batches and as a batch of its own, and passes were timed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.places import GPU
from analysis.ties import ranks
from analysis.timing import QUERY

FOLDER = GPU
TOGETHER, ALONE = "together", "alone"
"""How pairs were scored: in batches, or each as a batch of its own."""
SETTING = ("forward_dtype", "tf32", "attention")
LOGIT_COLUMNS = (*SETTING, "batches", "query_id", "passage_id", "logit")
SPEED_COLUMNS = (
    *SETTING,
    "batch",
    "pairs",
    "tokens",
    "repeats",
    "seconds",
    "fastest",
    "slowest",
    "pairs_per_second",
    "weight_bytes",
    "pass_bytes",
    "peak_bytes",
)

_PAIR = ["query_id", "passage_id"]


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording: ``about`` is ``runs.json``, which says where, when, of what, what is missing.

    ``logits`` has the columns :data:`LOGIT_COLUMNS` (logit: float64, exactly what the network
    returned), ``speed`` :data:`SPEED_COLUMNS`, as :func:`analysis.timing.measure_speed` has them.
    """

    about: dict[str, Any]
    logits: pd.DataFrame
    speed: pd.DataFrame

    @property
    def left_out(self) -> pd.DataFrame:
        """What is missing, one row each: ``what``, the setting's columns and ``why``."""
        return pd.DataFrame(self.about["left_out"], columns=["what", *SETTING, "why"])


def recorded(folder: Path | None = None) -> Recording | None:
    """Read what was recorded, by default what is shipped; None where nothing was."""
    folder = folder or FOLDER
    if not (folder / "runs.json").exists():
        return None
    return Recording(
        json.loads((folder / "runs.json").read_text("utf-8")),
        pd.read_parquet(folder / "logits.parquet"),
        pd.read_csv(folder / "speed.csv"),
    )


def summary(recording: Recording, k: int = 10) -> pd.DataFrame:
    """:func:`movements` of a recording, and what one query costs under each setting.

    Adds ``seconds`` (median) and ``peak_bytes`` of the pass that takes all candidates of one query;
    missing where it was not measured.
    """
    query = recording.speed.loc[recording.speed["batch"] == QUERY]
    costs = query[[*SETTING, "seconds", "peak_bytes"]]
    return movements(recording.logits, k).merge(costs, on=list(SETTING), how="left")


def movements(logits: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    """How far logits move by setting, and from a pair's batch to the pair alone.

    ``logits`` has :data:`LOGIT_COLUMNS`. Everything is held to the first float32 setting without
    TF32, in batches. One row per setting: its three columns; ``mean_error, largest_error``:
    distance of the logits in batches from the reference's; ``mean_shift, largest_shift``: of the
    same pair alone and in its batch; ``reordered, first_changed``: queries whose first ``k``
    passages, or whose first one, are others or stand in another order than the reference's, by raw
    logits in batches; equal logits keep the set's order. What was not recorded is missing.
    """
    wide = _by_setting(logits)
    plain = [key for key in wide if key[:2] == ("float32", False) and key[-1] == TOGETHER]
    reference = wide[plain[0]] if plain else None
    rows = []
    for setting in logits[list(SETTING)].drop_duplicates().itertuples(index=False, name=None):
        together, alone = wide.get((*setting, TOGETHER)), wide.get((*setting, ALONE))
        row = dict(zip(SETTING, setting, strict=True))
        row |= _distances(together, reference, "error") | _distances(alone, together, "shift")
        rows.append(row | _changes(together, reference, k))
    return pd.DataFrame(rows).astype({"reordered": "Int64", "first_changed": "Int64"})


def _by_setting(logits: pd.DataFrame) -> dict[tuple, pd.Series]:
    """Logits of each setting under each kind of batches, pairs in the set's order."""
    grouped = logits.groupby([*SETTING, "batches"], sort=False)
    return {key: own.set_index(_PAIR)["logit"] for key, own in grouped}


def _distances(one: pd.Series | None, other: pd.Series | None, name: str) -> dict[str, float]:
    """Mean and largest distance of two columns of logits."""
    if one is None or other is None:
        return {f"mean_{name}": float("nan"), f"largest_{name}": float("nan")}
    apart = (one - other).abs()
    return {f"mean_{name}": apart.mean(), f"largest_{name}": apart.max()}


def _changes(one: pd.Series | None, other: pd.Series | None, k: int) -> dict[str, int | None]:
    """Queries whose first k passages, and whose first one, differ between two orders."""
    if one is None or other is None:
        return {"reordered": None, "first_changed": None}
    names = {"reordered": k, "first_changed": 1}
    return {name: int((_first(one, n) != _first(other, n)).sum()) for name, n in names.items()}


def _first(logits: pd.Series, k: int) -> pd.Series:
    """The first k passages of each query, in their order, as tuples."""
    scored = logits.rename("score").reset_index()
    scored["rank"] = ranks(scored, "input order")
    ordered = scored[scored["rank"] <= k].sort_values("rank", kind="stable")
    return ordered.groupby("query_id")["passage_id"].agg(tuple)
