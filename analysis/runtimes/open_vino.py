"""OpenVINO on the CPU: a float32 file in a precision that is named, and static 8-bit networks.

Left to itself, OpenVINO runs a float32 file in bfloat16 wherever the CPU has it: ``default`` shows
what that gives, ``f32`` and ``bf16`` name it. Static 8-bit networks run what is not quantised in
float32.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.devices import cpu_flags
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.rerankers import Forward, Inputs, Reranker
from analysis.runtimes import calibrating, keeping
from analysis.runtimes.exporting import OUTPUT, exported
from analysis.runtimes.extras import needed, versions

_PRECISION = "INFERENCE_PRECISION_HINT"
_HINTS = {"f32": "f32", "bf16": "bf16", "int8-static": "f32", "int8-static-head-f32": "f32"}


def identity(reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
    """The format, its file and how that was made, what OpenVINO reports, and the CPU's flags."""
    return {
        "forward_format": asdict(forward_format),
        "network": keeping.identity(_file(reranker, forward_format)),
        "runtime": {"precision": precision(forward_format), **versions("openvino")},
        "cpu_flags": cpu_flags(),
    }


def forward(reranker: Reranker, forward_format: ForwardFormat) -> Forward:
    """Compile the network's file, on as many threads as torch computes on.

    Raises :class:`InputError` where OpenVINO runs another precision than the one asked for.
    """
    core, settings = needed("openvino").Core(), _settings(forward_format)
    precision(forward_format)
    model = core.compile_model(_file(reranker, forward_format), "CPU", settings)

    def run(inputs: Inputs) -> NDArray[np.float64]:
        """Logits of a batch."""
        return model(inputs)[OUTPUT].astype(np.float64)

    return run


def precision(forward_format: ForwardFormat) -> str:
    """The precision (``f32``, ``bf16``, ``f16``) that OpenVINO reports to run a format in here.

    It is asked of a network that does nothing but compile.

    Raises :class:`InputError` where it is not the one asked for.
    """
    openvino = needed("openvino")
    operations = needed("openvino.opset13")
    parameter = operations.parameter([1], np.float32)
    nothing = openvino.Model([operations.relu(parameter)], [parameter])
    compiled = openvino.Core().compile_model(nothing, "CPU", _settings(forward_format))
    found = compiled.get_property(_PRECISION).get_type_name()
    if found != _HINTS.get(forward_format.recipe, found):
        raise InputError(
            f"OpenVINO runs {forward_format.name} in {found} on this CPU",
            "leave it out, or score on a CPU that has the precision",
            field="formats",
        )
    return found


def _file(reranker: Reranker, forward_format: ForwardFormat) -> Path:
    """The file that a format runs."""
    if forward_format.calibration:
        return calibrating.network_file(reranker, forward_format)
    return exported(reranker)


def _settings(forward_format: ForwardFormat) -> dict[str, Any]:
    """What a network is compiled with; ``default`` alone leaves the precision open."""
    hint = _HINTS.get(forward_format.recipe)
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        **({_PRECISION: hint} if hint else {}),
    }
