"""Sums over ranges of a sequence, and ranges laid end to end: loops written as array operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class PrefixSums:
    """Sums over any range of a sequence, each as accurate as if the range were added alone.

    The difference of two plain prefix sums loses what the long prefixes rounded away. Here the
    rounding error of every addition, which two-sum gives exactly (Knuth, TAOCP 2, 4.2.2), is
    summed beside them.
    """

    def __init__(self, terms: Floats) -> None:
        totals = np.concatenate([[0.0], np.cumsum(terms)])
        before, after = totals[:-1], totals[1:]
        added = after - before
        lost = (before - (after - added)) + (terms - added)
        self._totals = totals
        self._lost = np.concatenate([[0.0], np.cumsum(lost)])

    def between(self, start: Ints, stop: Ints) -> Floats:
        """Sum of ``terms[start:stop]`` for each pair of indices; 0 where they are equal."""
        return (self._totals[stop] - self._totals[start]) + (self._lost[stop] - self._lost[start])


def ranges(lengths: Ints) -> tuple[Ints, Ints]:
    """Lay the ranges 0 … length − 1 end to end: the index of each element's range, and its value.

    ``[2, 0, 3]`` gives ``[0, 0, 2, 2, 2]`` and ``[0, 1, 0, 1, 2]``.
    """
    owner = np.repeat(np.arange(len(lengths)), lengths)
    first = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) - first[owner]
