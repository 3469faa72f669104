"""The score path: every stage between a logit and its place in the order.

    forward dtype → head → logit → [cast] → sigmoid formula in the activation dtype → [cast]
    → stored dtype → what is done afterwards → order, under a tie rule

Head (:mod:`analysis.heads`) and afterwards (:mod:`analysis.afterwards`) are empty on most paths:
one logit leaves the network, and its score is passed on as it is.

Engines differ in nothing else; :mod:`analysis.engines` names theirs. Whoever wants to know
something about a path asks it, here or in :mod:`analysis.steps`; nobody takes it apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.afterwards import After
from analysis.errors import InputError
from analysis.formats import FORMATS, format_of, is_wide
from analysis.heads import Head
from analysis.sigmoids import sigmoid

PathFormula = Literal["fused", "stepwise", "none"]
TieRule = Literal[
    "input order", "reversed input order", "docid ascending", "docid descending", "expected"
]
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
_ONE, _NOTHING = Head(), After()
_EMPTY: dict[str, Head | After] = {"head": _ONE, "after": _NOTHING}
"""The stages that most paths have not, and what stands for none."""
_WORDS = {"formula": get_args(PathFormula), "tie_rule": TIE_RULES}
"""The values of the stages that are no dtypes."""


@dataclass(frozen=True)
class ScorePath:
    """How an engine turns the model's logit into the score it returns.

    ``forward_dtype`` is what the network runs in. ``formula`` is evaluated in
    ``activation_dtype``: a wider one than the forward dtype is HPS (upcast before the
    activation). ``none`` returns the logit itself. ``stored_dtype`` is what the array, JSON or run
    file holds. ``tie_rule`` says who comes first among equal scores. ``head`` says how the logit
    comes from the network, ``after`` what is done to the score afterwards; both may be given in
    plain text. Two paths are equal when all stages are; the name does not count. An unknown stage
    raises :class:`~analysis.errors.InputError`.
    """

    forward_dtype: str = "float32"
    formula: PathFormula = "fused"
    activation_dtype: str = "float32"
    stored_dtype: str = "float32"
    tie_rule: TieRule = "input order"
    name: str = field(default="", compare=False)
    head: Head = _ONE
    after: After = _NOTHING

    def __post_init__(self) -> None:
        for stage, empty in _EMPTY.items():
            value = getattr(self, stage)
            if isinstance(value, str):
                object.__setattr__(self, stage, type(empty).of_text(value))
        for stage in _KEYS.values():
            _check_stage(stage, getattr(self, stage), stage)

    @classmethod
    def of_text(cls, text: str) -> ScorePath:
        """Read the plain text form of a path, as :attr:`text` writes it.

        ``forward=float16,sigmoid=stepwise,activation=float16,stored=float16,ties=input order``;
        only ``forward`` must be there. Left out, the sigmoid is ``fused``, the activation dtype is
        the forward dtype, the stored dtype is the activation dtype, and ties stand in input order.
        ``head=difference:bfloat16`` and ``after=shift:-4.5`` may follow.
        """
        parts = [part.partition("=") for part in str(text).split(",")]
        stages = {key.strip(): value.strip() for key, _, value in parts}
        known = (*_KEYS, *_EMPTY)
        if len(stages) < len(parts) or not {"forward"} <= stages.keys() <= set(known):
            raise InputError(
                f"{text!r} is no score path",
                f"write forward=DTYPE and, separated by commas, what differs from its defaults: "
                f"{', '.join(known[1:])}, each once",
                field="path",
            )
        empty = {key: stages.pop(key) for key in _EMPTY if key in stages}
        for key, value in stages.items():
            _check_stage(_KEYS[key], value, key)
        stages.setdefault("activation", stages["forward"])
        stages.setdefault("stored", stages["activation"])
        return cls(**{_KEYS[key]: value for key, value in stages.items()}, **empty)

    @property
    def text(self) -> str:
        """The path in plain text, for a command line; :meth:`of_text` reads it back."""
        stages = {key: getattr(self, name) for key, name in _KEYS.items()} | self._filled
        return ",".join(f"{key}={value}" for key, value in stages.items())

    @property
    def _filled(self) -> dict[str, str]:
        """Head and afterwards in plain text, where they are not empty."""
        stages = {stage: getattr(self, stage) for stage in _EMPTY}
        return {stage: one.text for stage, one in stages.items() if one != _EMPTY[stage]}

    @property
    def has_sigmoid(self) -> bool:
        """Whether scores are those of a sigmoid, or of a softmax over two labels."""
        return self.formula != _NO_SIGMOID or self.head.gives_probability

    @property
    def is_plain(self) -> bool:
        """Whether one logit leaves the network and nothing is done to its score afterwards."""
        return self.head == _ONE and self.after == _NOTHING

    @property
    def saturates(self) -> bool:
        """Whether a score at the very end, 0 or 1 (100 for percent), is one that was rounded there.

        Not so where a clip or a list's own best and worst stand there.
        """
        return self.has_sigmoid and self.after.keeps_saturation

    @property
    def has_steps(self) -> bool:
        """Whether its scores rise with the logit, so that each stands for an interval of logits."""
        return self.head.is_monotonic and not self.after.over_lists

    @property
    def logit_dtype(self) -> str:
        """The dtype in which the logit leaves the head."""
        return self.head.logit_dtype(self.forward_dtype)

    @property
    def sigmoid_dtype(self) -> str:
        """The dtype that the sigmoid, or the softmax of the head, is evaluated in."""
        return self.head.dtype if self.head.gives_probability else self.activation_dtype

    @property
    def evaluation(self) -> str:
        """What makes a probability of the logit, and in which dtype, in words."""
        if self.head.gives_probability:
            return f"{self.head.kind} over two labels in {self.head.dtype}"
        return f"{self.formula} in {self.activation_dtype}"

    @property
    def is_hps(self) -> bool:
        """Whether logits are upcast before the sigmoid (high-precision scoring)."""
        wider = format_of(self.sigmoid_dtype).bits > format_of(self.forward_dtype).bits
        return self.has_sigmoid and wider

    @property
    def has_narrow_sigmoid(self) -> bool:
        """Whether the sigmoid is evaluated in fewer bits than float32 has."""
        return self.has_sigmoid and not is_wide(self.sigmoid_dtype)

    @property
    def has_short_routine(self) -> bool:
        """Whether torch evaluates its sigmoid otherwise, in last bits, for short arrays."""
        return self.formula == "fused" and format_of(self.activation_dtype).bits <= 32

    @property
    def stages(self) -> dict[str, str]:
        """The stages that leave a trace in the scores, by field: all but the tie rule.

        Head and afterwards are left out where they are empty.
        """
        return {name: getattr(self, name) for name in list(_KEYS.values())[:-1]} | self._filled

    @property
    def parts(self) -> tuple[str, ...]:
        """Those stages in words: the logits, the sigmoid, and what its score is stored as.

        The head stands behind the logits, what is done afterwards at the end, where they are not
        empty.
        """
        parts = [f"{self.forward_dtype} logits"]
        if self.head != _ONE:
            parts.append(str(self.head))
        if self.formula != _NO_SIGMOID:
            parts.append(f"{self.formula} sigmoid in {self.activation_dtype}")
        elif self.head.gives_logit:
            parts.append("no sigmoid")
        parts.append(f"stored as {self.stored_dtype}")
        return tuple([*parts, str(self.after)] if self.after != _NOTHING else parts)

    @property
    def computation(self) -> str:
        """The :attr:`parts` in one line."""
        return " → ".join(self.parts)

    @property
    def named(self) -> ScorePath:
        """The path, called by its stages if it has no name."""
        return replace(self, name=self.name or self.computation)

    @property
    def stores_its_last_dtype(self) -> bool:
        """Whether scores are stored in the dtype that they were computed in."""
        last = self.activation_dtype if self.has_sigmoid else self.forward_dtype
        return self.stored_dtype == last

    def hps(self) -> ScorePath:
        """The path with its logits upcast: ``torch.sigmoid`` and scores in float32 or wider.

        A pair of logits is upcast before it is subtracted or soft-maxed. A path that is derived
        from another has no name: it is nobody's engine.
        """
        wide = self.forward_dtype if is_wide(self.forward_dtype) else "float32"
        labels = self.formula == _NO_SIGMOID and not self.head.gives_logit
        return replace(
            self,
            formula=_NO_SIGMOID if labels else "fused",
            head=replace(self.head, dtype=wide) if self.head.dtype else self.head,
            activation_dtype=wide,
            stored_dtype=wide,
            name="",
        )

    def raw(self) -> ScorePath:
        """The path without a sigmoid: its scores are the logits, every bit of them."""
        dtype, head = self.logit_dtype, self.head
        return replace(
            self,
            head=head if head.gives_logit else Head("difference", dtype),
            after=_NOTHING,
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
        last = self.logit_dtype if self.formula == _NO_SIGMOID else self.activation_dtype
        idle = format_of(self.stored_dtype).holds(format_of(last))
        return replace(
            self,
            activation_dtype=last,
            stored_dtype=last if idle else self.stored_dtype,
            name="",
        )

    def within(self, forward_dtype: str) -> ScorePath:
        """The same stages after a network that runs in another forward dtype.

        A head that is evaluated in the forward dtype follows.
        """
        follows = self.head.dtype == self.forward_dtype
        head = replace(self.head, dtype=forward_dtype) if follows else self.head
        return replace(self, forward_dtype=forward_dtype, head=head, name="")

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Logits as they leave the head, in the forward dtype as a rule: each rounded once.

        Logits that a forward pass in that dtype returned pass unchanged. Shape kept.
        """
        return format_of(self.logit_dtype).round(logits).astype(np.float64)

    def scores(
        self, logits: ArrayLike, *, short: bool = False, queries: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Scores of an array of logits (any shape), each exactly a value of the stored dtype.

        They come as float64, which holds every stored value exactly. NaN stays NaN; without a
        sigmoid the scores are the logits, rounded to the stored dtype. A logit stands for a pair
        (0, logit) where the head has two labels; :meth:`scores_of_pairs` takes both. ``short``
        evaluates a fused sigmoid as torch does it for an array as short as one query's: see
        :func:`~analysis.sigmoids.sigmoid`. ``queries`` (n,) names the query of each logit; what is
        done over a query's list afterwards needs it, and raises :class:`InputError` without.
        """
        return self._scores_of_head(self.head.evaluate(self.logits(logits)), short, queries)

    def scores_of_pairs(
        self, no: ArrayLike, yes: ArrayLike, *, queries: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Scores of pairs of logits (any shape, the same for both), by what the head does to them.

        A head with one output takes ``yes``.
        """
        difference = self.head.difference(no, yes, self.forward_dtype)
        return self._scores_of_head(self.head.evaluate(difference), False, queries)

    def _scores_of_head(
        self, values: NDArray[np.float64], short: bool, queries: ArrayLike | None
    ) -> NDArray[np.float64]:
        """Scores of what leaves the head."""
        if self.formula == _NO_SIGMOID:
            values = self.after.of_logits(values, format_of(self.logit_dtype))
        else:
            activation = format_of(self.activation_dtype)
            values = sigmoid(
                self.after.of_logits(values, activation), self.formula, activation, short=short
            )
        stored = format_of(self.stored_dtype).round(values).astype(np.float64)
        return self.after.of_scores(stored, queries)

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
