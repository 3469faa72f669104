"""torchao: every linear layer of the network, head included, quantised as ``quantize_`` does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from passes import Network, Pair, Request, main, padded, weighed
from torchao.quantization import (
    Float8WeightOnlyConfig,
    Int8DynamicActivationInt8WeightConfig,
    Int8WeightOnlyConfig,
    quantize_,
)
from transformers import AutoModelForSequenceClassification

CONFIGS = {
    "int8-dynamic": Int8DynamicActivationInt8WeightConfig,
    "int8-weights": Int8WeightOnlyConfig,
    "float8-weights": Float8WeightOnlyConfig,
}


def load(request: Request) -> Network:
    """Load the float32 checkpoint and quantise it in memory."""
    torch.set_num_threads(request.threads)
    network = AutoModelForSequenceClassification.from_pretrained(request.model, dtype=torch.float32)
    config = CONFIGS[request.recipe]()
    quantize_(network.eval(), config)

    def logits(batch: Sequence[Pair], width: int) -> list[float]:
        ids, mask = padded(batch, width, network.config.pad_token_id)
        inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        with torch.inference_mode():
            return network(**inputs).logits[:, 0].tolist()

    facts = {"recipe": f"quantize_(network, {type(config).__name__}())", "precision": None}
    return Network(logits, {**weighed(request.model / "model.safetensors"), **facts})


if __name__ == "__main__":
    main(load, ["torchao", "torch", "transformers"])
