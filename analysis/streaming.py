"""Scoring sets that are larger than memory: Parquet, a piece of whole queries at a time.

Batches are composed within a piece, so that pieces are part of the plan as batches are
(:mod:`analysis.scoring`): the same file gives the same bits wherever and however often it is cut
short. A set of one piece is scored as it is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.answering import LOCAL, answering
from analysis.datasets import COLUMNS, RerankingSet, from_pairs
from analysis.formats import FORWARD_DTYPES
from analysis.forwardformats import ForwardFormat
from analysis.pieces import pieces
from analysis.places import replacing
from analysis.rerankers import Reranker
from analysis.scoring import score
from analysis.store import Store

PAIRS = 10_000
"""Pairs of a piece: minutes of scoring, and tokens that fit into memory anywhere."""
_REQUIRED = tuple(name for name in COLUMNS if name != "grade")


def sets(source: str | Path, *, pairs: int = PAIRS) -> Iterator[RerankingSet]:
    """Yield the set of a Parquet source in parts, each of at most ``pairs`` pairs or one query.

    Columns as :class:`~analysis.datasets.RerankingSet` has them, ``grade`` if there are grades.
    Raises :class:`InputError` as :func:`~analysis.pieces.pieces` and
    :func:`~analysis.datasets.from_pairs` do.
    """
    for frame in pieces(source, _REQUIRED, ["grade"], rows=pairs):
        yield from_pairs(Path(source).stem, frame, file=source, first_row=int(frame.index[0]))


def score_file(
    source: str | Path,
    reranker: Reranker,
    formats: Sequence[str | ForwardFormat] = FORWARD_DTYPES,
    *,
    out: Path,
    max_length: int | None = None,
    deterministic: bool = False,
    store: Store | None = None,
    pairs: int = PAIRS,
    progress: bool = True,
    engine: str = LOCAL,
) -> int:
    """Score a Parquet source and write what :func:`~analysis.scoring.score` returns to ``out``.

    Returns the number of rows. A query's rows stand together, one format after the other, so that
    the file can be read in pieces again. ``out`` takes its place once all is written; what a
    ``store`` keeps is not computed again. Raises :class:`InputError` as :func:`sets` and
    :func:`~analysis.scoring.score` do.
    """
    options = {"max_length": max_length, "deterministic": deterministic, "store": store}
    written, writer = 0, None
    running = answering(engine, reranker, deterministic=deterministic)
    with replacing(out) as temporary, running as answers:

        def scored(part: RerankingSet) -> pd.DataFrame:
            """The logits of a piece."""
            return score(part, reranker, formats, progress=progress, engine=answers, **options)

        try:
            for logits in answers.each(scored, sets(source, pairs=pairs)):
                table = pa.Table.from_pandas(_by_query(logits), preserve_index=False)
                writer = writer or pq.ParquetWriter(temporary, _with_fractions(table.schema))
                writer.write_table(table.cast(writer.schema))
                written += len(logits)
        finally:
            if writer is not None:
                writer.close()
    return written


def _by_query(logits: pd.DataFrame) -> pd.DataFrame:
    """The rows query by query, otherwise in their order."""
    return logits.iloc[pd.factorize(logits["query_id"])[0].argsort(kind="stable")]


def _with_fractions(schema: pa.Schema) -> pa.Schema:
    """The schema with room for a grade that is no whole number, which a later piece may have."""
    place = schema.get_field_index("grade")
    return schema.set(place, pa.field("grade", pa.float64())).remove_metadata()
