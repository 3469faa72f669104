"""The device that networks run on, and what about a machine can change a logit."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from analysis.errors import InputError

_LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "numpy")
_FLAGS = ("flags", "Features")
_KERNELS = ("amx", "asimd", "avx", "bf16", "f16c", "fma", "i8mm", "sse4", "sve")
# They choose among kernels that round differently.
_SETTINGS = ("MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "NVIDIA_TF32_OVERRIDE")


def pick(name: str | None = None) -> torch.device:
    """Return the device of that name, or else the first there is of cuda, mps and cpu.

    Raises :class:`InputError` for an unknown name and for a device that is not here.
    """
    there = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    kinds = [kind for kind, number in there.items() if number]
    try:
        device = torch.device(name or kinds[0])
    except RuntimeError as error:
        raise InputError(
            f"{name!r} is no device", f"choose {' or '.join(kinds)}", field="device"
        ) from error
    if (device.index or 0) >= there.get(device.type, 0):
        raise InputError(f"there is no {name} here", f"choose {' or '.join(kinds)}", field="device")
    return device


def describe(device: torch.device) -> dict[str, Any]:
    """Everything about a device and its settings that can change a logit, ready for JSON."""
    described = {
        "kind": device.type,
        "float32_matmul": torch.get_float32_matmul_precision(),
        "settings": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
    }
    if device.type == "cuda":
        return described | {
            "name": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
        }
    return described | {
        "name": _cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def cpu_flags() -> list[str]:
    """The instruction sets of the CPU that kernels are chosen by, as Linux names them; sorted.

    Empty where the system does not say.
    """
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.is_file() else []
    flags = [line.partition(":")[2].split() for line in lines if line.startswith(_FLAGS)]
    return sorted(flag for flag in set(flags[0] if flags else ()) if flag.startswith(_KERNELS))


def libraries() -> dict[str, str | None]:
    """Versions of the libraries that compute logits; None for one that is not installed."""
    return {name: _version(name) for name in _LIBRARIES}


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch, and the networks that are loaded meanwhile, compute on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    """Name the CPU as Linux does; elsewhere as Python does."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{platform.machine()} {platform.processor()}".strip()
