"""The same runs in other tools, really run where they are installed.

pytrec_eval and scikit-learn come with this package's development tools; a report does not need
them. That the values agree is also a matter of the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pandas as pd

from analysis.scorepath import TieRule
from analysis.studies.outcomes.worth import MEASURES, K, Runs, by_tie_rule

COLUMNS = ["path", "measure", "tool", "tie_rule", "theirs", "ours"]


def beside_other_tools(runs: Runs) -> pd.DataFrame:
    """Evaluate runs with the tools that are installed, beside this package's value for their rule.

    One row per path, measure and tool that has the measure: ``path, measure, tool, tie_rule,
    theirs, ours``; averages over queries. No rows without grades or without such tools.
    """
    ours = by_tie_rule(runs).set_index(["path", "measure", "tie_rule"])["value"]
    rows = [
        (name, measure, tool, rule, value, ours[name, measure, rule])
        for name in ours.index.unique("path")
        for tool, (rule, evaluate) in _installed().items()
        for measure, value in evaluate(runs[name]).items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _installed() -> dict[str, tuple[TieRule, Callable[[pd.DataFrame], dict[str, float]]]]:
    tools = {
        "pytrec_eval": ("docid descending", _pytrec_eval),
        "sklearn": ("expected", _scikit_learn),
    }
    return {name: tool for name, tool in tools.items() if find_spec(name)}


def _pytrec_eval(run: pd.DataFrame) -> dict[str, float]:
    import pytrec_eval

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
