"""One path's error on one set, split by stage; and the passes over the set that it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.budgets.origins import count_origins
from analysis.budgets.stages import (
    LOGIT_ORDERS,
    ORDERS,
    STAGES,
    StagedPath,
    Swapped,
    Values,
    attribute,
    swaps,
)
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.formats import is_wide
from analysis.models import Reranker
from analysis.scorepath import ScorePath
from analysis.scoring import score
from analysis.store import Store
from analysis.ties import tied_in_top


@dataclass(frozen=True)
class ErrorBudget:
    """The error of one path on one set, split by stage.

    ``logits`` and ``scores`` are tables of :func:`analysis.budgets.stages.attribute`, in logits and
    scores (with formula ``none`` both in logits). ``ties`` and ``saturation`` are tables of
    :func:`analysis.budgets.origins.count_origins`: of the candidates in a tie group that reaches
    into the first ``k`` ranks, and of those with score exactly 1.0 (without a sigmoid there are
    none). Printed, it is all of that.
    """

    path: ScorePath
    n_pairs: int
    k: int
    logits: pd.DataFrame
    scores: pd.DataFrame
    ties: pd.DataFrame
    saturation: pd.DataFrame

    @property
    def name(self) -> str:
        """The path's name, or its stages where it has none."""
        return self.path.name or self.path.computation

    def __str__(self) -> str:
        parts = [
            f"Error budget of {self.name}, {self.n_pairs:,} pairs",
            f"Logit: distance from float32\n{_text(self.logits)}",
            f"Score: distance from a float64 sigmoid of it\n{_text(self.scores)}",
            f"Ties in the top {self.k}: the stage they come from\n{_text(self.ties)}",
            f"Scores of exactly 1.0: the stage they come from\n{_text(self.saturation)}",
        ]
        return "\n\n".join(parts)


def error_budget(
    dataset: RerankingSet,
    reranker: Reranker,
    path: ScorePath,
    *,
    k: int = 10,
    store: Store | None = None,
    progress: bool = True,
) -> ErrorBudget:
    """Split a path's error on a set by stage; scores what is not in the ``store``.

    Three passes over the set are needed, one of them in the path's forward dtype. Raises
    :class:`InputError` as :func:`analysis.scoring.score` and :func:`budget_of` do.
    """
    logits = staged_logits(dataset, reranker, path.forward_dtype, store=store, progress=progress)
    return budget_of(logits, path, k=k)


def staged_logits(
    dataset: RerankingSet,
    reranker: Reranker,
    forward_dtype: str,
    *,
    store: Store | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score a set with the network's own stages swapped in one by one.

    One row per pair: ``query_id, passage_id, grade, forward_dtype``, and the logits ``reference``,
    ``weights`` and ``forward`` that :class:`~analysis.budgets.stages.StagedPath` takes. A forward
    dtype as wide as float32 leaves the weights as they are.
    """
    options = {"store": store, "progress": progress}
    reference = score(dataset, reranker, ["float32"], **options)["logit"].to_numpy()
    own = score(dataset, reranker, [forward_dtype], **options)
    weights = reference
    if not is_wide(forward_dtype):
        rounded = replace(reranker, weights_dtype=forward_dtype)
        weights = score(dataset, rounded, ["float32"], **options)["logit"].to_numpy()
    frame = own.rename(columns={"logit": "forward"})
    place = frame.columns.get_loc("forward")
    frame.insert(place, "reference", reference)
    frame.insert(place + 1, "weights", weights)
    return frame


def budget_of(logits: pd.DataFrame, path: ScorePath, *, k: int = 10) -> ErrorBudget:
    """Split a path's error by stage, from logits that :func:`staged_logits` gave.

    Raises :class:`InputError` for logits of another forward dtype than the path's, and for a path
    that gives NaN (formats without infinity can).
    """
    others = set(logits["forward_dtype"]) - {path.forward_dtype}
    if others:
        raise InputError(
            f"the logits are staged for {', '.join(sorted(others))}, the path runs in "
            f"{path.forward_dtype}",
            f"call staged_logits with {path.forward_dtype!r}",
            field="forward_dtype",
        )
    networks = (logits[name].to_numpy() for name in ("reference", "weights", "forward"))
    staged = StagedPath(path, *networks)
    scores = {swapped: staged.scores(swapped) for swapped in _all_swapped()}
    if any(np.isnan(values).any() for values in scores.values()):
        raise InputError(
            f"the path gives NaN for some logits ({path.computation})",
            "choose an activation dtype with infinities",
            field="activation_dtype",
        )
    return ErrorBudget(
        path=path,
        n_pairs=len(logits),
        k=k,
        logits=attribute(staged.logits, LOGIT_ORDERS),
        scores=attribute(scores.__getitem__, ORDERS),
        ties=_tie_origins(scores, logits["query_id"], k),
        saturation=_saturation_origins(scores, path),
    )


def _all_swapped() -> set[Swapped]:
    """Every set of stages that some possible order has swapped in."""
    return {swapped for order in ORDERS for swapped in swaps(order)}


def _tie_origins(scores: dict[Swapped, Values], query_ids: pd.Series, k: int) -> pd.DataFrame:
    runs = {
        swapped: pd.DataFrame({"query_id": query_ids, "score": values})
        for swapped, values in scores.items()
    }
    tied = {swapped: run.duplicated(keep=False).to_numpy() for swapped, run in runs.items()}
    counted = tied_in_top(runs[frozenset(STAGES)], k).to_numpy()
    return count_origins(tied, counted, ORDERS)


def _saturation_origins(scores: dict[Swapped, Values], path: ScorePath) -> pd.DataFrame:
    ones = {swapped: (values == 1.0) & path.has_sigmoid for swapped, values in scores.items()}
    return count_origins(ones, ones[frozenset(STAGES)], ORDERS)


def _text(table: pd.DataFrame) -> str:
    return table.to_string(float_format="{:.3g}".format, na_rep="–", index_names=False)
