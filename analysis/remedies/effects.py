"""What each remedy changes on the logits of a set: saturation, ties, places, nDCG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.comparisons import compare
from analysis.errors import InputError
from analysis.formats import format_of
from analysis.metrics import average, evaluate
from analysis.remedies import table
from analysis.scorepath import ScorePath
from analysis.ties import score_frame, summary, with_tie_groups
from analysis.verifying import Trial


def hps(path: ScorePath) -> ScorePath:
    """The path with its logits upcast: ``torch.sigmoid`` and scores in float32."""
    return replace(path, formula="fused", activation_dtype="float32", stored_dtype="float32")


def raw(path: ScorePath) -> ScorePath:
    """The path without a sigmoid: its logits, every bit of them."""
    return ScorePath(path.forward_dtype, "none", "float64", "float64")


def calibrated(logits: ArrayLike, factor: float, path: ScorePath) -> NDArray[np.float64]:
    """Scores of a path whose logits are multiplied by a calibration factor before the sigmoid.

    As Haystack does it, ``torch.sigmoid(logits * calibration_factor)``: the product is computed in
    float32 and rounded to the forward dtype, the sigmoid is the path's. A temperature T is the
    factor 1/T. Shape kept; raises :class:`InputError` unless the factor is positive and finite.
    """
    if not 0 < factor < np.inf:
        raise InputError(f"{factor} cannot calibrate", "give a factor above 0", field="factor")
    forward = format_of(path.forward_dtype)
    wide = np.float64 if path.forward_dtype == "float64" else np.float32
    with np.errstate(over="ignore", under="ignore"):  # the product may leave float32's range
        product = path.logits(logits).astype(wide) * wide(factor)
    return path.scores(forward.round(product))


def calibration_curve(
    logits: pd.DataFrame, path: ScorePath, factors: Iterable[float], *, k: int = 10
) -> pd.DataFrame:
    """Saturation and ties of a path by calibration factor.

    ``logits`` as for :func:`measure`. One row per factor: ``factor, saturated, tied_in_top``
    (candidates of a tie group that reaches into the first ``k``).
    """
    own = score_frame(logits, path)
    rows = []
    for factor in factors:
        scored = with_tie_groups(own.assign(score=calibrated(own["logit"], factor, path)))
        rows.append((factor, saturated(scored), tied_in_top(scored, k)))
    return pd.DataFrame(rows, columns=["factor", "saturated", "tied_in_top"])


def measure(
    logits: pd.DataFrame,
    path: ScorePath,
    *,
    k: int = 10,
    trial: Trial | None = None,
    factor: float | None = None,
) -> pd.DataFrame:
    """Measure the remedies on logits that are there: one row per remedy, the path itself first.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of float32 and of the
    path's forward dtype. ``trial`` adds verified top k, ``factor`` a calibration factor. Columns:

    - ``remedy``: a name of :mod:`analysis.remedies.table`;
    - ``saturated``: candidates whose score is exactly 1.0 or 0.0 (<NA> where scores are logits);
    - ``tied_in_top``: candidates of a tie group that reaches into the first ``k`` ranks;
    - ``first_tied``: queries whose first place is shared;
    - ``reordered``: queries whose first ``k`` places are not those of the float32 logits (see
      :func:`reordered`);
    - ``ndcg, ndcg_min, ndcg_max``: nDCG@k, expected over tie orders, and its ends (NaN unless every
      grade is known).

    Raises :class:`InputError` as :func:`analysis.ties.score_frame` does.
    """
    float32 = score_frame(logits, raw(replace(path, forward_dtype="float32")))
    own = score_frame(logits, path)
    runs = {
        table.AS_IT_IS: own,
        table.HPS.name: score_frame(logits, hps(path)),
        table.RAW.name: score_frame(logits, raw(path)),
        table.FLOAT32.name: score_frame(logits, hps(replace(path, forward_dtype="float32"))),
    }
    if trial is not None:
        ids = own[["query_id", "passage_id", "grade"]]
        verified = ids.merge(trial.run, on=["query_id", "passage_id"], validate="one_to_one")
        runs[table.VERIFIED.name] = with_tie_groups(verified)
    if factor is not None:
        scores = calibrated(own["logit"], factor, path)
        runs[table.CALIBRATION.name] = with_tie_groups(own.assign(score=scores))
    unbounded = {table.RAW.name, table.VERIFIED.name}
    unbounded |= {table.AS_IT_IS} if path.formula == "none" else set()
    rows = [
        {"remedy": name, **_effects(float32, run, k, bounded=name not in unbounded)}
        for name, run in runs.items()
    ]
    return pd.DataFrame(rows).astype({"saturated": "Int64"})


def measure_versions(
    versions: Mapping[str, pd.DataFrame], path: ScorePath, *, k: int = 10
) -> pd.DataFrame:
    """Measure one path on several models' logits (each as for :func:`measure`), by model.

    Columns: ``model``; ``highest, median_top``: the highest float32 logit, and the median over
    queries of the highest of each; then, on the path, the columns of :func:`measure`;
    ``ndcg_float32``: nDCG@k in float32 throughout.
    """
    rows = []
    for name, logits in versions.items():
        measured = measure(logits, path, k=k).set_index("remedy")
        float32 = logits[logits["forward_dtype"] == "float32"]
        firsts = float32.groupby("query_id", sort=False)["logit"].max()
        rows.append(
            {
                "model": name,
                "highest": float32["logit"].max(),
                "median_top": firsts.median(),
                **measured.loc[table.AS_IT_IS],
                "ndcg_float32": measured.loc[table.FLOAT32.name, "ndcg"],
            }
        )
    return pd.DataFrame(rows).astype({"saturated": "Int64"})


def version_sentence(versions: pd.DataFrame, path: ScorePath) -> str:
    """Say what is left of saturation and ties in each version after the first.

    ``versions`` are rows of :func:`measure_versions` on that path; empty text without others, and
    on a path without a sigmoid, which saturates nothing.
    """
    first = versions.iloc[0]
    if path.formula == "none":
        return ""
    said = [
        f"**{row.model}** has {row.saturated} saturated scores on {path.name} in place of "
        f"{first.saturated}, and {int(row.tied_in_top)} candidates that tie in place of "
        f"{int(first.tied_in_top)}: ties that are left come from the steps of the dtype, which no "
        f"training narrows. Its highest logit is {row.highest:.2f}; a path that saturates below "
        "that still does."
        for row in versions.iloc[1:].itertuples()
    ]
    return " ".join(said)


def version_differences(versions: Mapping[str, pd.DataFrame], *, k: int = 10) -> pd.DataFrame:
    """What other versions of a model are worth in float32 against the first one, in nDCG@k.

    One row per version but the first: ``model``, and of :func:`analysis.comparisons.compare`
    ``first, second, difference, low, high, p_value, queries_needed``, the version being *first*.
    No rows where a grade is missing, or where there is one query only, which nothing can test.
    """
    columns = ["first", "second", "difference", "low", "high", "p_value", "queries_needed"]
    empty = pd.DataFrame(columns=["model", *columns])
    runs = {name: logits[logits["forward_dtype"] == "float32"] for name, logits in versions.items()}
    own, *others = runs
    qrels = runs[own]
    if qrels["grade"].isna().any() or qrels["query_id"].nunique() < 2:
        return empty
    worth = {
        name: evaluate(run.assign(score=run["logit"]), qrels, [f"nDCG@{k}"])
        for name, run in runs.items()
    }
    rows = [compare(worth[name], worth[own]).assign(model=name) for name in others]
    return pd.concat(rows)[empty.columns] if rows else empty


def saturated(scored: pd.DataFrame) -> int:
    """Candidates whose score is exactly 1.0 or 0.0."""
    return int(scored["score"].isin([0.0, 1.0]).sum())


def tied_in_top(scored: pd.DataFrame, k: int) -> int:
    """Candidates of a frame with tie groups whose group reaches into the first ``k`` ranks."""
    return int(summary(scored, k)[f"tied_in_top_{k}"])


def reordered(reference: pd.DataFrame, scored: pd.DataFrame, k: int) -> int:
    """Queries whose first ``k`` places differ between two frames with tie groups.

    A candidate's place is the span of ranks that its tie group occupies, so that no tie rule
    enters; candidates count whose span begins within the first ``k`` in either frame.
    """
    spans = [_spans(frame) for frame in (reference, scored)]
    both = spans[0].merge(spans[1], on=["query_id", "passage_id"], suffixes=("_1", "_2"))
    counts = both[["first_1", "first_2"]].min(axis=1) <= k
    moved = (both["first_1"] != both["first_2"]) | (both["size_1"] != both["size_2"])
    return both.loc[counts & moved, "query_id"].nunique()


def mean_ndcg(scored: pd.DataFrame, k: int) -> dict[str, float]:
    """Mean nDCG@k of a graded frame, expected and at its ends under ties; NaN without grades.

    Keys: ``ndcg, ndcg_min, ndcg_max``.
    """
    names = {"expected": "ndcg", "min": "ndcg_min", "max": "ndcg_max"}
    if scored["grade"].isna().any():
        return dict.fromkeys(names.values(), float("nan"))
    (found,) = average(evaluate(scored, scored, [f"nDCG@{k}"])).to_dict("records")
    return {ours: found[theirs] for theirs, ours in names.items()}


def _spans(scored: pd.DataFrame) -> pd.DataFrame:
    first = scored.groupby("query_id", sort=False)["score"].rank(method="min", ascending=False)
    return scored[["query_id", "passage_id"]].assign(first=first, size=scored["tie_size"])


def _effects(float32: pd.DataFrame, scored: pd.DataFrame, k: int, *, bounded: bool) -> dict:
    return {
        "saturated": saturated(scored) if bounded else pd.NA,
        "tied_in_top": tied_in_top(scored, k),
        "first_tied": int(summary(scored, k)["queries_with_tied_first"]),
        "reordered": reordered(float32, scored, k),
        **mean_ndcg(scored, k),
    }
