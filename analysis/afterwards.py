"""What is done to a score afterwards, by whoever passes it on.

Some of it happens to the logit (a shift, a factor), some to each score (a clip, percent, the
formula of Elasticsearch), some to all scores of a query at once (min-max, softmax, ranks). What
each does to ties, to the order, to a threshold and to saturation stands in :data:`CONSEQUENCES`.

Sources: ``calibration_factor`` of Haystack's TransformersSimilarityRanker; the ``normalize`` option
of mxbai-rerank v2 (a shift); ``normalizeScore`` in Elasticsearch's text similarity reranker, which
may not return negative scores; reciprocal rank fusion, Cormack, Clarke & Büttcher, SIGIR 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.formats import Format

AfterKind = Literal[
    "nothing", "shift", "factor", "clip", "percent", "elasticsearch", "min-max", "softmax", "rank"
]
AFTER_KINDS: tuple[AfterKind, ...] = get_args(AfterKind)
_VALUES = {"shift": 1, "factor": 1, "clip": 2, "rank": 1}
_OVER_LISTS = ("min-max", "softmax", "rank")

Values = NDArray[np.float64]


class Consequences(NamedTuple):
    """What it does to ties, to the order within a query, to a threshold, and to saturation."""

    ties: str
    order: str
    thresholds: str
    saturation: str


_KEPT = "kept"
_MOVES = "move with it, the same for all queries"
_OWN = "mean something else for every query"
CONSEQUENCES: dict[AfterKind, Consequences] = {
    "nothing": Consequences(_KEPT, _KEPT, _KEPT, _KEPT),
    "shift": Consequences("fewer or more, as the logits reach other steps", _KEPT, _MOVES, "moves"),
    "factor": Consequences("fewer below 1, more above", _KEPT, _MOVES, "moves"),
    "clip": Consequences("made at both bounds", _KEPT, _KEPT, "ends at the bounds instead"),
    "percent": Consequences(_KEPT, _KEPT, "times 100", "at exactly 100"),
    "elasticsearch": Consequences("may be made by rounding", _KEPT, _MOVES, "none of its own"),
    "min-max": Consequences(
        "may be made by rounding", _KEPT, _OWN, "none: best and worst are 1 and 0 by construction"
    ),
    "softmax": Consequences(
        "may be made far from the best", _KEPT, _OWN, "near 0, for the far ones"
    ),
    "rank": Consequences("broken by the input order", _KEPT, _OWN, "none: only the rank is left"),
}
"""By kind; a table for people is in ``docs/library.md``."""


@dataclass(frozen=True)
class After:
    """What is done afterwards: a kind of :data:`AFTER_KINDS`, and its numbers.

    ``shift`` and ``factor`` take one number, for the logit; ``clip`` two bounds; ``rank`` the
    constant of reciprocal rank fusion. Raises :class:`InputError` for what is not known, and for
    numbers that are too many, too few, or none.

    >>> After("clip", (1e-7, 0.9999999)).text
    'clip:1e-07:0.9999999'
    """

    kind: AfterKind = "nothing"
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in AFTER_KINDS:
            raise InputError(
                f"unknown step afterwards {self.kind!r}",
                f"choose one of {', '.join(AFTER_KINDS)}",
                field="after",
            )
        wanted = _VALUES.get(self.kind, 0)
        if len(self.values) != wanted or not np.all(np.isfinite(self.values)):
            raise InputError(
                f"{self.kind} takes {wanted} finite numbers, not {self.values}",
                "write them behind colons: clip:1e-7:0.9999999",
                field="after",
            )
        if self.kind == "factor" and self.values[0] <= 0:
            raise InputError("a factor turns the order round", "give one above 0", field="after")
        if self.kind == "clip" and self.values[0] > self.values[1]:
            raise InputError("the bounds are swapped", "give the lower one first", field="after")

    @classmethod
    def of_text(cls, text: str) -> After:
        """Read the plain text form, such as ``shift:-4.5``; :attr:`text` writes it."""
        kind, *values = str(text).split(":")
        try:
            return cls(kind, tuple(map(float, values)))
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{text!r} has something else than numbers", "write shift:-4.5", field="after"
            ) from error

    @property
    def text(self) -> str:
        """The plain text form."""
        return ":".join([self.kind, *map(repr, self.values)])

    @property
    def over_lists(self) -> bool:
        """Whether it takes all scores of a query at once."""
        return self.kind in _OVER_LISTS

    @property
    def consequences(self) -> Consequences:
        """What it does to ties, order, thresholds and saturation."""
        return CONSEQUENCES[self.kind]

    @property
    def keeps_saturation(self) -> bool:
        """Whether a score of exactly 0 or one :attr:`unit` still is one that was rounded there."""
        return self.kind in ("nothing", "shift", "factor", "percent")

    @property
    def unit(self) -> float:
        """The score that stands for 1."""
        return 100.0 if self.kind == "percent" else 1.0

    def of_logits(self, logits: ArrayLike, number_format: Format) -> Values:
        """The logits (any shape) that the sigmoid receives, in its dtype; one rounding."""
        exact = np.asarray(logits, dtype=np.float64)
        if self.kind not in ("shift", "factor"):
            return exact
        own = number_format.round(exact).astype(np.float64)
        moved = own + self.values[0] if self.kind == "shift" else own * self.values[0]
        return number_format.round(moved).astype(np.float64)

    def of_scores(self, scores: ArrayLike, queries: ArrayLike | None = None) -> Values:
        """The scores (n,) that are passed on, in float64; ``queries`` (n,) names their lists.

        Raises :class:`InputError` where the lists are needed and not known.
        """
        exact = np.asarray(scores, dtype=np.float64)
        if self.kind == "clip":
            return np.clip(exact, *self.values)
        if self.kind == "percent":
            return exact * self.unit
        if self.kind == "elasticsearch":
            with np.errstate(over="ignore"):
                return np.maximum(exact, 0) + np.minimum(np.exp(exact), 1)
        if not self.over_lists:
            return exact
        if queries is None or np.shape(queries) != exact.shape or exact.ndim != 1:
            raise InputError(
                f"{self.kind} is taken over the scores of a query",
                "give the query of each score",
                field="queries",
            )
        names = np.unique(np.asarray(queries), return_inverse=True)[1]
        passed_on = np.empty(exact.shape)
        for name in range(names.max(initial=-1) + 1):
            passed_on[names == name] = self._of_list(exact[names == name])
        return passed_on

    def _of_list(self, scores: Values) -> Values:
        if self.kind == "min-max":
            return (scores - scores.min()) / (np.ptp(scores) or 1.0)
        if self.kind == "softmax":
            exponentials = np.exp(scores - scores.max())
            return exponentials / exponentials.sum()
        ranks = np.empty(scores.size)
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, scores.size + 1)
        return 1 / (self.values[0] + ranks)

    def __str__(self) -> str:
        numbers = " and ".join(f"{value:g}" for value in self.values)
        return {
            "nothing": "nothing afterwards",
            "shift": f"logit shifted by {self.values[0]:+g}" if self.values else "",
            "factor": f"logit times {numbers}",
            "clip": f"clipped at {numbers}",
            "percent": "times 100",
            "elasticsearch": "max(score, 0) + min(exp(score), 1)",
            "min-max": "min-max over each query",
            "softmax": "softmax over each query",
            "rank": f"1 / ({numbers} + rank)",
        }[self.kind]
