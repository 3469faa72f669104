"""Number formats: their values, their spacing and rounding to them, exactly.

Every question about a format is answered from its bit patterns (``ml_dtypes`` and NumPy hold
them); nothing is sampled and no table is typed in. Values go in and come out as float64, which
holds every value of the other formats exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError

Floats = NDArray[np.floating]

FORWARD_DTYPES = ("float32", "float16", "bfloat16")
"""The dtypes that networks are served in."""
HALVES = ("float16", "bfloat16")
NETWORK_DTYPES = ("float64", *FORWARD_DTYPES)
"""The dtypes that a network can be run in here."""

_MOST_VALUES = 50_000_000


@dataclass(frozen=True)
class Format:
    """A floating-point format, named as torch names it.

    The formats here are ``float64``, ``float32``, ``float16``, ``bfloat16``, ``float8_e4m3fn``
    and ``float8_e5m2``; take one with :func:`format_of`. All but ``float8_e4m3fn`` have
    infinities; that one overflows to NaN, as its specification says.
    """

    name: str

    @cached_property
    def dtype(self) -> np.dtype:
        """The NumPy dtype: NumPy's own, or the one that ``ml_dtypes`` registers."""
        return np.dtype(getattr(ml_dtypes, self.name, self.name))

    @cached_property
    def finfo(self) -> np.finfo:
        """Limits of the format (``eps``, ``max``, ``smallest_subnormal``, ``bits`` ...)."""
        return ml_dtypes.finfo(self.dtype)

    @property
    def bits(self) -> int:
        """Number of bits of a value."""
        return int(self.finfo.bits)

    @property
    def eps(self) -> float:
        """Spacing above 1.0."""
        return float(self.finfo.eps)

    @property
    def max(self) -> float:
        """Largest finite value."""
        return float(self.finfo.max)

    @property
    def smallest_subnormal(self) -> float:
        """Smallest value above 0."""
        return float(self.finfo.smallest_subnormal)

    def round(self, values: ArrayLike) -> Floats:
        """Round to the nearest value of the format, ties to even, in one rounding.

        Returns an array of the format's dtype and of the shape given. A plain cast from float64
        will not do: ``ml_dtypes`` goes through float32 and so rounds twice. NaN stays NaN,
        minus zero stays minus zero, overflow gives infinity (NaN in ``float8_e4m3fn``).
        """
        exact = np.asarray(values, dtype=np.float64)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.bits >= 32 or self.dtype == np.float16:
                return exact.astype(self.dtype)
            return _rounded_to_odd(exact).astype(self.dtype)

    def next_above(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the smallest value of the format above each of ``values`` (shape kept).

        ``values`` need not be in the format. Above the largest finite value stands infinity
        (NaN in ``float8_e4m3fn``).
        """
        exact = np.asarray(values, dtype=np.float64)
        rounded = self.round(exact)
        stepped = self._next(rounded, np.inf).astype(np.float64)
        return np.where(rounded.astype(np.float64) > exact, rounded.astype(np.float64), stepped)

    def next_below(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the largest value of the format below each of ``values`` (shape kept)."""
        return -self.next_above(-np.asarray(values, dtype=np.float64))

    def spacing_above(self, values: ArrayLike) -> NDArray[np.float64]:
        """Distance from each value to the next representable value above it."""
        return self.next_above(values) - np.asarray(values, dtype=np.float64)

    def spacing_below(self, values: ArrayLike) -> NDArray[np.float64]:
        """Distance from each value to the next representable value below it.

        Just below 1.0 this is half of ``eps``: the binade changes there.
        """
        return np.asarray(values, dtype=np.float64) - self.next_below(values)

    def spacing(self, values: ArrayLike) -> NDArray[np.float64]:
        """Distance between the two representable values around each value.

        ``values`` need not be in the format; of one that is, the distance to the next above it.
        """
        above = self.next_above(values)
        return above - self.next_below(above)

    def holds(self, other: Format) -> bool:
        """Tell whether every finite value of another format is a value of this one."""
        return bool(
            self.finfo.nmant >= other.finfo.nmant
            and self.smallest_subnormal <= other.smallest_subnormal
            and self.max >= other.max
        )

    @property
    def largest_below_one(self) -> float:
        """The last value before 1.0."""
        return float(self.next_below(1.0))

    def count(self, low: float, high: float) -> int:
        """How many finite values lie in the closed interval [low, high]; one zero."""
        first, last = self._ends(low, high)
        return max(0, last - first + 1)

    def values(self, low: float, high: float) -> NDArray[np.float64]:
        """All finite values in the closed interval [low, high], ascending.

        Plus and minus zero count as one value. Raises :class:`InputError` where there are more
        than fifty million (ask :meth:`count` first).
        """
        first, last = self._ends(low, high)
        if last - first >= _MOST_VALUES:
            raise InputError(
                f"{last - first + 1:,} values of {self.name} lie in [{low}, {high}]",
                f"ask for a narrower interval (at most {_MOST_VALUES:,} values)",
            )
        return self.from_ordinals(np.arange(first, last + 1)).astype(np.float64)

    def ordinals(self, values: ArrayLike) -> NDArray[np.int64]:
        """Position of each value among the format's values: 0 for zero, 1 for the next above.

        Neighbours differ by one, so integer bisection over ordinals visits representable values
        only. ``values`` are rounded to the format first; NaN has no position.
        """
        signed = f"i{self.dtype.itemsize}"
        bits = self.round(values).view(signed).astype(np.int64)
        lowest = np.int64(np.iinfo(signed).min)
        return np.where(bits < 0, lowest - bits, bits)

    def from_ordinals(self, ordinals: ArrayLike) -> Floats:
        """Inverse of :meth:`ordinals`; returns an array of the format's dtype."""
        signed = np.iinfo(f"i{self.dtype.itemsize}")
        positions = np.asarray(ordinals, dtype=np.int64)
        bits = np.where(positions < 0, np.int64(signed.min) - positions, positions)
        return bits.astype(signed.dtype).view(self.dtype)

    def _ends(self, low: float, high: float) -> tuple[int, int]:
        """Ordinals of the first and last representable values inside [low, high]."""
        low, high = max(low, -self.max), min(high, self.max)
        first, last = float(self.round(low)), float(self.round(high))
        first = first if first >= low else float(self.next_above(low))
        last = last if last <= high else float(self.next_below(high))
        return int(self.ordinals(first)), int(self.ordinals(last))

    def _next(self, values: Floats, end: float) -> Floats:
        """Neighbour in the direction of ``end``; overflow is meant and stays silent."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            target = np.full(values.shape, end).astype(self.dtype)
            if not np.isnan(target).any():
                return np.nextafter(values, target)
            target[...] = np.copysign(self.max, end)  # no infinity: NaN follows the largest
            beyond = np.array(np.nan).astype(self.dtype)
            return np.where(values == target, beyond, np.nextafter(values, target))


def _rounded_to_odd(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cut to float32, the last bit set where that is inexact; overflow is meant and stays silent.

    What is rounded to at least two bits fewer afterwards is rounded as if in one step (Boldo and
    Melquiond, IEEE Transactions on Computers 57, 2008).
    """
    nearest = exact.astype(np.float32)
    towards_zero = nearest.view(np.int32) - (np.abs(nearest) > np.abs(exact))
    return np.asarray(towards_zero | (nearest != exact)).view(np.float32)


FORMATS: MappingProxyType[str, Format] = MappingProxyType(
    {
        name: Format(name)
        for name in ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
    }
)
"""Every format this package knows, by torch's name."""


def format_of(dtype: str | Format) -> Format:
    """Return the format of that name; an unknown name raises :class:`InputError`."""
    if isinstance(dtype, Format):
        return dtype
    try:
        return FORMATS[dtype]
    except (KeyError, TypeError):
        raise InputError(
            f"unknown dtype {dtype!r}", f"choose one of {', '.join(FORMATS)}", field="dtype"
        ) from None


def check_forward_dtypes(dtypes: Sequence[str], field: str = "forward_dtypes") -> None:
    """Check a list of dtypes to be scored, before the first is; :class:`InputError` otherwise."""
    listed = isinstance(dtypes, Sequence) and not isinstance(dtypes, str) and len(dtypes) > 0
    if not listed or any(dtype not in NETWORK_DTYPES for dtype in dtypes):
        raise InputError(
            f"{dtypes!r} are no forward dtypes",
            f"give a list of some of {', '.join(NETWORK_DTYPES)}",
            field=field,
        )
    if len(set(dtypes)) < len(dtypes):
        raise InputError("a dtype is named twice", "name it once", field=field)


def is_wide(dtype: str) -> bool:
    """Whether a dtype has at least the bits of float32."""
    return format_of(dtype).bits >= FORMATS["float32"].bits
