"""An entry of the catalogue: one engine in a range of versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from analysis.formats import FORWARD_DTYPES
from analysis.heads import Head
from analysis.scorepath import PathFormula, ScorePath, TieRule

Device = Literal["cuda", "mps", "cpu"]
DEVICES: tuple[Device, ...] = get_args(Device)
CHECKPOINT = "checkpoint"
"""In place of a default dtype: the one that the checkpoint's weights are stored in."""

EnginePaths = MappingProxyType[str, ScorePath]
Defaults = Mapping[Device, tuple[str, ...]]


@dataclass(frozen=True)
class Engine:
    """One engine in a range of versions.

    ``key`` is what users call it, ``versions`` a range as pip writes it (empty: no range is known).
    ``paths`` has a path for each forward dtype. ``default_dtype`` says, for each device that is
    known, which of them it takes if nobody chooses, the preferred one first; :data:`CHECKPOINT`
    stands for the dtype of the stored weights. ``source`` names the files that say so, ``was_run``
    tells whether recorded scores are held to these paths, and ``note`` what a path cannot say. An
    engine that returns its scores unordered leaves them in input order.
    """

    name: str
    key: str
    versions: str
    paths: EnginePaths
    default_dtype: Defaults
    source: str
    was_run: bool = False
    note: str = ""

    def covers(self, version: Version) -> bool:
        """Tell whether a version lies in the range."""
        return SpecifierSet(self.versions, prereleases=True).contains(version)


def paths(
    name: str,
    formula: PathFormula,
    *,
    activation: str | None = None,
    forward: tuple[str, ...] = FORWARD_DTYPES,
    head: str = "one",
    tie_rule: TieRule = "input order",
) -> EnginePaths:
    """Paths of one engine per forward dtype; ``None``: the sigmoid is evaluated in that dtype.

    A head whose text ends in a colon is evaluated in the forward dtype. What is stored is what the
    sigmoid, or the head, gave: a later cast to a wider dtype changes no value.
    """
    return MappingProxyType(
        {
            dtype: ScorePath(
                forward_dtype=dtype,
                formula=formula,
                activation_dtype=activation or dtype,
                stored_dtype=activation or dtype,
                tie_rule=tie_rule,
                name=f"{name}, {dtype}",
                head=Head.of_text(f"{head}{dtype}" if head.endswith(":") else head),
            )
            for dtype in forward
        }
    )


def on(*, cuda: tuple[str, ...], mps: tuple[str, ...], cpu: tuple[str, ...]) -> Defaults:
    """Give the default dtypes of each device, the preferred one first."""
    return MappingProxyType({"cuda": cuda, "mps": mps, "cpu": cpu})


def everywhere(*dtypes: str) -> Defaults:
    """Give the same default dtypes on every device."""
    return on(cuda=dtypes, mps=dtypes, cpu=dtypes)


OUTPUT_FLOAT32 = ("float32",)
"""For engines whose logits leave the network as float32, whatever it runs in."""
