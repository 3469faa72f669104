"""Score lists as rerankers make them, and what the fingerprint may say about each.

Used by the tests and by ``tools/simulate.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from analysis.exponentials import pair_softmax
from analysis.fingerprinting import Verdict
from analysis.formats import HALVES, format_of
from analysis.heads import Head
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath

ABSTAINS = ("cannot tell", "no sigmoid")
"""Kinds that say what scores are not, or nothing."""
RAW = FLOAT32_REFERENCE.raw()
CANDIDATES = 10
"""Candidates of each query; what is left over has a query of its own."""

Made = Callable[[np.ndarray], np.ndarray]


def reranker_logits(n, rng):
    """Half of them irrelevant, N(-4, 3), half relevant, N(6, 2)."""
    return np.where(rng.random(n) < 0.5, rng.normal(-4, 3, n), rng.normal(6, 2, n))


def queries_of(n):
    """The query of each of n scores."""
    return np.arange(n) // CANDIDATES


def scored(path, n, seed=0):
    """Scores of a path for so many realistic logits."""
    return path.scores(reranker_logits(n, np.random.default_rng(seed)))


def logits_of(path, n, seed=0):
    """So many realistic logits, as the path's forward dtype holds them."""
    return path.logits(reranker_logits(n, np.random.default_rng(seed)))


def softmax_of(forward):
    """Two-label softmax in float32 over (no, yes) logits of a forward dtype."""

    def scores(logits):
        rounded = torch.from_numpy(pair_of(logits, forward).astype(np.float32))
        return torch.softmax(rounded, dim=-1)[:, 1].double().numpy()

    return scores


def pair_of(logits, forward, level=0.0):
    """(no, yes) logits of a forward dtype, ``level`` above 0, whose difference is the logit."""
    share = np.random.default_rng(logits.size).normal(0.5, 0.05, logits.shape)
    pair = np.stack([level - logits * share, level + logits * (1 - share)], axis=-1)
    return format_of(forward).round(pair).astype(np.float64)


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


def shifted(forward, shift):
    """Logits of a half type less a constant, in float32: mxbai's ``normalize``."""
    return lambda logits: ScorePath().scores(format_of(forward).round(logits) - np.float64(shift))


def by_query(normalise, path=FLOAT32_REFERENCE):
    """Something that is done to the scores of each query, float32 ones unless said otherwise."""

    def scores(logits):
        own = path.scores(logits)
        starts = np.arange(CANDIDATES, logits.size, CANDIDATES)
        return np.concatenate([normalise(one) for one in np.split(own, starts)])

    return scores


def min_max(scores):
    """One list from 0.0 to 1.0; a list of equal scores is left alone."""
    return (scores - scores.min()) / (np.ptp(scores) or 1.0)


def list_softmax(scores):
    """One list that sums to 1."""
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def ranks(scores):
    """One list by reciprocal rank fusion."""
    return 1 / (61 + np.argsort(np.argsort(-scores)))


def _hundredfold(scores):
    return 100 * min_max(scores)


def _in_float16(scores):
    return min_max(scores).astype(np.float16).astype(np.float64)


@dataclass(frozen=True)
class Source:
    """A way to make scores, and what may be said about them.

    ``kind`` is the right one, ``path`` the truth, None where no single path describes it.
    ``shown`` tells whether three hundred scores show the kind, ``single`` whether they show the one
    path too. ``stages`` are the values that a certain stage may begin with, for each stage that has
    a true one; one that is not there may not be certain at all, but for the stored dtype.
    """

    name: str
    kind: str
    path: ScorePath | None
    scores: Made
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shown: bool = True
    single: bool = True


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
    return [*_of_one_path(), *_moved(), *_of_two_labels(), *_afterwards(), *_others()]


def of_path(path: ScorePath) -> dict[str, tuple[str, ...]]:
    """The stages of a path, as a verdict names them."""
    return {
        "stored dtype": (path.stored_dtype,),
        "sigmoid": (path.evaluation,),
        "forward dtype": (path.forward_dtype,),
    }


def _of_one_path() -> Iterator[Source]:
    for path in sigmoid_paths():
        yield Source(path.computation, "sigmoid", path, path.scores, of_path(path))
        printed = of_path(path) | {"stored dtype": ("float32", "float64", *HALVES)}
        yield Source(
            f"%.9g: {path.computation}",
            "sigmoid",
            path,
            _printed(path.scores, 9),
            printed,
            single=path.stored_dtype != "float64",
        )
    for half in HALVES:
        path = ScorePath("float32", "fused", "float32", half)
        yield Source(
            path.computation, "cannot tell", path, path.scores, of_path(path), single=False
        )
    for decimals in (3, 4, 6, 8):
        path = ScorePath("float16", "fused", "float32", "float32")
        yield Source(
            f"%.{decimals}f",
            "sigmoid",
            path,
            _rounded(path.scores, decimals),
            of_path(path),
            shown=decimals > 4,
            single=decimals > 6,
        )


def _moved() -> Iterator[Source]:
    fused = {"stored dtype": ("float32",), "sigmoid": ("fused in float32",)}
    for half in HALVES:
        for factor in (0.3, 0.7, 1 / 1.7):
            after = tuple(f"logit times {f:g} and some power of two" for f in _powers(factor))
            yield Source(
                f"{half} logits times {factor:.2g}",
                "sigmoid",
                None,
                scaled(half, factor),
                fused | {"forward dtype": (half,), "after": after},
            )
        for shift in (4.5, 6.0, 7.77):
            after = (f"logit shifted by {-shift:+g}",)
            yield Source(
                f"{half} logits less {shift}",
                "sigmoid",
                None,
                shifted(half, shift),
                fused | {"forward dtype": (half, "equal steps of"), "after": after},
                shown=shift != 7.77,
            )
    for step in (0.1, 0.01, 0.001, 0.125, 0.0837):
        forward = {"forward dtype": (f"equal steps of {step:.6g}",)}
        yield Source(
            f"logits in steps of {step}",
            "sigmoid",
            None,
            lambda logits, step=step: ScorePath().scores(np.rint(logits / step) * step),
            fused | forward,
        )


def _powers(factor: float) -> list[float]:
    """The factor in [1, 2), as it is printed, and its neighbours in the last digit."""
    mantissa = 2 * np.frexp(factor)[0]
    return [mantissa * (1 + n * 1e-6) for n in (-1, 0, 1)]


def _steps() -> list[str]:
    return [f"equal steps of {2.0**-bits:.6g}" for bits in range(21)]


def _of_two_labels() -> Iterator[Source]:
    yield from _of_half_softmax()
    label = {"stored dtype": ("float32",), "sigmoid": ("softmax over two labels in float32",)}
    for forward in ("float32", *HALVES):
        grid = ("float32",) if forward == "float32" else tuple(_steps())
        yield Source(
            f"softmax of {forward} logits",
            "softmax",
            None,
            softmax_of(forward),
            label | {"forward dtype": grid},
        )
    for half in HALVES:
        for level in (0.0, 20.0):
            own = ScorePath(half, "fused", "float32", "float32")
            yield Source(
                f"yes - no in {half} at {level:g}",
                "sigmoid",
                own,
                lambda logits, own=own, level=level: own.scores(
                    _difference(logits, own.forward_dtype, level)
                ),
                of_path(own) | {"forward dtype": (half, *_steps())},
                single=False,
            )
            yield Source(
                f"float32 of {half} yes - no at {level:g}",
                "sigmoid",
                None,
                lambda logits, own=own, level=level: ScorePath().scores(
                    _difference(logits, own.forward_dtype, level)
                ),
                of_path(ScorePath()) | {"forward dtype": tuple(_steps())},
            )


def _of_half_softmax() -> Iterator[Source]:
    """Softmaxes that are sigmoids of a half logit in all but name."""
    for half in HALVES:
        path = ScorePath(half, "none", half, half, head=Head("softmax", half))
        stages = of_path(path) | {"forward dtype": (half, "float32")}
        yield Source(path.computation, "sigmoid", path, path.scores, stages, single=False)
        yield Source(
            f"{path.computation}, at 20",
            "sigmoid",
            path,
            lambda logits, path=path: path.scores(_difference(logits, path.forward_dtype, 20.0)),
            stages,
            single=False,
        )


def _difference(logits, forward, level):
    pair = pair_of(logits, forward, level)
    return pair[:, 1] - pair[:, 0]


def _afterwards() -> Iterator[Source]:
    for path in (ScorePath(half, "fused", half, half) for half in HALVES):
        for bound in (1e-7, 1e-3):
            after = (
                f"clipped at {bound:g} and at 1 − {bound:g}",
                f"clipped at {bound:g}",
                f"clipped at 1 − {bound:g}",
            )
            yield Source(
                f"clipped at {bound:g}: {path.computation}",
                "sigmoid",
                path,
                lambda logits, path=path, bound=bound: np.float32(
                    np.clip(path.scores(logits), bound, 1 - bound)
                ).astype(np.float64),
                of_path(path) | {"after": after, "stored dtype": (path.stored_dtype, "float32")},
                single=False,
            )
        yield Source(
            f"times 100: {path.computation}",
            "percent",
            None,
            lambda logits, path=path: path.scores(logits) * 100,
            of_path(path) | {"after": ("times 100",)},
        )
    for name, normalise in (("min-max", min_max), ("list softmax", list_softmax), ("ranks", ranks)):
        yield Source(name, name, None, by_query(normalise), {"after": (name,)})
    after = {"after": ("min-max",)}
    yield Source("min-max times 100", "min-max", None, by_query(_hundredfold), after)
    yield Source("min-max in float16", "min-max", None, by_query(_in_float16, RAW), after)


def _others() -> Iterator[Source]:
    for path in (ScorePath(), *(ScorePath(half, "fused", half, half) for half in HALVES)):
        yield Source(f"twice: {path.computation}", "sigmoid twice", None, twice(path))
    yield Source(
        "whole numbers",
        "whole numbers",
        None,
        lambda logits: np.clip(np.rint(5 + logits / 2), 0, 10),
    )
    yield Source("judgements", "cannot tell", None, lambda logits: (logits > 0) * 1.0)
    yield Source(
        "log-probabilities in bfloat16",
        "log-probabilities",
        None,
        _log_softmax,
        {"sigmoid": ("log-softmax in bfloat16",)},
    )
    yield Source("float32 logits", "no sigmoid", None, ScorePath().raw().scores)
    for half in HALVES:
        raw = ScorePath(half).raw()
        yield Source(f"{half} logits", "logits", raw, raw.scores, {"forward dtype": (half,)})
    yield Source(
        "cosines", "no sigmoid", None, lambda logits: np.float32(np.tanh(logits / 5)) * 1.0
    )
    yield Source("BM25", "no sigmoid", None, lambda logits: np.logaddexp(0, logits) * 3)
    yield Source(
        "probabilities without a path",
        "cannot tell",
        None,
        lambda logits: np.float32(0.5 + np.arctan(logits) / 3.2).astype(np.float64),
    )
    yield Source(
        "softmax over (0, logit)",
        "softmax",
        None,
        lambda logits: pair_softmax(logits).astype(np.float64),
        {"sigmoid": ("softmax over two labels in float32",), "forward dtype": ("float32",)},
    )


def _log_softmax(logits):
    pair = torch.from_numpy(pair_of(logits, "bfloat16")).to(torch.bfloat16)
    return torch.log_softmax(pair, dim=-1)[:, 1].double().numpy()


def _printed(scores: Made, digits: int) -> Made:
    return lambda logits: np.array([float(f"{score:.{digits}g}") for score in scores(logits)])


def _rounded(scores: Made, decimals: int) -> Made:
    return lambda logits: np.array([float(f"{score:.{decimals}f}") for score in scores(logits)])


def is_settled(verdict: Verdict, source: Source) -> bool:
    """Whether a verdict says how the scores were made, and with which single path if there is."""
    if verdict.kind != source.kind or source.path is None:
        return verdict.kind == source.kind
    return verdict.path == source.path or (not source.single and source.path in verdict.paths)


def is_wrong(verdict: Verdict, source: Source) -> bool:
    """Whether a verdict claims what is not so; abstaining is never wrong."""
    if verdict.kind not in (*ABSTAINS, source.kind) or _wrong_stages(verdict, source):
        return True
    if verdict.kind in ABSTAINS and verdict.kind != source.kind:
        return verdict.path is not None
    if source.path is None:
        return verdict.path is not None
    return source.path not in verdict.paths


def _wrong_stages(verdict: Verdict, source: Source) -> list[str]:
    """Stages that are certain of something else."""
    return [
        str(one)
        for one in verdict.stages
        if one.certain
        and not one.values[0].startswith(source.stages.get(one.stage, _STORED.get(one.stage, ())))
    ]


_STORED = {"stored dtype": ("float32", "float64", *HALVES)}
"""Of sources without a path the stored dtype is what it is."""
