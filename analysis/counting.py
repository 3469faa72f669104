"""What a score path does to a set, counted in one place: saturation, ties, lost places, nDCG.

Every count has one name, one heading and one meaning, in :data:`COLUMNS`; tables, conditions and
the glossary take them from here. The reference is the order of torch's float32 logits; in ``moved``
the path's own tie rule decides in both. Without a reference what is counted against it is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.engines import path_of
from analysis.forwardformats import by_format, format_texts, of_format
from analysis.frames import (
    KEYS,
    check_columns,
    check_ids,
    check_k,
    check_numbers,
    check_once,
    check_same_pairs,
    same_rows,
)
from analysis.heads import TWO_LOGITS
from analysis.metrics import average, evaluate
from analysis.pieces import pieces
from analysis.scorepath import ScorePath, TieRule
from analysis.ties import Places, apply

COLUMNS = {
    "path": ("score path", "name of the path, or its stages"),
    "forward_format": (
        "forward format",
        "what ran the network, and in which numbers, in plain text",
    ),
    "candidates": ("candidates", "passages to be ranked, over all queries"),
    "queries": ("queries", "queries with candidates"),
    "ones": ("exactly 1.0", "candidates whose score is exactly 1.0"),
    "zeros": ("exactly 0.0", "candidates whose score is exactly 0.0"),
    "tied": ("tied", "candidates that share their score with another of their query"),
    "tied_in_top": (
        "tied in the top {k}",
        "those whose tie group reaches into the first {k} ranks",
    ),
    "moved": ("moved", "candidates whose rank is not the reference's"),
    "first_shared": ("first place shared", "queries whose first place is a tie"),
    "first_lost": (
        "first place lost",
        "queries with a candidate in the first place that the reference does not have there",
    ),
    "reordered": (
        "top {k} reordered",
        "queries whose first {k} places are not the reference's; a place is the span of ranks that "
        "a tie group occupies",
    ),
    "ndcg": ("nDCG@{k}", "mean over queries, expected over all orders of the ties"),
    "ndcg_min": ("nDCG@{k}, least", "the same under the worst order of the ties"),
    "ndcg_max": ("nDCG@{k}, most", "the same under the best order of the ties"),
}
"""For each column of :func:`effects` its heading and its meaning. ``ones`` and ``zeros``, together
the *saturated* scores, are missing where scores are logits; nDCG where a grade is missing."""

_NAMES = ("path", "forward_format")
_AGAINST = ("moved", "first_lost", "reordered")
_COUNTS = ("ones", "zeros", "tied", "tied_in_top", "moved", "first_shared", "first_lost")
_COUNTS += ("reordered",)
_FLOAT32 = ScorePath("float32").raw()


_LOGITS = (*KEYS, "forward_dtype", "logit")
_ALSO = ("grade", "forward_format", *TWO_LOGITS)
_MEANS = ("ndcg", "ndcg_min", "ndcg_max")


def effects(
    logits: pd.DataFrame | str | Path,
    paths: ScorePath | str | Iterable[ScorePath | str] | Mapping[str, ScorePath | str],
    *,
    k: int = 10,
) -> pd.DataFrame:
    """Count what each path does to a set, columns :data:`COLUMNS`.

    ``logits`` is what :func:`analysis.scoring.score` returns, or the name of a Parquet file or
    folder of it, of any size (:mod:`analysis.pieces`). It needs rows of each path's forward
    dtype, and torch's of float32 for what is counted against the reference. There is one row per
    path and forward format that has the path's forward dtype. The first column, ``path``, is the
    path's name, or its computation where it has none, or the key of a mapping. A path may be a text
    of :func:`~analysis.engines.path_of`. Raises :class:`InputError` as
    :func:`analysis.ties.apply` and :func:`count` do.
    """
    check_k(k)
    named = _named(paths)
    if isinstance(logits, str | Path):
        return added_up([_effects(piece, named, k) for piece in pieces(logits, _LOGITS, _ALSO)])
    check_columns(logits, _LOGITS, "frame of logits")
    return _effects(logits, named, k)


def _effects(logits: pd.DataFrame, named: list[tuple[str, ScorePath]], k: int) -> pd.DataFrame:
    """The effects on a frame of logits."""
    float32 = of_format(logits, "float32")
    reference = None if float32.empty else apply(float32, _FLOAT32)
    rows = [
        {"path": name, "forward_format": text, **_of_path(scored, reference, path, k)}
        for name, path in named
        for text, scored in _by_text(apply(logits, path))
    ]
    return _table(rows, _NAMES)


def added_up(tables: list[pd.DataFrame], names: Sequence[str] = _NAMES) -> pd.DataFrame:
    """One table of those of several pieces: counts add up, nDCG is the mean over all queries.

    ``names`` are the columns that name a row; a piece has its rows in the same order as another.
    """
    if len(tables) == 1:
        return tables[0]
    # A path may be named twice.
    numbered = [table.assign(again=table.groupby(list(names)).cumcount()) for table in tables]
    rows = pd.concat(numbered, ignore_index=True)
    rows[list(_MEANS)] = rows[list(_MEANS)].mul(rows["queries"], axis=0)
    # What is missing in one piece is missing in all.
    added = rows.groupby([*names, "again"], sort=False).agg(lambda part: part.sum(skipna=False))
    added[list(_MEANS)] = added[list(_MEANS)].div(added["queries"], axis=0)
    return _table(added.reset_index().drop(columns="again").to_dict("records"), names)


def _by_text(scored: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each forward format, with its text."""
    return [(format_texts(rows.head(1)).item(), rows) for rows in by_format(scored) if len(rows)]


def _named(
    paths: ScorePath | str | Iterable[ScorePath | str] | Mapping[str, ScorePath | str],
) -> list[tuple[str, ScorePath]]:
    """Paths with the names of their rows."""
    if isinstance(paths, Mapping):
        return [(name, path_of(path)) for name, path in paths.items()]
    one = not isinstance(paths, Iterable) or isinstance(paths, str)
    chosen = [path_of(path) for path in ([paths] if one else paths)]
    return [(path.name or path.computation, path) for path in chosen]


def effects_table(
    counted: Iterable[tuple[object, Mapping[str, float]]], column: str = "path"
) -> pd.DataFrame:
    """One table of several results of :func:`count`, each with its name in the first column."""
    return _table([{column: name, **counts} for name, counts in counted], (column,))


def _table(rows: list[dict[str, object]], names: Iterable[str]) -> pd.DataFrame:
    """A table of counts, each row with its ``names`` before them."""
    columns = None if rows else [*names, *(column for column in COLUMNS if column not in _NAMES)]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(_COUNTS, "Int64"))


def _of_path(
    scored: pd.DataFrame, reference: pd.DataFrame | None, path: ScorePath, k: int
) -> dict[str, float]:
    scored = scored.assign(score=scored["score"] / path.after.unit)
    return count(scored, reference, k=k, bounded=path.saturates, tie_rule=path.tie_rule)


def count(
    scored: pd.DataFrame,
    reference: pd.DataFrame | None = None,
    *,
    k: int = 10,
    bounded: bool = True,
    tie_rule: TieRule = "input order",
) -> dict[str, float]:
    """Count one set of scores, whatever made them; keys are the columns of :func:`effects`.

    ``scored`` and ``reference`` have the columns ``query_id, passage_id, score`` and the same
    pairs; ``grade`` in the former gives nDCG. ``bounded`` is false for scores that are logits.
    Raises :class:`InputError` for missing columns, ids that are none, pairs that stand twice or
    in one of the two alone, scores that are NaN, and a ``k`` below 1.
    """
    check_k(k)
    _check(scored, "frame of scores")
    places = Places.of(scored)
    counts = {
        "candidates": len(scored),
        "queries": scored["query_id"].nunique(),
        "ones": int((scored["score"] == 1.0).sum()) if bounded else pd.NA,
        "zeros": int((scored["score"] == 0.0).sum()) if bounded else pd.NA,
        "tied": int(places.tied.sum()),
        "tied_in_top": int(places.tied_in_top(k).sum()),
        "moved": pd.NA,
        "first_shared": _queries_of(places, places.tied & (places.first == 1)),
        **dict.fromkeys(_AGAINST[1:], pd.NA),
    }
    if reference is not None:
        _check(reference, "reference")
        other = _in_order_of(scored, reference)
        others = Places.of(other)
        moved = places.ranks(scored, tie_rule) != others.ranks(other, tie_rule)
        counts |= {"moved": int(moved.sum()), **_against(places, others, k)}
    return counts | _mean_ndcg(scored, k)


def _in_order_of(scored: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """The reference's scores in the order of ``scored``, which has the same pairs."""
    if same_rows(scored, reference):
        return reference
    check_same_pairs(scored, reference, "frame of scores", "reference (float32 logits)")
    return scored[KEYS].merge(reference[[*KEYS, "score"]], on=KEYS, validate="one_to_one")


def _queries_of(places: Places, rows: NDArray[np.bool_]) -> int:
    """How many queries some rows are of."""
    return np.unique(places.query[rows]).size


def _check(scored: pd.DataFrame, what: str) -> None:
    check_columns(scored, [*KEYS, "score"], what)
    check_ids(scored, what)
    check_once(scored, what)
    check_numbers(scored, "score", what)


def headings(k: int = 10) -> dict[str, str]:
    """Words for the columns, as tables for people have them."""
    return {column: heading.format(k=k) for column, (heading, _) in COLUMNS.items()}


def _against(places: Places, other: Places, k: int) -> dict[str, int]:
    """Count what differs from the places of a reference."""
    taken = (places.first == 1) & (other.first != 1)
    replaced = (places.first != other.first) | (places.tie_size != other.tie_size)
    in_top = (places.first <= k) | (other.first <= k)
    return {
        "first_lost": _queries_of(places, taken),
        "reordered": _queries_of(places, in_top & replaced),
    }


def _mean_ndcg(scored: pd.DataFrame, k: int) -> dict[str, float]:
    names = {"expected": "ndcg", "min": "ndcg_min", "max": "ndcg_max"}
    if "grade" not in scored or scored["grade"].isna().any():
        return dict.fromkeys(names.values(), float("nan"))
    (found,) = average(evaluate(scored, scored, [f"nDCG@{k}"])).to_dict("records")
    return {ours: found[theirs] for theirs, ours in names.items()}
