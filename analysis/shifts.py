"""Shifts: how far logits lie from those of another run of the same pairs, and what the order loses.

Whatever differs between two runs, a forward format or what shares a batch, is seen in the same two
ways: in logits, and in the queries whose first places are others.
"""

from __future__ import annotations

import pandas as pd

from analysis.counting import count, effects_table
from analysis.errors import InputError
from analysis.forwardformats import by_format, format_texts, of_format
from analysis.frames import KEYS, check_columns, check_numbers, check_once, check_same_pairs

SHIFT_COLUMNS = {
    "mean_abs": ("mean shift", "mean over the pairs of how far the logit lies away, in logits"),
    "largest": ("largest shift", "the largest of these"),
}
"""For each column of a shift its heading and its meaning, as :data:`analysis.counting.COLUMNS`."""
BATCHES, USUAL = "batching", "request"
"""The column that names the batches in which logits were computed; and the usual ones, in which the
candidates of a query stand together, as an engine is sent them."""
ALONE = "alone"
"""The batching in which each pair is a batch of its own."""


def shift(logits: pd.DataFrame, reference: pd.DataFrame, *, k: int = 10) -> dict[str, float]:
    """Hold logits to those of another run: ``mean_abs, largest``, then the counts of ``effects``.

    Both frames have ``query_id, passage_id, logit`` and the same pairs, each once; ``grade`` in the
    first gives nDCG. Counted is the order of the logits, against that of the reference. Raises
    :class:`InputError` as :func:`analysis.counting.count` does.
    """
    for frame, what in ((logits, "frame of logits"), (reference, "reference")):
        check_columns(frame, [*KEYS, "logit"], what)
        check_once(frame, what)
        check_numbers(frame, "logit", what)
    check_same_pairs(logits, reference, "frame of logits", "reference")
    other = logits[KEYS].merge(reference[[*KEYS, "logit"]], on=KEYS, validate="one_to_one")
    away = (logits["logit"].to_numpy() - other["logit"]).abs()
    runs = (frame.assign(score=frame["logit"]) for frame in (logits, reference))
    return {"mean_abs": away.mean(), "largest": away.max(), **count(*runs, k=k, bounded=False)}


def format_shifts(logits: pd.DataFrame, *, k: int = 10) -> pd.DataFrame:
    """Hold every forward format of a frame to torch's float32: one row each, as it first stands.

    ``logits`` is what :func:`analysis.scoring.score` returns, float32 among its formats. Columns:
    ``forward_format``, its text, and what :func:`shift` counts.
    """
    float32 = of_format(logits, "float32")
    if float32.empty:
        raise InputError(
            "there are no float32 logits to hold the others to",
            "score with formats including 'float32'",
            field="forward_format",
        )
    found = {format_texts(rows).iloc[0]: shift(rows, float32, k=k) for rows in by_format(logits)}
    return effects_table(found.items(), "forward_format")


def batch_shifts(batched: pd.DataFrame, *, k: int = 10) -> pd.DataFrame:
    """Hold the logits of pairs in other batches to those in their request, format by format.

    ``batched`` has the columns ``query_id, passage_id, grade, forward_format, batching, logit``,
    and ``threads`` where there are several; rows of the batching :data:`USUAL` (on the fewest
    threads) are the reference, and may be of more pairs than the others. One row per format and
    other batching: ``forward_format, batching, threads``, and what :func:`shift` counts.
    """
    batched = batched if "threads" in batched else batched.assign(threads=1)
    rows = []
    for text, own in batched.groupby("forward_format", sort=False):
        ways = list(own.groupby([BATCHES, "threads"], sort=False))
        usual = [(threads, frame) for (name, threads), frame in ways if name == USUAL]
        if not usual:
            raise InputError(
                f"there are no logits of {text} in its usual batches",
                f"give rows with {USUAL!r} as their {BATCHES}",
                field=BATCHES,
            )
        fewest, reference = min(usual, key=lambda one: one[0])
        for (name, threads), frame in ways:
            if (name, threads) != (USUAL, fewest):
                same = frame[KEYS].merge(reference, on=KEYS, validate="one_to_one")
                way = {"forward_format": text, BATCHES: name, "threads": threads}
                rows.append({**way, **shift(frame, same, k=k)})
    return pd.DataFrame(rows)
