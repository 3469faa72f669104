"""Two engines over the same pairs: whether rounding explains how they differ.

:func:`compare_sides` takes a :class:`Side` each and returns a :class:`Comparison`. A module a step:
which logits scores allow (:mod:`.intervals`), what rounding makes (:mod:`.noise`), what larger
differences look like (:mod:`.shapes`), the answer (:mod:`.deciding`), what it does to the ranking
(:mod:`.rankings`). What is larger than memory has a way of its own (:mod:`.streams`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.discrepancies.deciding import decide
from analysis.discrepancies.intervals import Ends, Pairs, Side
from analysis.discrepancies.noise import Noise
from analysis.discrepancies.rankings import compare_rankings
from analysis.discrepancies.verdict import Comparison, notes_on
from analysis.errors import InputError
from analysis.frames import KEYS

__all__ = ["Comparison", "Side", "compare_sides", "pairs_of"]


@np.errstate(over="ignore")  # scores of any size: what overflows is no rounding
def compare_sides(
    first: Side,
    second: Side,
    *,
    lengths: pd.DataFrame | None = None,
    grades: pd.DataFrame | None = None,
    measured: dict[str, Noise] | None = None,
) -> Comparison:
    """Compare two sides over the pairs of both.

    ``lengths`` (``query_id, passage_id, length``, in any unit) and ``grades`` (``…, grade``) are
    used where they have every pair; else ``notes`` of the result say so. ``measured`` is the noise
    of a dtype on this model (:func:`.decide`). Raises :class:`InputError` where the two have no
    pair in common.
    """
    table, pairs = pairs_of(first, second, lengths)
    scores = [table.rename(columns={name: "score"}) for name in ("score_a", "score_b")]
    return Comparison(
        (first, second),
        decide(first, second, pairs, measured),
        table,
        (len(first.frame) - len(table), len(second.frame) - len(table)),
        compare_rankings(*scores, all_known(table, grades, "grade")),
        notes=notes_on(len(table), missing(table, grades if lengths is None else lengths)),
    )


def pairs_of(
    first: Side, second: Side, lengths: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, Pairs]:
    """The pairs of both sides: as the table of :class:`Comparison` has them, and as arrays.

    Raises :class:`InputError` where there are none.
    """
    table, pairs = shared_pairs(first, second, lengths)
    if table.empty:
        raise nothing_in_common()
    return table, pairs


def nothing_in_common() -> InputError:
    """What is said of two sides without a common pair."""
    return InputError(
        "the two sides have no pair of query and passage in common",
        "give scores of the same pairs, under the same ids",
        field="passage_id",
    )


def shared_pairs(
    first: Side, second: Side, lengths: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, Pairs]:
    """The pairs of both sides as :func:`pairs_of` gives them; there may be none."""
    places = (
        pd.DataFrame({"a": np.arange(len(first.frame))}),
        pd.DataFrame({"b": np.arange(len(second.frame))}),
    )
    ids = [
        side.frame[KEYS].reset_index(drop=True).join(place)
        for side, place in zip((first, second), places, strict=True)
    ]
    both = ids[0].merge(ids[1], on=KEYS)
    rows = both["a"].to_numpy(), both["b"].to_numpy()
    table = both[KEYS].assign(
        score_a=first.frame["score"].to_numpy()[rows[0]],
        score_b=second.frame["score"].to_numpy()[rows[1]],
    )
    pairs = Pairs(
        queries=pd.factorize(table["query_id"])[0],
        scores=(table["score_a"].to_numpy(), table["score_b"].to_numpy()),
        first=_taken(first.ends, rows[0]),
        second=_taken(second.ends, rows[1]),
        lengths=_lengths(table, lengths),
    )
    table["gap"] = pairs.gaps if pairs.has_logits else np.nan
    return table, pairs


def _taken(ends: Ends | None, rows: np.ndarray) -> Ends | None:
    return None if ends is None else (ends[0][rows], ends[1][rows])


def _lengths(table: pd.DataFrame, lengths: pd.DataFrame | None) -> np.ndarray | None:
    known = all_known(table, lengths, "length")
    return None if known is None else known["length"].to_numpy(np.float64)


def missing(table: pd.DataFrame, known: pd.DataFrame | None) -> int:
    """How many of the table's pairs a frame lacks; 0 where there is no frame."""
    if known is None:
        return 0
    return len(table) - len(table[KEYS].merge(known[KEYS].drop_duplicates(), on=KEYS))


def all_known(table: pd.DataFrame, known: pd.DataFrame | None, column: str) -> pd.DataFrame | None:
    """The rows of the table's pairs; None where a value is missing."""
    if known is None:
        return None
    found = table[KEYS].merge(known[[*KEYS, column]], on=KEYS, how="left")
    return None if found[column].isna().any() else found
