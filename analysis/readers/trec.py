"""TREC: a run, perhaps qrels, and the texts of queries and passages.

Run lines have six columns separated by blanks, ``query_id Q0 passage_id rank score tag``. The run
says which passages are candidates; its order of lines is kept. Its ranks are not used, as by
trec_eval, but must be whole numbers or ``-``: a file with rank and score swapped is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from analysis.datasets import RerankingSet
from analysis.errors import Place, quoted
from analysis.numerals import finite_number
from analysis.places import named_path
from analysis.readers.collection import joined, read_texts
from analysis.readers.lines import columns_of, set_name
from analysis.readers.qrels import Candidate, judgements

_RUN = ("query_id", "Q0", "passage_id", "rank", "score", "tag")
_RANK = re.compile(r"[+-]?[0-9]+(?:\.0*)?|-")
_NAME = "name a file"


class _RunLine(NamedTuple):
    """A line of a run: its number, its ids and its score as it is spelled."""

    line: int
    query_id: str
    passage_id: str
    score: str


def read_trec(
    run: str | Path,
    qrels: str | Path | None = None,
    *,
    queries: str | Path,
    passages: str | Path | Sequence[str | Path],
) -> RerankingSet:
    """Read a TREC run with the texts that its ids name, and its grades if ``qrels`` are given.

    ``queries`` and ``passages`` are ``.tsv`` or ``.jsonl`` files
    (:func:`~analysis.readers.collection.read_texts`), ``passages`` perhaps several, such as
    MIRACL's shards; ``qrels`` are in any form of :mod:`analysis.readers.qrels`. Queries that the
    qrels judge, or without qrels all in ``queries``, and that have no line in the run are
    ``queries_without_candidates``. The set is named after the run. Raises :class:`InputError` as
    described in :mod:`analysis.readers`, and for an id of the run that has no text.
    """
    run = named_path(run, _NAME)
    candidates = run_candidates(run)
    judged = None if qrels is None else judgements(named_path(qrels, _NAME))
    query_texts = read_texts(named_path(queries, _NAME))
    shards = [passages] if isinstance(passages, str | Path) else passages
    wanted = {item.passage_id for item in candidates}
    passage_texts = read_texts([named_path(shard, _NAME) for shard in shards], wanted)
    topics = query_texts.by_id if judged is None else judged.grades
    return joined(set_name(run), run, candidates, query_texts, passage_texts, judged, topics)


def run_lines(path: Path) -> Iterator[_RunLine]:
    """Give the lines of a run; its ranks are checked, neither ids nor scores are."""
    for line, (query_id, _, passage_id, rank, score, _) in columns_of(path, _RUN):
        if not _RANK.fullmatch(rank):
            raise Place(path, line, "rank").error(
                f"{quoted(rank)} is not a whole number", f"write {' '.join(_RUN)}, in this order"
            )
        yield _RunLine(line, query_id, passage_id, score)


def run_candidates(path: Path) -> list[Candidate]:
    """Read the candidates that a run lists; its scores must be numbers, and are not kept."""
    candidates = []
    for line, query_id, passage_id, score in run_lines(path):
        finite_number(score, Place(path, line, "score"))
        candidates.append(Candidate(query_id, passage_id, line))
    return candidates
