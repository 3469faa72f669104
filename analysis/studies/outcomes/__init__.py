"""What ties do to a ranking's worth, path by path: spans, tie rules, what comes back, how certain.

A *run* here is a frame of :func:`analysis.ties.apply`; runs and their evaluations are kept
by the path's name. Without grades nothing can be evaluated: :func:`evaluated` is then empty, and
so is everything that is made from it.
"""

from analysis.studies.outcomes.against import against, differing, examples, per_query, verdicts
from analysis.studies.outcomes.other_tools import beside_other_tools
from analysis.studies.outcomes.paths import HPS, as_sent, outcome_paths
from analysis.studies.outcomes.restored import REMEDIES, first_merged, restored
from analysis.studies.outcomes.worth import MEASURES, K, by_tie_rule, evaluated, spans, tie_counts

__all__ = [
    "HPS",
    "MEASURES",
    "REMEDIES",
    "K",
    "against",
    "as_sent",
    "beside_other_tools",
    "by_tie_rule",
    "differing",
    "evaluated",
    "examples",
    "first_merged",
    "outcome_paths",
    "per_query",
    "restored",
    "spans",
    "tie_counts",
    "verdicts",
]
