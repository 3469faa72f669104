"""Parquet, as pandas, polars and datasets write it: sets, and scores, as numbers without digits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetFile

from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import Place
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
    no regular file, and for one that takes more room than a file may.
    """
    if not path.is_file():
        raise Place(path).error("there is no such file", "name a Parquet file")
    try:
        with ParquetFile(path) as file:
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
            if size > FILE.value:
                raise Place(path).error(f"the file becomes {size:,} bytes", FILE.remedy)
            return file.read().to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise Place(path).error(
            "this is no Parquet file, or a damaged one", "write it anew, or as JSONL"
        ) from error
