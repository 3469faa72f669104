"""Raw logits of engines that do not return them: read where they leave the network.

An engine may reorder pairs before it calls the network, so each logit is kept under the tokens of
its pair and found again by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

Tokens = tuple[int, ...]


class LogitTap:
    """Listens to a network of transformers and remembers each pair's logit.

    The logit is read in the dtype that the network returned, before any cast of the engine's.
    """

    def __init__(self, network: torch.nn.Module, tokenizer: Any) -> None:  # noqa: ANN401
        self._tokenizer = tokenizer
        self._logits: dict[Tokens, float] = {}
        self.dtype = ""
        self.attention = str(network.config._attn_implementation)
        network.register_forward_hook(self._listen, with_kwargs=True)

    def logits(self, query: str, passages: Sequence[str]) -> list[float]:
        """Logits of a query's passages; a KeyError if the network has not seen one of them."""
        pairs = [[query, passage] for passage in passages]
        tokens = self._tokenizer(pairs, truncation="longest_first")["input_ids"]
        return [self._logits[tuple(row)] for row in tokens]

    def _listen(
        self, _network: torch.nn.Module, _args: tuple[()], inputs: dict[str, Any], outputs: object
    ) -> None:
        self.dtype = str(outputs.logits.dtype).removeprefix("torch.")
        values = outputs.logits.squeeze(1).double().tolist()
        for ids, mask, logit in zip(
            inputs["input_ids"], inputs["attention_mask"], values, strict=True
        ):
            self._logits[tuple(ids[mask.bool()].tolist())] = logit
