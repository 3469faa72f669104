"""Candidates as mteb keeps them: ``{"query-id": "q1", "corpus-ids": ["p3", "p1"]}``, a query a row.

``_load_top_ranked`` in ``mteb/abstasks/retrieval_dataset_loaders.py`` of mteb 2.26
"""

from __future__ import annotations

from pathlib import Path

from analysis.datasets import as_id
from analysis.errors import Place, quoted
from analysis.readers.objects import member
from analysis.readers.qrels import Candidate
from analysis.readers.records import records_of

_QUERY, _PASSAGES = "query-id", "corpus-ids"


def ranked_candidates(path: Path) -> list[Candidate]:
    """Candidates of each query, in their order, from JSONL or Parquet.

    Raises :class:`~analysis.errors.InputError` for a query with two lists, for a list that holds
    an id twice, and for what is no such list.
    """
    ranked: dict[str, list[Candidate]] = {}
    for place, record in records_of(path):
        at = place.inside(_QUERY)
        query_id = as_id(member(record, _QUERY, at), at)
        if query_id in ranked:
            raise at.error(f"{quoted(query_id)} has a list already", "keep one for each query")
        ids = _passage_ids(record, place.inside(_PASSAGES))
        ranked[query_id] = [Candidate(query_id, one, place.line) for one in ids]
    return [candidate for candidates in ranked.values() for candidate in candidates]


def _passage_ids(record: dict[str, object], place: Place) -> list[str]:
    values = member(record, _PASSAGES, place)
    if not isinstance(values, list):
        raise place.error(f"{quoted(values)} is not a list", "give a list of passages' ids")
    ids = [as_id(value, place) for value in values]
    if len(set(ids)) < len(ids):
        again = next(one for number, one in enumerate(ids) if one in ids[:number])
        raise place.error(f"{quoted(again)} is in the list twice", "keep one of the two")
    return ids
