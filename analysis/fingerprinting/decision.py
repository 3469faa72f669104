"""From weighed hypotheses to a decision, for scores alone.

Each rule here abstains rather than guess: a path is named only where no other one is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.fingerprinting.evidence import (
    ALLOWED,
    DECIDED,
    Weighed,
    allowed,
    near_misses,
    weigh,
)
from analysis.fingerprinting.hypotheses import Hypothesis, hypotheses
from analysis.fingerprinting.observed import Observed
from analysis.fingerprinting.scaled import scaled_logits
from analysis.fingerprinting.verdict import Kind
from analysis.formats import HALVES
from analysis.scorepath import ScorePath
from analysis.steps import OTHER_MACHINE_STEPS


@dataclass(frozen=True)
class Decision:
    """What scores show: the allowed hypotheses and the one path, if there is only one."""

    kind: Kind
    path: ScorePath | None
    paths: tuple[ScorePath, ...]
    odds: float
    reason: str
    calibration: float | None = None


def decide(observed: Observed) -> Decision:
    """Decide which single path, if any, made all of the scores."""
    weighed = weigh(observed, hypotheses())
    return decide_hidden(observed, weighed) or decide_weighed(observed, weighed)


def decide_weighed(observed: Observed, weighed: list[Weighed]) -> Decision:
    """Decide from the hypotheses that no score refutes, best first."""
    chance = chance_odds(weighed)
    odds = weighed[0].odds - chance if weighed else 0.0
    if odds < DECIDED:
        return _undecided(observed, weighed, chance)
    left = allowed(weighed + near_misses(observed, hypotheses()))
    families = {one.hypothesis.family for one in left}
    if families == {"softmax"}:
        return _softmax(left[0])
    if families != {"sigmoid"}:
        return _undecided(observed, weighed, chance)
    return _sigmoid(observed, left, odds)


def decide_hidden(observed: Observed, weighed: list[Weighed]) -> Decision | None:
    """Decide whether half logits are behind scores that they do not attain exactly.

    Either the exponential was another machine's, or the logits were multiplied first. None where
    sparse logits attain every score as it is, or where no half logits are found.
    """
    if sparse(weighed):
        return None
    softmax = _softmax_possible(observed, weighed)
    hidden = (None if softmax else _other_machine(observed)) or _scaled(observed)
    odds = weighed[0].odds - chance_odds(weighed) if weighed else 0.0
    return hidden if hidden is not None and hidden.odds > odds + ALLOWED else None


def _softmax_possible(observed: Observed, weighed: list[Weighed]) -> bool:
    """Whether a two-label softmax attains the scores: to a few last bits it is a sigmoid."""
    known = [one for one in hypotheses() if one.family == "softmax"]
    left = [*weighed, *near_misses(observed, known)]
    return any(one.hypothesis.family == "softmax" for one in left)


def sparse(weighed: list[Weighed]) -> bool:
    """Whether the best explanation is half logits, or differences of such."""
    if not weighed or weighed[0].odds - chance_odds(weighed) < DECIDED:
        return False
    return weighed[0].hypothesis.forward != "float32"


def softmax_decided(weighed: list[Weighed]) -> bool:
    """Whether the best explanation is a softmax, and no matter of chance."""
    if not weighed or weighed[0].odds - chance_odds(weighed) < DECIDED:
        return False
    return weighed[0].hypothesis.family == "softmax"


def chance_odds(weighed: list[Weighed]) -> float:
    """Best odds of scores without a trace: 0, or those of a half format that holds them all."""
    return max([0.0, *(one.odds for one in weighed if one.hypothesis.family == "smooth")])


def _sigmoid(observed: Observed, left: list[Weighed], odds: float) -> Decision:
    paths = _paths([one.hypothesis for one in left])
    fits = f"all {observed.scores.size:,} distinct scores are attained by {paths[0].computation}"
    if len(left) > 1:
        fits += f", and too few speak against {left[1].hypothesis.paths[0].computation}"
    return Decision(
        "sigmoid",
        paths[0] if len(left) == 1 else None,
        paths,
        odds,
        f"{fits}; {left[0].telling:,} of them are evidence, {against_chance(odds)}",
    )


def _softmax(found: Weighed) -> Decision:
    forward = found.hypothesis.forward
    logits = (
        "float32 logits, or half ones of very different sizes"
        if forward == "float32"
        else f"half logits (their differences are {forward})"
    )
    return Decision(
        "softmax",
        None,
        (),
        found.odds,
        f"a softmax in float32 over two labels with {logits} attains every score and a sigmoid "
        f"does not; {found.telling:,} of them are evidence, {against_chance(found.odds)}",
    )


def _other_machine(observed: Observed) -> Decision | None:
    """Half logits under a wide sigmoid, to within what another machine's ``exp`` may differ."""
    if not observed.exact:
        return None
    wide = [
        one
        for one in hypotheses()
        if one.forward in HALVES and one.wide and one.paths[0].stored_dtype == observed.stored.name
    ]
    weighed = weigh(observed.widened(OTHER_MACHINE_STEPS), wide)
    if not weighed or weighed[0].odds < DECIDED:
        return None
    forward = weighed[0].hypothesis.forward
    left = [one for one in allowed(weighed) if one.hypothesis.forward == forward]
    odds = weighed[0].odds
    return Decision(
        "sigmoid",
        None,
        _paths([one.hypothesis for one in left]),
        odds,
        f"all {observed.scores.size:,} distinct scores lie within {OTHER_MACHINE_STEPS} "
        f"representable values of a {observed.stored.name} sigmoid of {forward} logits, "
        f"{against_chance(odds)}; the formula stays open: another machine's exponential, or "
        "both formulas in one list",
    )


def _scaled(observed: Observed) -> Decision | None:
    """Half logits times a constant, under a wide sigmoid."""
    found = scaled_logits(observed)
    if found is None:
        return None
    groups = [
        one
        for one in hypotheses()
        if one.forward == found.forward
        and one.wide
        and one.paths[0].stored_dtype == observed.stored.name
    ]
    return Decision(
        "sigmoid",
        None,
        _paths(groups),
        found.odds,
        f"the logits of {found.telling:,} scores are {found.forward} values times "
        f"{found.factor:g} and some power of two, {against_chance(found.odds)}; which power "
        "leaves no trace",
    )


def _undecided(observed: Observed, weighed: list[Weighed], chance: float) -> Decision:
    left = [one.hypothesis for one in weighed if one.odds >= chance - ALLOWED]
    best = max(0.0, weighed[0].odds - chance) if weighed else 0.0
    size = observed.scores.size
    if not left:
        reason = f"no known path attains {_all_scores(size)}"
    else:
        short = (
            f"a verdict needs {DECIDED:g}"
            if best < DECIDED
            else "but too little speaks against a path of another kind"
        )
        reason = (
            f"{len(left)} of {len(hypotheses())} known computations attain {_all_scores(size)}, "
            f"with log10 odds of {best:.1f} against chance; {short}"
        )
    return Decision("cannot tell", None, _paths(left), best, reason)


def _all_scores(size: int) -> str:
    return "the one distinct score" if size == 1 else f"all {size:,} distinct scores"


def _paths(groups: list[Hypothesis]) -> tuple[ScorePath, ...]:
    return tuple(dict.fromkeys(path for group in groups for path in group.paths))


def against_chance(odds: float) -> str:
    """The odds as a clause."""
    return f"with odds of 10^{odds:.0f} to 1 against chance"
