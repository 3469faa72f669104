"""Verified top k: score everything in a cheap dtype, rescore in float32 what is not certain.

If no cheap logit is farther than a bound from its float32 logit, then two candidates whose cheap
logits differ by more than twice the bound stand in the same order in float32. Only those of the
first ``k`` that some other candidate comes closer to need a second look, and those just below that
could still rise among them. :func:`verified_top_k` finds and rescores them; :func:`error_bound`
estimates the bound from queries that were scored in both dtypes, and says what that guarantees;
:func:`try_out` holds it to queries that the bound has not seen.

All that supposes that the error belongs to the pair. Where a logit depends on what shares its
batch by more than its last bits, as under dynamic int8 with one scale for all activations, an error
that was measured in one batch bounds none in another: :func:`query_errors` refuses such a format.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat, as_format, of_format
from analysis.frames import check_k

CONFIDENCE = 0.95

Rows = NDArray[np.intp]
Rescore = Callable[[Rows], ArrayLike]


@dataclass(frozen=True)
class VerifiedTopK:
    """The first candidates of one query, in their float32 order.

    ``order`` (at most k,) and ``rescored`` (n_rescored,) are positions among the candidates;
    ``logits`` (n_candidates,) are the float32 ones where rescored, otherwise the cheap ones:
    sorted, they begin with ``order``. ``within`` is whether the rescored ones were within the
    bound: if not, it does not hold for this query, and the order is not certain.
    """

    order: Rows
    rescored: Rows
    logits: NDArray[np.float64]
    within: bool


@dataclass(frozen=True)
class ErrorBound:
    """A bound on the logit errors of a query, and what calibration guarantees of it.

    ``bound`` (logits) is the ``place``-th smallest of ``n_queries`` calibration errors, each the
    largest error among a query's candidates. With probability ``confidence`` or more over the
    choice of the calibration queries, all logit errors are within the bound in at least the
    ``share`` of further queries, and there the verified top k *is* the float32 top k. For queries
    drawn independently from one population; whatever the distribution of errors.
    """

    bound: float
    share: float
    confidence: float
    n_queries: int
    place: int

    def __str__(self) -> str:
        if not self.n_queries:
            return "no calibration queries, so no bound: everything is rescored"
        share = math.floor(round(1000 * self.share, 6)) / 10  # never more than is guaranteed
        return (
            f"{self.bound:.3g} of a logit (place {self.place} of the errors of {self.n_queries} "
            f"calibration queries, ascending): with {self.confidence:.0%} confidence at least "
            f"{share:g}% of further queries are within"
        )


def verified_top_k(cheap: ArrayLike, k: int, bound: float, rescore: Rescore) -> VerifiedTopK:
    """Return the first ``k`` candidates of a query in their float32 order.

    ``cheap`` (n_candidates,) are logits of the cheap forward pass, ``bound`` (logits, at least 0;
    infinite: rescore all) is the largest error that they are believed to have. ``rescore`` is given
    positions and returns their float32 logits in that order; it is called at most once, and not at
    all where the cheap logits decide alone.

    If every ``|cheap − float32| <= bound``, the result equals the first k of the float32 logits
    exactly, *equal float32 logits standing in input order* (a stable sort); otherwise it may not.
    A float32 logit of another batch differs in its last bits (about 1e-5): candidates that close in
    float32 have no order that another float32 run would have to confirm.

    Raises :class:`InputError` for a k that is no whole number from 1 on, a bound that is negative
    or NaN, logits that are not finite or not a list, and a ``rescore`` that returns another number
    of logits.
    """
    logits, within = _checked_logits(cheap, "cheap"), True
    check_k(k)
    if not isinstance(bound, Real) or not bound >= 0:
        raise InputError(f"{bound!r} bounds no error", "give a number of 0 or more", field="bound")
    rows = uncertain(logits, k, bound)
    if rows.size:
        exact = _checked_logits(rescore(rows), "rescored")
        if exact.shape != rows.shape:
            raise InputError(
                f"{rows.size} candidates were to be rescored, {exact.size} logits came back",
                "return one float32 logit for each position, in their order",
                field="rescore",
            )
        within = bool((np.abs(exact - logits[rows]) <= bound).all())
        logits[rows] = exact
    return VerifiedTopK(order=top_k(logits, k), rescored=rows, logits=logits, within=within)


def uncertain(logits: NDArray[np.float64], k: int, bound: float) -> Rows:
    """Positions of the candidates whose place in the first ``k`` the bound leaves open, ascending.

    Candidates that ``k`` others are certainly above cannot get there and are left out. Of the
    others, those are meant that have one of them within twice the bound, exactly twice included.
    """
    order = np.argsort(-logits, kind="stable")
    by_rank = logits[order]
    if len(by_rank) > k:
        # As differences: then a rounding of float64 cannot make an open place certain.
        order = order[by_rank[k - 1] - by_rank <= 2 * bound]
    near = -np.diff(logits[order]) <= 2 * bound
    chosen = np.zeros(len(order), dtype=bool)
    chosen[1:] |= near
    chosen[:-1] |= near
    return np.sort(order[chosen])


def top_k(logits: NDArray[np.float64], k: int) -> Rows:
    """Positions of the ``k`` highest logits, best first, equal ones in input order."""
    return np.argsort(-logits, kind="stable")[:k]


def query_errors(logits: pd.DataFrame, cheap: str | ForwardFormat) -> pd.Series:
    """Largest ``|logit − float32 logit|`` of each query, in logits, by query id.

    ``logits`` is a frame of :func:`analysis.scoring.score` with torch's float32 logits and those of
    ``cheap``, a forward format (a dtype is torch's). Raises :class:`InputError` where a pair lacks
    one of the two, and for a format whose logits depend on what shares their batch: an error that
    was measured in one batch bounds none in another.
    """
    if as_format(cheap).depends_on_batch:
        raise InputError(
            f"an error of {as_format(cheap).name} belongs to a batch, not to a pair: measured in "
            "one, it bounds none in another",
            "take a format whose activations have a scale per token or block, or none",
            field="forward_format",
        )
    both = side_by_side(logits, cheap)
    errors = (both["cheap"] - both["float32"]).abs()
    return errors.groupby(both["query_id"], sort=False).max()


def error_bound(
    errors: ArrayLike, *, share: float | None = None, confidence: float = CONFIDENCE
) -> ErrorBound:
    """Bound the errors of further queries by those of calibration queries, without assumptions.

    ``errors`` (n_queries,) are the largest errors of independent queries (:func:`query_errors`).
    The bound is an order statistic, the smallest that is an upper tolerance limit (Wilks, Annals of
    Mathematical Statistics 12, 1941): the m-th smallest error is one for a ``share`` p if P(B < m)
    ≥ ``confidence`` for a binomial B of n trials with probability p. Left out, the share is the
    largest that so many queries support, with the largest error as bound: (1 − confidence)^(1/n).
    Without any query nothing is known and the bound is infinite.

    Raises :class:`InputError` for errors that are negative or not finite, for shares and
    confidences outside (0, 1), and for too few queries, saying how many it takes.
    """
    found = np.sort(_checked_logits(errors, "errors"))
    if (found < 0).any():
        raise InputError("an error is negative", "give absolute values", field="errors")
    for name, value in (("share", share), ("confidence", confidence)):
        if value is not None and not 0 < value < 1:
            raise InputError(f"{value} is not between 0 and 1", "such as 0.95", field=name)
    n = len(found)
    if n == 0:
        return ErrorBound(math.inf, 1.0, confidence, 0, 0)
    if share is None:
        return ErrorBound(float(found[-1]), (1 - confidence) ** (1 / n), confidence, n, n)
    place = int(stats.binom.ppf(confidence, n, share)) + 1
    if place > n:
        raise InputError(
            f"{n} queries cannot bound the errors of {share:.4g} of all queries with confidence "
            f"{confidence:g}",
            f"calibrate on {math.ceil(math.log(1 - confidence) / math.log(share))} or more",
            field="errors",
        )
    return ErrorBound(float(found[place - 1]), share, confidence, n, place)


@dataclass(frozen=True, eq=False)
class Trial:
    """Verified top k on queries that the bound was not calibrated on.

    ``queries`` has one row per query, in the set's order: ``query_id, candidates``; ``error``, the
    largest of its logit errors, and ``bound``, that of the other half; ``within``, whether the one
    is within the other; ``rescored``, how many candidates; ``cheap_equal`` and ``equal``, whether
    the cheap and the verified top k are the float32 top k, candidate by candidate. ``run`` has the
    columns ``query_id, passage_id, score``, a score being the logit after verification.
    """

    forward_format: ForwardFormat
    k: int
    bounds: tuple[ErrorBound, ErrorBound]
    queries: pd.DataFrame
    run: pd.DataFrame

    @property
    def name(self) -> str:
        """Name of the forward format: of torch's the dtype."""
        return self.forward_format.name

    @property
    def rescored(self) -> float:
        """Share of the candidates that were rescored."""
        return float(self.queries["rescored"].sum() / self.queries["candidates"].sum())

    def __str__(self) -> str:
        found = self.queries[["within", "cheap_equal", "equal"]].sum()
        n = len(self.queries)
        return (
            f"Verified top {self.k} of {self.name}: {self.rescored:.1%} of the candidates are "
            f"rescored. {found['equal']} of {n} held-out queries have exactly the float32 top "
            f"{self.k} ({found['cheap_equal']} by {self.name} logits alone); the errors of "
            f"{found['within']} are all within the bound."
        )


def try_out(
    logits: pd.DataFrame,
    cheap: str | ForwardFormat,
    *,
    k: int = 10,
    share: float | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Trial:
    """Verify the top ``k`` of every query with a bound from queries that it is not among.

    ``logits`` and ``cheap`` as for :func:`query_errors`. The queries are split into two halves at
    random (``seed``); each half is verified with the bound of the other, so every query is held out
    once and the two bounds differ. Float32 logits are looked up, not computed again. Raises as
    :func:`error_bound` and :func:`query_errors` do.
    """
    both, errors = side_by_side(logits, cheap), query_errors(logits, cheap)
    half = np.random.default_rng(seed).permutation(len(errors)) % 2
    bounds = [error_bound(errors[half != h], share=share, confidence=confidence) for h in (0, 1)]
    rows, verified = [], both["cheap"].copy()
    for h, (query_id, pairs) in zip(half, both.groupby("query_id", sort=False), strict=True):
        own, float32 = pairs["cheap"].to_numpy(), pairs["float32"].to_numpy()
        found = verified_top_k(own, k, bounds[h].bound, float32.__getitem__)
        verified[pairs.index] = found.logits
        rows.append(
            {
                "query_id": query_id,
                "candidates": len(pairs),
                "error": errors[query_id],
                "bound": bounds[h].bound,
                "within": errors[query_id] <= bounds[h].bound,
                "rescored": len(found.rescored),
                "cheap_equal": np.array_equal(top_k(own, k), top_k(float32, k)),
                "equal": np.array_equal(found.order, top_k(float32, k)),
            }
        )
    run = both[["query_id", "passage_id"]].assign(score=verified)
    return Trial(as_format(cheap), k, (bounds[0], bounds[1]), pd.DataFrame(rows), run)


def time_saved(rescored: float, cheap: float, full: float) -> float:
    """Share of the time of a float32 run that verified top k saves; negative where it costs more.

    ``rescored`` is the share of candidates that are rescored; ``cheap`` and ``full`` are the
    seconds that one pair takes in the cheap dtype and in float32, as measured
    (:func:`analysis.timing.seconds_per_pair`). A rescored pair is taken to cost what any float32
    pair does; in batches too small to fill the device it costs more.
    """
    return 1 - cheap / full - rescored


def side_by_side(logits: pd.DataFrame, cheap: str | ForwardFormat) -> pd.DataFrame:
    """One row per pair: ``query_id, passage_id, cheap, float32``, in the float32 rows' order."""
    keys = ["query_id", "passage_id"]
    frames = [
        of_format(logits, one)[[*keys, "logit"]].rename(columns={"logit": column})
        for one, column in (("float32", "float32"), (cheap, "cheap"))
    ]
    both = frames[0].merge(frames[1], on=keys, how="outer", sort=False, validate="one_to_one")
    if both.empty or both.isna().to_numpy().any():
        raise InputError(
            f"not every pair has a logit in float32 and in {as_format(cheap).name}",
            "score the same pairs with formats including both: "
            f"['float32', {as_format(cheap).name!r}]",
            field="forward_format",
        )
    return frames[0][keys].merge(both, on=keys)[[*keys, "cheap", "float32"]]


def _checked_logits(values: ArrayLike, name: str) -> NDArray[np.float64]:
    logits = np.array(values, dtype=np.float64)
    if logits.ndim != 1 or not np.isfinite(logits).all():
        raise InputError(
            f"the values have the shape {logits.shape}, or some are not finite",
            "give a list of finite numbers; float16 overflows in some models, bfloat16 does not",
            field=name,
        )
    return logits
