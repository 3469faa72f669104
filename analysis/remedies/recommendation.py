"""From a measured situation to the remedy to take, with reasons and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from analysis.formats import is_wide
from analysis.remedies import table
from analysis.remedies.reasons import (
    exact_remedy,
    exactly,
    order_lost,
    price,
    what_stays,
    what_ties,
)
from analysis.remedies.situation import Situation


@dataclass(frozen=True)
class Recommendation:
    """The remedy to take.

    ``remedy`` is a name of :mod:`analysis.remedies.table`, or what else is to be done in a word or
    two; ``action`` says it in a sentence; ``reasons`` are sentences with the numbers behind it,
    which ``numbers`` holds by name.
    """

    remedy: str
    action: str
    reasons: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.action, *self.reasons])


def recommend(situation: Situation) -> Recommendation:
    """Return the remedy for a situation: the cheapest that mends the earliest cause.

    In this order: a sigmoid applied twice; nothing to mend; more than one path; rounding when
    printed; a path that is not known; a narrow activation; a narrow stored dtype; then the logits
    themselves, by their order, their dtype, and their height.
    """
    found = next(found for rule in _RULES if (found := rule(situation)) is not None)
    return replace(found, numbers=situation.numbers())


def _twice(situation: Situation) -> Recommendation | None:
    if situation.verdict is None or situation.verdict.kind != "sigmoid twice":
        return None
    action = "Apply the sigmoid once: the model's own activation and the engine's are both on."
    return Recommendation("one sigmoid", action)


def _nothing(situation: Situation) -> Recommendation | None:
    path = situation.path
    if situation.saturated or situation.tied_in_top:
        return None
    action = "Nothing to mend on this data: no score is saturated and nothing ties in the top ranks"
    if path is not None and path.formula != "none" and not is_wide(path.activation_dtype):
        action += (
            "; a model with higher logits would, since the sigmoid is evaluated in "
            f"{path.activation_dtype}: evaluate it in float32"
        )
    return Recommendation("nothing", f"{action}.", order_lost(situation))


def _mixture(situation: Situation) -> Recommendation | None:
    if situation.verdict is None or situation.verdict.kind != "mixture":
        return None
    action = "Audit the parts one by one: these scores come from more than one score path."
    return Recommendation("separate audits", action)


def _printed(situation: Situation) -> Recommendation | None:
    if situation.verdict is None or situation.verdict.decimals is None:
        return None
    action = (
        f"Write more than {situation.verdict.decimals} decimals, or rank before the scores are "
        "rounded: nothing that printing has removed can be restored afterwards."
    )
    return Recommendation("more decimals", action, what_ties(situation))


def _unknown(situation: Situation) -> Recommendation | None:
    if situation.path is not None:
        return None
    verdict = situation.verdict
    paths = verdict.paths if verdict is not None else ()
    if paths and not any(is_wide(path.activation_dtype) for path in paths):
        action = (
            "Evaluate the sigmoid in float32 (cast the logits before it), or order by raw logits."
        )
        return Recommendation(table.HPS.name, action, what_ties(situation))
    wanted = verdict.wanted.rstrip(".") if verdict is not None else ""
    action = (
        "Order by raw logits, or evaluate the sigmoid in float32; to know which stage to change, "
        f"audit again with what is missing: {wanted or 'raw logits'}."
    )
    return Recommendation(table.RAW.name, action, what_ties(situation))


def _activation(situation: Situation) -> Recommendation | None:
    path = situation.path
    if path.formula == "none" or is_wide(path.activation_dtype):
        return None
    cast = f"cast the {path.forward_dtype} logits before it"
    by_hps, by_logits = situation.tied_hps, situation.tied_raw
    reasons = (*what_ties(situation), *what_stays(situation))
    if None not in (by_hps, by_logits) and by_logits < by_hps:
        action = (
            f"Evaluate the sigmoid in float32 ({cast}), and order by raw logits rather than by its "
            "scores: fewer of them tie."
        )
        return Recommendation(table.RAW.name, action, reasons)
    action = f"Evaluate the sigmoid in float32 ({cast}), or order by raw logits."
    return Recommendation(table.HPS.name, action, reasons)


def _stored(situation: Situation) -> Recommendation | None:
    path = situation.path
    if path.formula == "none" or is_wide(path.stored_dtype):
        return None
    action = f"Store the scores in float32 instead of {path.stored_dtype}."
    return Recommendation("float32 scores", action, what_ties(situation))


def _order(situation: Situation) -> Recommendation | None:
    path = situation.path
    if path.formula == "none" or situation.tied_raw is None:
        return None
    if situation.tied_raw == 0:
        action = "Order by raw logits: they are all different where the scores are not."
    elif situation.tied_raw < situation.tied_in_top and (
        is_wide(path.forward_dtype) or situation.no_dtype_helps
    ):
        action = "Order by raw logits: fewer of them tie than of the scores."
    else:
        return None
    return Recommendation(table.RAW.name, action, (*what_ties(situation), *order_lost(situation)))


def _forward(situation: Situation) -> Recommendation | None:
    path = situation.path
    if is_wide(path.forward_dtype) or situation.no_dtype_helps:
        return None
    tie = f"{path.forward_dtype} logits tie"
    if path.formula != "none":
        tie = f"the sigmoid is evaluated in {path.activation_dtype} already, and {tie}"
    what = exactly(situation)
    action = f"{what[:1].upper()}{what[1:]}: {tie}."
    reasons = (*what_ties(situation), *price(situation))
    return Recommendation(exact_remedy(situation), action, reasons)


def _high(situation: Situation) -> Recommendation | None:
    if not situation.saturated:
        return None
    action = (
        "Order by raw logits, and calibrate or fine-tune the model: its logits are beyond what a "
        "float32 sigmoid can tell apart."
    )
    return Recommendation(table.FINE_TUNING.name, action, what_ties(situation))


def _alike(situation: Situation) -> Recommendation:
    action = "Look at the tied passages: in float32 throughout, equal scores mean equal texts."
    return Recommendation("equal texts", action, what_ties(situation))


_Rule = Callable[[Situation], Recommendation | None]
_RULES: tuple[_Rule, ...] = (
    _twice,
    _nothing,
    _mixture,
    _printed,
    _unknown,
    _activation,
    _stored,
    _order,
    _forward,
    _high,
    _alike,
)
