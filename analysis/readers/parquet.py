"""Parquet, as pandas, polars and datasets write it: sets, and scores, numbers without digits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from pyarrow.parquet import ParquetFile

from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import InputError, Place, quoted
from analysis.limits import FILE
from analysis.places import named_path


def read_parquet(path: str | Path) -> RerankingSet:
    """Read a set with the columns of :class:`~analysis.datasets.RerankingSet`, all of it.

    Raises :class:`~analysis.errors.InputError` as :func:`parquet_frame` and
    :func:`~analysis.datasets.from_pairs` do. One that is larger than memory is read in parts
    (:mod:`analysis.streaming`).
    """
    path = named_path(path, "name a Parquet file")
    return from_pairs(path.stem, parquet_frame(path), file=path)


def parquet_frame(path: Path) -> pd.DataFrame:
    """Return the file's columns; none is checked.

    Raises :class:`~analysis.errors.InputError` for a file that is missing or damaged, for what is
    no regular file, for one that takes more room than a file may, and for two columns of a name.
    """
    with _opened(path) as file:
        return file.read().to_pandas()


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Number, from 0, and values by column of each row, as Python's; raises as above."""
    with _opened(path) as file:
        rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
        yield from enumerate(rows)


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    if not path.is_file():
        raise Place(path).error("there is no such file", "name a Parquet file")
    try:
        with ParquetFile(path) as file:
            _check(file, path)
            yield file
    except InputError:
        raise
    except Exception as error:  # whatever damage provokes in Arrow, or in what pandas noted there
        raise Place(path).error(
            "this is no Parquet file, or a damaged one", "write it anew, or as JSONL"
        ) from error


def _check(file: ParquetFile, path: Path) -> None:
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    if size > FILE.value:
        raise Place(path).error(f"the file becomes {size:,} bytes", FILE.remedy)
    names = Counter(file.schema_arrow.names)
    twice = next((name for name, times in names.items() if times > 1), None)
    if twice is not None:
        raise Place(path).error(f"two columns are named {quoted(twice)}", "rename one of them")
