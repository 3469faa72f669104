"""The store of logits: what a network once returned is computed once.

A folder per key, named by the first 16 hex digits of the key's SHA-256::

    <store>/3f1c09a2b4d5e6f7/
        key.json               everything that could have changed the logits
        shard-00000.parquet    row, logit: the pairs of a few batches
        …
        logits.parquet         query_id, passage_id, grade, forward_dtype, logit: all pairs

Where a network gives two logits for a pair, ``logit_no`` and ``logit_yes`` stand for ``logit``.

Files are written beside their place and then renamed, so that a run killed at any moment leaves
whole files; the next run computes what is missing and ends with the same bytes. Each file holds
a digest of its content, so that a damaged one is noticed and made again. A lock makes a second
process wait for the first, and then read what that one wrote.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pandas.api.types import is_integer_dtype

from analysis.places import cache_folder, named_path, replacing, writing

FOLDER_VARIABLE = "RERANK_PRECISION_STORE"
BATCHES_PER_SHARD = 4

_DIGEST = b"rerank-precision.digest"
_REMEDY = (
    "make room or remove what stands there, or choose another folder, for instance with "
    f"{FOLDER_VARIABLE}; what is whole there is not computed again"
)

Logits = NDArray[np.float64]
Compute = Callable[[Sequence[int]], Iterator[Logits]]


class Store:
    """Logits kept in a folder, by default ``logits`` in :func:`~analysis.places.cache_folder`.

    The environment variable ``RERANK_PRECISION_STORE`` names another default. What is no longer
    wanted can be deleted at any time.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        chosen = folder or os.environ.get(FOLDER_VARIABLE) or cache_folder() / "logits"
        self.folder = named_path(chosen, f"name a folder, for instance with {FOLDER_VARIABLE}")

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def place(self, key: Mapping[str, Any]) -> Path:
        """Return the folder of a key, whether or not anything is there yet."""
        return self.folder / _key_digest(key)[:16]

    def logits(
        self,
        key: Mapping[str, Any],
        pairs: pd.DataFrame,
        batches: Sequence[NDArray[np.int64]],
        compute: Compute,
        names: Sequence[str] = ("logit",),
    ) -> Logits:
        """Return the logits of all pairs, computing only what is not kept.

        Shape (n_pairs, n_names), one column for each of ``names``: the logits of a pair.

        ``key`` holds whatever can change a logit, as JSON would. ``pairs`` has the columns
        ``query_id, passage_id, grade, forward_dtype``. ``batches`` are the row numbers of the
        pairs in each batch; every row is in one. ``compute`` is given the numbers of the batches
        that are missing and yields the logits of each, shape (n, n_names), in that order; if it
        fails, the shards that were complete stay. Raises :class:`InputError` if the folder cannot
        be written.
        """
        entry = _Entry(self.place(key), _key_digest(key), tuple(names))
        kept = entry.read_all(pairs)
        if kept is not None:
            return kept
        with entry.locked():
            kept = entry.read_all(pairs)  # another process may just have written it
            if kept is None:
                entry.write_key(key)
                kept = entry.fill(len(pairs), batches, compute)
                entry.write_all(pairs, kept)
        return kept


@dataclass(frozen=True)
class _Shard:
    """Some consecutive batches, kept in one file."""

    name: str
    batches: range
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class _Entry:
    """The folder of one key."""

    folder: Path
    key: str
    names: tuple[str, ...]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and hold its lock; the system frees it when a process dies."""
        with writing(self.folder, _REMEDY):
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        with writing(self.folder / "lock", _REMEDY):
            self._acquire(lock)
        try:
            yield
        finally:
            lock.release()

    def _acquire(self, lock: FileLock) -> None:
        """Take the lock, and say so if that means waiting."""
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logging.getLogger(__name__).warning("waiting for another process in %s", self.folder)
            lock.acquire()

    def write_key(self, key: Mapping[str, Any]) -> None:
        """Write the key for people to read; nothing else reads it."""
        text = json.dumps(key, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        with self._replacing("key.json") as temporary:
            temporary.write_text(text, "utf-8")

    def fill(self, n_pairs: int, batches: Sequence[NDArray[np.int64]], compute: Compute) -> Logits:
        """Read the shards that are kept, compute and write the others."""
        logits = np.empty((n_pairs, len(self.names)))
        missing = []
        for shard in _shards(batches):
            kept = self.read_shard(shard)
            if kept is None:
                missing.append(shard)
            else:
                logits[shard.rows] = kept
        computed = compute([batch for shard in missing for batch in shard.batches])
        for shard in missing:
            logits[shard.rows] = np.concatenate(list(islice(computed, len(shard.batches))))
            self.write_shard(shard, logits[shard.rows])
        return logits

    def read_shard(self, shard: _Shard) -> Logits | None:
        """Return a shard's logits; None if it is absent, damaged or of other rows."""
        table = self._read(shard.name)
        if table is None or not np.array_equal(table["row"].to_numpy(), shard.rows):
            return None
        return self._logits(table)

    def write_shard(self, shard: _Shard, logits: Logits) -> None:
        """Write a shard."""
        self._write(shard.name, self._with_logits(pa.table({"row": shard.rows}), logits))

    def read_all(self, pairs: pd.DataFrame) -> Logits | None:
        """Return the logits of all pairs; None if the file is absent, damaged or of others."""
        table = self._read("logits.parquet")
        if table is None or not table.drop_columns(self.names).equals(_columns(pairs)):
            return None
        return self._logits(table)

    def write_all(self, pairs: pd.DataFrame, logits: Logits) -> None:
        """Write the logits of all pairs with what they belong to."""
        self._write("logits.parquet", self._with_logits(_columns(pairs), logits))

    def _logits(self, table: pa.Table) -> Logits:
        """The logits in a table, a column each."""
        return np.stack([table[name].to_numpy() for name in self.names], axis=1)

    def _with_logits(self, table: pa.Table, logits: Logits) -> pa.Table:
        """A table with the logits as its last columns."""
        for name, values in zip(self.names, logits.T, strict=True):
            table = table.append_column(name, pa.array(np.ascontiguousarray(values)))
        return table

    def _read(self, name: str) -> pa.Table | None:
        """Return a file's table, or None if its content is not what was written.

        None as well where it has other logits: a model of two labels was once kept with one.
        """
        if not (self.folder / name).is_file():  # opening a pipe would wait for its other end
            return None
        try:
            # Not read_table: it would take "name=value" in the folder's path for a column.
            with pq.ParquetFile(self.folder / name) as file:
                table = file.read(use_threads=False)
            recorded = table.schema.metadata[_DIGEST]
            whole = recorded.decode() == self._digest(name, table)
        except Exception:  # whatever a damaged file provokes in Arrow, it is to be made again
            return None
        usable = whole and set(self.names) <= set(table.column_names)
        return table.replace_schema_metadata() if usable else None

    def _write(self, name: str, table: pa.Table) -> None:
        """Write a table with the digest of its content."""
        table = table.replace_schema_metadata({_DIGEST: self._digest(name, table)})
        with self._replacing(name) as temporary:
            # Ids and dtypes repeat, logits hardly do: a dictionary pays for texts alone.
            texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
            pq.write_table(
                table, temporary, use_dictionary=texts, compression="none", write_statistics=False
            )

    @contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """Write a file beside its place and then rename it."""
        file = self.folder / name
        with writing(file, _REMEDY), replacing(file) as temporary:
            yield temporary

    def _digest(self, name: str, table: pa.Table) -> str:
        """SHA-256 of the key, the file's name and the content of every column."""
        digest = hashlib.sha256(f"{self.key} {name} {table.column_names}".encode())
        for column in table.columns:
            if column.type == pa.float64():
                digest.update(column.to_numpy().astype("<f8").tobytes())
            else:
                digest.update(json.dumps(column.to_pylist()).encode())
        return digest.hexdigest()


def _key_digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _shards(batches: Sequence[NDArray[np.int64]]) -> Iterator[_Shard]:
    """Cut the batches into shards."""
    for number, first in enumerate(range(0, len(batches), BATCHES_PER_SHARD)):
        last = min(first + BATCHES_PER_SHARD, len(batches))
        rows = np.concatenate(batches[first:last])
        yield _Shard(f"shard-{number:05}.parquet", range(first, last), rows)


def _columns(pairs: pd.DataFrame) -> pa.Table:
    """Arrow's columns of the pairs, without pandas' own description of them."""
    types = {"grade": pa.int64() if is_integer_dtype(pairs["grade"]) else pa.float64()}
    columns = {name: pa.array(pairs[name], types.get(name, pa.string())) for name in pairs}
    return pa.table(columns)
