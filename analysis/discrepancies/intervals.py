"""One side of a comparison: which logits its scores allow, and which dtypes its network.

A score stands for an interval of logits under a path. Where several paths may have made the scores,
the interval holds those of all; so two scores whose intervals meet can come from one logit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.engines import known_paths
from analysis.fingerprinting import Verdict, fingerprint
from analysis.formats import FORWARD_DTYPES, HALVES, format_of
from analysis.scorepath import ScorePath
from analysis.steps import logit_intervals

Values = NDArray[np.float64]
Ends = tuple[Values, Values]

_LOGITS = ("logits", "no sigmoid")
_PROBABILITIES = ("sigmoid", "softmax", "percent", "log-probabilities", "cannot tell", "constant")


@dataclass(frozen=True)
class Side:
    """Scores of one engine: ``frame`` has ``query_id, passage_id, score, logit`` (NaN: unknown).

    ``path`` is the score path where it is known, with the dtype that the network really ran in;
    otherwise the fingerprint is asked, or ``judged`` is its verdict on more scores than these.
    ``decimals`` as for :func:`analysis.fingerprint`.
    """

    name: str
    frame: pd.DataFrame
    path: ScorePath | None = None
    decimals: int | None = None
    judged: Verdict | None = None

    @cached_property
    def verdict(self) -> Verdict:
        """The fingerprint of the scores."""
        return self.judged or fingerprint(
            self.frame["score"].to_numpy(),
            self.frame["logit"].to_numpy() if self.has_logits else None,
            queries=self.frame["query_id"],
            decimals=self.decimals,
        )

    @property
    def has_logits(self) -> bool:
        """Whether the logit of every pair is known."""
        return bool(self.frame["logit"].notna().all())

    @property
    def is_constant(self) -> bool:
        """Whether all scores are one."""
        return self.frame["score"].nunique() == 1

    @cached_property
    def paths(self) -> tuple[ScorePath, ...]:
        """Paths that may have made the scores; none where no path says anything about them."""
        if self.path is not None:
            return (self.path,)
        if self.verdict.path is not None:
            return (self.verdict.path,)
        if self.verdict.kind not in _PROBABILITIES:
            return ()
        if self.verdict.kind == "cannot tell":
            # No known path made all of them: then paths that return any number did not either.
            return self.verdict.paths
        return self.verdict.paths or tuple(known_paths())

    @property
    def named(self) -> tuple[ScorePath, ...]:
        """Those of the paths that somebody or something names: scores without evidence name none.

        One score over and over fits nearly every path.
        """
        is_told = self.verdict.path is not None or bool(self.verdict.paths)
        if self.path is None and (self.is_constant or not is_told):
            return ()
        return self.paths

    @property
    def half(self) -> str | None:
        """The half type that raw logits are written in, where they show one."""
        if self.has_logits or self.paths or self.verdict.kind not in _LOGITS:
            return None
        stored = self.verdict.stage("stored dtype")
        return stored.values[0] if stored.certain and stored.values[0] in HALVES else None

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """Forward dtypes that the network may have run in.

        Half logits show their dtype. Float32 logits do not: a network in a half type may have a
        head in float32.
        """
        if self.path is not None:
            return (self.path.forward_dtype,)
        found = self.verdict.stage("forward dtype")
        known = found.certain and found.values[0] in HALVES
        return found.values if known else FORWARD_DTYPES

    @cached_property
    def ends(self) -> Ends | None:
        """Lowest and highest logit of each row (n,); None where scores stand for no logits."""
        if self.has_logits:
            logits = self.frame["logit"].to_numpy()
            return logits, logits
        scores = self.frame["score"].to_numpy()
        if not self.paths and self.verdict.kind in _LOGITS:
            return self._printed(scores)
        found = [logit_intervals(path, scores, self._decimals) for path in self.paths]
        made = [ends for ends in found if ends is not None]
        if not made:
            return None
        lows, highs = zip(*made, strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    @property
    def _decimals(self) -> int | None:
        known = self.decimals is not None or self.path is not None
        return self.decimals if known else self.verdict.decimals

    def _printed(self, scores: Values) -> Ends:
        """Scores that are logits, to within half of their last decimal or of a half type's step."""
        if self.half is not None:
            stored = format_of(self.half)
            below, above = stored.spacing_below(scores), stored.spacing_above(scores)
            return scores - below / 2, scores + above / 2
        half = 0.0 if self._decimals is None else 0.5 * 10.0**-self._decimals
        return scores - half, scores + half


@dataclass(frozen=True)
class Pairs:
    """What both sides say of the same pairs; every array has the shape (n,).

    ``queries`` numbers the queries. ``lengths`` of the texts are None where nobody knows them. Ends
    of logits are None for a side whose scores stand for none.
    """

    queries: NDArray[np.int64]
    scores: Ends
    first: Ends | None
    second: Ends | None
    lengths: Values | None = None

    @property
    def has_logits(self) -> bool:
        """Whether scores of both sides stand for logits."""
        return self.first is not None and self.second is not None

    @property
    def gaps(self) -> Values:
        """Least difference of the logits that the two scores need; 0 if one logit is enough."""
        return gaps(self.first, self.second)

    @property
    def widths(self) -> Values:
        """How much of a difference would not show."""
        return (self.first[1] - self.first[0]) + (self.second[1] - self.second[0])

    @property
    def spread(self) -> float:
        """Standard deviation of the logits that are known best; 0 where there are none."""
        known = np.isfinite(self.widths)
        middles = [middle(one)[known] for one in (self.first, self.second)]
        return max((float(np.std(one)) for one in middles if one.size), default=0.0)


def gaps(first: Ends, second: Ends) -> Values:
    """Distance between two intervals of each row; 0 where they meet."""
    return np.maximum(0, np.maximum(first[0] - second[1], second[0] - first[1]))


def middle(ends: Ends) -> Values:
    """Middle of each interval; the finite end of one that is open."""
    low, high = (np.where(np.isinf(ends).all(axis=0), 0.0, end) for end in ends)
    low, high = np.where(np.isinf(low), high, low), np.where(np.isinf(high), low, high)
    return low + (high - low) / 2
