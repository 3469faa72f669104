"""Torch runs a network as it is, all of it in one dtype, on the reranker's device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.forwardformats import ForwardFormat
from analysis.overflows import Overflow, locate_overflow
from analysis.rerankers import Forward, Inputs, Reranker


def identity(reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
    """Nothing: the dtype, the device and torch's version say it all."""
    return {}


def forward(reranker: Reranker, forward_format: ForwardFormat) -> Forward:
    """Load the network in its dtype."""
    return runner(reranker, reranker.network(forward_format.forward_dtype))


def runner(reranker: Reranker, network: torch.nn.Module) -> Forward:
    """What gives a batch to a network on the reranker's device and returns its logits."""

    def run(inputs: Inputs) -> NDArray[np.float64]:
        """Logits of a batch."""
        tensors = _tensors(reranker, inputs)
        # A caller's autocast would silently change the forward dtype.
        with torch.inference_mode(), torch.autocast(reranker.device.type, enabled=False):
            return reranker.logits(network(**tensors))

    return run


def locate(reranker: Reranker, forward_format: ForwardFormat, inputs: Inputs) -> Overflow | None:
    """Where in the network a batch first overflows."""
    network = reranker.network(forward_format.forward_dtype)
    with torch.autocast(reranker.device.type, enabled=False):
        return locate_overflow(network, _tensors(reranker, inputs))


def _tensors(reranker: Reranker, inputs: Inputs) -> dict[str, torch.Tensor]:
    """A batch on the reranker's device."""
    return {name: torch.from_numpy(values).to(reranker.device) for name, values in inputs.items()}
