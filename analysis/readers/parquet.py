"""Scores of a Parquet file, as pandas, polars and datasets write them: numbers, and no digits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pyarrow.parquet import ParquetFile

from analysis.errors import InputError, Place
from analysis.limits import FILE


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
    except InputError:
        raise
    except Exception as error:  # whatever damage provokes in Arrow, or in what pandas noted there
        raise Place(path).error(
            "this is no Parquet file, or a damaged one", "write it anew, or as JSONL"
        ) from error
