"""What a forward dtype keeps of the float32 ranking, beside what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.agreements import agreement
from analysis.counting import count
from analysis.scorepath import ScorePath
from analysis.studies.speed.passes import QUERY
from analysis.ties import apply

SCORES, LOGITS = "scores", "raw logits"


def faithfulness(logits: pd.DataFrame, paths: Sequence[ScorePath], *, k: int = 10) -> pd.DataFrame:
    """What each path keeps of the float32 ranking: by its scores, and by its raw logits.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of float32 and of the
    paths' forward dtypes. Two rows per path: ``forward_dtype``; ``path`` (as in words);
    ``order``: ``"scores"`` or ``"raw logits"``; means over queries of ``kendall_tau_b`` (queries
    where it is defined) and ``overlap`` (expected overlap@k), both with the order of the float32
    logits; ``saturated``: share of the scores that are exactly 0 or 1 (NaN for logits, which cannot
    saturate); ``ndcg, ndcg_min, ndcg_max``: nDCG@k, expected over tie orders, and its ends (NaN
    unless every grade is known). Raises :class:`InputError` as
    :func:`analysis.ties.apply` does.
    """
    reference = apply(logits, ScorePath("float32").raw())
    rows = []
    for path in paths:
        for order, own in ((SCORES, path), (LOGITS, path.raw())):
            scored = apply(logits, own)
            agreed = agreement(reference, scored, k)
            counted = count(scored, k=k, bounded=own.has_sigmoid)
            rows.append(
                {
                    "forward_dtype": path.forward_dtype,
                    "path": path.name or path.computation,
                    "order": order,
                    "kendall_tau_b": agreed["kendall_tau_b"].mean(),
                    "overlap": agreed[f"overlap@{k}"].mean(),
                    "saturated": (counted["ones"] + counted["zeros"]) / len(scored),
                    **{name: counted[name] for name in ("ndcg", "ndcg_min", "ndcg_max")},
                }
            )
    return pd.DataFrame(rows)


def trade_off(speed: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Set beside each row of :func:`faithfulness` what one query costs in its forward dtype.

    Adds ``seconds, fastest, slowest, pairs_per_second, peak_bytes`` of the batch ``"one query"`` of
    :func:`measure_speed`. Dtypes that were not measured are left out.
    """
    columns = ["seconds", "fastest", "slowest", "pairs_per_second", "peak_bytes"]
    query = speed.loc[speed["batch"] == QUERY, ["forward_dtype", *columns]]
    return kept.merge(query, on="forward_dtype", validate="many_to_one")


def chance_sentence(logits: pd.DataFrame, k: int) -> str:
    """Say what overlap of two top ``k`` is to be expected of orders that know nothing.

    Of ``n`` candidates a random order puts ``min(k, n) / n`` of any top ``k`` into its own.
    """
    sizes = logits[logits["forward_dtype"] == "float32"].groupby("query_id").size()
    by_chance = (sizes.clip(upper=k) / sizes).mean()
    return (
        f"Queries have {sizes.min()} to {sizes.max()} candidates here, so that even a random order "
        f"shares **{by_chance:.0%}** of its top {k} with that of float32: overlap is to be read "
        "from there to 100 %."
    )


def verdict(trade: pd.DataFrame, dtype: str, k: int) -> str:
    """Say what a forward dtype costs and keeps against float32, from :func:`trade_off`.

    Two times differ only if the slowest repeat of one is faster than the fastest of the other.
    """
    by_order = trade[trade["forward_dtype"] == dtype].set_index("order")
    scores, logits = by_order.loc[SCORES], by_order.loc[LOGITS]
    float32 = trade[trade["forward_dtype"] == "float32"].iloc[0]
    slower = scores["fastest"] > float32["slowest"]
    faster = scores["slowest"] < float32["fastest"]
    smaller = scores["peak_bytes"] < float32["peak_bytes"]
    pace = "slower" if slower else "faster" if faster else "no difference beyond the spread"
    gains = ["time"] * bool(faster) + ["memory"] * bool(smaller)
    return (
        f"**{dtype}** takes {scores['seconds'] / float32['seconds']:.2g} times as long for one "
        f"query as float32 ({pace}) and {scores['peak_bytes'] / float32['peak_bytes']:.0%} of its "
        f"memory. Ordered by its raw logits, {logits['overlap']:.1%} of the float32 top {k} is "
        f"kept, in whatever order; by the scores of {scores['path']}, {scores['overlap']:.1%} is "
        f"to be expected, and {scores['saturated']:.1%} of them are exactly 0 or 1. What it saves "
        f"on this machine: "
        f"**{' and '.join(gains) or 'nothing'}**."
    )
