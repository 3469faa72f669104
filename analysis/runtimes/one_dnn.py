"""torch's networks with their linear layers on oneDNN, which torch brings along, on the CPU.

In float32 torch itself multiplies with MKL, which uses half of what some CPUs have; in float16 its
own product is slow where the CPU has none. `make bench` measures both. Here the weights of every
linear layer are laid out for oneDNN once. Float16 is multiplied and summed in float32, and the sum
rounded to float16 once. Everything else of the network is torch's, in the dtype of the format.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch

from analysis.devices import cpu_flags
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.rerankers import Forward, Reranker
from analysis.runtimes import pytorch

_TOKENS = 2048
"""Rows that oneDNN chooses the layout of the weights for; other numbers of rows work as well."""


def identity(reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
    """The format and the CPU's flags; oneDNN's version is torch's."""
    return {"forward_format": asdict(forward_format), "cpu_flags": cpu_flags()}


def forward(reranker: Reranker, forward_format: ForwardFormat) -> Forward:
    """Load the network and lay its linear layers out.

    Raises :class:`InputError` where torch was built without oneDNN, and for bfloat16 on a CPU for
    which oneDNN has no such product.
    """
    _check_there(forward_format)
    reranker = replace(reranker, device=torch.device("cpu"))
    network = reranker.network(forward_format.forward_dtype)
    with torch.inference_mode():
        _lay_out(network, getattr(torch, forward_format.arithmetic))
    return pytorch.runner(reranker, network)


class _Linear(torch.nn.Module):
    """A linear layer that oneDNN computes in the dtype ``arithmetic``.

    Takes and gives the layer's own dtype, shape (…, n_in) and (…, n_out).
    """

    def __init__(self, layer: torch.nn.Linear, arithmetic: torch.dtype) -> None:
        super().__init__()
        weight = layer.weight.to(arithmetic)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, _TOKENS)
        self.bias = None if layer.bias is None else layer.bias.to(arithmetic)
        self.arithmetic = arithmetic

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Multiply, add the bias, round once."""
        product = torch.ops.mkldnn._linear_pointwise(
            values.to(self.arithmetic), self.weight, self.bias, "none", [], ""
        )
        return product.to(values.dtype)


def _lay_out(network: torch.nn.Module, arithmetic: torch.dtype) -> None:
    """Put oneDNN's layers in the place of a network's linear ones."""
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is torch.nn.Linear:
                setattr(module, name, _Linear(layer, arithmetic))


def _check_there(forward_format: ForwardFormat) -> None:
    """Raise :class:`InputError` where oneDNN cannot run a format here."""
    there = torch.backends.mkldnn.is_available()
    if there and forward_format.arithmetic == "bfloat16":
        there = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if not there:
        raise InputError(
            f"oneDNN does not multiply in {forward_format.arithmetic} here",
            "leave it out; torch's own formats run everywhere",
            field="formats",
        )
