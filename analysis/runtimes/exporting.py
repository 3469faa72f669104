"""A reranker's network as an ONNX file, exported from the checkpoint as torch would run it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from analysis.rerankers import Reranker
from analysis.runtimes.extras import needed, quiet, versions
from analysis.runtimes.keeping import kept

FILE = "model.onnx"
OUTPUT = "logits"
LARGE = 1_500_000_000
"""Bytes of weights from which they stand in a file of their own: ONNX files end at 2 GiB."""

_OPSET = 18
_LIBRARIES = ("torch", "transformers", "peft", "onnx", "onnxscript", "onnx-ir")


def exported(reranker: Reranker) -> Path:
    """Return the float32 network as an ONNX file; a network that was exported before is found.

    Its inputs have the names that :meth:`.Reranker.batch` gives and the shape (n_pairs, width),
    both free; its output is ``logits``, (n_pairs, 1 or 2), float32. An adapter is merged. Weights
    and arithmetic are the checkpoint's: logits differ from torch's in the last bits of float32
    sums. Raises :class:`InputError` where the extra ``runtimes`` is missing.
    """
    needed("onnx")
    needed("onnxscript")
    key = {
        "model": reranker.identity(),
        "opset": _OPSET,
        "libraries": versions(*_LIBRARIES),
    }
    return kept(key, FILE, lambda file: _export(reranker, file))


def is_large(file: Path) -> bool:
    """Whether the weights of an exported network stand in a file of their own."""
    return any(file.parent.glob(f"{FILE}.data"))


def _export(reranker: Reranker, file: Path) -> None:
    """Write the network of a reranker as an ONNX file."""
    network = replace(reranker, device=torch.device("cpu")).network("float32")
    tokens = reranker.tokens(["a", "a b"], ["b", "b a"], reranker.length)
    batch = reranker.batch(tokens)
    free = {0: torch.export.Dim("pairs"), 1: torch.export.Dim("width")}
    with quiet():  # torch's exporter warns of itself
        program = torch.onnx.export(
            _Logits(network, tuple(batch)).eval(),
            tuple(map(torch.from_numpy, batch.values())),
            dynamo=True,
            opset_version=_OPSET,
            input_names=tuple(batch),
            output_names=[OUTPUT],
            dynamic_shapes=((free,) * len(batch),),
            verbose=False,
        )
    _strip(program.model)
    size = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    program.save(str(file), external_data=size >= LARGE)


def _strip(model: object) -> None:
    """Take out what the exporter notes of itself, such as the paths of source files."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.metadata_props.clear()
    model.graph.metadata_props.clear()


class _Logits(torch.nn.Module):
    """A network that takes tensors by position and returns the logits alone."""

    def __init__(self, network: torch.nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n_pairs, 1 or 2)."""
        return self.network(**dict(zip(self.names, tensors, strict=True))).logits
