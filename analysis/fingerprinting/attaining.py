"""One set for all scores: which hypotheses attain every one, and what that leaves to say."""

from __future__ import annotations

from dataclasses import replace

from analysis.errors import every
from analysis.fingerprinting.attainable import Hypothesis, hypotheses
from analysis.fingerprinting.evidence import (
    ALLOWED,
    DECIDED,
    Weighed,
    against_chance,
    all_paths,
    allowed,
    best_first,
    best_odds,
    chance_odds,
    near_misses,
)
from analysis.fingerprinting.gathering import DERIVED
from analysis.fingerprinting.observed import Observed
from analysis.fingerprinting.stages import stage_verdicts
from analysis.fingerprinting.verdict import Verdict
from analysis.formats import FORMATS


def decide_weighed(observed: Observed, weighed: list[Weighed]) -> Verdict:
    """Decide from the hypotheses that no score refutes, best first."""
    odds = best_odds(weighed)
    near = near_misses(observed, hypotheses()) if weighed else []
    capped = [replace(one, odds=min(one.odds, weighed[0].odds), exact=False) for one in near]
    every = best_first(weighed + capped)
    left = allowed(every)
    families = {one.hypothesis.family for one in left}
    if odds >= DECIDED and families == {"softmax"}:
        found = _softmax(left[0])
    elif odds >= DECIDED and families == {"sigmoid"}:
        found = _sigmoid(observed, left, odds)
    else:
        found = _undecided(observed, weighed)
    return replace(found, stages=stage_verdicts(every, observed))


def _sigmoid(observed: Observed, left: list[Weighed], odds: float) -> Verdict:
    paths, best = all_paths(one.hypothesis.paths for one in left), left[0]
    scores, one = every(observed.scores.size, "distinct score"), observed.scores.size == 1
    others = [one.hypothesis for one in left if _making(one) != _making(best)]
    plain = not best.hypothesis.after and best.hypothesis.forward in FORMATS
    if not best.exact:
        fits = (
            f"{scores} {'lies' if one else 'lie'} near sigmoids of {_logits(best.hypothesis)}; the "
            "formula stays open: another machine's exponential, or both formulas in one list"
        )
    elif plain:
        fits = f"{scores} {'is' if one else 'are'} attained by {paths[0].computation}"
    else:
        fits = f"{scores} {'is among the' if one else 'are'} sigmoids of {_logits(best.hypothesis)}"
    if others and best.exact:
        fits += f", and too few speak against {_named(others[0])}"
    return Verdict(
        "sigmoid",
        path=paths[0] if plain and best.exact and not others else None,
        paths=paths,
        odds=odds,
        reason=f"{fits}; {best.telling:,} of them are evidence, {against_chance(odds)}",
    )


def _making(one: Weighed) -> tuple[object, ...]:
    """What tells hypotheses apart: those of one making differ in how rare its scores are."""
    return one.hypothesis.paths, one.hypothesis.forward, one.hypothesis.after


def _logits(one: Hypothesis) -> str:
    """The logits of a hypothesis in words."""
    logits = f"{one.forward} logits" if one.forward in FORMATS else f"logits in {one.forward}"
    logits = DERIVED if one.forward == DERIVED else logits
    return f"{logits} ({one.after})" if one.after else logits


def _named(one: Hypothesis) -> str:
    if one.family == "softmax":
        return f"a softmax of {_logits(one)}"
    return one.paths[0].computation if one.forward in FORMATS else f"a sigmoid of {_logits(one)}"


def _softmax(found: Weighed) -> Verdict:
    forward = found.hypothesis.forward
    logits = (
        "float32 logits, or half ones of very different sizes"
        if forward == "float32"
        else f"half logits (their differences lie in {forward})"
    )
    return Verdict(
        "softmax",
        odds=found.odds,
        reason=f"a softmax in float32 over two labels with {logits} attains every score and a "
        f"sigmoid does not; {found.telling:,} of them are evidence, {against_chance(found.odds)}",
    )


def _undecided(observed: Observed, weighed: list[Weighed]) -> Verdict:
    chance, best = chance_odds(weighed), max(0.0, best_odds(weighed))
    left = [one.hypothesis for one in weighed if one.odds >= chance - ALLOWED]
    scores = every(observed.scores.size, "distinct score")
    if not left:
        reason = f"no known path attains {scores}"
    elif best < DECIDED:
        reason = (
            f"{_known_explain(left)} {scores}, but so might chance (log-odds {best:.1f}; a verdict "
            f"needs {DECIDED:g})"
        )
    else:
        reason = (
            f"{_known_explain(left)} {scores} (log-odds {best:.1f} against chance), and too little "
            "speaks against one of another kind"
        )
    paths = all_paths(one.paths for one in left)
    return Verdict("cannot tell", paths=paths, odds=best, reason=reason)


def _known_explain(left: list[Hypothesis]) -> str:
    return "one computation explains" if len(left) == 1 else f"{len(left)} computations explain"
