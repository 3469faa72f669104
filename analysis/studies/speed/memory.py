"""Memory of a forward pass: bytes of all tensors alive at once at its worst moment.

That is the weights, and above them what torch's allocator handed out. What a library allocates for
itself is not in it (packed copies of matrices, for example: a process grows by more), nor are the
interpreter and its libraries. In return it is the same in every run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

Run = Callable[[], object]


def weight_bytes(network: torch.nn.Module) -> int:
    """Bytes of a network's parameters and buffers, shared ones counted once."""
    storages = [tensor.untyped_storage() for tensor in (*network.parameters(), *network.buffers())]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def pass_bytes(run: Run, network: torch.nn.Module, device: torch.device) -> int:
    """Most bytes that torch's allocator had handed out at once during ``run``, above the start.

    On a CPU every allocation and release is recorded by torch's profiler, on CUDA the allocator
    keeps the peak. On MPS it keeps none: its state is read after each module of the network, which
    misses what a module allocates and releases within itself, so that is a lower bound.
    """
    if device.type == "cuda":
        return _cuda_bytes(run, device)
    return _mps_bytes(run, network) if device.type == "mps" else _cpu_bytes(run)


def _cuda_bytes(run: Run, device: torch.device) -> int:
    synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _mps_bytes(run: Run, network: torch.nn.Module) -> int:
    torch.mps.synchronize()
    seen = [torch.mps.current_allocated_memory()]

    def look(*_: object) -> None:
        """Note what is allocated when a module has run."""
        seen.append(torch.mps.current_allocated_memory())

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    torch.mps.synchronize()
    return max(seen) - seen[0]


def _cpu_bytes(run: Run) -> int:
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        with _without_notices():
            with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
                run()
            recorded.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    changes.sort(key=lambda event: event["ts"])
    return int(np.cumsum([0, *(event["args"]["Bytes"] for event in changes)]).max())


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep the profiler's start and stop notices, which no log level silences, out of a page."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was given; a CPU has already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
