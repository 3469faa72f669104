"""What is known of a set of scores when a remedy is to be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.formats import is_wide
from analysis.forwardformats import ForwardFormat
from analysis.remedies import table
from analysis.scorepath import ScorePath
from analysis.steps import NOISE, sets_apart
from analysis.ties import tied_in_top
from analysis.verifying import time_saved

if TYPE_CHECKING:
    from analysis.fingerprinting import Verdict

Harm = Literal["ties in the top", "saturated"]
TIES: Harm = "ties in the top"
SATURATED: Harm = "saturated"
_FLOAT32_LOGITS = "float32 throughout, by raw logits"
_KEPT = ("ones", "zeros", "tied_in_top", "first_shared", "first_lost", "reordered")


@dataclass(frozen=True, eq=False)
class Situation:
    """What is known of a set of scores; None is what nobody knows.

    ``measured`` is a table of :func:`analysis.remedies.measuring.measure`, indexed by remedy; only
    its first row, as it is, must be there. ``shared`` (n,) are the scores that tie in the top
    ``k``. ``exactly`` counts the candidates that tie there by float32 *logits*, which a float32
    sigmoid may tie again; ``apart`` tells whether these logits keep any of the tied candidates
    apart, by more than float32's own noise. ``rescored`` is the share of candidates that verified
    top k rescores, ``seconds`` what a pair takes by forward dtype, ``verdict`` the fingerprint of
    the scores, where the path comes from that. ``forward_format`` gives the path its logits, where
    that is known and is not torch in the path's dtype; ``networks`` is a table of
    :func:`analysis.remedies.networks.measure_networks` about it, by remedy.
    """

    path: ScorePath | None
    measured: pd.DataFrame
    shared: NDArray[np.float64]
    k: int = 10
    exactly: int | None = None
    apart: bool | None = None
    rescored: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    forward_format: ForwardFormat | None = None
    networks: pd.DataFrame | None = None

    @property
    def paths(self) -> tuple[ScorePath, ...]:
        """The path, or all that a fingerprint found; none where it could not tell."""
        if self.path is not None:
            return (self.path,)
        decided = self.verdict is not None and self.verdict.kind in ("sigmoid", "percent")
        return tuple(self.verdict.paths) if decided else ()

    @property
    def logits(self) -> str:
        """What to call the logits: by their forward format, or its dtype, where that is known."""
        if self.forward_format is not None:
            return f"{self.forward_format.name} logits"
        dtypes = {path.forward_dtype for path in self.paths}
        return f"{dtypes.pop()} logits" if len(dtypes) == 1 else "logits"

    @property
    def is_float32(self) -> bool:
        """Whether torch gives the path its logits in float32 or wider: nothing is more exact."""
        is_torch = self.forward_format is None or self.forward_format.is_torch
        return is_torch and self.path is not None and is_wide(self.path.forward_dtype)

    @property
    def is_bounded(self) -> bool:
        """Whether the errors of logits belong to their pairs, so that a bound can hold for them."""
        return self.forward_format is None or not self.forward_format.depends_on_batch

    def was_measured(self, remedy: str) -> bool:
        """Whether the remedy was measured on these candidates."""
        return remedy in self.measured.index

    def left(self, remedy: str, harm: Harm = TIES) -> int:
        """Candidates that tie in the top k, or saturate, with a remedy that was measured."""
        row = self.measured.loc[remedy]
        columns = ["tied_in_top"] if harm == TIES else ["ones", "zeros"]
        return int(row[columns].fillna(0).sum())

    def mends(self, remedy: str, harm: Harm = TIES) -> bool:
        """Whether a remedy was measured to leave less of a harm than there is."""
        return self.was_measured(remedy) and self.left(remedy, harm) < self.left(
            table.AS_IT_IS, harm
        )

    def proves(self, remedy: str, harm: Harm) -> bool:
        """Whether harmed scores stand for logits that the remedy tells apart."""
        ends = self.measured.loc[table.AS_IT_IS, ["ones", "zeros"]].fillna(0).astype(bool)
        scores = self.shared if harm == TIES else np.array([1.0, 0.0])[ends.to_numpy()]
        better = ScorePath.hps if remedy == table.HPS.name else ScorePath.raw
        proofs = [sets_apart(better(path), path, scores).any() for path in self.paths]
        return bool(proofs) and all(proofs)

    @property
    def print_ties(self) -> bool:
        """Whether it is the print, not the path, that ties at least half of the scores shared."""
        if self.path is None or not self.shared.size:
            return False
        by_print = sets_apart(self.path, self.path, self.shared, self.verdict.decimals)
        return bool(by_print.mean() >= 0.5)

    @property
    def saved(self) -> float | None:
        """Share of float32's time that verified top k saves; None where it was not measured."""
        if self.rescored is None or self.path is None:
            return None
        name = self.path.forward_dtype if self.forward_format is None else self.forward_format.name
        own, float32 = (self.seconds.get(one) for one in (name, "float32"))
        if own is None or float32 is None:
            return None
        return time_saved(self.rescored, own, float32)

    def numbers(self) -> dict[str, Any]:
        """What was measured, by remedy; missing counts are None."""
        counts = self.measured[list(_KEPT)].astype(object)
        by_remedy = counts.where(counts.notna(), None).to_dict("index")
        if self.exactly is not None:
            by_remedy[_FLOAT32_LOGITS] = {"tied_in_top": self.exactly}
        shares = {"rescored": self.rescored, "saved": self.saved}
        return by_remedy | {name: share for name, share in shares.items() if share is not None}


def told_apart(scored: pd.DataFrame, logits: pd.Series, k: int) -> bool:
    """Whether float32 logits keep apart any candidates that tie in the top ``k`` of their query.

    ``logits`` are those of the rows of ``scored``. What differs by no more than float32's own noise
    is not apart: the same pair in another batch differs by as much.
    """
    tied = scored.assign(logit=logits)[tied_in_top(scored, k)]
    groups = tied.groupby(["query_id", "score"], sort=False)["logit"]
    return bool((groups.max() - groups.min() > NOISE).any())
