"""torch in one dtype, as this package loads it; needs ``analysis``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from passes import Network, Pair, Request, main, weighed

from analysis.models import load as load_reranker


def load(request: Request) -> Network:
    """Load the checkpoint in the dtype that the format names."""
    torch.set_num_threads(request.threads)
    reranker = load_reranker(request.model, device="cpu")
    network = reranker.network(request.recipe)

    def logits(batch: Sequence[Pair], width: int) -> list[float]:
        tokens = {"input_ids": [np.array(pair.tokens, dtype=np.int64) for pair in batch]}
        inputs = reranker.batch(tokens, width)
        with torch.inference_mode():
            outputs = network(**{name: torch.from_numpy(rows) for name, rows in inputs.items()})
        return reranker.logits(outputs)[:, 0].tolist()

    return Network(logits, {**weighed(reranker.weights[0]), "recipe": None, "precision": None})


if __name__ == "__main__":
    main(load, ["torch", "transformers"])
