"""What each remedy changes on the logits of a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.comparisons import compare_measures
from analysis.counting import count, effects, effects_table
from analysis.errors import InputError
from analysis.formats import format_of
from analysis.forwardformats import ForwardFormat, as_format, in_format, of_format
from analysis.metrics import evaluate
from analysis.remedies import table
from analysis.remedies.networks import measure_networks
from analysis.remedies.situation import Situation, told_apart
from analysis.scorepath import ScorePath
from analysis.ties import apply, tied_in_top
from analysis.verifying import Trial

FORETOLD, MEASURED = "foretold from float32", "measured"


def calibration_curve(
    logits: pd.DataFrame, path: ScorePath, factors: Iterable[float], *, k: int = 10
) -> pd.DataFrame:
    """Effects of a path by calibration factor: ``factor``, then the columns of ``effects``.

    ``logits`` as for :func:`measure`; what is counted against the reference is left open.
    """
    own = apply(logits, path)
    counted = {
        factor: count(own.assign(score=_calibrated(own["logit"], factor, path)), k=k)
        for factor in factors
    }
    return effects_table(counted.items(), "factor")


def measure(
    logits: pd.DataFrame,
    path: ScorePath,
    *,
    forward_format: ForwardFormat | str | None = None,
    k: int = 10,
    trial: Trial | None = None,
    factor: float | None = None,
) -> pd.DataFrame:
    """Measure the remedies on logits that are there: one row per remedy, the path itself first.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of the path's forward dtype
    and, for what is counted against the reference and for float32 throughout, of float32. Where
    another runtime than torch gives the path its logits, ``forward_format`` says so.
    ``trial`` adds verified top k, ``factor`` a calibration factor. The first column, ``remedy``, is
    a name of :mod:`analysis.remedies.table`; the others are those of
    :func:`analysis.counting.effects`. A path without a sigmoid has none to be upcast: its logits
    stay logits in float32 too. Raises :class:`InputError` as ``effects`` does.
    """
    own_format = _format_for(path, forward_format)
    if not own_format.is_torch:  # then the frame may hold many formats of the path's dtype
        logits = pd.concat([of_format(logits, one) for one in ("float32", own_format)])
    known = not of_format(logits, "float32").empty
    float32 = path.within("float32")
    paths = {table.AS_IT_IS: path}
    if path.has_sigmoid:
        paths[table.HPS.name] = path.hps()
    paths[table.RAW.name] = path.raw()
    if known:
        paths[table.FLOAT32.name] = float32.hps() if path.has_sigmoid else float32.raw()
    own = apply_to(logits, path, own_format)
    reference = apply_to(logits, float32.raw(), as_format("float32")) if known else None
    counted = {}
    if trial is not None:
        ids = own[["query_id", "passage_id", "grade"]]
        run = ids.merge(trial.run, on=["query_id", "passage_id"], validate="one_to_one")
        counted[table.VERIFIED.name] = count(
            run, reference, k=k, bounded=False, tie_rule=path.tie_rule
        )
    if factor is not None:
        scores = _calibrated(own["logit"], factor, path)
        counted[table.CALIBRATION.name] = count(
            own.assign(score=scores), reference, k=k, tie_rule=path.tie_rule
        )
    by_path = effects(logits, paths, k=k).rename(columns={"path": "remedy"})
    is_full = by_path["remedy"] == table.FLOAT32.name
    wanted = is_full.map({True: as_format("float32").text, False: own_format.text})
    by_path = by_path[by_path["forward_format"] == wanted].reset_index(drop=True)
    if not counted:
        return by_path
    others = effects_table(counted.items(), "remedy")
    others["forward_format"] = own_format.text
    return pd.concat([by_path, others], ignore_index=True)


def _format_for(path: ScorePath, forward_format: ForwardFormat | str | None) -> ForwardFormat:
    """The forward format that gives a path its logits: torch's, if none is named.

    Raises :class:`InputError` for a format whose logits are of another dtype than the path's.
    """
    chosen = as_format(path.forward_dtype if forward_format is None else forward_format)
    if chosen.forward_dtype != path.forward_dtype:
        raise InputError(
            f"the path takes {path.forward_dtype} logits, and those of {chosen.name} are "
            f"{chosen.forward_dtype}",
            "name a format of the path's forward dtype",
            field="forward_format",
        )
    return chosen


def apply_to(logits: pd.DataFrame, path: ScorePath, forward_format: ForwardFormat) -> pd.DataFrame:
    """Put the logits of one forward format through a path: what :func:`analysis.apply` returns.

    Raises :class:`InputError` where there are none, and as ``apply`` does.
    """
    scored = of_format(apply(logits, path), forward_format)
    if scored.empty and not logits.empty:
        raise InputError(
            f"there are no logits of {forward_format.name}",
            f"score with formats including {forward_format.name!r}",
            field="forward_format",
        )
    return scored


def situation_of(
    logits: pd.DataFrame,
    path: ScorePath,
    *,
    forward_format: ForwardFormat | str | None = None,
    batched: pd.DataFrame | None = None,
    k: int = 10,
    trial: Trial | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Situation:
    """Measure everything that :func:`analysis.remedies.recommend` weighs, which says what is given.

    Raises :class:`InputError` for a trial of another format or k, and as :func:`measure` does.
    """
    chosen = _format_for(path, forward_format)
    if trial is not None and (trial.forward_format, trial.k) != (chosen, k):
        raise InputError(
            f"the trial is of the top {trial.k} of {trial.name}, not of the top {k} of "
            f"{chosen.name}",
            "try out the path's forward format with the same k",
            field="trial",
        )
    own = apply_to(logits, path, chosen)
    exact = path.within("float32").raw()
    known = not of_format(logits, "float32").empty
    ids, float32, exactly = ["query_id", "passage_id"], None, None
    if known:
        best = apply_to(logits, exact, as_format("float32"))
        float32 = own[ids].merge(best[[*ids, "logit"]], on=ids)
        exactly = int(tied_in_top(best, k).sum())
    networks = None
    if known and not chosen.is_torch:
        networks = measure_networks(logits, chosen, batched=batched, k=k).set_index("remedy")
    return Situation(
        path=path,
        measured=measure(logits, path, forward_format=chosen, k=k, trial=trial).set_index("remedy"),
        shared=own.loc[tied_in_top(own, k), "score"].unique(),
        k=k,
        exactly=exactly,
        apart=told_apart(own, float32["logit"].set_axis(own.index), k) if known else None,
        rescored=None if trial is None else trial.rescored,
        seconds=seconds or {},
        forward_format=None if chosen.is_torch else chosen,
        networks=networks,
    )


def measure_versions(
    versions: Mapping[str, pd.DataFrame], path: ScorePath, *, k: int = 10
) -> pd.DataFrame:
    """Measure one path on several models' logits, by model: foretold, and measured where possible.

    Each has float32 logits, from which the path is foretold as :func:`analysis.budgets.predict`
    does it: a second model need not be run in a half dtype for this. Where there are logits of the
    path's own forward dtype too, a second row measures it. Columns: ``model``; ``logits``
    (:data:`FORETOLD` or :data:`MEASURED`); ``highest, median_top``: the highest float32 logit, and
    the median over queries of the highest of each; then, on the path, the columns of
    :func:`analysis.counting.effects`; ``ndcg_float32``: nDCG@k in float32 throughout.
    """
    rows = []
    for name, logits in versions.items():
        reference = of_format(logits, "float32")
        firsts = reference.groupby("query_id", sort=False)["logit"].max()
        ends = {"highest": reference["logit"].max(), "median_top": firsts.median()}
        for origin, frame in _origins(logits, path).items():
            paths = {table.AS_IT_IS: path, table.FLOAT32.name: path.within("float32").hps()}
            own, float32 = effects(frame, paths, k=k).iloc[:, 2:].to_dict("records")
            row = {"model": name, "logits": origin, **ends, **own, "ndcg_float32": float32["ndcg"]}
            rows.append(row)
    return pd.DataFrame(rows)


def _origins(logits: pd.DataFrame, path: ScorePath) -> dict[str, pd.DataFrame]:
    """Frames to measure a path on: its own logits where they are, and float32's in their place."""
    dtype, float32 = path.forward_dtype, of_format(logits, "float32")
    if dtype == "float32":
        return {MEASURED: logits}
    measured = {} if of_format(logits, dtype).empty else {MEASURED: logits}
    frames = [in_format(float32, one) for one in ("float32", dtype)]
    foretold = pd.concat(frames, ignore_index=True)
    return {FORETOLD: foretold, **measured}


def version_differences(versions: Mapping[str, pd.DataFrame], *, k: int = 10) -> pd.DataFrame:
    """What other versions of a model are worth in float32 against the first one, in nDCG@k.

    One row per version but the first: ``model``, and of
    :func:`analysis.comparisons.compare_measures` ``first, second, difference, low, high, p_value,
    queries_needed``, the version being *first*.
    No rows where a grade is missing, or where there is one query only, which nothing can test.
    """
    columns = ["first", "second", "difference", "low", "high", "p_value", "queries_needed"]
    empty = pd.DataFrame(columns=["model", *columns])
    runs = {name: of_format(logits, "float32") for name, logits in versions.items()}
    own, *others = runs
    qrels = runs[own]
    if qrels["grade"].isna().any() or qrels["query_id"].nunique() < 2:
        return empty
    worth = {
        name: evaluate(run.assign(score=run["logit"]), qrels, [f"nDCG@{k}"])
        for name, run in runs.items()
    }
    rows = [compare_measures(worth[name], worth[own]).assign(model=name) for name in others]
    return pd.concat(rows)[empty.columns] if rows else empty


def _calibrated(logits: ArrayLike, factor: float, path: ScorePath) -> NDArray[np.float64]:
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
