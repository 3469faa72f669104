"""The formats that this package runs itself: torch, ONNX Runtime and OpenVINO.

It needs ``analysis`` with its extra ``runtimes``, and runs in the project's own environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from passes import Network, Pair, Request, main, weighed

from analysis import runtimes
from analysis.forwardformats import ForwardFormat
from analysis.models import load as load_reranker
from analysis.rerankers import Reranker
from analysis.runtimes import calibrating, keeping, open_vino, quantising
from analysis.runtimes.exporting import exported


def load(request: Request) -> Network:
    """Load the checkpoint in the format, made anew from it if no earlier run has."""
    torch.set_num_threads(request.threads)
    reranker = load_reranker(request.model, device="cpu")
    chosen = ForwardFormat.of_text(request.forward_format)
    forward = runtimes.forward(reranker, chosen)

    def logits(batch: Sequence[Pair], width: int) -> list[float]:
        tokens = {"input_ids": [np.array(pair.tokens, dtype=np.int64) for pair in batch]}
        return forward(reranker.batch(tokens, width))[:, 0].tolist()

    return Network(logits, facts(reranker, chosen))


def facts(reranker: Reranker, chosen: ForwardFormat) -> dict[str, Any]:
    """The file that is run, what made it, and the precision that OpenVINO reports."""
    if chosen.is_torch:
        return {**weighed(reranker.weights[0]), "recipe": None, "precision": None}
    if chosen.runtime == "onnxruntime":
        return {**made(quantising.network_file(reranker, chosen)), "precision": None}
    file = calibrating.network_file(reranker, chosen) if chosen.calibration else exported(reranker)
    return {**made(file), "precision": open_vino.precision(chosen)}


def made(file: Path) -> dict[str, Any]:
    """The largest of a network's files, which holds its weights, and what made the network."""
    largest = max(file.parent.iterdir(), key=lambda one: one.stat().st_size)
    return {**weighed(largest), "recipe": keeping.identity(file)["made_of"]}


if __name__ == "__main__":
    main(load, ["torch", "transformers", "onnxruntime", "openvino", "nncf"])
