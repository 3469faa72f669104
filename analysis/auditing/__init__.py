"""The audit: which precision made these scores, what it hides, and what to do about it.

One way through, a module a stage: :mod:`~analysis.auditing.sources` gets the scores (from a running
server, a file or a model), :mod:`~analysis.auditing.findings` says what is in them, its conditions
decide whether a pipeline should stop, and :mod:`~analysis.auditing.terminal`,
:mod:`~analysis.auditing.page` and :mod:`~analysis.auditing.record` show it.
:mod:`~analysis.auditing.sides` sets two sources beside each other.
"""

from analysis.auditing.asking import audit
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import Findings
from analysis.auditing.sides import compare

__all__ = ["Condition", "Findings", "audit", "compare"]
