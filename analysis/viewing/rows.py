"""The rows of a view: candidates with their texts and logits, all in one order, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.formats import FORWARD_DTYPES, format_of
from analysis.forwardformats import ForwardFormat, as_format, format_texts, in_format, of_format
from analysis.frames import (
    KEYS,
    check_columns,
    check_ids,
    check_numbers,
    check_once,
    check_same_pairs,
)
from analysis.scorepath import ScorePath
from analysis.sigmoids import FORMULAS

_TEXTS = ["query", "passage"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Candidates, the queries' rows together, in the order in which they were given.

    ``pairs`` has the columns ``query_id, passage_id, grade, query, passage`` and a fresh index;
    ``logits`` holds, for each forward format by its name, the logits of these rows, shape
    (n_pairs,); torch's formats are called by their dtypes.
    """

    pairs: pd.DataFrame
    logits: dict[str, NDArray[np.float64]]

    @property
    def dtypes(self) -> list[str]:
        """Dtypes that a sigmoid can be evaluated and stored in here, the most exact first."""
        return ["float64", *FORWARD_DTYPES]

    @cached_property
    def formats(self) -> dict[str, ForwardFormat]:
        """The forward formats by their names."""
        return {name: as_format(name) for name in self.logits}

    @cached_property
    def paths(self) -> list[ScorePath]:
        """Every path that can be shown, once for all that score alike (:meth:`.reduced`)."""
        dtypes = dict.fromkeys(one.forward_dtype for one in self.formats.values())
        chosen = product(dtypes, (*FORMULAS, "none"), self.dtypes, self.dtypes)
        return list(dict.fromkeys(ScorePath(*stages).reduced() for stages in chosen))

    @cached_property
    def shown(self) -> list[tuple[str, ScorePath]]:
        """Every path with the name of each forward format that it can be shown over."""
        return [
            (name, path)
            for name, own in self.formats.items()
            for path in self.paths
            if path.forward_dtype == own.forward_dtype
        ]

    @cached_property
    def candidates(self) -> dict[object, list]:
        """For each query, in their order, the ids of its candidates in theirs."""
        by_query = self.pairs.groupby("query_id", sort=False)["passage_id"]
        return {query_id: ids.tolist() for query_id, ids in by_query}

    def has(self, path: ScorePath) -> bool:
        """Tell whether a path can be shown, under whichever tie rule."""
        return replace(path.reduced(), tie_rule=self.paths[0].tie_rule) in self.paths

    def frame(self, query_id: object = None) -> pd.DataFrame:
        """Return the logits in long form, of one query or of all: for :func:`analysis.apply`."""
        pairs = self.pairs[[*KEYS, "grade"]]
        frames = [in_format(pairs, one).assign(logit=own) for one, own in self.logits.items()]
        long = pd.concat(frames, ignore_index=True)
        return long if query_id is None else long[long["query_id"] == query_id]


def rows_of(logits: pd.DataFrame, candidates: RerankingSet | pd.DataFrame) -> Rows:
    """Bring logits and candidates into one order; :class:`InputError` where they do not belong.

    ``logits`` is what :func:`analysis.score` returns, float32 among its forward formats;
    ``candidates`` a set, or its frame with ``query`` and ``passage`` texts. Both have the same
    pairs, in every forward format.
    """
    check_columns(logits, [*KEYS, "grade", "forward_dtype", "logit"], "frame of logits")
    pairs = candidates.pairs if isinstance(candidates, RerankingSet) else candidates
    remedy = "give the set, or its frame candidates.pairs"
    check_columns(pairs, [*KEYS, *_TEXTS], "frame of candidates", remedy)
    if logits.empty or pairs.empty:
        raise InputError("there is nothing to be shown", "give at least one pair with its logits")
    check_ids(pairs, "frame of candidates")
    check_once(pairs, "frame of candidates")
    place = pairs.groupby("query_id", sort=False).ngroup().to_numpy()
    pairs = pairs.iloc[np.argsort(place, kind="stable")][[*KEYS, *_TEXTS]].reset_index(drop=True)
    pairs = pairs.assign(**{name: [_text(value) for value in pairs[name]] for name in _TEXTS})
    columns = {
        name: _aligned(of_format(logits, name), pairs, f"frame of {name} logits")
        for name in (as_format(text).name for text in format_texts(logits).unique())
    }
    if "float32" not in columns:
        raise InputError(
            f"no logits of a float32 forward pass (there are {', '.join(columns)})",
            "score with formats including 'float32': other orders are held against it",
            field="forward_dtype",
        )
    held = {
        name: format_of(as_format(name).forward_dtype).round(one["logit"]).astype(np.float64)
        for name, one in columns.items()
    }
    grade = _grades(columns["float32"]["grade"])
    return Rows(pairs.assign(grade=grade)[[*KEYS, "grade", *_TEXTS]], held)


def _grades(given: pd.Series) -> pd.Series:
    """Grades as whole numbers, missing ones as ``<NA>``."""
    try:
        return given.astype("Int64")
    except (TypeError, ValueError) as error:
        raise InputError(
            "the frame of logits has grades that are no whole numbers",
            "give whole numbers, or nothing where the grade is unknown",
            field="grade",
        ) from error


def _text(value: object) -> str:
    """A text that can be written; half of a surrogate pair becomes a question mark."""
    return str(value).encode(errors="replace").decode()


def _aligned(scored: pd.DataFrame, pairs: pd.DataFrame, what: str) -> pd.DataFrame:
    """Grades and logits of one forward format in the order of the pairs."""
    check_ids(scored, what)
    check_once(scored, what)
    check_numbers(scored, "logit", what)
    check_same_pairs(pairs, scored, "frame of candidates", what.removeprefix("frame of "))
    aligned = pairs[KEYS].merge(scored[[*KEYS, "grade", "logit"]], on=KEYS, validate="one_to_one")
    return aligned[["grade", "logit"]]
