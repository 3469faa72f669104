"""The error budget: how far scores are from the reference, and which stage takes them there.

The reference is a float32 forward pass with the sigmoid in float64. What a stage is, what is
swapped for what and in which orders stands in :mod:`analysis.budgets.stages`; when a tie comes from
a stage, in :mod:`analysis.budgets.origins`; how far logits move without any change of precision,
in :mod:`analysis.budgets.noise`; and what float32 logits alone foretell, in
:mod:`analysis.budgets.prediction`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.budgets.noise import noise_floor
from analysis.budgets.origins import count_origins, tied, tied_in_top
from analysis.budgets.prediction import predict, saturated
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
from analysis.budgets.words import order_sentence, origin_sentence, share_sentence
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.formats import format_of
from analysis.models import Reranker
from analysis.scorepath import ScorePath
from analysis.scoring import score
from analysis.store import Store

__all__ = [
    "ORDERS",
    "STAGES",
    "ErrorBudget",
    "budget_of",
    "error_budget",
    "noise_floor",
    "predict",
    "staged_logits",
]


@dataclass(frozen=True)
class ErrorBudget:
    """The error of one path on one set, split by stage.

    ``logits`` and ``scores`` are tables of :func:`analysis.budgets.stages.attribute`, in logits and
    scores (with formula ``none`` both in logits). ``ties`` and ``saturation`` are tables of
    :func:`analysis.budgets.origins.count_origins`: of the candidates in a tie group that reaches
    into the first ``k`` ranks, and of those with score exactly 1.0. Printed, it is all of that.
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

    def share_sentence(self) -> str:
        """Say how far its scores are from the reference, and which stage weighs most in that."""
        return share_sentence(self.scores)

    def saturation_sentence(self) -> str:
        """Say which stages the scores of exactly 1.0 come from."""
        return origin_sentence(self.saturation, "score", "of exactly 1.0")

    def sentence(self) -> str:
        """Say which stages the ties in the first ``k`` ranks come from."""
        return origin_sentence(self.ties, "candidate", f"that tie in the top {self.k}")

    def order_sentence(self) -> str:
        """Say how much of it hangs on the order of the swaps; empty if nothing ties."""
        return order_sentence(self.ties)

    def __str__(self) -> str:
        parts = [
            f"Error budget of {self.name}, {self.n_pairs:,} pairs",
            f"Logit: distance from float32\n{_text(self.logits)}",
            f"Score: distance from a float64 sigmoid of it\n{_text(self.scores)}",
            f"{self.sentence()} {self.order_sentence()}".strip(),
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
    if format_of(forward_dtype).finfo.bits < 32:
        rounded = replace(reranker, weights_dtype=forward_dtype)
        weights = score(dataset, rounded, ["float32"], **options)["logit"].to_numpy()
    frame = own.rename(columns={"logit": "forward"})
    frame.insert(4, "reference", reference)
    frame.insert(5, "weights", weights)
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
    holds = {swapped: tied(query_ids, values) for swapped, values in scores.items()}
    counted = tied_in_top(query_ids, scores[frozenset(STAGES)], k)
    return count_origins(holds.__getitem__, counted, ORDERS)


def _saturation_origins(scores: dict[Swapped, Values], path: ScorePath) -> pd.DataFrame:
    holds = {swapped: saturated(path, values) for swapped, values in scores.items()}
    return count_origins(holds.__getitem__, holds[frozenset(STAGES)], ORDERS)


def _text(table: pd.DataFrame) -> str:
    return table.to_string(float_format="{:.3g}".format, na_rep="–", index_names=False)
