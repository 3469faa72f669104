"""Why a 16-bit dtype is fast or slow on this machine: what computes in it, and one layer timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from analysis.models import Reranker
from analysis.studies.speed.memory import Run
from analysis.studies.speed.passes import time_repeats

PRODUCT_TOKENS = 512

# As torch.cpu.get_capabilities names them; those of x86 first, then those of ARM.
_INSTRUCTIONS = {
    "float16": ("avx512_fp16", "amx_fp16", "fp16_arith"),
    "bfloat16": ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"),
}


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of one linear layer of a network's width, as :func:`layer_times` measures them."""

    dtype: str
    width: int
    own: float
    float32: float
    conversion: float

    @property
    def ratio(self) -> float:
        """How many times as long as in float32 it takes in the dtype."""
        return self.own / self.float32


def layer_times(reranker: Reranker, dtype: str, *, repeats: int = 5) -> LayerTimes:
    """Time one linear layer of ``PRODUCT_TOKENS`` tokens, of the network's width squared.

    ``own`` in the dtype, ``float32`` in that; ``conversion`` is what it takes to widen operands to
    float32 and to narrow the result. Medians, on the reranker's device.
    """
    device, width = reranker.device, reranker.config.hidden_size
    narrow, linear = getattr(torch, dtype), torch.nn.functional.linear
    generator = torch.Generator().manual_seed(0)
    shapes = ((PRODUCT_TOKENS, width), (width, width))
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
    return LayerTimes(dtype, width, *times)


def instructions(dtype: str) -> tuple[str, ...] | None:
    """Names of this CPU's instruction sets that compute in a 16-bit dtype; None: torch cannot tell.

    Instructions that only convert, such as F16C, do not count. Asked of
    ``torch.cpu.get_capabilities``, which older versions of torch do not have.
    """
    ask = getattr(torch.cpu, "get_capabilities", None)
    return None if ask is None else tuple(n for n in _INSTRUCTIONS[dtype] if ask().get(n))


def why(times: LayerTimes, device: torch.device) -> str:
    """Say how fast a 16-bit dtype computes here and, on a CPU, what that has to do with it."""
    dtype, found = times.dtype, instructions(times.dtype) if device.type == "cpu" else None
    if device.type != "cpu":
        has = f"This is {device}."
    elif found is None:
        has = f"This version of torch does not tell whether the CPU computes in {dtype}."
    elif found:
        has = f"This CPU computes in {dtype} ({', '.join(found)})."
    else:
        has = (
            f"This CPU has no instructions that compute in {dtype} (none of "
            f"{', '.join(_INSTRUCTIONS[dtype])}): each value has to be widened first."
        )
    layer = f"One layer of {times.width} × {times.width} on {PRODUCT_TOKENS} tokens takes"
    took = f"{has} {layer} {times.ratio:.2g} times as long in {dtype} as in float32."
    if times.ratio <= 1.1:
        return f"{took} So {dtype} is not the slow one here."
    detour = (times.float32 + times.conversion) / times.float32
    if detour < times.ratio:
        return (
            f"{took} Converting everything to float32, multiplying there and converting back would "
            f"take {detour:.3g} times as long as float32: what is slow is less the conversion than "
            f"the kernel that torch has for {dtype} on this machine."
        )
    return (
        f"{took} Converting everything to float32, multiplying there and converting back would "
        f"take {detour:.3g} times as long as float32, which gains nothing."
    )
