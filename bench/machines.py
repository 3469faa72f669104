"""The machine, the day and the versions that something was measured with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version

import torch

from analysis.devices import describe

_VERSIONS = ("torch", "transformers", "numpy", "pandas")


def machine() -> str:
    """Where and when this is measured, in a sentence."""
    cpu = describe(torch.device("cpu"))
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return (
        f"{cpu['name']} ({cpu['capability']}), {os.cpu_count()} cores, "
        f"torch on {cpu['threads']} of them, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}; "
        f"{datetime.now(UTC).date().isoformat()}."
    )
