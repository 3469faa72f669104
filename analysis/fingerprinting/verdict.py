"""The verdict of a fingerprint: what was found, on which evidence, and what would tell more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from analysis.errors import counted
from analysis.scorepath import ScorePath

_PATHS_SHOWN = 4

Kind = Literal["sigmoid", "logits", "softmax", "sigmoid twice", "mixture", "cannot tell"]


@dataclass(frozen=True)
class Verdict:
    """How a list of scores was computed, as far as the scores show it.

    - ``kind``: which family of computation; ``cannot tell`` where the evidence does not decide.
    - ``path``: the one path found, ``None`` where several remain. Among paths that give the same
      score for every logit it is the one with the narrowest dtypes.
    - ``paths``: every path that the evidence allows, most specific first; those that are bitwise
      indistinguishable stand together. For a mixture: the paths of its two parts.
    - ``decimals``: the scores were rounded to so many decimals (``None``: they were not).
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

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready values; keys are the fields, paths are objects."""
        return asdict(self) | {
            "path": None if self.path is None else self.path.stages,
            "paths": [path.stages for path in self.paths],
        }

    def __str__(self) -> str:
        allowed = [f"allowed: {path.computation}" for path in self.paths[:_PATHS_SHOWN]]
        if len(self.paths) > _PATHS_SHOWN:
            allowed.append(f"allowed as well: {len(self.paths) - _PATHS_SHOWN} more paths")
        found = [f"path: {self.path.computation}"] if self.path else allowed
        lines = [
            f"{self.kind} ({counted(self.n_scores, 'score')}, {self.n_distinct:,} distinct)",
            *found,
        ]
        if self.decimals is not None:
            lines.append(f"rounded to {counted(self.decimals, 'decimal place')}")
        if self.calibration is not None:
            lines.append(f"calibration factor: {self.calibration:g}")
        lines.append(f"because: {self.reason}")
        return "\n".join([*lines, f"would tell more: {self.wanted}"] if self.wanted else lines)
