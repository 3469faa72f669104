"""From what was measured to the remedy to take.

A remedy is recommended only if it was measured on these candidates to mend something, or if the
path's steps prove that it can: then the reasons say so. Of those that do, the cheapest is taken.
Ties in the top come first: only where nothing ties, or nothing mends the ties, saturation decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd

from analysis.engines import path_of
from analysis.errors import counted
from analysis.formats import is_wide
from analysis.forwardformats import ForwardFormat
from analysis.remedies import table
from analysis.remedies.kinds import of_kind, of_ties
from analysis.remedies.measuring import situation_of
from analysis.remedies.networks import best_network, network_action, network_reasons
from analysis.remedies.situation import SATURATED, TIES, Harm, Situation
from analysis.scorepath import ScorePath
from analysis.verifying import Trial

_FLOAT32_SCORES = "float32 scores"
_WITH = {
    table.AS_IT_IS: "as it is",
    table.HPS.name: "with a float32 sigmoid",
    table.RAW.name: "by raw logits",
    table.FLOAT32.name: "by a float32 network",
}


@dataclass(frozen=True)
class Recommendation:
    """The remedy to take.

    ``remedy`` is a name of :mod:`analysis.remedies.table`, or what else is to be done in a word or
    two; ``action`` says it in a sentence; ``reasons`` are sentences with the numbers behind it,
    which ``numbers`` holds: for each remedy that was measured its counts, by the columns of
    :func:`analysis.counting.effects`, and ``rescored`` and ``saved`` of verified top k.
    """

    remedy: str
    action: str
    reasons: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.action, *self.reasons])


def recommend(
    logits: pd.DataFrame,
    path: ScorePath | str,
    *,
    forward_format: ForwardFormat | str | None = None,
    batched: pd.DataFrame | None = None,
    k: int = 10,
    trial: Trial | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Recommendation:
    """Return the remedy for a path (or its plain text) on a set.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of the path's forward dtype
    and, if float32 is to be weighed, of that. Where another runtime than torch gives the path its
    logits, ``forward_format`` says so, rows of further formats let remedies that lead to these be
    weighed, and ``batched`` (:func:`analysis.shifts.batch_shifts`) what shares a batch. ``trial``
    (:func:`analysis.verifying.try_out`) and ``seconds`` (per pair, by the names of forward formats)
    say what verified top k would cost. Raises :class:`InputError` for a trial of another format or
    k, and as :func:`analysis.remedies.measuring.measure` does.
    """
    about = {"forward_format": forward_format, "batched": batched, "trial": trial}
    return recommended(situation_of(logits, path_of(path), k=k, seconds=seconds, **about))


def recommended(situation: Situation) -> Recommendation:
    """Return the remedy for a situation; the first rule that applies decides."""
    found = next(found for rule in _RULES if (found := rule(situation)) is not None)
    return replace(found, numbers=situation.numbers())


def _twice(situation: Situation) -> Recommendation | None:
    if situation.verdict is None or situation.verdict.kind != "sigmoid twice":
        return None
    action = "Apply the sigmoid once: the model's own activation and the engine's are both on."
    return Recommendation("one sigmoid", action)


def _of_kind(situation: Situation) -> Recommendation | None:
    """What the scores are, where precision is not what decides about them."""
    found = of_kind(situation.verdict)
    return None if found is None or situation.path is not None else Recommendation(*found)


def _of_ties(situation: Situation) -> Recommendation | None:
    """What the fingerprint is certain of, where logits tie that no sigmoid tells apart."""
    found = of_ties(situation.verdict)
    if found is None or situation.path is not None or not situation.left(table.AS_IT_IS):
        return None
    return Recommendation(*found, _counts(situation))


def _of_network(situation: Situation) -> Recommendation | None:
    """Another forward format, or other batches, where the network's own numbers move the order.

    Only what was measured to mend is named; ties in the top come first.
    """
    if situation.networks is None or situation.left(table.AS_IT_IS):
        return None
    found = best_network(situation.networks)
    if found is None:
        return None
    remedy, other = found
    return Recommendation(
        remedy.name, network_action(remedy, other), network_reasons(situation.networks, situation.k)
    )


def _nothing(situation: Situation) -> Recommendation | None:
    if any(situation.left(table.AS_IT_IS, harm) for harm in (TIES, SATURATED)):
        return None
    path, reasons = situation.path, _order_lost(situation)
    is_lost_before = situation.forward_format is not None and bool(reasons)
    what = "Nothing to mend after the network" if is_lost_before else "Nothing to mend"
    action = f"{what}: no score is saturated and nothing ties in the top {situation.k}."
    if path is not None and path.has_narrow_sigmoid:
        reasons = (
            f"The sigmoid is evaluated in {path.activation_dtype}, though: higher logits would "
            "saturate it.",
            *reasons,
        )
    return Recommendation("nothing", action, reasons)


def _mixture(situation: Situation) -> Recommendation | None:
    if situation.verdict is None or situation.verdict.kind != "mixture":
        return None
    action = "Audit the parts one by one: these scores come from more than one score path."
    return Recommendation("separate audits", action)


def _printed(situation: Situation) -> Recommendation | None:
    """More decimals, where it is the print that ties the scores."""
    if situation.verdict is None or situation.verdict.decimals is None:
        return None
    hps = table.HPS.name  # its scores were measured unprinted
    if not situation.print_ties or (situation.was_measured(hps) and not situation.mends(hps)):
        return None
    action = (
        f"Write more than {counted(situation.verdict.decimals, 'decimal place')}, or rank before "
        "rounding: what printing removes cannot be restored afterwards."
    )
    return Recommendation("more decimals", action, _counts(situation))


def _after_the_logit(situation: Situation, *, harm: Harm) -> Recommendation | None:
    """A wide sigmoid or the order of the logits: both are free, the better one is taken."""
    measured = situation.was_measured(table.RAW.name)
    mends = situation.mends if measured else situation.proves
    mending = [name for name in _possible(situation, harm) if mends(name, harm)]
    if not mending:
        return None
    # Scores that stay between 0 and 1 are preferred where the logits tie no less.
    best = min(mending, key=situation.left) if measured else mending[0]
    why = _rest(situation, best) if measured else _proof()
    reasons = (*_counts(situation), *why, *_print_too(situation))
    if best == table.RAW.name:
        fewer = "fewer of them tie" if harm == TIES else "they do not saturate"
        action = f"Order by raw logits: {fewer}."
        if not all(path.has_sigmoid for path in situation.paths):
            action = f"Store the {situation.logits} unrounded: {fewer}."
        return Recommendation(best, action, reasons)
    if any(path.has_narrow_sigmoid for path in situation.paths):
        action = f"Evaluate the sigmoid in float32 (cast the {situation.logits} before it)."
        return Recommendation(best, action, reasons)
    action = f"Store the scores in float32 instead of {situation.paths[0].stored_dtype}."
    return Recommendation(_FLOAT32_SCORES, action, reasons)


def _possible(situation: Situation, harm: Harm) -> list[str]:
    """Which of the two can change anything: there must be a stage to widen, a sigmoid to leave."""
    paths = situation.paths
    if not all(path.has_sigmoid for path in paths):
        return [table.RAW.name] * any(path != path.raw() for path in paths)
    narrow = [path.has_narrow_sigmoid or not is_wide(path.stored_dtype) for path in paths]
    known = situation.path is not None or situation.was_measured(table.RAW.name)
    if harm == SATURATED and situation.left(table.AS_IT_IS):
        known = False  # an order is no remedy where its ties stay
    return [table.HPS.name] * (bool(paths) and all(narrow)) + [table.RAW.name] * known


def _network(situation: Situation) -> Recommendation | None:
    """A float32 network, where the logits at hand tie more than its own."""
    if situation.apart is False:  # what tells them apart is float32's own noise
        return None
    reasons = (*_counts(situation), *_price(situation))
    if situation.mends(table.FLOAT32.name):
        remedy, what = _exactly(situation)
        action = f"{what[:1].upper()}{what[1:]}: the {situation.logits} tie."
        return Recommendation(remedy, action, reasons)
    if situation.exactly is None or situation.exactly >= situation.left(table.AS_IT_IS):
        return None
    action = (
        f"Run the model in float32 and order by its raw logits: the {situation.logits} tie, and so "
        "do the scores of a float32 sigmoid."
    )
    return Recommendation(table.FLOAT32.name, action, reasons)


def _more(situation: Situation) -> Recommendation | None:
    """More evidence, where ties are left that something not measured may mend."""
    if not situation.left(table.AS_IT_IS):
        return None
    if situation.path is None:
        return _unknown(situation)
    if situation.was_measured(table.FLOAT32.name) or situation.is_float32:
        return None
    action = (
        "Score the same pairs in float32 as well: whether that tells the tied candidates apart was "
        "not measured, and nothing cheaper does."
    )
    return Recommendation("more evidence", action, _counts(situation))


def _unknown(situation: Situation) -> Recommendation:
    wanted = situation.verdict.wanted.rstrip(".") if situation.verdict is not None else ""
    action = (
        "Audit again with what is missing before anything is changed: "
        f"{wanted or 'scores and raw logits that fit together'}. The score path is not known, so "
        "no remedy is proved."
    )
    return Recommendation("more evidence", action, _counts(situation))


def _equal(situation: Situation) -> Recommendation | None:
    """Equal texts, as far as is known, where ties are left that no remedy mends."""
    if not situation.left(table.AS_IT_IS) or situation.path is None:
        return None
    if situation.apart is False:
        why = "float32 logits tell them apart by no more than noise"
    elif situation.was_measured(table.RAW.name):
        why = "no remedy that was measured leaves fewer ties"
    else:
        why = "on this path their equal scores stand for logits that are equal but for noise"
    return Recommendation("equal texts", f"Look at the tied passages: {why}.", _counts(situation))


def _counts(situation: Situation) -> tuple[str, ...]:
    """How many candidates tie now and with each remedy that was measured, and how many saturate."""
    known = [
        f"{situation.left(name):,} {how}"
        for name, how in _WITH.items()
        if situation.was_measured(name)
    ]
    float32, exactly = table.FLOAT32.name, situation.exactly
    if situation.was_measured(float32) and exactly not in (None, situation.left(float32)):
        known.append(f"{exactly:,} by the raw logits of that")
    return (f"Ties in the top {situation.k}: {', '.join(known)}.", *_saturated(situation))


def _saturated(situation: Situation) -> tuple[str, ...]:
    """How many scores saturate, if any do, and what a float32 sigmoid leaves of them."""
    now, hps = situation.left(table.AS_IT_IS, SATURATED), table.HPS.name
    if not now:
        return ()
    if not situation.was_measured(hps):
        return (f"Saturated scores: {now:,}.",)
    then = situation.left(hps, SATURATED)
    return (f"Saturated scores: {now:,} as it is, {then:,} {_WITH[hps]}.",)


def _proof() -> tuple[str, ...]:
    return (
        "Not measured, but proved of the path: scores that are equal here stand for several "
        "logits. Raw logits would tell how much this mends.",
    )


def _print_too(situation: Situation) -> tuple[str, ...]:
    """Better scores that are printed as before may tie anew."""
    if situation.verdict is None or situation.verdict.decimals is None:
        return ()
    places = counted(situation.verdict.decimals, "decimal place")
    return (f"Printed with {places}, better scores may tie again: write more.",)


def _rest(situation: Situation, remedy: str) -> tuple[str, ...]:
    """What a free remedy leaves, and what restores that."""
    left = situation.left(remedy)
    if situation.was_measured(table.FLOAT32.name) and situation.left(table.FLOAT32.name) < left:
        _, exactly = _exactly(situation)
        ties = f"The {situation.logits} tie as well; for those, {exactly}."
        return (ties, *_price(situation))
    return _order_lost(situation)


def _order_lost(situation: Situation) -> tuple[str, ...]:
    """Where narrow logits order the top otherwise than float32 ones, whatever ties."""
    raw, path = table.RAW.name, situation.path
    if path is None or not situation.was_measured(raw) or situation.is_float32:
        return ()
    lost = situation.measured.loc[raw, "reordered"]
    if pd.isna(lost) or not lost:
        return ()
    queries = counted(int(situation.measured.loc[raw, "queries"]), "query", "queries")
    what = (
        f"By raw {situation.logits} {lost:,} of {queries} "
        f"{'has' if lost == 1 else 'have'} another top {situation.k} than by float32 ones; where "
        f"that matters, {_exactly(situation)[1]}."
    )
    return (what, *_price(situation))


def _exactly(situation: Situation) -> tuple[str, str]:
    """The remedy that restores the float32 order at the lower price, and how to say it."""
    verify, run = f"verify the top {situation.k} in float32", "run the model in float32"
    if not situation.is_bounded:  # an error measured in one batch bounds none in another
        return table.FLOAT32.name, run
    if situation.saved is None:
        return table.FLOAT32.name, f"{run}, or {verify}"
    return (table.VERIFIED.name, verify) if situation.saved > 0 else (table.FLOAT32.name, run)


def _price(situation: Situation) -> tuple[str, ...]:
    """What verified top k costs beside float32 throughout, as far as it was measured."""
    if situation.rescored is None:
        return ()
    rescores = f"Verified top {situation.k} rescores {situation.rescored:.0%} of the candidates"
    if situation.saved is None:
        return (f"{rescores}.",)
    if situation.saved > 0:
        return (f"{rescores} and saves {situation.saved:.0%} of the time of float32 throughout.",)
    return (f"{rescores} and is no faster here than float32 throughout.",)


_Rule = Callable[[Situation], Recommendation | None]
_RULES: tuple[_Rule, ...] = (
    _twice,
    _of_kind,
    _of_network,
    _nothing,
    _mixture,
    _of_ties,
    _printed,
    partial(_after_the_logit, harm=TIES),
    _network,
    _more,
    partial(_after_the_logit, harm=SATURATED),
    _equal,
    _unknown,
)
