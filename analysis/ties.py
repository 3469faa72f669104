"""Tie groups and tie rules: who stands where when scores are equal.

Scores here are already what a path stored, so ties are counted after its last cast. A *tie group*
is a maximal set of candidates of one query with equal scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.engines import path_of
from analysis.errors import InputError
from analysis.formats import is_wide
from analysis.forwardformats import by_format
from analysis.frames import KEYS, check_columns, check_ids, check_numbers, check_once
from analysis.heads import TWO_LOGITS
from analysis.metrics.groups import order_keys, rank_within
from analysis.metrics.sums import Ints
from analysis.scorepath import ScorePath, TieRule


def apply(logits: pd.DataFrame, path: ScorePath | str) -> pd.DataFrame:
    """Scores, ranks and tie groups of a path over a frame of logits.

    ``logits`` holds one row per (query, passage) and forward format, with the columns ``query_id,
    passage_id, forward_dtype, logit`` and, if torch did not run all of them, ``forward_format``; a
    path whose head compares two logits takes ``logit_no, logit_yes`` in place of ``logit``.
    ``path`` may be a text of :func:`~analysis.engines.path_of`. The rows of the path's forward
    dtype are taken; where the frame has none, :class:`InputError` says which it has. Each of their
    forward formats is ranked by itself. Returned, in the frame's order, with ``path, score, rank,
    tie_group, tie_size`` added:

    - ``rank``: 1 for the best, under the path's tie rule; with rule ``expected`` tied candidates
      share the mean of the ranks that they occupy together;
    - ``tie_group``: 1, 2, ... from the best score down, within the query;
    - ``tie_size``: how many candidates share the score (1: no tie).

    Raises :class:`InputError` for missing columns, so where a path compares two logits and the
    frame has one; for two logits of a half type where the path subtracts the head's rows before it
    rounds; for ids that are none, for a pair that stands twice within a format, and for logits and
    scores that are NaN (``float8_e4m3fn`` overflows to it), which have no place in an order.
    """
    path = path_of(path)
    check_columns(logits, [*KEYS, "forward_dtype", "logit"], "frame of logits")
    chosen = logits[logits["forward_dtype"] == path.forward_dtype]
    if chosen.empty and not logits.empty:
        available = ", ".join(logits["forward_dtype"].unique())
        raise InputError(
            f"no logits of a {path.forward_dtype} forward pass (there are {available})",
            f"score with formats including {path.forward_dtype!r}",
            field="forward_dtype",
        )
    check_ids(chosen, f"frame of {path.forward_dtype} logits")
    # Frames put together by hand may have an index that repeats itself.
    ranked = [_ranked(rows, path) for rows in by_format(chosen.reset_index(drop=True))]
    return pd.concat(ranked).sort_index().set_axis(chosen.index)


def _ranked(chosen: pd.DataFrame, path: ScorePath) -> pd.DataFrame:
    """Scores, ranks and tie groups of a path over the rows of one forward format."""
    what = f"frame of {path.forward_dtype} logits"
    check_once(chosen, what)
    scored = chosen.assign(path=path.name or str(path), score=_scores(chosen, path, what))
    check_numbers(scored, "score", what)
    places = Places.of(scored)
    return scored.assign(
        rank=places.ranks(scored, path.tie_rule),
        tie_group=places.tie_group,
        tie_size=places.tie_size,
    )


def _scores(chosen: pd.DataFrame, path: ScorePath, what: str) -> NDArray[np.float64]:
    """Scores of a path over rows of its forward dtype, of two logits if it compares two."""
    check_numbers(chosen, "logit", what)
    has_two = set(TWO_LOGITS) <= set(chosen.columns)
    if has_two and path.head.kind == "rows" and not is_wide(path.forward_dtype):
        raise InputError(
            f"the path subtracts the head's rows, and the frame has two {path.forward_dtype} "
            "logits, which were rounded before",
            "take a path of another head, or score in float32",
            field="path",
        )
    if not path.head.has_pair:
        return path.scores(chosen["logit"], queries=chosen["query_id"])
    remedy = (
        "score with a yes/no language model, take a path of one logit, or give 0 and the "
        "difference where no more than that is known"
    )
    check_columns(chosen, TWO_LOGITS, what, remedy)
    for name in TWO_LOGITS:
        check_numbers(chosen, name, what)
    return path.scores_of_pairs(*(chosen[name] for name in TWO_LOGITS), queries=chosen["query_id"])


@dataclass(frozen=True, eq=False)
class Places:
    """Where each row stands within its query by descending ``score``: one sort tells it all.

    Arrays of shape (n_rows,), in the frame's order: ``query`` numbers the queries; ``tie_group``
    and ``tie_size`` are those of :func:`apply`; ``first`` is the first of the ranks that the row's
    tie group occupies, and ``before`` says how many of the group stand before it in the frame.
    """

    query: Ints
    tie_group: Ints
    tie_size: Ints
    first: Ints
    before: Ints

    @classmethod
    def of(cls, scored: pd.DataFrame) -> Places:
        """Sort rows with ``query_id, score``, no score of which is NaN."""
        query = pd.factorize(scored["query_id"])[0]
        score = scored["score"].to_numpy(dtype=np.float64)
        keys = order_keys(query, score)
        order = np.argsort(keys, kind="stable")
        rank, before = rank_within(query[order]), rank_within(keys[order])
        group = np.cumsum(before == 0) - 1
        places = (
            group - group[np.arange(order.size) - rank] + 1,
            np.bincount(group)[group],
            rank - before + 1,
            before,
        )
        unsorted = np.empty((len(places), order.size), dtype=np.int64)
        for found, place in zip(unsorted, places, strict=True):
            found[order] = place
        return cls(query, *unsorted)

    @property
    def tied(self) -> NDArray[np.bool_]:
        """Which rows share their score."""
        return self.tie_size > 1

    def tied_in_top(self, k: int) -> NDArray[np.bool_]:
        """Which rows are those of :func:`tied_in_top`."""
        return self.tied & (self.first <= k)

    def ranks(self, scored: pd.DataFrame, tie_rule: TieRule) -> NDArray[np.float64]:
        """Ranks of the same rows under a tie rule, as :func:`ranks` says it."""
        if tie_rule == "expected":
            return self.first + (self.tie_size - 1) / 2
        if tie_rule == "input order":
            return (self.first + self.before).astype(np.float64)
        if tie_rule == "reversed input order":
            return (self.first + self.tie_size - 1 - self.before).astype(np.float64)
        ids = pd.factorize(scored["passage_id"], sort=True)[0]
        order = np.lexsort((ids if tie_rule == "docid ascending" else -ids, self.first, self.query))
        found = np.empty(order.size)
        found[order] = rank_within(self.query[order]) + 1
        return found


def with_tie_groups(scored: pd.DataFrame) -> pd.DataFrame:
    """Add ``tie_group`` and ``tie_size``, as in :func:`apply`, to ``query_id, score``."""
    places = Places.of(scored)
    return scored.assign(tie_group=places.tie_group, tie_size=places.tie_size)


def ranks(scored: pd.DataFrame, tie_rule: TieRule) -> pd.Series:
    """Rank of each row within its query by descending ``score``, under a tie rule.

    ``input order`` keeps the rows' order (a stable sort), ``reversed input order`` turns it round
    (an ascending stable sort that is read backwards); ``docid ascending`` and ``docid
    descending`` compare passage ids as strings (trec_eval: descending); ``expected`` gives each
    tied row the mean rank of its group.
    """
    return pd.Series(Places.of(scored).ranks(scored, tie_rule), scored.index)


def tie_groups(scored: pd.DataFrame) -> pd.DataFrame:
    """Return the groups of two or more tied candidates, one row each, best first within a query.

    Columns ``query_id, score, size, first_rank, last_rank``: the ranks that the group occupies
    whatever the tie rule.
    """
    groups = scored.groupby(["query_id", "tie_group"], sort=False)
    table = groups.agg(score=("score", "first"), size=("score", "size")).reset_index()
    table = table.sort_values(["query_id", "tie_group"], kind="stable")
    table["last_rank"] = table.groupby("query_id")["size"].cumsum()
    table["first_rank"] = table["last_rank"] - table["size"] + 1
    columns = ["query_id", "score", "size", "first_rank", "last_rank"]
    return table.loc[table["size"] > 1, columns].reset_index(drop=True)


def first_ranks(scored: pd.DataFrame) -> pd.Series:
    """First of the ranks that each row's tie group occupies within its query, by ``score``."""
    return pd.Series(Places.of(scored).first, scored.index)


def tied_in_top(scored: pd.DataFrame, k: int) -> pd.Series:
    """Tell which rows share their score in a tie group that reaches into the first ``k`` ranks.

    A group that straddles rank ``k`` counts with all of its members.
    """
    return pd.Series(Places.of(scored).tied_in_top(k), scored.index)
