"""The verdict of a fingerprint: stage by stage what the scores show, on which evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from analysis.errors import counted
from analysis.scorepath import ScorePath

_VALUES_SHOWN = 4

Kind = Literal[
    "sigmoid",
    "softmax",
    "sigmoid twice",
    "mixture",
    "logits",
    "percent",
    "log-probabilities",
    "min-max",
    "list softmax",
    "ranks",
    "whole numbers",
    "constant",
    "no sigmoid",
    "cannot tell",
]
_BOUNDED = ("sigmoid", "softmax", "sigmoid twice", "mixture", "percent", "cannot tell")
"""Kinds in which a score at the very end may be one that a sigmoid rounded there."""

Stage = Literal["stored dtype", "sigmoid", "forward dtype", "after"]


@dataclass(frozen=True)
class StageVerdict:
    """What the scores show of one stage of the path that made them.

    ``values`` are those that the evidence leaves, the best first: one of them is certain, several
    are open, and so is none, where nothing is known. ``odds`` is log10 of the odds against the
    next best value, 0 where the stage is open. ``wanted`` says what would decide an open stage.
    """

    stage: Stage
    values: tuple[str, ...] = ()
    odds: float = 0.0
    wanted: str = ""

    @property
    def certain(self) -> bool:
        """Whether one value is left."""
        return len(self.values) == 1

    def to_dict(self) -> dict[str, Any]:
        """Return the stage as JSON-ready values; keys are the fields, and ``certain``."""
        return asdict(self) | {"values": list(self.values), "certain": self.certain}

    def __str__(self) -> str:
        if self.certain:
            return f"{self.stage}: {self.values[0]}, certain (10^{self.odds:.0f})"
        wanted = f"; would decide: {self.wanted}" if self.wanted else ""
        if not self.values:
            return f"{self.stage}: open{wanted}"
        shown = [*self.values[:_VALUES_SHOWN]]
        if len(self.values) > _VALUES_SHOWN:
            shown.append(f"{len(self.values) - _VALUES_SHOWN} more")
        return f"{self.stage}: open between {', '.join(shown[:-1])} and {shown[-1]}{wanted}"


@dataclass(frozen=True)
class Verdict:
    """How a list of scores was computed, as far as the scores show it.

    - ``kind``: which family of computation; ``cannot tell`` where the evidence does not decide. A
      stage may be certain all the same.
    - ``stages``: one :class:`StageVerdict` for each stage that can have left a trace.
    - ``path``: the one path found, ``None`` where several remain. Among paths that give the same
      score for every logit it is the one with the narrowest dtypes.
    - ``paths``: every path that the evidence allows, most specific first; those that are bitwise
      indistinguishable stand together. For a mixture: the paths of its two parts.
    - ``decimals``, ``digits``: the scores were rounded to so many decimals, or significant digits
      (``None``: they were not).
    - ``calibration``: factor on the logit before the sigmoid, where one is detectable; that needs
      the raw logits.
    - ``odds``: log10 of the odds against scores of a smooth distribution, stored in the format
      seen, falling on the values that the path attains by chance; 0 where nothing speaks.
    - ``reason``: one sentence with the numbers behind it; ``wanted``: what would tell more.
    """

    kind: Kind
    path: ScorePath | None = None
    paths: tuple[ScorePath, ...] = ()
    decimals: int | None = None
    calibration: float | None = None
    n_scores: int = 0
    n_distinct: int = 0
    odds: float = 0.0
    reason: str = ""
    wanted: str = ""
    stages: tuple[StageVerdict, ...] = ()
    digits: int | None = None

    @property
    def bounded(self) -> bool:
        """Whether a score at the very end of the range counts as saturated.

        It does where a sigmoid or a softmax rounds there, and where nobody knows; the 1.0 of a
        list's best under min-max, of a clamp or of a rating is no saturation.
        """
        return self.kind in _BOUNDED

    @property
    def unit(self) -> float:
        """The score that stands for 1: 100 for percentages."""
        return 100.0 if self.kind == "percent" else 1.0

    def stage(self, stage: Stage) -> StageVerdict:
        """What is known of one stage; nothing, if the verdict has no word on it."""
        return next((one for one in self.stages if one.stage == stage), StageVerdict(stage))

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready values; keys are the fields, paths are objects."""
        return asdict(self) | {
            "path": None if self.path is None else self.path.stages,
            "paths": [path.stages for path in self.paths],
            "stages": [one.to_dict() for one in self.stages],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.kind} ({counted(self.n_scores, 'score')}, {self.n_distinct:,} distinct)",
            *([f"path: {self.path.computation}"] if self.path else []),
            *map(str, self.stages),
        ]
        for number, noun in ((self.decimals, "decimal place"), (self.digits, "significant digit")):
            if number is not None and self.kind != "constant":  # 0.5 was not rounded to be that
                lines.append(f"rounded to {counted(number, noun)}")
        if self.calibration is not None:
            lines.append(f"calibration factor: {self.calibration:g}")
        lines.append(f"because: {self.reason}")
        return "\n".join([*lines, f"would tell more: {self.wanted}"] if self.wanted else lines)


def certain(stages: Iterable[StageVerdict], odds: float, **values: str) -> tuple[StageVerdict, ...]:
    """Stages with some of them certain: ``stored_dtype="bfloat16"``; the others as they are."""
    names: dict[str, str] = {name.replace("_", " "): value for name, value in values.items()}
    kept = [
        StageVerdict(s.stage, (names.pop(s.stage),), odds) if s.stage in names else s
        for s in stages
    ]
    return (*kept, *(StageVerdict(name, (value,), odds) for name, value in names.items()))
