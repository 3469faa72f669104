"""Score lists as rerankers make them, and what the fingerprint may say about each.

Used by the tests and by ``tools/bench_fingerprint.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from analysis.fingerprinting import Verdict
from analysis.formats import HALVES, format_of
from analysis.scorepath import ScorePath


def reranker_logits(n, rng):
    """Half of them irrelevant, N(-4, 3), half relevant, N(6, 2)."""
    return np.where(rng.random(n) < 0.5, rng.normal(-4, 3, n), rng.normal(6, 2, n))


def scored(path, n, seed=0):
    """Scores of a path for so many realistic logits."""
    return path.scores(reranker_logits(n, np.random.default_rng(seed)))


def logits_of(path, n, seed=0):
    """So many realistic logits, as the path's forward dtype holds them."""
    return path.logits(reranker_logits(n, np.random.default_rng(seed)))


def softmax_of(forward):
    """Two-label softmax in float32 over (no, yes) logits of a forward dtype."""

    def scores(logits):
        rng = np.random.default_rng(logits.size)
        share = rng.normal(0.5, 0.05, logits.shape)
        pair = np.stack([-logits * share, logits * (1 - share)], axis=-1)
        rounded = torch.from_numpy(format_of(forward).round(pair).astype(np.float32))
        return torch.softmax(rounded, dim=-1)[:, 1].double().numpy()

    return scores


def twice(path):
    """The scores of a path, through the same sigmoid once more."""
    return lambda logits: path.scores(path.scores(logits))


def scaled(forward, factor):
    """Logits of a half type times a calibration factor, in float32, as torch multiplies."""
    float32 = ScorePath()

    def scores(logits):
        half = format_of(forward).round(logits).astype(np.float32)
        return float32.scores((half * np.float32(factor)).astype(np.float64))

    return scores


@dataclass(frozen=True)
class Source:
    """A way to make scores; ``path`` is the truth, None where no single path describes it."""

    name: str
    kind: str
    path: ScorePath | None
    scores: Callable[[np.ndarray], np.ndarray]


def sigmoid_paths() -> list[ScorePath]:
    """Every path with traces in its scores."""
    halves = [ScorePath(half, f, half, half) for half in HALVES for f in ("fused", "stepwise")]
    wide = [
        ScorePath(forward, formula, activation, activation)
        for forward in ("float32", *HALVES)
        for formula in ("fused", "stepwise")
        for activation in ("float32", "float64")
    ]
    return [*halves, *wide]


def sources() -> list[Source]:
    """Every way to make scores that a verdict is about."""
    return [*_of_one_path(), *_of_no_path()]


def _of_one_path() -> Iterator[Source]:
    for path in sigmoid_paths():
        yield Source(str(path), "sigmoid", path, path.scores)
    for half in HALVES:
        path = ScorePath("float32", "fused", "float32", half)
        yield Source(str(path), "cannot tell", path, path.scores)


def _of_no_path() -> Iterator[Source]:
    for forward in ("float32", *HALVES):
        yield Source(f"softmax of {forward} logits", "softmax", None, softmax_of(forward))
    for path in (ScorePath(), *(ScorePath(half, "fused", half, half) for half in HALVES)):
        yield Source(f"twice: {path}", "sigmoid twice", None, twice(path))
    for half in HALVES:
        yield Source(f"{half} logits times 0.3", "sigmoid", None, scaled(half, 0.3))


def is_settled(verdict: Verdict, source: Source) -> bool:
    """Whether a verdict says how the scores were made, and with which single path if there is."""
    return verdict.kind == source.kind and (source.path is None or verdict.path == source.path)


def is_wrong(verdict: Verdict, source: Source) -> bool:
    """Whether a verdict claims what is not so; abstaining is never wrong."""
    if verdict.kind == "cannot tell":
        return False
    if verdict.kind != source.kind:
        return True
    if source.path is None:
        return verdict.path is not None
    return source.path not in verdict.paths
