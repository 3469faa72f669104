"""Our scoring with the network loaded before, as it is with the peers; and where its time goes."""

from __future__ import annotations

import numpy as np
from torch.profiler import ProfilerActivity, profile

from analysis import runtimes
from analysis.datasets import RerankingSet
from analysis.forwardformats import as_format
from analysis.rerankers import Reranker
from analysis.scoring import _Plan
from bench.asking import Scored
from bench.pairs import MAX_LENGTH
from bench.rounds import seconds_of

_KINDS = {
    "linear layers": ("addmm", "linear"),
    "attention": ("scaled_dot_product", "bmm", "softmax"),
    "activations": ("gelu", "relu", "silu", "tanh"),
    "norms": ("layer_norm",),
}


class Ours:
    """A network in a forward format, and batches of at most so many tokens."""

    def __init__(self, reranker: Reranker, text: str, batch_tokens: int) -> None:
        self.text, self.batch_tokens, self._reranker = text, batch_tokens, reranker
        self._run = runtimes.forward(reranker, as_format(text))

    @property
    def name(self) -> str:
        """The format and the batches, for a line."""
        return f"`{self.text}`, {self.batch_tokens:,} tokens a batch"

    def score(self, dataset: RerankingSet) -> Scored:
        """Score a set, from texts to logits."""
        logits = np.empty(dataset.n_pairs)

        def passes() -> None:
            plan = self._plan(dataset)
            for rows in plan.batches:
                logits[rows] = self._run(plan.inputs(rows))[:, 0]

        return Scored(seconds_of(passes), logits)

    def shares(self, dataset: RerankingSet) -> dict[str, float]:
        """Shares of the CPU time of a pass by what it was spent on, the largest first.

        Only torch's own work is seen, oneDNN's with it.
        """
        plan = self._plan(dataset)
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            for rows in plan.batches:
                self._run(plan.inputs(rows))
        spent = dict.fromkeys((*_KINDS, "the rest"), 0.0)
        for event in recorded.key_averages():
            spent[_kind(event.key)] += event.self_cpu_time_total
        total = sum(spent.values())
        ordered = sorted(spent.items(), key=lambda item: -item[1])
        return {kind: time / total for kind, time in ordered}

    def _plan(self, dataset: RerankingSet) -> _Plan:
        return _Plan(dataset, self._reranker, MAX_LENGTH, self.batch_tokens)


def lengths(dataset: RerankingSet, reranker: Reranker) -> np.ndarray:
    """Tokens of each pair, cut, shape (n_pairs,)."""
    return np.array(
        [len(row) for row in _Plan(dataset, reranker, MAX_LENGTH, 1).tokens["input_ids"]]
    )


def _kind(operation: str) -> str:
    """What an operation of torch belongs to."""
    found = (kind for kind, parts in _KINDS.items() if any(part in operation for part in parts))
    return next(found, "the rest")
