"""The stages of a path, swapped in one after another, and what each adds to the error.

The reference is a float32 forward pass with the sigmoid in float64. A path differs from it in five
stages, and each can be swapped in:

============ =================================== ===============================================
stage        before                              after
============ =================================== ===============================================
weights      the network's weights in float32    rounded to the forward dtype; float32 computes
logit        the logit as the network gave it    rounded to the forward dtype, then to the
                                                 activation dtype, as the formula receives it
arithmetic   activations and sums in float32     the network run in the forward dtype
formula      ``torch.sigmoid`` in float64        the path's formula in its activation dtype
stored dtype the score as the formula gave it    rounded to the stored dtype
============ =================================== ===============================================

Not every order is possible. A network that runs in a dtype has its weights in it and returns its
logit rounded to it, so *arithmetic* comes after *weights* and *logit*; a formula takes a logit of
its activation dtype, so *formula* comes after *logit*. *Stored dtype* is free: a float64 score can
be rounded to it as well. That leaves the 25 :data:`ORDERS`; the first is the *path's order*.

In one order the contribution of a stage to a pair is the value after the swap less the value
before it. Contributions add up to path minus reference for every pair; in float64 exactly for
logits of one label, and within 2⁻⁵⁰ for scores, whose differences float64 rounds. The
*share* of a stage is Σ cₚeₚ / Σ eₚ² over the pairs p, c its contribution and e the whole error:
shares add up to 1, and a stage that undoes what others did has a negative one. *Averaged* is the
mean over all possible orders, each counting alike: the Shapley value under precedence constraints
(Faigle and Kern, International Journal of Game Theory 21, 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import InputError
from analysis.formats import format_of
from analysis.scorepath import ScorePath
from analysis.sigmoids import sigmoid

STAGES = ("weights", "logit", "arithmetic", "formula", "stored dtype")
_AFTER = {"arithmetic": ("weights", "logit"), "formula": ("logit",)}
"""Stages that must be in before a stage can be swapped in."""

Order = tuple[str, ...]
Swapped = frozenset[str]
"""The stages that are swapped in."""
Values = NDArray[np.float64]


def _possible_orders(stages: Sequence[str]) -> tuple[Order, ...]:
    """Return every order of the stages that can be computed, the one given first."""
    return tuple(order for order in permutations(stages) if _is_possible(order))


def swaps(order: Order) -> list[Swapped]:
    """Return what is swapped in before the first stage of an order and after each of them."""
    return list(accumulate(({stage} for stage in order), frozenset.union, initial=frozenset()))


@dataclass(frozen=True)
class StagedPath:
    """A path with only some of its stages swapped in; logits of three networks, (n_pairs,) each.

    ``reference``: weights and arithmetic in float32. ``weights``: the weights rounded to the path's
    forward dtype, float32 arithmetic. ``forward``: the network in the forward dtype.
    """

    path: ScorePath
    reference: Values
    weights: Values
    forward: Values

    def __post_init__(self) -> None:
        if not self.path.is_plain:
            raise InputError(
                f"the stages of {self.path.computation} are not those that a budget splits",
                "give a path of one logit with nothing done afterwards",
                field="path",
            )

    def logits(self, swapped: Swapped) -> Values:
        """Logits of all pairs, as the formula receives them."""
        logits = self.reference
        if "weights" in swapped:
            logits = self.weights
        if "arithmetic" in swapped:
            logits = self.forward
        if "logit" not in swapped:
            return logits
        rounded = self.path.logits(logits)
        if not self.path.has_sigmoid:
            return rounded
        return format_of(self.path.activation_dtype).round(rounded).astype(np.float64)

    def scores(self, swapped: Swapped) -> Values:
        """Scores of all pairs; without a sigmoid they are the logits."""
        scores = self.logits(swapped)
        if self.path.has_sigmoid:
            own = (self.path.formula, self.path.activation_dtype)
            scores = sigmoid(scores, *(own if "formula" in swapped else ("fused", "float64")))
        if "stored dtype" in swapped:
            scores = format_of(self.path.stored_dtype).round(scores)
        return scores.astype(np.float64)


def _contributions(values: Callable[[Swapped], Values], order: Order) -> dict[str, Values]:
    """Return what each stage adds to every pair's value, in an order; see the module's text."""
    steps = [values(swapped) for swapped in swaps(order)]
    added = [after - before for before, after in pairwise(steps)]
    return dict(zip(order, added, strict=True))


def attribute(values: Callable[[Swapped], Values], orders: Sequence[Order]) -> pd.DataFrame:
    """Split the error of all pairs by stage. One row per stage and the ``total``.

    ``values`` gives the value of every pair, (n_pairs,), for the stages that are swapped in.
    Columns, in the values' unit and the path's order (the first of ``orders``): ``mean`` (signed,
    adds up to the total), ``mean_abs`` and ``largest`` (of absolute values, which do not add up).
    Then shares of the squared error, which add up to 1: ``share`` in the path's order, ``averaged``
    over all orders, ``least`` and ``most`` that an order gives. Without any error they are NaN.
    """
    added = _contributions(values, orders[0])
    error = values(frozenset(orders[0])) - values(frozenset())
    table = pd.DataFrame(
        {stage: _magnitudes(part) for stage, part in (added | {"total": error}).items()}
    ).T
    shares = pd.DataFrame([_shares(_contributions(values, order), error) for order in orders])
    shares["total"] = 1.0 if error.any() else np.nan
    table["share"], table["averaged"] = shares.iloc[0], shares.mean()
    table["least"], table["most"] = shares.min(), shares.max()
    return table.rename_axis("stage")


def _is_possible(order: Order) -> bool:
    return all(
        order.index(needed) < order.index(stage)
        for stage, before in _AFTER.items()
        for needed in before
        if stage in order
    )


def _magnitudes(errors: Values) -> dict[str, float]:
    size = np.abs(errors)
    return {"mean": errors.mean(), "mean_abs": size.mean(), "largest": size.max()}


def _shares(added: dict[str, Values], error: Values) -> dict[str, float]:
    squared = float(error @ error)
    return {
        stage: float(part @ error) / squared if squared else np.nan for stage, part in added.items()
    }


ORDERS = _possible_orders(STAGES)
LOGIT_ORDERS = _possible_orders(STAGES[:3])  # those of the network
