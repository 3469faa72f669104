"""A forward format's error, split by stage: weights, activations, head, batch.

The reference is torch's float32. A stage is swapped in by running a format that lies between, each
in the order in which there is one:

======================= =========================================================================
stage                   after it
======================= =========================================================================
weights                 a format with these weights whose activations are wider, or have a scale
                        per block
activations             the format itself, each pair a batch of its own
weights and activations the same, where no format lies between: what each adds is not told apart
head                    the format with its last layer quantised as well
batch                   the format in the batches of a request
======================= =========================================================================

There is one order, so a stage has one share. Torch's half types have a budget of their own, which
tells weights from arithmetic (:mod:`analysis.budgets.splitting`); here their batch is of interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.budgets.stages import Swapped, Values, attribute, swaps
from analysis.datasets import RerankingSet
from analysis.errors import InputError
from analysis.forwardformats import FORWARD_FORMATS, ForwardFormat, as_format, of_format
from analysis.frames import KEYS
from analysis.rerankers import Reranker
from analysis.scoring import score
from analysis.shifts import ALONE, BATCHES, USUAL
from analysis.store import Store

WEIGHTS, ACTIVATIONS, HEAD, BATCH = "weights", "activations", "head", "batch"
TOGETHER = f"{WEIGHTS} and {ACTIVATIONS}"
STAGES = (WEIGHTS, ACTIVATIONS, TOGETHER, HEAD, BATCH)
"""Every stage there can be, in the order in which they are swapped in."""


@dataclass(frozen=True)
class Step:
    """A stage, and the format and batches that have it and every stage before it."""

    stage: str
    forward_format: ForwardFormat
    batching: str


@dataclass(frozen=True)
class NetworkBudget:
    """The error of a forward format's logits over ``n_pairs`` pairs, split by stage.

    ``table`` is one of :func:`analysis.budgets.stages.attribute`, in logits, over the stages of
    ``steps``. Printed, it is the table and what was run for it.
    """

    forward_format: ForwardFormat
    n_pairs: int
    steps: tuple[Step, ...]
    table: pd.DataFrame

    def __str__(self) -> str:
        columns = self.table[["mean", "mean_abs", "largest", "share"]]
        text = columns.to_string(float_format="{:.3g}".format, na_rep="–", index_names=False)
        return "\n".join(
            [
                f"Error budget of {self.forward_format.name}, {self.n_pairs:,} pairs: distance of "
                f"a logit from float32",
                text,
                *self.notes,
            ]
        )

    @property
    def notes(self) -> list[str]:
        """What the stages stand for, where a name alone would say too much."""
        between = next((step for step in self.steps if step.stage == WEIGHTS), None)
        notes = []
        if between is not None and between.forward_format.activation_scale == "block":
            notes.append(
                f"Weights are what {between.forward_format.name} changes, which rounds them in "
                "blocks of its own, and activations too, in blocks."
            )
        if TOGETHER in self.table.index:
            notes.append("No format lies between that would tell weights from activations.")
        if BATCH not in self.table.index:
            notes.append("What other batches change was not measured.")
        return notes


def formats_between(forward_format: ForwardFormat | str) -> list[ForwardFormat]:
    """The formats whose logits a budget of this one takes: float32, what lies between, itself."""
    steps = _steps(as_format(forward_format), is_batched=True)
    return list(dict.fromkeys([as_format("float32"), *(step.forward_format for step in steps)]))


def batched_logits(
    dataset: RerankingSet,
    reranker: Reranker,
    formats: Sequence[ForwardFormat | str],
    *,
    store: Store | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score a set in its usual batches, and each pair alone: what :func:`network_budget` takes.

    The usual batches are those of :func:`analysis.scoring.score`, whose columns and errors it has,
    with ``batching`` added.
    """
    ways = {USUAL: {}, ALONE: {"batch_tokens": 1}}
    options = {"store": store, "progress": progress}
    frames = [
        score(dataset, reranker, formats, **tokens, **options).assign(**{BATCHES: name})
        for name, tokens in ways.items()
    ]
    return pd.concat(frames, ignore_index=True)


def network_budget(batched: pd.DataFrame, forward_format: ForwardFormat | str) -> NetworkBudget:
    """Split the error of a forward format by stage.

    ``batched`` is what :func:`batched_logits` returns, or a recording: rows of torch's float32, of
    the format and of those between, in the batching ``request``, and of the format ``alone``;
    without the latter there is no stage *batch*. Counted are the pairs that all of them have.
    Formats between that have no rows are left out. Raises :class:`InputError` without rows of
    float32 and of the format.
    """
    own = as_format(forward_format)
    if "threads" in batched:
        batched = batched[batched["threads"] == batched["threads"].min()]
    is_batched = not _logits(batched, own, ALONE).empty
    steps = [
        step
        for step in _steps(own, is_batched=is_batched)
        if step.forward_format == own or not _logits(batched, *_where(step)).empty
    ]
    if not any(step.stage == WEIGHTS for step in steps):
        steps = [
            replace(step, stage=TOGETHER) if step.stage == ACTIVATIONS else step for step in steps
        ]
    columns = [_logits(batched, as_format("float32"), USUAL)]
    columns += [_logits(batched, *_where(step)) for step in steps]
    if columns[0].empty or columns[-1].empty:
        raise InputError(
            f"there are no logits of float32 and {own.name} in their usual batches",
            f"score with formats including 'float32' and {own.name!r}",
            field="forward_format",
        )
    logits = pd.concat(columns, axis=1, join="inner").to_numpy(np.float64)
    order = tuple(step.stage for step in steps)
    place = {swapped: number for number, swapped in enumerate(swaps(order))}

    def values(swapped: Swapped) -> Values:
        """Logits with these stages swapped in."""
        return logits[:, place[swapped]]

    return NetworkBudget(own, len(logits), tuple(steps), attribute(values, [order]))


def _where(step: Step) -> tuple[ForwardFormat, str]:
    return step.forward_format, step.batching


def _logits(batched: pd.DataFrame, forward_format: ForwardFormat, batching: str) -> pd.Series:
    """Logits of a format in some batches, by pair."""
    rows = of_format(batched, forward_format)
    return rows[rows[BATCHES] == batching].set_index(KEYS)["logit"]


def _steps(own: ForwardFormat, *, is_batched: bool) -> list[Step]:
    """The stages of a format, in their order; the last before the batch is the format alone."""
    alone = ALONE if is_batched else USUAL
    batch = [Step(BATCH, own, USUAL)] if is_batched else []
    if (between := _with_weights(own)) is not None:
        return [Step(WEIGHTS, between, USUAL), Step(ACTIVATIONS, own, alone), *batch]
    if (between := _with_head(own)) is not None:
        return [Step(TOGETHER, between, USUAL), Step(HEAD, own, alone), *batch]
    return [Step(TOGETHER, own, alone), *batch]


def _with_weights(own: ForwardFormat) -> ForwardFormat | None:
    """A format with the same weights, and activations that are not quantised, or more finely."""
    if own.activation_scale not in ("token", "tensor"):
        return None
    others = [
        one
        for one in FORWARD_FORMATS.values()
        if (one.runtime, one.weights) == (own.runtime, own.weights)
        and one.activation_scale in ("none", "block")
    ]
    return next(iter(others), None)


def _with_head(own: ForwardFormat) -> ForwardFormat | None:
    """The same format with its head in float32; None for one whose head is."""
    if own.activation_scale != "static" or own.head == "float32":
        return None
    return next(
        one
        for one in FORWARD_FORMATS.values()
        if one == replace(own, head="float32", recipe=one.recipe)
    )
