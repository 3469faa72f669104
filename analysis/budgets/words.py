"""The budget in sentences."""

from __future__ import annotations

import pandas as pd

from analysis.budgets.origins import REFERENCE
from analysis.budgets.stages import ORDERS, TOTAL

NAMES = {
    REFERENCE: "the float32 reference itself",
    "weights": "the weights",
    "logit": "the logit's own rounding",
    "arithmetic": "the arithmetic",
    "formula": "the formula",
    "stored dtype": "the stored dtype",
}


def origin_sentence(origins: pd.DataFrame, noun: str, which: str) -> str:
    """Say how many ("candidate", "that tie in the top 10") come from which stage.

    ``origins`` as :func:`analysis.budgets.origins.count_origins` gives them.
    """
    total = int(origins["count"].sum())
    if not total:
        return f"There are no {noun}s {which}, so there is nothing to trace."
    some = origins[origins["count"] > 0].sort_values("count", ascending=False, kind="stable")
    if total == 1:
        return f"The one {noun} {which} comes from {NAMES[some.index[0]]}."
    none = [NAMES[name] for name in origins.index[origins["count"] == 0] if name != REFERENCE]
    parts = [f"{row['count']:.0f} from {NAMES[name]}" for name, row in some.iterrows()]
    parts[0] = parts[0].replace(
        " from", " come from" if some["count"].iloc[0] > 1 else " comes from", 1
    )
    parts += [f"none from {listed(none, 'or')}"] if none else []
    return f"Of the {total} {noun}s {which}, {listed(parts, 'and')}."


def order_sentence(origins: pd.DataFrame) -> str:
    """Say how much of :func:`origin_sentence` hangs on the order of the swaps."""
    if not origins["count"].sum():
        return ""
    moving = origins[origins["least"] < origins["most"]]
    if moving.empty:
        return f"Each of the {len(ORDERS)} possible orders of swapping the stages says the same."
    ranges = [
        f"{NAMES[name]} {row['least']:.0f} to {row['most']:.0f}" for name, row in moving.iterrows()
    ]
    return (
        f"Over the {len(ORDERS)} possible orders of swapping the stages, the number owed to each "
        f"goes as follows: {listed(ranges, 'and')}."
    )


def logit_sentence(forward_dtype: str, logits: pd.DataFrame) -> str:
    """Say how far a dtype's logits are from float32 and what each stage adds, on average.

    ``logits`` as :func:`analysis.budgets.stages.attribute` gives it.
    """
    total = logits.loc[TOTAL]
    if not total["largest"]:
        return f"**{forward_dtype}**: every logit is the reference's."
    parts = [
        f"{NAMES[stage]} {row['mean_abs']:.2g}" for stage, row in logits.drop(TOTAL).iterrows()
    ]
    return (
        f"**{forward_dtype}**: a logit is {total['mean_abs']:.2g} from float32 on average, "
        f"{total['largest']:.2g} at most. Swapped in one after another, the stages move it by this "
        f"much on average, up or down: {listed(parts, 'and')}."
    )


def noise_sentence(forward_dtype: str, logits: pd.DataFrame, noise: pd.DataFrame) -> str:
    """Compare a dtype's error with its noise floor.

    ``noise`` as :func:`analysis.budgets.noise.noise_floor` gives it.
    """
    own = noise[noise["forward_dtype"] == forward_dtype]
    strongest, error = own.loc[own["mean_abs"].idxmax()], logits.loc[TOTAL, "mean_abs"]
    if not strongest["largest"]:
        return f"**{forward_dtype}**: none of the {len(own)} circumstances moves a logit."
    moved = (
        f"**{forward_dtype}**: the strongest circumstance ({strongest['circumstance']}) moves a "
        f"logit by {strongest['mean_abs']:.2g} on average and {strongest['largest']:.2g} at most; "
        f"{(own['changed'] == 0).sum()} of {len(own)} move none."
    )
    if not error:
        return f"{moved} The reference is known no better than that."
    if error > strongest["mean_abs"]:
        return f"{moved} The error of the dtype is {error / strongest['mean_abs']:.2g} times that."
    return f"{moved} The error of the dtype, {error:.2g}, does not stand out from that."


def share_sentence(scores: pd.DataFrame) -> str:
    """Say how far scores are from the reference and which stage has the largest share in it."""
    total = scores.loc[TOTAL]
    if not total["largest"]:
        return "every score is the reference's."
    stage = scores.drop(TOTAL)["share"].idxmax()
    ends = [f"{scores.loc[stage, end]:.0%}" for end in ("least", "most")]
    over = "whatever the order" if ends[0] == ends[1] else f"{' to '.join(ends)} over all orders"
    return (
        f"a score is {total['mean_abs']:.2g} from the reference on average, {total['largest']:.2g} "
        f"at most. Of the squared error the largest share is that of {NAMES[stage]}, "
        f"{scores.loc[stage, 'share']:.0%} in the path's order, {over}."
    )


def prediction_sentence(predicted: pd.DataFrame, k: int) -> str:
    """Compare predicted with measured counts, over all paths whose dtype is not float32.

    ``predicted`` as :func:`analysis.budgets.prediction.predict` gives it.
    """
    half = predicted[predicted["forward_dtype"] != "float32"].dropna()
    if half.empty:
        return "No path in a narrower dtype was measured, so there is nothing to hold it against."
    counts = half.drop(columns=["computation", "forward_dtype"]).sum()
    parts = []
    for name, what in (
        ("saturated", "scores of exactly 1.0"),
        ("tied", f"candidates that tie in the top {k}"),
    ):
        predicted, measured, both = (
            counts[f"{name}_{how}"] for how in ("predicted", "measured", "both")
        )
        text = f"{predicted} {what} are predicted and {measured} measured"
        parts.append(f"{text}, {both} of them the same" if predicted and measured else text)
    return f"Over the {len(half)} paths in a narrower dtype, {'; '.join(parts)}."


def listed(parts: list[str], word: str) -> str:
    """Join with commas, and ``word`` before the last."""
    *before, last = parts
    return f"{', '.join(before)} {word} {last}" if before else last
