"""The score path: every stage between a logit and its place in the order.

    forward dtype → logit → [cast] → sigmoid formula in the activation dtype → [cast] → stored dtype
    → order, under a tie rule

Engines differ in nothing else; :mod:`analysis.engines` names theirs. Whoever wants to know
something about a path asks it, here or in :mod:`analysis.steps`; nobody takes it apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.formats import FORMATS, format_of, is_wide
from analysis.sigmoids import sigmoid

PathFormula = Literal["fused", "stepwise", "none"]
TieRule = Literal["input order", "docid ascending", "docid descending", "expected"]
TIE_RULES: tuple[TieRule, ...] = get_args(TieRule)
_NO_SIGMOID: PathFormula = "none"
_KEYS = {
    "forward": "forward_dtype",
    "sigmoid": "formula",
    "activation": "activation_dtype",
    "stored": "stored_dtype",
    "ties": "tie_rule",
}
"""The stages as the plain text form of a path calls them, and as its fields are called."""
_WORDS = {"formula": get_args(PathFormula), "tie_rule": TIE_RULES}
"""The values of the stages that are no dtypes."""


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
        for stage in _KEYS.values():
            _check_stage(stage, getattr(self, stage), stage)

    @classmethod
    def of_text(cls, text: str) -> ScorePath:
        """Read the plain text form of a path, as :attr:`text` writes it.

        ``forward=float16,sigmoid=stepwise,activation=float16,stored=float16,ties=input order``;
        only ``forward`` must be there. Left out, the sigmoid is ``fused``, the activation dtype is
        the forward dtype, the stored dtype is the activation dtype, and ties stand in input order.
        """
        parts = [part.partition("=") for part in str(text).split(",")]
        stages = {key.strip(): value.strip() for key, _, value in parts}
        if len(stages) < len(parts) or not {"forward"} <= stages.keys() <= _KEYS.keys():
            raise InputError(
                f"{text!r} is no score path",
                f"write forward=DTYPE and, separated by commas, what differs from its defaults: "
                f"{', '.join(list(_KEYS)[1:])}, each once",
                field="path",
            )
        for key, value in stages.items():
            _check_stage(_KEYS[key], value, key)
        stages.setdefault("activation", stages["forward"])
        stages.setdefault("stored", stages["activation"])
        return cls(**{_KEYS[key]: value for key, value in stages.items()})

    @property
    def text(self) -> str:
        """The path in plain text, for a command line; :meth:`of_text` reads it back."""
        return ",".join(f"{key}={getattr(self, name)}" for key, name in _KEYS.items())

    @property
    def has_sigmoid(self) -> bool:
        """Whether scores are those of a sigmoid, in [0, 1]; otherwise they are the logits."""
        return self.formula != _NO_SIGMOID

    @property
    def is_hps(self) -> bool:
        """Whether logits are upcast before the sigmoid (high-precision scoring)."""
        wider = format_of(self.activation_dtype).bits > format_of(self.forward_dtype).bits
        return self.has_sigmoid and wider

    @property
    def has_narrow_sigmoid(self) -> bool:
        """Whether the sigmoid is evaluated in fewer bits than float32 has."""
        return self.has_sigmoid and not is_wide(self.activation_dtype)

    @property
    def has_short_routine(self) -> bool:
        """Whether torch evaluates its sigmoid otherwise, in last bits, for short arrays."""
        return self.formula == "fused" and format_of(self.activation_dtype).bits <= 32

    @property
    def stages(self) -> dict[str, str]:
        """The stages that leave a trace in the scores, by field: all but the tie rule."""
        return {name: getattr(self, name) for name in list(_KEYS.values())[:-1]}

    @property
    def parts(self) -> tuple[str, str, str]:
        """Those stages in words: the logits, the sigmoid, and what its score is stored as."""
        if self.has_sigmoid:
            middle = f"{self.formula} sigmoid in {self.activation_dtype}"
        else:
            middle = "no sigmoid"
        return f"{self.forward_dtype} logits", middle, f"stored as {self.stored_dtype}"

    @property
    def computation(self) -> str:
        """The :attr:`parts` in one line."""
        return " → ".join(self.parts)

    def hps(self) -> ScorePath:
        """The path with its logits upcast: ``torch.sigmoid`` and scores in float32 or wider.

        A path that is derived from another has no name: it is nobody's engine.
        """
        wide = self.forward_dtype if is_wide(self.forward_dtype) else "float32"
        return replace(
            self,
            formula="fused",
            activation_dtype=wide,
            stored_dtype=wide,
            name="",
        )

    def raw(self) -> ScorePath:
        """The path without a sigmoid: its scores are the logits, every bit of them."""
        dtype = self.forward_dtype
        return replace(
            self,
            formula=_NO_SIGMOID,
            activation_dtype=dtype,
            stored_dtype=dtype,
            name="",
        )

    def reduced(self) -> ScorePath:
        """The path without what changes no score: two that reduce to one score all logits alike.

        A cast to a dtype that holds every value already falls away, and so does the activation
        dtype where there is no sigmoid. The tie rule stays.
        """
        last = self.activation_dtype if self.has_sigmoid else self.forward_dtype
        idle = format_of(self.stored_dtype).holds(format_of(last))
        return replace(
            self,
            activation_dtype=last,
            stored_dtype=last if idle else self.stored_dtype,
            name="",
        )

    def within(self, forward_dtype: str) -> ScorePath:
        """The same stages after a network that runs in another forward dtype."""
        return replace(self, forward_dtype=forward_dtype, name="")

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Logits as the network's forward dtype holds them: each rounded once.

        Logits that a forward pass in that dtype returned pass unchanged. Shape kept.
        """
        return format_of(self.forward_dtype).round(logits).astype(np.float64)

    def scores(self, logits: ArrayLike, *, short: bool = False) -> NDArray[np.float64]:
        """Scores of an array of logits (any shape), each exactly a value of the stored dtype.

        They come as float64, which holds every stored value exactly. NaN stays NaN; without a
        sigmoid the scores are the logits, rounded to the stored dtype. ``short`` evaluates a fused
        sigmoid as torch does it for an array as short as one query's: see
        :func:`~analysis.sigmoids.sigmoid`.
        """
        forwarded = self.logits(logits)
        if self.has_sigmoid:
            forwarded = sigmoid(forwarded, self.formula, self.activation_dtype, short=short)
        return format_of(self.stored_dtype).round(forwarded).astype(np.float64)

    def __str__(self) -> str:
        stages = f"{self.computation} → ties by {self.tie_rule}"
        return f"{self.name}: {stages}" if self.name else stages


def _check_stage(stage: str, value: object, field: str) -> None:
    """Check a stage's value; ``field`` is what the user called the stage."""
    known = _WORDS.get(stage, tuple(FORMATS))
    if not isinstance(value, str) or value not in known:
        kind = stage.replace("_", " ") if stage in _WORDS else "dtype"
        raise InputError(
            f"unknown {kind} {value!r}", f"choose one of {', '.join(known)}", field=field
        )


FLOAT32_REFERENCE = ScorePath(name="float32 reference")
"""Forward pass, ``torch.sigmoid`` and stored score in float32: what others are compared with."""
