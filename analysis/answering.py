"""Who answers batches: this process, or a cluster (:mod:`analysis.clusters`).

Which pairs share a batch, and how they are padded, is planned by :mod:`analysis.scoring` before
anybody is asked, so that alike machines give the same bits, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import runtimes
from analysis.devices import describe, libraries, threads
from analysis.errors import InputError, quoted
from analysis.forwardformats import ForwardFormat
from analysis.overflows import Overflow
from analysis.rerankers import Inputs, Reranker
from analysis.runtimes import pytorch

LOCAL, RAY = ENGINES = ("local", "ray")
Part, Made = TypeVar("Part"), TypeVar("Made")


class Answering(Protocol):
    """What gives the logits of a reranker's batches."""

    def facts(self, forward_format: ForwardFormat) -> dict[str, Any]:
        """Everything about the model and what runs it that can change a logit, ready for JSON."""

    def answers(
        self, forward_format: ForwardFormat, batches: Iterable[Inputs]
    ) -> Iterator[NDArray[np.float64]]:
        """The logits of each batch, in their order; each of the shape (n_pairs, 1 or 2)."""

    def locate(self, forward_format: ForwardFormat, inputs: Inputs) -> Overflow | None:
        """Where in torch's network a batch first overflows."""

    def each(self, work: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
        """What some work makes of each part, in their order."""

    def check_alike(self, formats: Sequence[ForwardFormat]) -> None:
        """Raise :class:`InputError` where this process would give other bits."""


@dataclass(frozen=True)
class Here:
    """A reranker whose networks run in this process, on the reranker's device."""

    reranker: Reranker

    def facts(self, forward_format: ForwardFormat) -> dict[str, Any]:
        """As :class:`Answering` says."""
        return {
            "model": self.reranker.identity(),
            "device": describe(runtimes.device_of(self.reranker, forward_format)),
            "libraries": libraries(),
            **runtimes.identity(self.reranker, forward_format),
        }

    def answers(
        self, forward_format: ForwardFormat, batches: Iterable[Inputs]
    ) -> Iterator[NDArray[np.float64]]:
        """As :class:`Answering` says; the network is loaded first."""
        return map(runtimes.forward(self.reranker, forward_format), batches)

    def locate(self, forward_format: ForwardFormat, inputs: Inputs) -> Overflow | None:
        """As :class:`Answering` says."""
        return pytorch.locate(self.reranker, forward_format, inputs)

    def each(self, work: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
        """As :class:`Answering` says; one after the other."""
        return map(work, parts)

    def check_alike(self, formats: Sequence[ForwardFormat]) -> None:
        """As :class:`Answering` says: it is this process."""


@contextmanager
def answering(
    engine: str | Answering, reranker: Reranker, *, deterministic: bool = False
) -> Iterator[Answering]:
    """What an engine is called by, ready for batches of a reranker; it is closed afterwards.

    One that is open already is given as it is. ``deterministic`` networks run on one thread of a
    CPU. Raises :class:`InputError` for an unknown name and where there is no cluster.
    """
    if not isinstance(engine, str):
        yield engine
    elif engine == LOCAL:
        with threads(1) if deterministic else nullcontext():
            yield Here(reranker)
    elif engine == RAY:
        from analysis.clusters import Cluster  # an extra

        number = 1 if deterministic else torch.get_num_threads()
        with closing(Cluster(reranker, threads=number, gpus=not deterministic)) as cluster:
            yield cluster
    else:
        raise InputError(
            f"{quoted(engine)} runs no networks", f"choose {' or '.join(ENGINES)}", field="engine"
        )
