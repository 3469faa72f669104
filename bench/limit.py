"""The limit of scoring: the network's multiply-adds at the speed of ``torch.mm`` at its shapes.

Counted are the products of matrices that no implementation is spared: the linear layers over every
token of a pair, padding left out, attention's two products over its tokens, and the head, once a
pair. What else a network does has no part in the limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedConfig

from bench.rounds import seconds_of

_REPEATS = 10
_ROWS = 2048

Shape = tuple[int, int]


@dataclass(frozen=True)
class Network:
    """The shapes of an encoder that is built as BERT is."""

    layers: int
    width: int
    inner: int
    labels: int

    @classmethod
    def of(cls, config: PreTrainedConfig) -> Network:
        """Read the shapes of a network from its configuration."""
        return cls(
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            config.num_labels,
        )

    @property
    def shapes(self) -> dict[Shape, int]:
        """The linear layers (n_in, n_out) that every token goes through, and how often."""
        counts = {
            (self.width, self.width): 4 * self.layers,
            (self.width, self.inner): self.layers,
        }
        back = (self.inner, self.width)
        return {**counts, back: counts.get(back, 0) + self.layers}

    def multiply_adds(self, lengths: NDArray[np.integer]) -> dict[Shape | str, int]:
        """Multiply-adds over pairs of these lengths in tokens, shape (n_pairs,), by what they are.

        The keys are those of :attr:`shapes`, ``attention`` and ``head``: pooler and classifier.
        """
        lengths = np.asarray(lengths, dtype=np.int64)
        tokens, squares = int(lengths.sum()), int((lengths**2).sum())
        linear = {
            shape: times * shape[0] * shape[1] * tokens for shape, times in self.shapes.items()
        }
        head = self.width * (self.width + self.labels) * len(lengths)
        return {**linear, "attention": 2 * self.layers * self.width * squares, "head": head}


def limit_seconds(network: Network, lengths: NDArray[np.integer], dtype: str) -> float:
    """Seconds that the multiply-adds take at the speed of ``torch.mm``, measured now.

    Attention and the head are counted at the speed of the square layer.
    """
    speeds = {shape: _speed(shape, dtype) for shape in network.shapes}
    square = speeds[network.width, network.width]
    counted = network.multiply_adds(lengths)
    return sum(number / speeds.get(what, square) for what, number in counted.items())


def _speed(shape: Shape, dtype: str) -> float:
    """Multiply-adds a second of a product of 2,048 tokens, the best of several."""
    generator = torch.Generator().manual_seed(0)
    sizes: Iterable[Shape] = ((_ROWS, shape[0]), shape)
    one, other = (
        torch.randn(size, generator=generator).to(getattr(torch, dtype)) for size in sizes
    )
    best = min(seconds_of(lambda: torch.mm(one, other)) for _ in range(_REPEATS))
    return _ROWS * shape[0] * shape[1] / best
