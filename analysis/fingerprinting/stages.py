"""From weighed hypotheses to a verdict on each stage.

A value of a stage is certain where its best hypothesis leads every hypothesis with another value,
and chance, which has no value but the dtype that the scores came in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from analysis.fingerprinting.evidence import ALLOWED, DECIDED, Weighed
from analysis.fingerprinting.observed import Observed
from analysis.fingerprinting.verdict import Stage, StageVerdict
from analysis.formats import FORMATS

_STAGES: tuple[Stage, ...] = ("stored dtype", "sigmoid", "forward dtype", "after")
_REST_OF_FLOAT64 = 29 * math.log10(2)
"""Log10 odds against one float64 being a float32 by chance: 29 bits of it are zero."""
_UNKNOWN = "?"
"""The value of a stage under a hypothesis that has no word on it: a rival of every other."""
_NOTHING = "nothing"
_SOFTMAX = "softmax over two labels in float32"
_WANTED: dict[Stage, str] = {
    "stored dtype": "scores with all their digits",
    "sigmoid": "more scores below 0.25, or the raw logits",
    "forward dtype": "the raw logits, as the network returned them",
    "after": "the raw logits",
}


def stage_verdicts(weighed: Iterable[Weighed], observed: Observed) -> tuple[StageVerdict, ...]:
    """Judge every stage by hypotheses that the scores allow, and by chance."""
    best: dict[Stage, dict[str, float]] = {stage: {} for stage in _STAGES}
    for one in weighed:
        for values in _values(one, observed):
            for stage, value in values.items():
                best[stage][value] = max(one.odds, best[stage].get(value, one.odds))
    verdicts = [_judged(stage, best[stage]) for stage in _STAGES[1:]]
    shown = [one for one in verdicts if one.stage != "after" or set(one.values) - {_NOTHING}]
    return (_stored(best["stored dtype"], observed), *shown)


def _stored(odds: dict[str, float], observed: Observed) -> StageVerdict:
    """Judge the stored dtype, of which chance has one too: that in which the scores came."""
    if not observed.exact:
        return _judged("stored dtype", odds)
    came = observed.stored.name
    seen = observed.scores.size * _REST_OF_FLOAT64
    if odds.keys() <= {came} and seen >= DECIDED:
        return StageVerdict("stored dtype", (came,), seen)
    return _judged("stored dtype", odds | {came: max(0.0, odds.get(came, 0.0))})


def _judged(stage: Stage, odds: dict[str, float]) -> StageVerdict:
    """Judge one stage: ``odds`` are those of the best hypothesis for each value."""
    ranked = sorted(odds.items(), key=lambda one: -one[1])
    if not ranked:
        return StageVerdict(stage, wanted=_WANTED[stage])
    value, most = ranked[0]
    lead = min(most - other for _, other in ranked[1:]) if len(ranked) > 1 else most
    if lead >= ALLOWED and most >= DECIDED and value != _UNKNOWN:
        return StageVerdict(stage, (value,), min(lead, most))
    near = [value for value, other in ranked if other >= most - ALLOWED]
    left = () if _UNKNOWN in near or len(near) < 2 else tuple(near)
    return StageVerdict(stage, left, wanted=_WANTED[stage])


def _values(one: Weighed, observed: Observed) -> Iterator[dict[Stage, str]]:
    """The stages of every path of a hypothesis."""
    made = one.hypothesis
    if made.family == "softmax" and not made.paths:
        stored = observed.stored.name if observed.exact else "float32"
        yield dict(
            zip(_STAGES, (stored, _SOFTMAX, made.forward, made.after or _NOTHING), strict=True)
        )
    if made.family == "smooth":
        stored = made.paths[0].stored_dtype
        yield dict(zip(_STAGES, (stored, _UNKNOWN, _UNKNOWN, made.after or _NOTHING), strict=True))
        return
    for path in made.paths:
        forward = path.forward_dtype if made.forward in ("", *FORMATS) else made.forward
        after = made.after or _NOTHING
        yield dict(zip(_STAGES, (path.stored_dtype, path.evaluation, forward, after), strict=True))
