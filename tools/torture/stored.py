"""A small store whose logits are known, without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.errors import InputError
from analysis.store import Logits, Store

KEYS = tuple({"model": {"weights": name}, "forward_dtype": "float16"} for name in "abc")
"""Keys whose pairs are the same and whose logits differ: what is swapped among them must show."""
_PAIRS = 60
_IN_BATCH = 3


def pairs() -> pd.DataFrame:
    """The pairs of every key."""
    return pd.DataFrame(
        {
            "query_id": [f"q{row // 7}" for row in range(_PAIRS)],
            "passage_id": [f"pä{row}" for row in range(_PAIRS)],
            "grade": pd.array([row % 4 for row in range(_PAIRS)], dtype="Int64"),
            "forward_dtype": "float16",
        }
    )


def batches() -> list[NDArray[np.int64]]:
    """Twenty batches of three; five shards."""
    order = (np.arange(_PAIRS) * 7) % _PAIRS
    return np.split(order, range(_IN_BATCH, _PAIRS, _IN_BATCH))


def truth(key: dict) -> Logits:
    """The logits of a key, shape (60, 1)."""
    number = KEYS.index(key)
    return np.sin(np.arange(_PAIRS, dtype=np.float64) + 100 * number)[:, None]


def ask(store: Store, key: dict) -> tuple[Logits, int]:
    """Logits of a key from the store, and how many batches had to be computed for them."""
    computed = 0

    def compute(wanted: Sequence[int]) -> Iterator[Logits]:
        nonlocal computed
        for batch in wanted:
            computed += 1
            yield truth(key)[batches()[batch]]

    return store.logits(key, pairs(), batches(), compute), computed


def whole(folder: Path) -> Store:
    """A store that has the logits of every key."""
    store = Store(folder)
    for key in KEYS:
        ask(store, key)
    return store


def faults(store: Store, what: str) -> Iterator[str]:
    """Yield what is wrong with the answers of a store: logits that differ, or a poor error."""
    for key in KEYS:
        try:
            logits, _ = ask(store, key)
        except InputError as error:
            if not (error.file and error.problem and error.remedy):
                yield f"{what}: the error names no file or no remedy: {error}"
        except Exception as error:
            yield f"{what}: {type(error).__name__}: {error}"
        else:
            if logits.tobytes() != truth(key).tobytes():
                yield f"{what}: wrong logits were served"


def not_healed(store: Store, what: str) -> Iterator[str]:
    """Yield each key whose logits have to be computed once more, unless an error said why."""
    for key in KEYS:
        with suppress(InputError):
            if ask(store, key)[1]:
                yield f"{what}: not mended"
