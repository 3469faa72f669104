"""Precision against speed: why a narrow dtype is fast or slow here, and what it keeps for it.

Notebook 08's own needs; :mod:`analysis.timing` measures the passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from analysis.agreements import agreement
from analysis.counting import effects
from analysis.forwardformats import as_format, format_texts
from analysis.models import Reranker
from analysis.recordings import recorded_runs
from analysis.remedies.measuring import apply_to
from analysis.scorepath import ScorePath
from analysis.timing import QUERY, Run, time_repeats

_LAYER_TOKENS = 512

# As torch.cpu.get_capabilities names them; those of x86 first, then those of ARM.
_INSTRUCTIONS = {
    "float16": ("avx512_fp16", "amx_fp16", "fp16_arith"),
    "bfloat16": ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"),
}


def layer_times(reranker: Reranker, dtypes: Sequence[str], *, repeats: int = 5) -> pd.DataFrame:
    """Time one linear layer of 512 tokens, of the network's width squared, by dtype.

    One row per dtype: ``forward_dtype, width``; medians in seconds on the reranker's device:
    ``own`` in the dtype, ``float32`` in that, ``conversion`` to widen the operands to float32 and
    narrow the result; ``ratio``, own by float32; ``detour``, float32 and conversion by float32.
    """
    columns = ["forward_dtype", "width", "own", "float32", "conversion"]
    width = reranker.config.hidden_size
    rows = [(dtype, width, *_layer_seconds(reranker, dtype, repeats)) for dtype in dtypes]
    times = pd.DataFrame(rows, columns=columns)
    return times.assign(
        ratio=times["own"] / times["float32"],
        detour=(times["float32"] + times["conversion"]) / times["float32"],
    )


def instructions(dtype: str, device: torch.device) -> str:
    """Name the instruction sets of this CPU that compute in a 16-bit dtype, or say ``"none"``.

    Instructions that only convert, such as F16C, do not count. Asked of
    ``torch.cpu.get_capabilities``; ``"unknown"`` where torch is too old to have it, and for other
    devices than a CPU.
    """
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is None or device.type != "cpu":
        return "unknown"
    return ", ".join(name for name in _INSTRUCTIONS[dtype] if ask().get(name)) or "none"


def faithfulness(logits: pd.DataFrame, paths: Sequence[ScorePath], *, k: int = 10) -> pd.DataFrame:
    """What each path keeps of the float32 ranking: by its scores, and by its raw logits.

    ``logits`` is what :func:`analysis.scoring.score` returns, with rows of float32 and of the
    paths' forward dtypes. Two rows per path and forward format that gives it logits:
    ``forward_format, forward_dtype``; ``path``, its name; ``order``: ``"scores"`` or ``"raw
    logits"``; the columns of :func:`analysis.counting.effects`; and means
    over queries of ``kendall_tau_b`` (queries where it is defined) and ``overlap`` (expected
    overlap@k), both with the order of the float32 logits. Raises :class:`InputError` as
    :func:`analysis.ties.apply` does.
    """
    reference = apply_to(logits, ScorePath("float32").raw(), as_format("float32"))
    tables = []
    for path in paths:
        orders = {"scores": path, "raw logits": path.raw()}
        counted = effects(logits, orders, k=k).rename(columns={"path": "order"})
        counted = pd.concat([rows for _, rows in counted.groupby("forward_format", sort=False)])
        agreed = [
            agreement(
                reference, apply_to(logits, orders[row.order], as_format(row.forward_format)), k
            )
            for row in counted.itertuples()
        ]
        tables.append(
            counted.assign(
                forward_dtype=path.forward_dtype,
                path=path.name or path.computation,
                kendall_tau_b=[queries["kendall_tau_b"].mean() for queries in agreed],
                overlap=[queries[f"overlap@{k}"].mean() for queries in agreed],
            )
        )
    return pd.concat(tables, ignore_index=True)


def trade_off(speed: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Set beside each row of :func:`faithfulness` what one query costs in its forward format.

    Adds ``seconds, fastest, slowest, pairs_per_second, peak_bytes`` of the batch ``"one query"`` of
    :func:`analysis.timing.measure_speed`, and ``saturated``, the share of the scores that are
    exactly 1.0 or 0.0 (NaN for logits). Formats that were not measured are left out.
    """
    columns = ["seconds", "fastest", "slowest", "pairs_per_second", "peak_bytes"]
    speed = speed.assign(forward_format=format_texts(speed))
    query = speed.loc[speed["batch"] == QUERY, ["forward_format", *columns]]
    saturated = (kept["ones"] + kept["zeros"]) / kept["candidates"]
    kept = kept.assign(saturated=saturated.astype("float64"))
    return kept.merge(query, on="forward_format", validate="many_to_one")


def recorded_speed(pairs: int) -> pd.DataFrame:
    """What a query of so many candidates took in each recorded forward format, on one thread.

    As :func:`analysis.timing.measure_speed` has it, each format timed once, on the machine that the
    recording names; without memory. No rows where no times were recorded.
    """
    runs = recorded_runs()
    seconds = runs["seconds"].str["1"] if "seconds" in runs else pd.Series(np.nan, runs.index)
    timed = runs[["forward_format"]].assign(seconds=seconds * pairs / 100, batch=QUERY)
    timed = timed.dropna(subset="seconds").reset_index(drop=True)
    return timed.assign(
        fastest=timed["seconds"],
        slowest=timed["seconds"],
        pairs_per_second=pairs / timed["seconds"],
        peak_bytes=np.nan,
    )


def savings(speed: pd.DataFrame) -> pd.DataFrame:
    """What one query costs in each other format, held to torch's float32, which must be among them.

    ``speed`` comes from :func:`analysis.timing.measure_speed`. One row per format:
    ``forward_format``; ``time`` and ``memory``, as shares of float32's; ``pace``: ``"slower"`` or
    ``"faster"`` if the ranges of their repeats lie apart, otherwise ``"no difference"``.
    """
    speed = speed.assign(forward_format=format_texts(speed))
    query = speed[speed["batch"] == QUERY].set_index("forward_format")
    float32 = as_format("float32").text
    float32, others = query.loc[float32], query.drop(float32)
    slower = others["fastest"] > float32["slowest"]
    faster = others["slowest"] < float32["fastest"]
    return pd.DataFrame(
        {
            "time": others["seconds"] / float32["seconds"],
            "pace": np.select([slower, faster], ["slower", "faster"], "no difference"),
            "memory": others["peak_bytes"] / float32["peak_bytes"],
        }
    ).reset_index()


def _layer_seconds(reranker: Reranker, dtype: str, repeats: int) -> list[float]:
    """Median seconds of the layer in the dtype, in float32, and of the conversions."""
    device, width = reranker.device, reranker.config.hidden_size
    narrow, linear = getattr(torch, dtype), torch.nn.functional.linear
    generator = torch.Generator().manual_seed(0)
    shapes = ((_LAYER_TOKENS, width), (width, width))
    x, weight = (torch.randn(shape, generator=generator).to(device) for shape in shapes)
    x_own, weight_own = x.to(narrow), weight.to(narrow)
    product = linear(x, weight)
    runs: list[Run] = [
        lambda: linear(x_own, weight_own),
        lambda: linear(x, weight),
        lambda: (x_own.float(), weight_own.float(), product.to(narrow)),
    ]
    times = []
    for run in runs:
        run()
        times.append(float(np.median(time_repeats(run, device, repeats))))
    return times
