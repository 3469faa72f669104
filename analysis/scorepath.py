"""The score path: every stage between a logit and its place in the order.

    forward dtype → logit → [cast] → sigmoid formula in the activation dtype → [cast] → stored dtype
    → order, under a tie rule

Engines differ in nothing else; :mod:`analysis.engines` names theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.formats import format_of
from analysis.sigmoids import sigmoid

PathFormula = Literal["fused", "stepwise", "none"]
TieRule = Literal["input order", "docid ascending", "docid descending", "expected"]
TIE_RULES: tuple[TieRule, ...] = get_args(TieRule)


@dataclass(frozen=True)
class ScorePath:
    """How an engine turns the model's logit into the score it returns.

    ``forward_dtype`` is what the network runs in. ``formula`` is evaluated in
    ``activation_dtype``: a wider one than the forward dtype is HPS (upcast before the
    activation). ``none`` returns the logit itself. ``stored_dtype`` is what the array, JSON or run
    file holds. ``tie_rule`` says who comes first among equal scores. Two paths are equal when all
    five stages are; the name does not count. An unknown stage raises
    :class:`~analysis.errors.InputError`.
    """

    forward_dtype: str = "float32"
    formula: PathFormula = "fused"
    activation_dtype: str = "float32"
    stored_dtype: str = "float32"
    tie_rule: TieRule = "input order"
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for dtype in (self.forward_dtype, self.activation_dtype, self.stored_dtype):
            format_of(dtype)
        for stage, value, known in (
            ("formula", self.formula, get_args(PathFormula)),
            ("tie_rule", self.tie_rule, TIE_RULES),
        ):
            if value not in known:
                raise InputError(
                    f"unknown {stage} {value!r}", f"choose one of {', '.join(known)}", field=stage
                )

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Logits as the network's forward dtype holds them: each rounded once.

        Logits that a forward pass in that dtype returned pass unchanged. Shape kept.
        """
        return format_of(self.forward_dtype).round(logits).astype(np.float64)

    def scores(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Scores of an array of logits (any shape), each exactly a value of the stored dtype.

        They come as float64, which holds every stored value exactly. NaN stays NaN; with formula
        ``none`` the scores are the logits, rounded to the stored dtype.
        """
        forwarded = self.logits(logits)
        stored = format_of(self.stored_dtype)
        if self.formula == "none":
            return stored.round(forwarded).astype(np.float64)
        activated = sigmoid(forwarded, self.formula, self.activation_dtype)
        return stored.round(activated).astype(np.float64)

    @property
    def computation(self) -> str:
        """The stages that leave a trace in the scores: all but the tie rule."""
        sigmoid_ = (
            "no sigmoid"
            if self.formula == "none"
            else f"{self.formula} sigmoid in {self.activation_dtype}"
        )
        return f"{self.forward_dtype} logits → {sigmoid_} → stored as {self.stored_dtype}"

    def __str__(self) -> str:
        stages = f"{self.computation} → ties by {self.tie_rule}"
        return f"{self.name}: {stages}" if self.name else stages
