"""What ties do to a ranking's worth, path by path: spans, tie rules, what comes back, how certain.

A *run* here is a frame of :func:`analysis.ties.apply`; runs and their evaluations are kept by the
path's name. Without grades nothing can be evaluated: :func:`evaluated` is then empty, and so is
everything that is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from analysis.comparisons import FIRST, ROUNDING, SECOND, compare_measures, differences
from analysis.engines import find_engine
from analysis.formats import format_of
from analysis.metrics import average, evaluate
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath, TieRule
from analysis.ties import apply, tied_in_top

K = 10
RULES: tuple[TieRule, ...] = ("input order", "docid ascending", "docid descending", "expected")
"""The tie rules that are compared; evaluation tools have these."""
MEASURES = (f"nDCG@{K}", f"RR@{K}")
REMEDIES = (
    "a float32 sigmoid (HPS)",
    "only the order of raw logits",
    "only a float32 network",
    "nothing",
)
"""What sets a tied candidate apart, the cheapest first."""

_ENGINES = (("infinity", "0.0.68"), ("haystack", "2.31.0"), ("infinity", "0.0.78"))
_SPANS = ["path", "measure", "expected", "min", "max", "std", "queries", "open"]
_RULES = ["path", "measure", "tie_rule", "value"]
_TOOLS = ["path", "measure", "tool", "tie_rule", "theirs", "ours"]
_PER_QUERY = ["path", "query_id", "measure", "difference", "min", "max", "certainty"]
_AGAINST = ["path", "measure", "queries", "first", "second", "difference", "min", "max"]
_AGAINST += ["certainty", "p_value", "p_holm", "low", "high", "detectable", "queries_needed"]
_WORD = re.compile(r"\w+")

Runs = Mapping[str, pd.DataFrame]
"""Frames by the path's name: scored ones, or results of :func:`analysis.metrics.evaluate`."""


def outcome_paths(forward_dtypes: Sequence[str]) -> list[ScorePath]:
    """Return the float32 reference and the engines' paths in these half dtypes.

    First the reference, whether float32 is among the dtypes or not; then the paths whose sigmoid
    is computed in the half dtype, then those that upcast before it, whose names end in "(HPS)".
    Other engines take the same paths, but for the last bit of a float32 sigmoid.
    """
    every = [path for engine in _ENGINES for path in find_engine(*engine).paths.values()]
    half = [p for p in every if p.forward_dtype != "float32" and p.forward_dtype in forward_dtypes]
    return [
        FLOAT32_REFERENCE,
        *(replace(path, name=path.name + " (HPS)" * path.is_hps) for path in half),
    ]


def as_sent(pairs: pd.DataFrame) -> pd.DataFrame:
    """Order the candidates of each query as an engine would be sent them.

    ``pairs`` as in :class:`analysis.datasets.RerankingSet`; returned are ``query_id, passage_id``.
    The set's own order is kept if it is one. A set that lists every query's candidates by
    ascending id has none, and the tie rules *input order* and *docid ascending* would be the same
    thing; there a first stage that counts the query's words in each passage stands in for the
    retriever: most words first, equal counts by id.
    """
    by_query = pairs.groupby("query_id", sort=False)
    if by_query["passage_id"].agg(lambda ids: ids.is_monotonic_increasing).all():
        words = [_shared_words(*texts) for texts in pairs[["query", "passage"]].to_numpy()]
        first_stage = pairs.assign(query=by_query.ngroup(), words=-np.array(words))
        pairs = first_stage.sort_values(["query", "words"], kind="stable")
    return pairs[["query_id", "passage_id"]].reset_index(drop=True)


def _shared_words(query: str, passage: str) -> int:
    """Count the different words of a query that a passage has, whatever their case."""
    words = [set(_WORD.findall(text.casefold())) for text in (query, passage)]
    return len(words[0] & words[1])


def evaluated(runs: Runs, measures: Sequence[str] = MEASURES) -> dict[str, pd.DataFrame]:
    """Evaluate each run with its own grades; nothing for a set where a grade is missing."""
    if any(run["grade"].isna().any() for run in runs.values()):
        return {}
    return {name: evaluate(run, run, measures) for name, run in runs.items()}


def spans(worth: Runs) -> pd.DataFrame:
    """Average of each path and measure over queries, with its ends over the orders of ties.

    Columns ``path, measure, expected, min, max, std``, as :func:`analysis.metrics.average` has
    them, ``queries`` and ``open``: in how many of them the ties leave the value open.
    """
    tables = []
    for name, found in worth.items():
        is_open = found["max"] - found["min"] > ROUNDING
        number = is_open.groupby(found["measure"]).sum()
        mean = average(found)
        tables.append(mean.assign(path=name, open=mean["measure"].map(number)))
    return _together(tables, _SPANS)


def by_tie_rule(runs: Runs, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
    """Average each measure of each path under every tie rule.

    One row per path, measure and rule of :data:`RULES`: ``path, measure,
    tie_rule, value``. The rule ``expected`` is the mean over all orders.
    """
    rows = []
    for name in evaluated(runs, measures):
        for rule in RULES:
            # The rule decides the column "oblivious" only, so any will do for the expected value.
            order, column = (
                ("input order", "expected") if rule == "expected" else (rule, "oblivious")
            )
            found = average(evaluate(runs[name], runs[name], measures, tie_rule=order))
            values = zip(found["measure"], found[column], strict=True)
            rows += [(name, measure, rule, value) for measure, value in values]
    return pd.DataFrame(rows, columns=_RULES)


def beside_other_tools(runs: Runs) -> pd.DataFrame:
    """Evaluate runs with the tools that are installed, beside this package's value for their rule.

    pytrec_eval and scikit-learn come with this package's development tools; a report does not need
    them. One row per path, measure and tool that has the measure: ``path, measure, tool, tie_rule,
    theirs, ours``; averages over queries. No rows without grades or without such tools.
    """
    ours = by_tie_rule(runs).set_index(["path", "measure", "tie_rule"])["value"]
    rows = [
        (name, measure, tool, rule, value, ours[name, measure, rule])
        for name in ours.index.unique("path")
        for tool, (rule, evaluate_) in _installed().items()
        for measure, value in evaluate_(runs[name]).items()
    ]
    return pd.DataFrame(rows, columns=_TOOLS)


def _installed() -> dict[str, tuple[TieRule, Callable[[pd.DataFrame], dict[str, float]]]]:
    tools = {
        "pytrec_eval": ("docid descending", _pytrec_eval),
        "sklearn": ("expected", _scikit_learn),
    }
    return {name: tool for name, tool in tools.items() if find_spec(name)}


def _pytrec_eval(run: pd.DataFrame) -> dict[str, float]:
    import pytrec_eval

    if is_float_dtype(run["grade"]):
        return {}  # trec_eval knows whole grades only
    evaluator = pytrec_eval.RelevanceEvaluator(
        _nested(run, "grade"), {f"ndcg_cut.{K}", "recip_rank"}
    )
    values = pd.DataFrame(evaluator.evaluate(_nested(run, "score"))).T
    # It cuts nDCG but not the reciprocal rank; a first hit below rank k counts as none.
    first_hit = values["recip_rank"].where(values["recip_rank"] >= 1 / K, 0.0)
    return dict(zip(MEASURES, (values[f"ndcg_cut_{K}"].mean(), first_hit.mean()), strict=True))


def _scikit_learn(run: pd.DataFrame) -> dict[str, float]:
    from sklearn.metrics import ndcg_score

    values = []
    for _, query in run.groupby("query_id", sort=False):
        # It refuses lists of one; a passage of grade 0 below all others changes nothing.
        grades = np.append(query["grade"].to_numpy(dtype=float), 0.0)
        scores = np.append(query["score"].to_numpy(), query["score"].min() - 1)
        values.append(ndcg_score([grades], [scores], k=K))
    return {MEASURES[0]: float(np.mean(values))}


def _nested(run: pd.DataFrame, column: str) -> dict[str, dict[str, float]]:
    return {
        query_id: dict(zip(rows["passage_id"], rows[column].tolist(), strict=True))
        for query_id, rows in run.groupby("query_id", sort=False)
    }


def restored(logits: pd.DataFrame, path: ScorePath, *, k: int = K) -> pd.Series:
    """Count the candidates that tie in the top ``k`` on a path, by what brings them back.

    A float32 sigmoid restores what the half-precision sigmoid merged. It cannot restore what the
    network's dtype merged, logits that are equal; and where the sigmoid is flat it merges
    neighbouring half-precision logits anew, which only the order of the logits keeps apart.

    ``logits`` has rows of float32 and of the path's forward dtype. A candidate comes back with the
    first of :data:`REMEDIES` under which it shares its score with no other candidate of its query:
    ``nothing`` is for those whose float32 logits are equal too, as those of duplicates are.
    Index: :data:`REMEDIES`.
    """
    own = apply(logits, path)
    keys = ["query_id", "passage_id"]
    alone = []
    for way in (path.hps(), path.raw(), path.within("float32").raw()):
        sizes = own[keys].merge(apply(logits, way)[[*keys, "tie_size"]], on=keys)
        alone.append(sizes["tie_size"].to_numpy() == 1)
    first = np.argmax([*alone, np.ones(len(own), dtype=bool)], axis=0)
    counted = tied_in_top(own, k).to_numpy()
    return pd.Series(np.bincount(first[counted], minlength=len(REMEDIES)), index=list(REMEDIES))


def first_merged(forward_dtype: str) -> float:
    """First logit of a 16-bit dtype that a float32 sigmoid merges with the next one above it.

    Looked for from 1 on, among all values of the dtype: close to 0 logits are so dense that any
    sigmoid merges them, but there they are all but equal.
    """
    logits = format_of(forward_dtype).values(1.0, 20.0)
    merged = np.diff(ScorePath(forward_dtype).scores(logits)) == 0
    return float(logits[np.argmax(merged)])


def against(worth: Runs, reference: str, *, seed: int = 0) -> pd.DataFrame:
    """Compare each path with the one named ``reference``: path less reference.

    ``worth`` are results of :func:`evaluated`. Columns ``path``, then those of
    :func:`analysis.comparisons.compare_measures`, *second* being the reference, and
    ``p_holm``: the p-value corrected for the number of rows (Holm's procedure). Without other
    paths, without grades, or with one query, which no test can compare, there are no rows.
    """
    tables = [
        compare_measures(found, worth[reference], seed=seed).assign(path=name, p_holm=np.nan)
        for name, found in _others(worth, reference)
        if found["query_id"].nunique() > 1
    ]
    found = _together(tables, _AGAINST)
    return found.assign(p_holm=_holm(found["p_value"].to_numpy(dtype=float)))


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values (n,) for their number: the smallest by n, the next by n - 1, and so on.

    None becomes smaller than one that was smaller before (Holm, Scandinavian Journal of Statistics
    6, 1979).
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    factors = np.arange(len(p_values), 0, -1)
    corrected[order] = np.maximum.accumulate(p_values[order] * factors).clip(max=1.0)
    return corrected


def per_query(worth: Runs, reference: str) -> pd.DataFrame:
    """Take the reference from each path, query by query.

    Columns ``path``, then those of :func:`analysis.comparisons.differences`.
    """
    tables = [
        differences(found, worth[reference]).assign(path=name)
        for name, found in _others(worth, reference)
    ]
    return _together(tables, _PER_QUERY)


def verdicts(queries: pd.DataFrame) -> pd.DataFrame:
    """Count queries by what a path does to them; ``queries`` comes from :func:`per_query`.

    One row per path and measure: ``queries``; ``better, equal, worse`` than the reference in
    expectation; ``better_for_certain, worse_for_certain``: under every order of the ties.
    """
    flags = {
        "queries": queries["difference"].notna(),
        "better": queries["difference"] > ROUNDING,
        "equal": queries["difference"].abs() <= ROUNDING,
        "worse": queries["difference"] < -ROUNDING,
        "better_for_certain": queries["certainty"] == FIRST,
        "worse_for_certain": queries["certainty"] == SECOND,
    }
    counted = queries.assign(**flags).groupby(["path", "measure"], sort=False)[list(flags)].sum()
    return counted.astype("int64").reset_index()


def _others(worth: Runs, reference: str) -> list[tuple[str, pd.DataFrame]]:
    return [(name, found) for name, found in worth.items() if name != reference]


def _together(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """One frame with these columns; without tables it has no rows."""
    empty = pd.DataFrame(columns=columns)
    return pd.concat(tables, ignore_index=True)[columns] if tables else empty
