"""What was measured of a set of scores: what a recommendation is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from analysis.remedies.effects import hps, raw, reordered, saturated, tied_in_top
from analysis.scorepath import ScorePath
from analysis.ties import score_frame
from analysis.verifying import Trial, time_saved

if TYPE_CHECKING:
    from analysis.fingerprinting import Verdict


@dataclass(frozen=True)
class Situation:
    """What was measured of a set of scores; None is what nobody knows.

    ``path`` is the score path. ``saturated`` counts candidates with a score of exactly 1.0 or 0.0,
    ``tied_in_top`` those of tie groups that reach into the first ``k`` ranks; ``tied_hps``,
    ``tied_raw`` and ``tied_float32`` count the same with a float32 sigmoid, by the raw logits, and
    by those of a float32 forward pass. ``reordered`` of ``queries`` have another top k by raw
    logits than by float32 ones. ``rescored`` is the share of candidates that verified top k
    rescores, and ``seconds`` what a pair takes by forward dtype. ``verdict`` is the fingerprint of
    the scores, where the path comes from that.
    """

    path: ScorePath | None
    saturated: int
    tied_in_top: int
    tied_hps: int | None = None
    tied_raw: int | None = None
    tied_float32: int | None = None
    reordered: int | None = None
    queries: int | None = None
    rescored: float | None = None
    seconds: Mapping[str, float] | None = None
    verdict: Verdict | None = None
    k: int = 10

    @property
    def saved(self) -> float | None:
        """Share of float32's time that verified top k saves; None where it was not measured."""
        seconds, path = self.seconds or {}, self.path
        if self.rescored is None or path is None:
            return None
        if not {path.forward_dtype, "float32"} <= seconds.keys():
            return None
        return time_saved(self.rescored, seconds[path.forward_dtype], seconds["float32"])

    @property
    def no_dtype_helps(self) -> bool:
        """Whether as many candidates tie by float32 logits as by the logits at hand."""
        ties = self.tied_float32, self.tied_raw
        return None not in ties and ties[0] >= ties[1]

    def numbers(self) -> dict[str, float]:
        """The known counts and shares, by the names of the fields."""
        counts = ("saturated", "tied_in_top", "tied_hps", "tied_raw", "tied_float32", "reordered")
        values = {name: getattr(self, name) for name in (*counts, "rescored", "saved")}
        return {name: float(value) for name, value in values.items() if value is not None}


def situation_of(
    logits: pd.DataFrame,
    path: ScorePath,
    *,
    k: int = 10,
    trial: Trial | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Situation:
    """Measure the situation of a path on logits.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of float32 and of the
    path's forward dtype; ``trial`` and ``seconds`` (per pair, by forward dtype) say what verified
    top k would cost.
    """
    own, by_logits = score_frame(logits, path), score_frame(logits, raw(path))
    float32 = score_frame(logits, raw(replace(path, forward_dtype="float32")))
    return Situation(
        path=path,
        saturated=saturated(own) if path.formula != "none" else 0,
        tied_in_top=tied_in_top(own, k),
        tied_hps=tied_in_top(score_frame(logits, hps(path)), k),
        tied_raw=tied_in_top(by_logits, k),
        tied_float32=tied_in_top(float32, k),
        reordered=reordered(float32, by_logits, k),
        queries=own["query_id"].nunique(),
        rescored=None if trial is None else trial.rescored,
        seconds=seconds,
        k=k,
    )
