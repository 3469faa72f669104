"""The report that this project starts from, taken apart: michaelfeil/infinity issue 203.

Everything here reads recordings of real engines (:mod:`analysis.recordings`); notebook 04 says
what comes of it. A *placed* run is a recording with ranks and tie groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from packaging.version import Version

from analysis.counting import count, effects, effects_table, headings
from analysis.engines import default_paths, find_engine
from analysis.errors import InputError
from analysis.recordings import RUN_COLUMNS, evaluated, recorded_path, unprinted
from analysis.scorepath import ScorePath
from analysis.sigmoids import FORMULAS, sigmoid
from analysis.steps import hidden_logits, saturation
from analysis.ties import apply, ranks, with_tie_groups

_STEPS = (("float32", "float32"), ("float16", "float32"), ("float16", "float16"))
PATHS = tuple(
    ScorePath(forward, formula, dtype, dtype, name=f"{forward} logits, {formula} in {dtype}")
    for forward, dtype in _STEPS
    for formula in FORMULAS
)
"""What the dtype did and what the formula did: three steps into float16, each by both formulas.

The first is the reference, in float32 throughout with torch's sigmoid. The outer steps are the
report's Haystack and Infinity in float32 and in float16; the middle one separates the rounding of
the logits from that of the sigmoid.
"""

STATES = ("works on CUDA", "read, without effect", "advertised, read by nothing", "not mentioned")
"""What a release of Infinity makes of INFINITY_DISABLE_HALF."""

HEADINGS = headings() | {
    "became_one": "became exactly 1.0",
    "raised": "0.998 became 0.999",
    "printed_otherwise": "printed otherwise",
    "largest_error": "largest error",
    "equal_logits": "bitwise equal logits",
    "logit_apart": "largest difference of logits",
    "equal_scores": "bitwise equal scores",
    "score_apart": "largest difference of scores",
    "score_apart_on_equal_logits": "largest difference on equal logits",
    "forward_dtype": "forward dtype",
    "distinct_logits": "distinct logits",
    "distinct_scores": "distinct scores",
    "median_logit_error": "logit error, median",
    "largest_logit_error": "logit error, largest",
}
"""Words for the columns of this module and of :mod:`analysis.counting`."""

_KEYS = ["query_id", "passage_id"]
_EXACTLY_ONE = "exactly 1.0"
_CHECKPOINT_DTYPES = ("float32", "bfloat16")


def placed(recorded: pd.DataFrame) -> pd.DataFrame:
    """Add ``tie_group, tie_size`` and, for all engines, ``rank`` to one recorded run.

    Numbers are those that a server held before it printed them. Ranks are by descending score,
    equal scores in input order: the engines' own order, and what a stable sort makes of the
    scores of an engine that returns them unordered.
    """
    held = unprinted(recorded)
    return with_tie_groups(held.assign(rank=ranks(held, "input order").astype(np.int64)))


def side_by_side(reference: pd.DataFrame, compared: pd.DataFrame) -> pd.DataFrame:
    """Two placed runs pair by pair, in the order of ``reference``.

    Columns ``query_id, passage_id``; ``logit, score, rank, tie_group, tie_size`` of ``compared``,
    and with the suffix ``_reference`` those of ``reference``; and two flags, what the report saw:
    ``became_one`` (exactly 1.0, and less in the reference) and ``raised`` (begins with 0.999, and
    with 0.998 in the reference). Raises :class:`InputError` where the two are not of the same
    pairs.
    """
    columns = [*_KEYS, "logit", "score", "rank", "tie_group", "tie_size"]
    both = reference[columns].merge(
        compared[columns], on=_KEYS, suffixes=("_reference", ""), validate="one_to_one"
    )
    if not len(both) == len(reference) == len(compared):
        raise InputError(
            "the two runs are not of the same pairs", "compare runs of one set, and all of it"
        )
    score, before = both["score"], both["score_reference"]
    return both.assign(
        became_one=(score == 1.0) & (before < 1.0),
        raised=(_first_digits(before) == "0.998") & (_first_digits(score) == "0.999"),
    )


def changes(reference: pd.DataFrame, compared: pd.DataFrame) -> dict[str, float]:
    """Count what one placed run makes of another: :func:`.count`, ``became_one`` and ``raised``."""
    both = side_by_side(reference, compared)
    flags = {name: int(both[name].sum()) for name in ("became_one", "raised")}
    return flags | count(compared, reference)


def likeness(reference: pd.DataFrame, compared: pd.DataFrame) -> dict[str, float]:
    """Say how far two placed runs agree, bit for bit.

    Counts: ``pairs``; ``equal_logits, equal_scores`` of them; ``moved``, those with another rank.
    Largest differences: ``logit_apart, score_apart``, and ``score_apart_on_equal_logits``, which
    is what the formula's arithmetic is answerable for (0 where no logits are equal).
    """
    both = side_by_side(reference, compared)
    logits = (both["logit"] - both["logit_reference"]).abs()
    scores = (both["score"] - both["score_reference"]).abs()
    return {
        "pairs": len(both),
        "equal_logits": int((logits == 0).sum()),
        "logit_apart": float(logits.max()),
        "equal_scores": int((scores == 0).sum()),
        "score_apart": float(scores.max()),
        "score_apart_on_equal_logits": float(scores.where(logits == 0, 0.0).max()),
        "moved": count(compared, reference)["moved"],
    }


def digits_table(both: pd.DataFrame, low: float) -> pd.DataFrame:
    """Number of candidates by the first digits in the reference (rows) and in the other run.

    Of runs :func:`side_by_side`, the candidates whose reference score is at least ``low``; rows
    and columns descend. A score of exactly 1.0 is called that.
    """
    high = both[both["score_reference"] >= low]
    table = pd.crosstab(
        _first_digits(high["score_reference"]).rename("reference"),
        _first_digits(high["score"]).rename(None),
    )
    table = table.sort_index(ascending=False).sort_index(axis=1, ascending=False)
    return table.reset_index().rename_axis(columns=None)


def telling_query(both: pd.DataFrame) -> str:
    """The query, of runs :func:`side_by_side`, that shows most of what the report saw.

    Most candidates that became exactly 1.0; among equals most tied ones, then most moved, then the
    first.
    """
    marks = both.assign(tied=both["tie_size"] > 1, moved=both["rank"] != both["rank_reference"])
    counts = marks.groupby("query_id", sort=False)[["became_one", "tied", "moved"]].sum()
    return str(counts.sort_values(list(counts), ascending=False, kind="stable").index[0])


def float16_edges() -> pd.DataFrame:
    """Where a sigmoid in float16 reaches exactly 1.0: ``formula, logit, true_score`` of each."""
    edges = [saturation(ScorePath("float16", name, "float16", "float16")) for name in FORMULAS]
    logits = [edge.one_from for edge in edges]
    true = sigmoid(logits, "stepwise", "float64")
    return pd.DataFrame({"formula": FORMULAS, "logit": logits, "true_score": true})


def decomposition(logits: pd.DataFrame) -> pd.DataFrame:
    """What each of :data:`PATHS` does to the scores and places: one row per path.

    ``logits`` has ``query_id, passage_id, forward_dtype, logit`` for float32 and float16: two
    recorded runs of one engine, one below the other. Columns: those of :func:`.effects`;
    ``forward_dtype, formula, sigmoid`` (the activation dtype); and against the first path
    ``printed_otherwise``, the candidates whose score in three decimals is another (exactly 1.0 is
    another than 0.9996), and ``largest_error`` of a score.
    """
    scored = [apply(logits, path)["score"].to_numpy() for path in PATHS]
    stages = pd.DataFrame(
        {
            "forward_dtype": [path.forward_dtype for path in PATHS],
            "formula": [path.formula for path in PATHS],
            "sigmoid": [path.activation_dtype for path in PATHS],
            "printed_otherwise": [int((_print(own) != _print(scored[0])).sum()) for own in scored],
            "largest_error": [float(np.abs(own - scored[0]).max()) for own in scored],
        }
    )
    return pd.concat([stages, effects(logits, PATHS)], axis="columns")


def witnesses(recorded: pd.DataFrame) -> pd.DataFrame:
    """Which recorded runs take the paths of :data:`PATHS`, and how exactly they follow them.

    ``recorded`` is :func:`analysis.recordings.recordings`, of which runs in-process count. One row
    per run whose path in the catalogue is one of them, in their order: ``path, engine, version,
    scores, bitwise`` (scores that are, bit for bit, what the path gives for the run's own logits)
    and ``apart``, the largest difference.
    """
    rows = []
    for (engine, version, api, dtype), run in recorded.groupby(list(RUN_COLUMNS), sort=False):
        path = recorded_path(engine, version, dtype)
        if api != "in-process" or path not in PATHS:
            continue
        apart = (run["score"] - evaluated(run, path)).abs()
        rows.append(
            {
                "place": PATHS.index(path),
                "path": PATHS[PATHS.index(path)].name,
                "engine": engine,
                "version": version,
                "scores": len(run),
                "bitwise": int((apart == 0).sum()),
                "apart": float(apart.max()),
            }
        )
    return pd.DataFrame(rows).sort_values("place", kind="stable").drop(columns="place")


def half_states(found: pd.DataFrame) -> pd.DataFrame:
    """State of INFINITY_DISABLE_HALF by version: ``version, patch, state``, oldest first.

    ``found`` is :func:`analysis.recordings.disable_half`; ``patch`` is the last number of the
    version, ``state`` one of :data:`STATES`.
    """
    conditions = [found["works"], found["read"], found["advertised"]]
    return pd.DataFrame(
        {
            "version": found["version"],
            "patch": [Version(version).micro for version in found["version"]],
            "state": np.select(conditions, STATES[:3], default=STATES[3]),
        }
    )


def half_ranges(states: pd.DataFrame) -> pd.DataFrame:
    """Unbroken ranges of the versions read with one state: ``first, last, state``, oldest first."""
    rows = []
    for state, members in groupby(states.itertuples(), key=lambda row: row.state):
        versions = [row.version for row in members]
        rows.append({"first": versions[0], "last": versions[-1], "state": state})
    return pd.DataFrame(rows)


def run_facts(runs: Iterable[pd.DataFrame], float32: pd.DataFrame) -> pd.DataFrame:
    """What placed runs are like against a float32 run of the same pairs: one row per run.

    Columns: ``run`` (its name); those of :func:`.count`, against the float32 run;
    ``forward_dtype``; ``sigmoid`` (the formula and its dtype, from the catalogue);
    ``distinct_logits, distinct_scores``; ``median_logit_error, largest_logit_error``.
    """
    return effects_table(
        ((run_name(run), count(run, float32) | _facts(run, float32)) for run in runs), "run"
    )


def _facts(run: pd.DataFrame, float32: pd.DataFrame) -> dict[str, object]:
    first, errors = run.iloc[0], logit_errors(run, float32)
    path = recorded_path(first["engine"], first["version"], first["forward_dtype"])
    return {
        "forward_dtype": path.forward_dtype,
        "sigmoid": f"{path.formula} in {path.activation_dtype}",
        "distinct_logits": run["logit"].nunique(),
        "distinct_scores": run["score"].nunique(),
        "median_logit_error": float(errors.median()),
        "largest_logit_error": float(errors.max()),
    }


def logit_errors(run: pd.DataFrame, float32: pd.DataFrame) -> pd.Series:
    """Absolute difference of each logit of a placed run from that of a float32 run."""
    both = side_by_side(float32, run)
    return (both["logit"] - both["logit_reference"]).abs()


def run_name(run: pd.DataFrame) -> str:
    """Name of a recorded run: ``infinity 0.0.78, float16``, and ``over HTTP`` where it was."""
    first = run.iloc[0]
    interface = "" if first["api"] == "in-process" else " over HTTP"
    return f"{first['engine']} {first['version']}{interface}, {first['forward_dtype']}"


def team_table(running: Iterable[Sequence[str]], logits: Sequence[float]) -> pd.DataFrame:
    """Score path and what it hides for each (engine, version, device), at default settings.

    ``running`` as for :func:`analysis.engines.default_paths`, which may name several paths: each is
    a row, the preferred one first. Columns: ``engine, version, device``; ``checkpoint``, the dtype
    of the stored weights with which the engine may take this path ("any": with each that was
    asked for, float32 and bfloat16); ``score path``; ``1.0 from logit``, the first of the path's
    logits whose score is exactly 1.0, and its ``1 − true score`` (both NaN without a sigmoid);
    for each of ``logits`` the width, in logits, of the step on which it lies (infinite: the score
    is saturated); and ``recorded here`` (no: read). Raises :class:`InputError` for what the
    catalogue does not know.
    """
    rows = []
    for engine, version, device in running:
        known = "yes" if find_engine(engine, version).was_run else "no"
        taken: dict[ScorePath, list[str]] = {}
        for dtype in _CHECKPOINT_DTYPES:
            for path in default_paths(engine, version, device=device, checkpoint_dtype=dtype):
                taken.setdefault(path, []).append(dtype)
        for path, dtypes in taken.items():
            always = len(dtypes) == len(_CHECKPOINT_DTYPES)
            one_from = saturation(path).one_from
            rows.append(
                {
                    "engine": engine,
                    "version": version,
                    "device": device,
                    "checkpoint": "any" if always else ", ".join(dtypes),
                    "score path": path.computation,
                    "1.0 from logit": one_from,
                    "1 − true score": float(sigmoid(-one_from, "stepwise", "float64")),
                    **{f"hidden at {logit:g}": _hidden_at(path, logit) for logit in logits},
                    "recorded here": known,
                }
            )
    return pd.DataFrame(rows)


def _hidden_at(path: ScorePath, logit: float) -> float:
    """Width in logits of the step on which a logit lies: what its score does not tell apart.

    Float32 logits that the path's forward dtype rounds into the step are part of it. Infinite
    where the score is exactly 1.0 or 0.0.
    """
    return float(hidden_logits(path, path.scores([logit])).steps["width"].iloc[0])


def _print(scores: Iterable[float]) -> pd.Series:
    """Scores as people read them: in three decimals, a score of exactly 1.0 called that."""
    return pd.Series(
        [_EXACTLY_ONE if score == 1.0 else f"{score:.3f}" for score in scores], dtype=object
    )


def _first_digits(scores: pd.Series) -> pd.Series:
    """First three decimals of scores, the others cut off; exactly 1.0 is called that."""
    return _print(score if score == 1.0 else math.floor(score * 1000) / 1000 for score in scores)
