"""What changed from version to version: the variable, the argument passed twice, release 0.0.69."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import numpy as np
import pandas as pd
from packaging.version import Version

from analysis.counting import count
from analysis.recordings import recorded_path
from analysis.studies.issue_203.comparison import placed, side_by_side

WORKS, NO_EFFECT, ADVERTISED, ABSENT = (
    "works on CUDA",
    "read, without effect",
    "advertised, read by nothing",
    "not mentioned",
)
STATES = (WORKS, NO_EFFECT, ADVERTISED, ABSENT)


def half_states(found: pd.DataFrame) -> pd.DataFrame:
    """State of INFINITY_DISABLE_HALF by version: ``version, patch, state``, oldest first.

    ``found`` is :func:`analysis.recordings.disable_half`; ``patch`` is the last number of the
    version, ``state`` one of :data:`STATES`.
    """
    states = np.select(
        [found["works"], found["read"], found["advertised"]],
        [WORKS, NO_EFFECT, ADVERTISED],
        default=ABSENT,
    )
    patches = found["version"].map(lambda version: Version(version).micro)
    return found[["version"]].assign(patch=patches, state=states)


def half_ranges(states: pd.DataFrame) -> pd.DataFrame:
    """Unbroken ranges of the versions read with one state: ``state, first, last``, oldest first."""
    rows = []
    pairs = zip(states["state"], states["version"], strict=True)
    for state, members in groupby(pairs, key=lambda pair: pair[0]):
        versions = [version for _, version in members]
        rows.append((state, versions[0], versions[-1]))
    return pd.DataFrame(rows, columns=["state", "first", "last"])


def run_facts(runs: Iterable[pd.DataFrame], float32: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    """What the scores and logits of recorded runs are like against a float32 run: one row per run.

    ``float32`` is a recording of the same pairs. Columns: ``run`` (engine, version, dtype, and
    the interface if it is not in-process), ``forward_dtype``, ``sigmoid`` (the formula and its
    dtype, from the catalogue), ``distinct_logits, distinct_scores``, ``exactly_one``,
    ``tied_in_top`` (candidates of tie groups that reach into the first ``k`` ranks), ``moved``
    and ``first_lost`` (:mod:`analysis.counting`, against the float32 run), and
    ``median_logit_error, largest_logit_error``.
    """
    reference = placed(float32)
    rows = []
    for run in runs:
        frame, first = placed(run), run.iloc[0]
        path = recorded_path(first["engine"], first["version"], first["forward_dtype"])
        errors, counted = logit_errors(run, float32), count(frame, reference, k=k)
        rows.append(
            {
                "run": run_name(run),
                "forward_dtype": first["forward_dtype"],
                "sigmoid": f"{path.formula} in {path.activation_dtype}",
                "distinct_logits": frame["logit"].nunique(),
                "distinct_scores": frame["score"].nunique(),
                "exactly_one": int((frame["score"] == 1.0).sum()),
                **{name: counted[name] for name in ("tied_in_top", "moved", "first_lost")},
                "median_logit_error": float(errors.median()),
                "largest_logit_error": float(errors.max()),
            }
        )
    return pd.DataFrame(rows)


def logit_errors(run: pd.DataFrame, float32: pd.DataFrame) -> pd.Series:
    """Absolute difference of each logit from that of a float32 recording of the same pairs."""
    both = side_by_side(placed(float32), placed(run))
    return (both["logit"] - both["logit_reference"]).abs()


def run_name(run: pd.DataFrame) -> str:
    """Name of a recorded run: ``infinity 0.0.78, float16``, and ``over HTTP`` where it was."""
    first = run.iloc[0]
    interface = "" if first["api"] == "in-process" else " over HTTP"
    return f"{first['engine']} {first['version']}{interface}, {first['forward_dtype']}"
