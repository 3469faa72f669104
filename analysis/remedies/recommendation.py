"""From what was measured to the remedy to take.

A remedy is recommended only if it was measured on these candidates to mend something, or if the
path's steps prove that it can: then the reasons say so. Of those that do, the cheapest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import counted
from analysis.formats import is_wide
from analysis.remedies import table
from analysis.remedies.measuring import measure
from analysis.scorepath import ScorePath
from analysis.steps import sets_apart
from analysis.ties import apply, tied_in_top
from analysis.verifying import Trial, time_saved

if TYPE_CHECKING:
    from analysis.fingerprinting import Verdict

_FLOAT32_SCORES = "float32 scores"
_KEPT = ("ones", "zeros", "tied_in_top", "first_shared", "first_lost", "reordered")
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


@dataclass(frozen=True, eq=False)
class Situation:
    """What is known of a set of scores; None is what nobody knows.

    ``measured`` is a table of :func:`analysis.remedies.measuring.measure`, indexed by remedy; only
    its first row, as it is, must be there. ``shared`` (n,) are the scores that tie in the top
    ``k``. ``rescored`` is the share of candidates that verified top k rescores, ``seconds`` what a
    pair takes by forward dtype, ``verdict`` the fingerprint of the scores, where the path comes
    from that.
    """

    path: ScorePath | None
    measured: pd.DataFrame
    shared: NDArray[np.float64]
    k: int = 10
    rescored: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None

    def tied(self, remedy: str) -> int | None:
        """Candidates that tie in the top k with a remedy; None where it was not measured."""
        return (
            int(self.measured.loc[remedy, "tied_in_top"]) if remedy in self.measured.index else None
        )

    def saturated(self, remedy: str) -> int:
        """Scores of exactly 1.0 or 0.0 with a remedy that was measured.

        Where scores are logits it is what there is as it is: an order by logits mends ties alone.
        """
        counts = self.measured.loc[remedy, ["ones", "zeros"]]
        if counts.isna().any() and remedy != table.AS_IT_IS:
            return self.saturated(table.AS_IT_IS)
        return int(counts.fillna(0).sum())

    def mends(self, remedy: str) -> bool:
        """Whether a remedy was measured to leave fewer ties in the top, or less saturation."""
        if remedy not in self.measured.index:
            return False
        after, before = (
            (self.tied(name), self.saturated(name)) for name in (remedy, table.AS_IT_IS)
        )
        return after < before

    def proves(self, better: ScorePath) -> bool:
        """Whether scores shared in the top stand for logits that the better path tells apart."""
        return bool(self.shared.size and sets_apart(better, self.path, self.shared).any())

    @property
    def saved(self) -> float | None:
        """Share of float32's time that verified top k saves; None where it was not measured."""
        if self.rescored is None or not {self.path.forward_dtype, "float32"} <= self.seconds.keys():
            return None
        own, float32 = self.seconds[self.path.forward_dtype], self.seconds["float32"]
        return time_saved(self.rescored, own, float32)

    def numbers(self) -> dict[str, Any]:
        """What was measured, by remedy; missing counts are None."""
        counts = self.measured[list(_KEPT)].astype(object)
        by_remedy = counts.where(counts.notna(), None).to_dict("index")
        shares = {"rescored": self.rescored, "saved": self.saved}
        return by_remedy | {name: share for name, share in shares.items() if share is not None}


def recommend(
    logits: pd.DataFrame,
    path: ScorePath,
    *,
    k: int = 10,
    trial: Trial | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Recommendation:
    """Return the remedy for a path on a set.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of the path's forward dtype
    and, if float32 is to be weighed, of that; ``trial`` (:func:`analysis.verifying.try_out`) and
    ``seconds`` (per pair, by forward dtype) say what verified top k would cost.
    """
    own = apply(logits, path)
    situation = Situation(
        path=path,
        measured=measure(logits, path, k=k).set_index("remedy"),
        shared=own.loc[tied_in_top(own, k), "score"].unique(),
        k=k,
        rescored=None if trial is None else trial.rescored,
        seconds=seconds or {},
    )
    return recommended(situation)


def recommended(situation: Situation) -> Recommendation:
    """Return the remedy for a situation; the first rule that applies decides."""
    found = next(found for rule in _RULES if (found := rule(situation)) is not None)
    return replace(found, numbers=situation.numbers())


def _twice(situation: Situation) -> Recommendation | None:
    if situation.verdict is None or situation.verdict.kind != "sigmoid twice":
        return None
    action = "Apply the sigmoid once: the model's own activation and the engine's are both on."
    return Recommendation("one sigmoid", action)


def _nothing(situation: Situation) -> Recommendation | None:
    """Nothing ties in the top, and what saturates, if anything does, no wide sigmoid mends."""
    if situation.tied(table.AS_IT_IS) or situation.mends(table.HPS.name):
        return None
    number = situation.saturated(table.AS_IT_IS)
    saturated = counted(number, "score is", "scores are") if number else "no score is"
    action = f"Nothing to mend: nothing ties in the top {situation.k}, and {saturated} saturated."
    path, reasons = situation.path, _order_lost(situation)
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
    if situation.verdict is None or situation.verdict.decimals is None:
        return None
    places = counted(situation.verdict.decimals, "decimal place", "decimal places")
    action = (
        f"Write more than {places}, or rank before rounding: "
        "what printing removes cannot be restored afterwards."
    )
    return Recommendation("more decimals", action, _counts(situation))


def _unknown(situation: Situation) -> Recommendation | None:
    if situation.path is not None:
        return None
    paths = situation.verdict.paths if situation.verdict is not None else ()
    if paths and all(path.has_narrow_sigmoid for path in paths):
        action = "Evaluate the sigmoid in float32 (cast the logits before it)."
        return Recommendation(table.HPS.name, action, _counts(situation))
    wanted = situation.verdict.wanted.rstrip(".") if situation.verdict is not None else ""
    action = (
        "Audit again with what is missing before anything is changed: "
        f"{wanted or 'the raw logits'}. The score path is not known, so no remedy is proved."
    )
    return Recommendation("more evidence", action, _counts(situation))


def _after_the_logit(situation: Situation) -> Recommendation | None:
    """A wide sigmoid or the order of the logits: both are free, the better one is taken."""
    path = situation.path
    if not path.has_sigmoid:
        return None
    candidates = [table.HPS.name, table.RAW.name]
    measured = situation.tied(table.RAW.name) is not None
    if measured:
        mending = [name for name in candidates if situation.mends(name)]
        # Scores that stay between 0 and 1 are preferred where the logits tie no less.
        best = min(mending, key=situation.tied, default=None)
    else:
        better = {table.HPS.name: path.hps(), table.RAW.name: path.raw()}
        best = next((name for name in candidates if situation.proves(better[name])), None)
    if best is None:
        return None
    reasons = (*_counts(situation), *(_rest(situation, best) if measured else _proof(situation)))
    wide = f"Evaluate the sigmoid in float32 (cast the {path.forward_dtype} logits before it)"
    if best == table.RAW.name:
        action = "Order by raw logits: fewer of them tie than of the scores."
        if path.has_narrow_sigmoid:
            action = (
                f"{wide}, and order by raw logits rather than by its scores: fewer of them tie."
            )
        return Recommendation(best, action, reasons)
    if path.has_narrow_sigmoid:
        return Recommendation(best, f"{wide}.", reasons)
    action = f"Store the scores in float32 instead of {path.stored_dtype}."
    return Recommendation(_FLOAT32_SCORES, action, reasons)


def _network(situation: Situation) -> Recommendation | None:
    """A float32 network, where the logits at hand tie more than its own."""
    if not situation.mends(table.FLOAT32.name):
        return None
    remedy, what = _exactly(situation)
    action = f"{what[:1].upper()}{what[1:]}: the {situation.path.forward_dtype} logits tie."
    return Recommendation(remedy, action, (*_counts(situation), *_price(situation)))


def _equal(situation: Situation) -> Recommendation | None:
    if situation.tied(table.FLOAT32.name) is None and not is_wide(situation.path.forward_dtype):
        return None
    action = "Look at the tied passages: no remedy that was measured tells them apart."
    return Recommendation("equal texts", action, _counts(situation))


def _more(situation: Situation) -> Recommendation:
    action = (
        "Score the same pairs in float32 as well: whether that tells the tied candidates apart was "
        "not measured, and nothing cheaper does."
    )
    return Recommendation("more evidence", action, _counts(situation))


def _counts(situation: Situation) -> tuple[str, ...]:
    """How many candidates tie now and with each remedy that was measured, and how many saturate."""
    known = [
        f"{situation.tied(name):,} {how}"
        for name, how in _WITH.items()
        if situation.tied(name) is not None
    ]
    saturated = situation.saturated(table.AS_IT_IS)
    return (f"Ties in the top {situation.k}: {', '.join(known)}. Saturated scores: {saturated:,}.",)


def _proof(situation: Situation) -> tuple[str, ...]:
    return (
        "Not measured, but proved of the path: scores that tie here stand for several logits. Raw "
        "logits would tell how many of the ties this undoes.",
    )


def _rest(situation: Situation, remedy: str) -> tuple[str, ...]:
    """What a free remedy leaves, and what restores that."""
    left, float32 = situation.tied(remedy), situation.tied(table.FLOAT32.name)
    if left and float32 is not None and float32 < left:
        _, exactly = _exactly(situation)
        ties = f"The {situation.path.forward_dtype} logits tie as well; for those, {exactly}."
        return (ties, *_price(situation))
    return _order_lost(situation)


def _order_lost(situation: Situation) -> tuple[str, ...]:
    """Where narrow logits order the top otherwise than float32 ones, whatever ties."""
    raw = table.RAW.name
    if raw not in situation.measured.index or is_wide(situation.path.forward_dtype):
        return ()
    lost = situation.measured.loc[raw, "reordered"]
    if pd.isna(lost) or not lost:
        return ()
    queries = counted(int(situation.measured.loc[raw, "queries"]), "query", "queries")
    what = (
        f"By raw {situation.path.forward_dtype} logits {lost:,} of {queries} "
        f"{'has' if lost == 1 else 'have'} another top {situation.k} than by float32 ones; where "
        f"that matters, {_exactly(situation)[1]}."
    )
    return (what, *_price(situation))


def _exactly(situation: Situation) -> tuple[str, str]:
    """The remedy that restores the float32 order at the lower price, and how to say it."""
    verify, run = f"verify the top {situation.k} in float32", "run the model in float32"
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
    _nothing,
    _mixture,
    _printed,
    _unknown,
    _after_the_logit,
    _network,
    _equal,
    _more,
)
