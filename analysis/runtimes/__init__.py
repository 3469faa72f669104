"""Runtimes: what runs a reranker's network in a forward format.

Torch runs the checkpoint itself. ONNX Runtime and OpenVINO run what is exported from it, in float32
(:mod:`analysis.runtimes.exporting`), and then quantised by a named recipe
(:mod:`analysis.runtimes.quantising`); both run on the CPU, on as many threads as torch does. They
are the extra ``runtimes``. Whatever of a runtime can change a logit is named here, not left to a
default.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import torch

from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.rerankers import Forward, Reranker

_MODULES = {"torch": "pytorch", "onnxruntime": "onnx_runtime", "openvino": "open_vino"}


class Runtime(Protocol):
    """What each module of a runtime has."""

    def identity(self, reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
        """What beside the checkpoint and torch can change a logit, ready for JSON."""

    def forward(self, reranker: Reranker, forward_format: ForwardFormat) -> Forward:
        """Load the network; returned is what gives the logits of a batch."""


def identity(reranker: Reranker, forward_format: ForwardFormat) -> dict[str, Any]:
    """Everything about a format and its runtime that can change a logit, ready for JSON.

    Empty for torch, whose dtype says it all. Else the format, the digest of the file that is run,
    how it was made, versions, the CPU's flags and the precision that the runtime reports. A network
    that was not exported before is exported for it. Raises :class:`InputError` as
    :func:`forward` does.
    """
    return _runtime(reranker, forward_format).identity(reranker, forward_format)


def forward(reranker: Reranker, forward_format: ForwardFormat) -> Forward:
    """Load a network in a format; returned is what takes a batch and gives its logits.

    A batch is what :meth:`.Reranker.batch` makes; logits have the shape (n_pairs, 1 or 2). Raises
    :class:`InputError` where the extra ``runtimes`` is missing, for a language model outside torch,
    and for what the runtime cannot do on this machine.
    """
    return _runtime(reranker, forward_format).forward(reranker, forward_format)


def device_of(reranker: Reranker, forward_format: ForwardFormat) -> torch.device:
    """The device that a format runs on: the reranker's with torch, else the CPU."""
    return reranker.device if forward_format.is_torch else torch.device("cpu")


def _runtime(reranker: Reranker, forward_format: ForwardFormat) -> Runtime:
    """The module that runs a format, if it can run this reranker."""
    if reranker.yes_no and not forward_format.is_torch:
        raise InputError(
            f"{reranker.name} is a language model, which {forward_format.name} does not run",
            "score it in torch's dtypes, or take a cross-encoder",
            field="formats",
        )
    return import_module(f"{__name__}.{_MODULES[forward_format.runtime]}")
