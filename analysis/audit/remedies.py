"""The remedy in one sentence: which stage of the path to change, given what was found."""

from __future__ import annotations

from analysis.audit.hidden import is_wide
from analysis.fingerprint import Verdict
from analysis.scorepath import ScorePath


def remedy(
    verdict: Verdict,
    path: ScorePath | None,
    *,
    saturated: int,
    tied_in_top: int,
    still_tied: int | None,
) -> str:
    """Say what to do.

    ``path`` is the score path, None if unknown; ``saturated`` and ``tied_in_top`` are the
    candidates concerned; ``still_tied`` are those that tie in the top even by their raw logits
    (None: logits unknown). The earliest cause that a change can remove comes first: how scores are
    printed, the activation, then the logits.
    """
    if verdict.kind == "sigmoid twice":
        return "Apply the sigmoid once: the model's own activation and the engine's are both on."
    if not saturated and not tied_in_top:
        return _nothing(path)
    if verdict.kind == "mixture":
        return "Audit the parts one by one: these scores come from more than one score path."
    if verdict.decimals is not None:
        return (
            f"Write more than {verdict.decimals} decimals, or rank before the scores are rounded: "
            "nothing that printing has removed can be restored afterwards."
        )
    if path is None:
        return _unknown(verdict)
    return _for_path(path, saturated, still_tied)


def _nothing(path: ScorePath | None) -> str:
    sentence = (
        "Nothing to mend on this data: no score is saturated and nothing ties in the top ranks"
    )
    if path is None or path.formula == "none" or is_wide(path.activation_dtype):
        return f"{sentence}."
    return (
        f"{sentence}; a model with higher logits would, since the sigmoid is evaluated in "
        f"{path.activation_dtype}: evaluate it in float32."
    )


def _unknown(verdict: Verdict) -> str:
    if verdict.paths and not any(is_wide(path.activation_dtype) for path in verdict.paths):
        return (
            "Evaluate the sigmoid in float32 (cast the logits before it), or order by raw logits."
        )
    wanted = verdict.wanted.rstrip(".")
    return (
        "Order by raw logits, or evaluate the sigmoid in float32; to know which stage to change, "
        f"audit again with what is missing: {wanted or 'raw logits'}."
    )


def _for_path(path: ScorePath, saturated: int, still_tied: int | None) -> str:
    if path.formula != "none" and not is_wide(path.activation_dtype):
        return (
            f"Evaluate the sigmoid in float32 (cast the {path.forward_dtype} logits before it), "
            f"or order by raw logits.{_what_stays(path, still_tied)}"
        )
    if path.formula != "none" and not is_wide(path.stored_dtype):
        return f"Store the scores in float32 instead of {path.stored_dtype}."
    if still_tied == 0:
        return "Order by raw logits: they are all different where the scores are not."
    if not is_wide(path.forward_dtype):
        return (
            "Run the model in float32, or score the first candidates again in float32: the sigmoid "
            f"is evaluated in {path.activation_dtype} already, and {path.forward_dtype} logits tie."
        )
    if saturated:
        return (
            "Order by raw logits, and calibrate or fine-tune the model: its logits are beyond "
            "what a float32 sigmoid can tell apart."
        )
    return "Look at the tied passages: in float32 throughout, equal scores mean equal texts."


def _what_stays(path: ScorePath, still_tied: int | None) -> str:
    if not still_tied or is_wide(path.forward_dtype):
        return ""
    return (
        f" {still_tied} candidates tie in their {path.forward_dtype} logits as well: for those, "
        "run the model in float32."
    )
