"""Write constraints.txt, and requirements-audit.txt, from the environment as it is.

    python tools/lock.py

The first has everything that is installed, the second what :data:`AUDIT` needs: enough for
``evaluate``, ``fingerprint`` and ``audit --scores`` beside ``pip install --no-deps`` of the wheel.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONSTRAINTS, AUDIT_REQUIREMENTS = ROOT / "constraints.txt", ROOT / "requirements-audit.txt"
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


def installed() -> dict[str, str]:
    """Versions of everything installed here but this project and the installers, by name."""
    found = {
        canonicalize_name(one.name): one.version.removesuffix("+cpu") for one in distributions()
    }
    return {name: found[name] for name in sorted(found.keys() - {PROJECT} - INSTALLERS)}


def closure(names: Iterable[str]) -> set[str]:
    """Names of packages with everything that they require, directly or not."""
    found: set[str] = set()
    new = set(names)
    while new:
        found |= new
        needed = [Requirement(line) for name in new for line in requires(name) or ()]
        kept = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
        new = {canonicalize_name(one.name) for one in kept} - found
    return found


def pins(names: Iterable[str]) -> str:
    """One line ``name==version`` for each name."""
    versions = installed()
    return "".join(f"{name}=={versions[name]}\n" for name in sorted(names))


if __name__ == "__main__":
    CONSTRAINTS.write_text(pins(installed()), encoding="utf-8")
    AUDIT_REQUIREMENTS.write_text(pins(closure(AUDIT)), encoding="utf-8")
