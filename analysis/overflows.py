"""Overflow inside a network: the layer where the first number that is not finite stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Overflow:
    """Where a network's first number that is not finite stands.

    ``layer`` is a module's name in the network, such as ``bert.encoder.layer.1.output.dense``, and
    ``value`` the number, as text. It ``comes_out`` of the layer, or goes into it, where something
    between two layers overflowed, such as the sum of a residual connection. ``largest`` is the
    largest finite magnitude that goes into the layer.
    """

    layer: str
    value: str
    comes_out: bool
    largest: float

    def __str__(self) -> str:
        if self.comes_out:
            return (
                f"the first {self.value} comes out of {self.layer}, "
                f"which is given numbers up to {self.largest:.4g}"
            )
        return (
            f"the first {self.value} goes into {self.layer}, beside numbers up to "
            f"{self.largest:.4g}: a sum or product before that layer overflows"
        )


def locate_overflow(network: torch.nn.Module, inputs: Mapping[str, Any]) -> Overflow | None:
    """Run a network on a batch and return where its first number is not finite; None if all are.

    ``inputs`` are its arguments by name. −inf that goes into a layer is taken for a mask, and seen
    where it comes out of one.
    """
    found: list[Overflow] = []

    def look(layer: str, given: object, returned: object | None) -> None:
        """Note the first number that is not finite, before a layer or after it."""
        seen = _tensors(given if returned is None else returned)
        bad = [_not_finite(tensor, masks=returned is None) for tensor in seen]
        values = [value for value in bad if value]
        if values and not found:
            found.append(Overflow(layer, values[0], returned is not None, _largest(given)))

    with ExitStack() as hooks, torch.inference_mode():
        for name, module in network.named_modules():
            layer = name or type(network).__name__
            before = module.register_forward_pre_hook(
                lambda _, args, kwargs, layer=layer: look(layer, (args, kwargs), None),
                with_kwargs=True,
            )
            after = module.register_forward_hook(
                lambda _, args, kwargs, out, layer=layer: look(layer, (args, kwargs), out),
                with_kwargs=True,
            )
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        network(**inputs)
    return found[0] if found else None


def _tensors(value: object) -> Iterator[torch.Tensor]:
    """The floating-point tensors in arguments or outputs, however they are nested."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.numel():
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _tensors(one)


def _not_finite(tensor: torch.Tensor, *, masks: bool) -> str:
    """One number of a tensor that is not finite, as text; empty if there is none."""
    bad = tensor[~torch.isfinite(tensor)]
    bad = bad[bad != -torch.inf] if masks else bad
    return str(float(bad[0])) if len(bad) else ""


def _largest(value: object) -> float:
    """The largest finite magnitude in arguments; 0 where there is none."""
    finite = (tensor[torch.isfinite(tensor)].abs() for tensor in _tensors(value))
    return max((float(numbers.max()) for numbers in finite if len(numbers)), default=0.0)
