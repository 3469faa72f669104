"""One recorded run against another of the same pairs: what a user of both engines sees change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.errors import InputError
from analysis.recordings import unprinted
from analysis.ties import ranks, with_tie_groups

KEYS = ["query_id", "passage_id"]
EXACTLY_ONE = "exactly 1.0"


def placed(recorded: pd.DataFrame) -> pd.DataFrame:
    """A run of :func:`analysis.recordings.recording` with ``rank, tie_group, tie_size``.

    Numbers are those that a server held before it printed them. Ranks are by descending score,
    equal scores in input order: the engines' own order, and what a stable sort makes of the
    scores of an engine that returns them unordered.
    """
    held = unprinted(recorded)
    return with_tie_groups(held.assign(rank=ranks(held, "input order").astype(np.int64)))


def side_by_side(reference: pd.DataFrame, compared: pd.DataFrame) -> pd.DataFrame:
    """Two placed runs pair by pair, in the order of ``reference``.

    Columns ``query_id, passage_id``; ``logit, score, rank, tie_group, tie_size`` of ``compared``,
    and with the suffix ``_reference`` those of ``reference``. Raises :class:`InputError` where
    the two are not of the same pairs.
    """
    columns = [*KEYS, "logit", "score", "rank", "tie_group", "tie_size"]
    both = reference[columns].merge(
        compared[columns], on=KEYS, suffixes=("_reference", ""), validate="one_to_one"
    )
    if not len(both) == len(reference) == len(compared):
        raise InputError(
            "the two runs are not of the same pairs", "compare runs of one set, and all of it"
        )
    return both


def printed(scores: pd.Series, decimals: int = 3) -> pd.Series:
    """Scores as people read them: so many decimals, and a score of exactly 1.0 called that."""
    return scores.map(
        lambda score: EXACTLY_ONE if score == 1.0 else f"{score:.{decimals}f}"
    ).astype(object)


def digits(scores: pd.Series) -> pd.Series:
    """First three decimals of scores, the others cut off; exactly 1.0 is called that."""
    cut = (scores * 1000).map(math.floor) / 1000
    return printed(cut.where(scores < 1.0, 1.0))


def digits_table(both: pd.DataFrame, low: float) -> pd.DataFrame:
    """Number of candidates by the first digits in the reference (rows) and in the other run.

    Of the candidates whose reference score is at least ``low``; rows and columns descend. Cells
    without a candidate are 0; without any such candidate there are no rows.
    """
    high = both[both["score_reference"] >= low]
    table = pd.crosstab(
        digits(high["score_reference"]).rename("reference"), digits(high["score"]).rename(None)
    )
    table = table.sort_index(ascending=False).sort_index(axis=1, ascending=False)
    return table.reset_index().rename_axis(columns=None)


@dataclass(frozen=True)
class Changes:
    """What one run makes of another's scores, in the terms of the report.

    ``became_one``: candidates below 1 in the reference whose score is exactly 1.0;
    ``lowest_one``: the lowest reference score among them (NaN: none); ``highest_other``: the
    highest reference score of the candidates that stay below 1 (NaN: none). ``raised``:
    candidates whose score begins with 0.998 in the reference and with 0.999 here; ``lowest_raised``
    is the lowest reference score among them (NaN: none). ``first_shared, first_fell``:
    queries whose first candidate in the reference shares the best score with others, or is below
    it; ``first_replaced``: queries that show another first candidate, with ties in input order.
    """

    queries: int
    candidates: int
    became_one: int
    lowest_one: float
    highest_other: float
    raised: int
    lowest_raised: float
    moved: int
    first_shared: int
    first_fell: int
    first_replaced: int


def changes(both: pd.DataFrame) -> Changes:
    """Count what changes between two runs put :func:`side_by_side`."""
    became = (both["score"] == 1.0) & (both["score_reference"] < 1.0)
    stayed = both["score"] < 1.0
    raised = both["score_reference"].between(0.998, 0.999, inclusive="left")
    raised &= both["score"].between(0.999, 1.0, inclusive="left")
    first = both[both["rank_reference"] == 1]
    return Changes(
        queries=both["query_id"].nunique(),
        candidates=len(both),
        became_one=int(became.sum()),
        lowest_one=float(both.loc[became, "score_reference"].min()),
        highest_other=float(both.loc[stayed, "score_reference"].max()),
        raised=int(raised.sum()),
        lowest_raised=float(both.loc[raised, "score_reference"].min()),
        moved=int((both["rank"] != both["rank_reference"]).sum()),
        first_shared=int(((first["tie_group"] == 1) & (first["tie_size"] > 1)).sum()),
        first_fell=int((first["tie_group"] > 1).sum()),
        first_replaced=int((first["rank"] != 1).sum()),
    )


def telling_query(both: pd.DataFrame) -> str:
    """The query that shows most of what the report saw; the first of several.

    Most candidates that came back as exactly 1.0; among equals most tied ones, then most moved.
    """
    marks = pd.DataFrame(
        {
            "became_one": (both["score"] == 1.0) & (both["score_reference"] < 1.0),
            "tied": both["tie_size"] > 1,
            "moved": both["rank"] != both["rank_reference"],
        }
    )
    counts = marks.groupby(both["query_id"], sort=False).sum()
    return str(counts.sort_values(list(counts), ascending=False, kind="stable").index[0])


@dataclass(frozen=True)
class Likeness:
    """How far two runs agree: all numbers are counts of pairs, or differences.

    ``score_apart_on_equal_logits`` is the largest difference of scores among pairs with bitwise
    equal logits (0 where there are none): what the formula's arithmetic is answerable for.
    """

    pairs: int
    equal_logits: int
    equal_scores: int
    logit_apart: float
    score_apart: float
    score_apart_on_equal_logits: float
    moved: int


def likeness(both: pd.DataFrame) -> Likeness:
    """Compare two runs, put :func:`side_by_side`, bit for bit."""
    logits = (both["logit"] - both["logit_reference"]).abs()
    scores = (both["score"] - both["score_reference"]).abs()
    return Likeness(
        pairs=len(both),
        equal_logits=int((logits == 0).sum()),
        equal_scores=int((scores == 0).sum()),
        logit_apart=float(logits.max()),
        score_apart=float(scores.max()),
        score_apart_on_equal_logits=float(scores.where(logits == 0, 0.0).max()),
        moved=int((both["rank"] != both["rank_reference"]).sum()),
    )
