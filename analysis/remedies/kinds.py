"""What to do about scores that are no plain sigmoids, by their kind.

What a list is decides before anything was counted where it says nothing of precision: a constant,
a rating, a score that was normalised over its list. Where logits of two labels, or logits in equal
steps, tie, no sigmoid mends that; what does is named.
"""

from __future__ import annotations

from analysis.fingerprinting.verdict import Kind, Verdict
from analysis.formats import HALVES

_OF_LISTS = (
    "scores before normalisation",
    "Audit the scores as they were before they were normalised over each list: its ends are no "
    "saturation, and a threshold means something else for every query.",
)
_WHATEVER_TIES: dict[Kind, tuple[str, str]] = {
    "constant": (
        "the model's head",
        "Look at the model and its labels first: one value for all candidates ranks nothing, and "
        "no precision restores what is not there.",
    ),
    "whole numbers": (
        "finer ratings",
        "Ask for finer ratings or for token probabilities, or let the first stage's order decide "
        "among equal ones: whole numbers tie, whatever they are computed in.",
    ),
    "min-max": _OF_LISTS,
    "list softmax": _OF_LISTS,
    "ranks": _OF_LISTS,
}
_FINER_LOGITS = "finer logits"
_FINER = (
    "subtract the rows of the head in float32 where it has two labels, leave the head unquantised, "
    "or run the model in float32 (or verify the top of its ranking in it)."
)


def of_kind(verdict: Verdict | None) -> tuple[str, str] | None:
    """Remedy and action for a kind of which ties and saturation say nothing; None for others."""
    return None if verdict is None else _WHATEVER_TIES.get(verdict.kind)


def of_ties(verdict: Verdict | None) -> tuple[str, str] | None:
    """Remedy and action for ties that a sigmoid in a wider dtype leaves; None where it might help.

    Only what the verdict is certain of is named.
    """
    if verdict is None:
        return None
    sigmoid, forward = verdict.stage("sigmoid"), verdict.stage("forward dtype")
    if verdict.kind == "log-probabilities" and sigmoid.values[0].endswith(HALVES):
        return (
            "log-softmax in float32",
            f"Cast the logits to float32 before the log-softmax (logits.float()): it is a "
            f"{sigmoid.values[0]}, which rounds the best probabilities to one value.",
        )
    if not forward.certain or not forward.values[0].startswith("equal steps"):
        return None
    steps = f"The logits lie in {forward.values[0]}, so no sigmoid tells them apart: "
    return _FINER_LOGITS, steps + _FINER
