"""Tie-aware measures: what a ranking is worth when scores are equal, exactly.

Under equal scores a measure is no number but a distribution over the orders that the ties allow.
:func:`evaluate` gives its expected value, minimum, maximum and standard deviation, every order
being equally likely, and the *oblivious* value that a tool prints which breaks ties by a rule;
``bias`` is oblivious minus expected. All of it is computed in closed form, for all queries at
once; nothing is sampled.

Conventions, which are trec_eval's unless said otherwise:

- Gains are linear: the gain of a passage is its grade, which may have a fraction. Relevant is any
  grade above 0, or from ``relevant_from`` on, which is trec_eval's ``-l``; nDCG does not ask.
  Negative grades and passages without a judgement count as 0.
- Judged relevant passages that the run does not have count: in the ideal ranking of nDCG and as
  part of the number that AP and R divide by.
- P@k divides by k for shorter lists too. AP@k divides by the number of relevant passages.
- nDCG, RR, AP, R and Success without a cut-off regard the whole list; a cut-off beyond the list
  is the whole list.
- A query without relevant passages is worth 0 in every measure and counts in averages.
- A judged query without rows in the run is worth 0 and counts, as with ``trec_eval -c``. A query
  of the run without judgements is left out.
- The rank column of a run does not count, only the score. Ties are counted after the cast to
  ``stored_dtype``; trec_eval holds scores as float32. Infinite scores have their place in the
  order; NaN has none and is refused, and so are a passage that stands twice and an empty run.
- A run that was cut at some depth was tie-broken there already; its lost orders are not seen.
"""

from analysis.metrics.evaluation import average, evaluate
from analysis.metrics.measures import Measure, measure_of

__all__ = ["Measure", "average", "evaluate", "measure_of"]
