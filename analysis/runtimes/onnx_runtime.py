"""ONNX Runtime on the CPU: float32, and what :mod:`analysis.runtimes.quantising` makes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.devices import cpu_flags
from analysis.forwardformats import ForwardFormat
from analysis.rerankers import Forward, Inputs, Reranker
from analysis.runtimes import keeping
from analysis.runtimes.exporting import OUTPUT
from analysis.runtimes.extras import needed, versions
from analysis.runtimes.quantising import network_file

_PROVIDERS = ["CPUExecutionProvider"]


def identity(reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
    """The format, its file and how that was made, ONNX Runtime's version and the CPU's flags."""
    return {
        "forward_format": asdict(forward_format),
        "network": keeping.identity(network_file(reranker, forward_format)),
        "runtime": {"providers": _PROVIDERS, **versions("onnxruntime")},
        "cpu_flags": cpu_flags(),
    }


def forward(reranker: Reranker, forward_format: ForwardFormat) -> Forward:
    """Load the network's file, on as many threads as torch computes on."""
    onnxruntime = needed("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    file = network_file(reranker, forward_format)
    session = onnxruntime.InferenceSession(str(file), options, providers=_PROVIDERS)

    def run(inputs: Inputs) -> NDArray[np.float64]:
        """Logits of a batch."""
        (logits,) = session.run([OUTPUT], inputs)
        return logits.astype(np.float64)

    return run
