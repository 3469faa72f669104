"""The sentences behind a recommendation; every number in them was measured."""

from __future__ import annotations

from analysis.formats import is_wide
from analysis.remedies import table
from analysis.remedies.situation import Situation


def what_ties(situation: Situation) -> tuple[str, ...]:
    """Say how many tie now and under the other paths, as far as that is known."""
    ties = {
        "as it is": situation.tied_in_top,
        "with a float32 sigmoid": situation.tied_hps,
        "by raw logits": situation.tied_raw,
        "by float32 logits": situation.tied_float32,
    }
    known = [f"{number:,} {how}" for how, number in ties.items() if number is not None]
    return (
        f"Candidates that tie in the top {situation.k}: {', '.join(known)}; saturated scores: "
        f"{situation.saturated:,}.",
    )


def what_stays(situation: Situation) -> tuple[str, ...]:
    """Say what neither a wide sigmoid nor the order of the logits repairs."""
    path, ties = situation.path, situation.tied_raw
    if not ties or is_wide(path.forward_dtype):
        return order_lost(situation)
    both = f"{ties:,} {'candidate ties' if ties == 1 else 'candidates tie'}"
    if situation.no_dtype_helps:
        return (f"{both} by logits, and no fewer in float32: no dtype tells them apart.",)
    what = f"{both} in their {path.forward_dtype} logits as well: for those, {exactly(situation)}."
    return (what, *price(situation))


def order_lost(situation: Situation) -> tuple[str, ...]:
    """Say where half logits order the top otherwise than float32 ones, whatever ties."""
    path, lost = situation.path, situation.reordered
    if not lost or path is None or is_wide(path.forward_dtype):
        return ()
    what = (
        f"In {lost:,} of {situation.queries:,} queries the top {situation.k} by raw "
        f"{path.forward_dtype} logits is not that of float32; where that matters, "
        f"{exactly(situation)}."
    )
    return (what, *price(situation))


def exact_remedy(situation: Situation) -> str:
    """Name what restores the float32 order of half logits at the lower price, as measured."""
    saved = situation.saved
    return table.VERIFIED.name if saved is not None and saved > 0 else table.FLOAT32.name


def exactly(situation: Situation) -> str:
    """Say how to restore the float32 order; both ways where their prices were not measured."""
    verify, run = f"verify the top {situation.k} in float32", "run the model in float32"
    if situation.saved is None:
        return f"{run}, or {verify}"
    return verify if situation.saved > 0 else run


def price(situation: Situation) -> tuple[str, ...]:
    """Say what verified top k costs beside float32 throughout, as far as it was measured."""
    share, saved = situation.rescored, situation.saved
    if share is None:
        return ()
    rescores = f"Verified top {situation.k} rescores {share:.0%} of the candidates"
    forward = situation.path.forward_dtype
    if saved is None:
        return (
            f"{rescores}: it pays where a {forward} pair takes less than {1 - share:.0%} of the "
            "time of a float32 one.",
        )
    ratio = situation.seconds[forward] / situation.seconds["float32"]
    both = f"{rescores}, and a {forward} pair takes {ratio:.2g} times as long as a float32 one"
    if saved > 0:
        return (f"{both}: that would save {saved:.0%} of the time of float32 throughout.",)
    return (f"{both}: that is no faster than float32 throughout.",)
