"""Precision against speed: what a forward pass costs in a dtype, and what it keeps of the ranking.

:func:`measure_speed` times passes and records their memory, on a CPU, CUDA or MPS (the last two
have not been run); :func:`faithfulness` says what each dtype keeps of the float32 ranking;
:func:`trade_off` sets one beside the other, and :func:`verdict` says it in words;
:func:`layer_times` and :func:`why` look for the reason of a slow dtype.
"""

from analysis.studies.speed.arithmetic import LayerTimes, instructions, layer_times, why
from analysis.studies.speed.memory import pass_bytes, weight_bytes
from analysis.studies.speed.passes import (
    measure_pass,
    measure_speed,
    seconds_per_pair,
    spread_rows,
    time_repeats,
    typical_query,
)
from analysis.studies.speed.tradeoff import chance_sentence, faithfulness, trade_off, verdict

__all__ = [
    "LayerTimes",
    "chance_sentence",
    "faithfulness",
    "instructions",
    "layer_times",
    "measure_pass",
    "measure_speed",
    "pass_bytes",
    "seconds_per_pair",
    "spread_rows",
    "time_repeats",
    "trade_off",
    "typical_query",
    "verdict",
    "weight_bytes",
    "why",
]
