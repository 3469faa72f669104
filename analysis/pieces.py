"""Parquet larger than memory, a piece at a time.

A source is a file, or a folder of files that are read in the order of their names. Each piece has
whole queries, so that whatever is asked of a query's list can be asked of a piece, and what is
counted over queries adds up. For that the rows of a query must stand together, unless all of the
source fits into one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from numpy.typing import NDArray

from analysis.errors import InputError, Place, quoted
from analysis.places import named_path

ROWS = 200_000
"""Rows of a piece of stored scores or logits: some 100 MB while they are counted."""
_AT_ONCE = 20_000
_SUFFIX = ".parquet"
_READING = {"pre_buffer": False, "use_buffered_stream": True}
"""What is read ahead of a file stays in memory until all of the file has been read."""


def is_parquet(source: object) -> bool:
    """Whether a source is the path of a Parquet file, or of a folder that has nothing else.

    ``"german"`` is the shipped set, whatever else is called so.
    """
    if not isinstance(source, str | Path) or source == "german":
        return False
    path = Path(source)
    if not path.is_dir():
        return path.suffix.lower() == _SUFFIX
    inside = [one for one in path.iterdir() if not one.name.startswith(".")]
    return bool(inside) and all(one.is_file() and one.suffix == _SUFFIX for one in inside)


def pieces(
    source: str | Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    *,
    rows: int = ROWS,
    called: Mapping[str, str] | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a source in their order, in frames of whole queries.

    The frames have ``columns`` and those of ``optional`` that are there; their index goes on from
    frame to frame. They have at most ``rows`` rows, or one query. ``called`` says what the source
    calls a column, where that is another name. Raises :class:`InputError` for
    a source that is missing, empty or damaged, for a column that is not there, and for a query
    that comes back after another piece has begun; the pieces before it have been yielded by then.
    """
    path = named_path(source, "name a Parquet file, or a folder of them")
    known = _Queries(path)
    begin = 0
    for table in _cut(_tables(path, columns, optional, called or {}), rows):
        frame = table.to_pandas()
        frame.index = pd.RangeIndex(begin, begin + len(frame))
        known.add(frame["query_id"])
        begin += len(frame)
        yield frame
    if not begin:
        raise Place(path).error("there are no rows", "give at least one (query, passage) pair")


def columns_of(source: str | Path) -> list[str]:
    """Names of the columns of a source; raises :class:`InputError` where it cannot be read."""
    with _opened(Path(source)) as dataset:
        return list(dataset.schema.names)


def count_rows(source: str | Path) -> int:
    """How many rows a source has, as its files note it; raises as :func:`columns_of`."""
    with _opened(Path(source)) as dataset:
        return dataset.count_rows()


def query_hashes(query_ids: pd.Series | pd.Index) -> NDArray[np.uint64]:
    """A number for each query id (n,), the same in every source; 1 and "1" are one id."""
    return pd.util.hash_array(query_ids.astype(str).to_numpy(dtype=object))


@contextmanager
def _opened(path: Path) -> Iterator[pyarrow.dataset.Dataset]:
    if not path.exists():
        raise Place(path).error("there is no such file or folder", "check the path")
    files = [path] if path.is_file() else sorted(path.glob(f"*{_SUFFIX}"))
    try:
        parquet = pyarrow.dataset.ParquetFileFormat(**_READING)
        yield pyarrow.dataset.dataset(files, format=parquet)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever damage provokes in Arrow
        raise Place(path).error(
            "this is no Parquet file, or a damaged one", "write it anew"
        ) from error


def _tables(
    path: Path, columns: Sequence[str], optional: Sequence[str], called: Mapping[str, str]
) -> Iterator[pa.Table]:
    """Some rows at a time, of the columns that are asked for."""
    with _opened(path) as dataset:
        theirs = {name: called.get(name, name) for name in (*columns, *optional)}
        there = {name: one for name, one in theirs.items() if one in dataset.schema.names}
        absent = [name for name in columns if name not in there]
        if absent:
            raise Place(path).error(
                f"there is no column {', '.join(absent)}", f"give {', '.join(columns)}"
            )
        # No reading ahead: a piece is what memory holds.
        scanned = dataset.to_batches(
            columns=list(there.values()),
            batch_size=_AT_ONCE,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        )
        for batch in scanned:
            if batch.num_rows:
                yield pa.Table.from_batches([batch]).rename_columns(list(there))


def _cut(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Cut rows into pieces; how the file has them in row groups makes no difference."""
    held = None
    for table in tables:
        held = table if held is None else pa.concat_tables([held, table])
        while len(held) > rows and (end := _end(held, rows)):
            yield held.slice(0, end)
            held = held.slice(end)
    if held is not None:
        yield held


def _end(table: pa.Table, rows: int) -> int:
    """Where the piece ends that the table begins with; 0 where that cannot be seen yet.

    The query of row number ``rows`` begins the next piece, or is all of this one.
    """
    ids = table["query_id"].combine_chunks()
    begins = np.flatnonzero(pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1))) + 1
    before = begins[begins <= rows]
    return int(before[-1]) if before.size else int(begins[0]) if begins.size else 0


class _Queries:
    """The queries of the pieces so far, 8 bytes each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hashes: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        """Ascending."""

    def add(self, query_ids: pd.Series) -> None:
        """Note the queries of a piece; raises :class:`InputError` where one was there before."""
        unique = query_ids.drop_duplicates()
        hashes = query_hashes(unique)
        places = np.searchsorted(self.hashes, hashes)
        again = places < self.hashes.size
        again[again] = self.hashes[places[again]] == hashes[again]
        if again.any():
            raise Place(self.path).error(
                f"the rows of query {quoted(unique.iloc[int(again.argmax())])} stand apart",
                "sort the file by query_id",
            )
        both = np.concatenate([self.hashes, np.sort(hashes)])
        self.hashes = np.sort(both, kind="stable")  # merges what is sorted already
