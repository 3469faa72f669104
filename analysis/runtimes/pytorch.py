"""Torch runs a network as it is, all of it in one dtype, on the reranker's device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.forwardformats import ForwardFormat
from analysis.rerankers import Forward, Inputs, Reranker


def identity(reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
    """Nothing: the dtype, the device and torch's version say it all."""
    return {}


def forward(reranker: Reranker, forward_format: ForwardFormat) -> Forward:
    """Load the network in its dtype."""
    network = reranker.network(forward_format.forward_dtype)

    def run(inputs: Inputs) -> NDArray[np.float64]:
        tensors = {
            name: torch.from_numpy(values).to(reranker.device) for name, values in inputs.items()
        }
        # A caller's autocast would silently change the forward dtype.
        with torch.inference_mode(), torch.autocast(reranker.device.type, enabled=False):
            return reranker.logits(network(**tensors))

    return run
