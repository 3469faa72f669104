"""Rank agreement of two runs under ties: Kendall's τ-b, expected overlap@k, expected RBO.

Ties leave the order open in both runs. Overlap and RBO are expected values with every order of a
tie group equally likely and the two runs' orders independent of each other; so even a run with
ties agrees less than perfectly with itself. With p = clip((k − c)/n, 0, 1), the probability that
a passage of a tie group of n below c others is among the first k, the expected number of common
passages is Σ p_A(k) p_B(k).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.errors import InputError
from analysis.metrics.judged import RUN_COLUMNS, checked_frame, checked_scores
from analysis.metrics.sums import Floats


def agreement(
    first: pd.DataFrame, second: pd.DataFrame, k: int = 10, persistence: float = 0.9
) -> pd.DataFrame:
    """Compare two runs (``query_id, passage_id, score``) query by query.

    Returns one row per query of either run, those of ``first`` in its order, then the others:
    ``query_id, common`` (passages that both runs score), ``kendall_tau_b`` (over those; NaN for
    fewer than two of them or where a run ties them all), ``overlap@k`` and ``rbo`` (see
    :func:`expected_overlap` and :func:`expected_rbo`; a passage that one run lacks is below
    everything that the run has). Raises :class:`InputError` for a frame that
    :func:`analysis.metrics.judged.judge` would refuse, a ``k`` below 1 and a ``persistence``
    outside (0, 1).
    """
    paired = _paired(first, second)
    rows = []
    for query_id, query in paired.groupby("query_id", sort=False):
        scores = query["score_first"].to_numpy(), query["score_second"].to_numpy()
        both = ~np.isnan(scores[0]) & ~np.isnan(scores[1])
        rows.append(
            {
                "query_id": query_id,
                "common": int(both.sum()),
                "kendall_tau_b": kendall_tau_b(*(score[both] for score in scores)),
                f"overlap@{k}": expected_overlap(*scores, k=k),
                "rbo": expected_rbo(*scores, persistence=persistence),
            }
        )
    return pd.DataFrame(rows)


def kendall_tau_b(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's τ-b of two score arrays over the same passages, shape (n,), as scipy has it.

    Concordant less discordant pairs, over the geometric mean of the pairs untied in each; NaN if
    one of them ties everything or n < 2. Citation: M. Kendall, Biometrika 33(3), 1945.
    """
    first, second = np.asarray(first), np.asarray(second)
    if len(first) < 2:
        return float("nan")
    return float(stats.kendalltau(first, second, variant="b").statistic)


def expected_overlap(first: ArrayLike, second: ArrayLike, k: int) -> float:
    """Expected share of common passages among the first k of two rankings.

    Scores of the same passages, shape (n,); NaN marks a passage that a ranking lacks. Divided by
    k, or by the length of the longer ranking if that is shorter: two equal short rankings without
    ties overlap by 1. Raises :class:`InputError` for a ``k`` below 1.
    """
    if k < 1:
        raise InputError(f"no overlap among the first {k}", "give a k of at least 1", field="k")
    depths = np.array([min(k, max(_length(first), _length(second)))])
    return float(_expected_common(first, second, depths)[0] / depths[0])


def expected_rbo(first: ArrayLike, second: ArrayLike, persistence: float = 0.9) -> float:
    """Expected rank-biased overlap, extrapolated (RBO_EXT), of two rankings with ties.

    Scores as in :func:`expected_overlap`. This is RBO^a of Corsi and Urbano, *The Treatment of
    Ties in Rank-Biased Overlap*, SIGIR 2024: the mean of RBO over all orders of the ties, with
    the extrapolation of Webber, Moffat and Zobel, ACM TOIS 28(4), 2010, equation 32.
    ``persistence`` p is the probability of looking one rank further. An empty ranking agrees
    with nothing: 0. Raises :class:`InputError` for a p outside (0, 1).
    """
    p = persistence
    if not 0 < p < 1:
        raise InputError(
            f"{p} is no persistence", "give a number between 0 and 1", field="persistence"
        )
    shorter, longer = sorted((_length(first), _length(second)))
    if shorter == 0:
        return 0.0
    depth = np.arange(1, longer + 1)
    common = _expected_common(first, second, depth)
    # Beyond its end the shorter ranking is taken to agree as it did up to there.
    unseen = common[shorter - 1] / shorter * np.maximum(depth - shorter, 0)
    agreed = (common + unseen) / depth
    return float((1 - p) / p * np.sum(agreed * p**depth) + agreed[-1] * p**longer)


def _expected_common(first: ArrayLike, second: ArrayLike, depths: NDArray[np.int64]) -> Floats:
    """Expected number of common passages among the first d, for each d; shape of ``depths``."""
    places = [_tie_places(scores) for scores in (first, second)]
    return np.array([np.sum(np.prod([within(d) for within in places], axis=0)) for d in depths])


def _tie_places(scores: ArrayLike) -> Callable[[int], Floats]:
    """Give a function of d: each passage's probability to be among the first d, shape (n,)."""
    scores = np.asarray(scores, dtype=np.float64)
    ranked = np.sort(-scores[~np.isnan(scores)])
    above = np.searchsorted(ranked, -scores, side="left")
    size = np.searchsorted(ranked, -scores, side="right") - above
    # A passage that the ranking lacks (NaN sorts last) has a group of size 0 there.
    return lambda d: np.clip(d - above, 0, size) / np.maximum(size, 1)


def _length(scores: ArrayLike) -> int:
    return int(np.count_nonzero(~np.isnan(np.asarray(scores, dtype=np.float64))))


def _paired(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    frames = []
    for frame, source in ((first, "first run"), (second, "second run")):
        checked = checked_frame(frame, RUN_COLUMNS, source)
        frames.append(checked.assign(score=checked_scores(checked, None, source)))
    keys = ["query_id", "passage_id"]
    left, right = frames
    paired = left.merge(right, on=keys, how="left", suffixes=("_first", "_second"))
    alone = right.merge(left[keys], on=keys, how="left", indicator=True)
    alone = alone[alone["_merge"] == "left_only"].rename(columns={"score": "score_second"})
    return pd.concat([paired, alone.drop(columns="_merge")], ignore_index=True)
