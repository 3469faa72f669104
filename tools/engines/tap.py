"""Raw logits of engines that do not return them: read where they leave the network.

An engine may reorder pairs before it calls the network, so each logit is kept under the tokens of
its pair and found again by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import torch

Tokens = tuple[int, ...]


class LogitTap:
    """Listens to a network of transformers and remembers each pair's logit.

    The logit is read in the dtype that the network returned, before any cast of the engine's. The
    network's ``forward`` is wrapped, because sentence-transformers 6 calls it past PyTorch's hooks.
    """

    def __init__(self, network: torch.nn.Module, tokenizer: Any) -> None:  # noqa: ANN401
        self._tokenizer = tokenizer
        self._logits: dict[Tokens, float] = {}
        self.dtype = ""
        self.attention = str(network.config._attn_implementation)
        forward = network.forward

        @wraps(forward)
        def heard(**inputs: Any) -> Any:  # noqa: ANN401
            outputs = forward(**inputs)
            self._remember(inputs, outputs.logits)
            return outputs

        network.forward = heard

    def logits(self, query: str, passages: Sequence[str]) -> list[float]:
        """Logits of a query's passages; a KeyError if the network has not seen one of them."""
        pairs = [[query, passage] for passage in passages]
        tokens = self._tokenizer(pairs, truncation="longest_first")["input_ids"]
        return [self._logits[tuple(row)] for row in tokens]

    def _remember(self, inputs: dict[str, Any], logits: torch.Tensor) -> None:
        self.dtype = str(logits.dtype).removeprefix("torch.")
        pairs = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        for (ids, mask), logit in zip(pairs, logits.squeeze(1).double().tolist(), strict=True):
            self._logits[tuple(ids[mask.bool()].tolist())] = logit
