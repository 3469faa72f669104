"""What the dtype did and what the formula did: recorded logits through six score paths.

Three columns, each with one more stage in float16 than the one before; in each the sigmoid once
as ``torch.sigmoid`` (fused) and once as ``1 / (1 + exp(-x))`` step by step. The outer columns are
the two-by-two of the report, Haystack and Infinity in float32 and in float16; the middle one
separates the rounding of the logits from that of the sigmoid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from analysis.counting import count
from analysis.recordings import evaluated, recorded_path
from analysis.scorepath import PathFormula, ScorePath
from analysis.studies.issue_203.comparison import placed, printed, side_by_side
from analysis.ties import apply

STAGES = (("float32", "float32"), ("float16", "float32"), ("float16", "float16"))
"""Forward and activation dtype of each column."""

FORMULAS: tuple[PathFormula, ...] = ("fused", "stepwise")

CELLS = tuple(
    ScorePath(
        forward_dtype=forward,
        formula=formula,
        activation_dtype=activation,
        stored_dtype=activation,
        name=f"{forward} logits, {formula} in {activation}",
    )
    for forward, activation in STAGES
    for formula in FORMULAS
)
"""The six paths; the first is the reference, in float32 throughout with torch's sigmoid."""

Scored = Mapping[ScorePath, pd.DataFrame]


def cells(logits: pd.DataFrame) -> Scored:
    """Scores, ranks and tie groups of each of :data:`CELLS`, as ``apply`` gives them.

    ``logits`` has ``query_id, passage_id, forward_dtype, logit`` for float32 and float16: two
    recorded runs of one engine, one below the other.
    """
    return {path: apply(logits, path) for path in CELLS}


def effects(scored: Scored, k: int = 10) -> pd.DataFrame:
    """What each of the cells does to the scores and places of the reference: one row per cell.

    - ``logits, formula, sigmoid``: forward dtype, formula, and activation dtype;
    - ``exactly_one``: candidates with score exactly 1.0;
    - ``printed_otherwise``: candidates whose score, in three decimals, is printed otherwise (a
      score of exactly 1.0 counts as otherwise than 0.9996);
    - ``largest_error``: the largest difference of a score from the reference;
    - ``tied_in_top``: candidates of a tie group that reaches into the first ``k`` ranks;
    - ``moved``: candidates with another rank, ties in input order;
    - ``first_lost``: queries whose first candidate is not, alone, first.
    """
    reference = scored[CELLS[0]]
    rows = []
    for path, frame in scored.items():
        both = side_by_side(reference, frame)
        counted = count(frame, reference, k=k)
        otherwise = printed(both["score"]) != printed(both["score_reference"])
        rows.append(
            {
                "logits": path.forward_dtype,
                "formula": path.formula,
                "sigmoid": path.activation_dtype,
                "exactly_one": int((frame["score"] == 1.0).sum()),
                "printed_otherwise": int(otherwise.sum()),
                "largest_error": float((both["score"] - both["score_reference"]).abs().max()),
                **{name: counted[name] for name in ("tied_in_top", "moved", "first_lost")},
            }
        )
    return pd.DataFrame(rows)


def witnesses(runs: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Which recorded runs take the paths of :data:`CELLS`, and how exactly they follow them.

    ``runs`` are recordings of one run each. One row per run whose path in the catalogue is one of
    the cells, in the order of the cells: ``path, engine, version, scores, bitwise`` (scores that
    are, bit for bit, what the path gives for the run's own logits, evaluated a query at a time as
    engines do) and ``largest_difference``.
    """
    rows = []
    for run in runs:
        first = run.iloc[0]
        path = recorded_path(first["engine"], first["version"], first["forward_dtype"])
        if path not in CELLS:
            continue
        held = placed(run)
        apart = (held["score"] - evaluated(held, path)).abs()
        rows.append(
            {
                "path": CELLS[CELLS.index(path)].name,
                "engine": first["engine"],
                "version": first["version"],
                "scores": len(held),
                "bitwise": int((apart == 0).sum()),
                "largest_difference": float(apart.max()),
            }
        )
    columns = ["path", "engine", "version", "scores", "bitwise", "largest_difference"]
    order = {path.name: place for place, path in enumerate(CELLS)}
    found = pd.DataFrame(rows, columns=columns)
    return found.sort_values("path", key=lambda names: names.map(order), kind="stable")
