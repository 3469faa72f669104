"""The fingerprint of scores: which score path made them.

:func:`fingerprint` takes a list of scores (and the raw logits, if the engine offers them) and
returns a :class:`Verdict`. Its evidence is exact: the sets of scores that paths can return.
"""

from analysis.fingerprinting.judge import fingerprint
from analysis.fingerprinting.verdict import Verdict

__all__ = ["Verdict", "fingerprint"]
