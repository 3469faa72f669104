"""What floating-point precision does to reranking results.

The names below are loaded when they are used, so that ``import analysis`` takes milliseconds.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.auditing import audit, compare
    from analysis.counting import effects
    from analysis.engines import path_of
    from analysis.errors import InputError
    from analysis.fingerprinting import fingerprint
    from analysis.metrics import evaluate
    from analysis.models import load
    from analysis.readers import read
    from analysis.remedies import recommend
    from analysis.reporting import draw, report
    from analysis.scorepath import ScorePath
    from analysis.scoring import score
    from analysis.ties import apply
    from analysis.verifying import verified_top_k
    from analysis.viewing import view

_ROOMS = {
    "InputError": "errors",
    "ScorePath": "scorepath",
    "apply": "ties",
    "audit": "auditing",
    "compare": "auditing",
    "draw": "reporting",
    "effects": "counting",
    "evaluate": "metrics",
    "fingerprint": "fingerprinting",
    "load": "models",
    "path_of": "engines",
    "read": "readers",
    "recommend": "remedies",
    "report": "reporting",
    "score": "scoring",
    "verified_top_k": "verifying",
    "view": "viewing",
}

__all__ = [
    "InputError",
    "ScorePath",
    "__version__",
    "apply",
    "audit",
    "compare",
    "draw",
    "effects",
    "evaluate",
    "fingerprint",
    "load",
    "path_of",
    "read",
    "recommend",
    "report",
    "score",
    "verified_top_k",
    "view",
]


def __getattr__(name: str) -> object:
    """Load a name from its room the first time it is asked for (PEP 562)."""
    if name == "__version__":
        return metadata.version("rerank-precision")
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names."""
    return __all__
