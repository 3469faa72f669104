"""Where tests keep networks that they export, and what tells two ONNX files apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.runtimes import keeping
from analysis.scoring import score


def kept_in(patch, folder: Path) -> None:
    """Keep exported networks in a folder of the test's own."""
    patch.setattr(keeping, "cache_folder", lambda: folder)


def graph(file: Path) -> tuple[list, dict[str, bytes]]:
    """Nodes of an ONNX file with all their attributes, and its weights by name."""
    import onnx

    model = onnx.load(file)
    nodes = [
        (node.op_type, tuple(node.input), tuple(node.output), [str(one) for one in node.attribute])
        for node in model.graph.node
    ]
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    return nodes, {name: array.tobytes() for name, array in weights.items()}


def logits_in(dataset, reranker, text: str, **options) -> np.ndarray:
    """Logits of a set in one format, shape (n_pairs,)."""
    return score(dataset, reranker, [text], progress=False, **options)["logit"].to_numpy()


def one_query(dataset) -> pd.DataFrame:
    """The first query's pairs of a set."""
    pairs = dataset.pairs
    return pairs[pairs["query_id"] == pairs["query_id"].iloc[0]].reset_index(drop=True)
