"""Quantised networks, from recordings: for readers without the runtimes.

What notebooks 06 and 09 need of their own; :mod:`analysis.budgets.networks` splits the error,
:mod:`analysis.remedies.networks` mends it.
"""

from __future__ import annotations

import pandas as pd

from analysis.budgets.networks import ACTIVATIONS, HEAD, NetworkBudget, network_budget
from analysis.forwardformats import as_format
from analysis.recordings import recorded_formats
from analysis.remedies.networks import formats_led_to
from analysis.shifts import ALONE, BATCHES, USUAL, batch_shifts


def recorded_batched() -> pd.DataFrame:
    """The recorded logits in their requests, and each pair alone, as far as that was recorded."""
    frames = [recorded_formats(name).assign(**{BATCHES: name}) for name in (USUAL, ALONE)]
    return pd.concat(frames, ignore_index=True)


def recorded_budgets(batched: pd.DataFrame) -> list[NetworkBudget]:
    """Budgets of the formats with quantised activations.

    Those whose activations, or head, have a stage of their own; all, where none has.
    """
    formats = [as_format(text) for text in batched["forward_format"].unique()]
    found = [network_budget(batched, one) for one in formats if one.activation_scale != "none"]
    return [one for one in found if {ACTIVATIONS, HEAD} & set(one.table.index)] or found


def with_remedies(batched: pd.DataFrame) -> list[str]:
    """The recorded formats that a remedy leads away from, to a format that was recorded too."""
    recorded = set(batched["forward_format"])
    usual = {"torch:float32"}
    return [
        text
        for text in batched["forward_format"].unique()
        if recorded & {one.text for one in formats_led_to(text)} - {text} - usual
    ]


def moved_alone(batched: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    """How far logits move from their request to alone, a row per format that was recorded so.

    ``name`` of the format, whether its activation scale foretells it (``depends_on_batch``), and
    the columns of :func:`analysis.shifts.batch_shifts`.
    """
    moved = batch_shifts(batched, k=k)
    formats = moved["forward_format"].map(as_format)
    return moved.assign(
        name=[one.name for one in formats],
        depends_on_batch=[one.depends_on_batch for one in formats],
    )
