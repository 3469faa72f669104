"""Queries that bring their relevant and other passages along, one a line.

- sentence-transformers (``CrossEncoderRerankingEvaluator``): ``{"query": …, "positive": ["…"],
  "negative": ["…"]}``, or ``documents`` in place of ``negative``: the candidates in the order of a
  first stage, positives among them. A positive that is missing there is put behind them, as the
  evaluator does. https://sbert.net/docs/package_reference/cross_encoder/evaluation.html
- mteb's reranking tasks before version 2: the first of these.
- FlagEmbedding: ``{"query": …, "pos": ["…"], "neg": ["…"]}``. Its ``pos_scores`` and ``neg_scores``
  are a teacher's, and its ``prompt`` is for training: they are left out.
  ``examples/finetune/reranker/README.md`` of FlagEmbedding at 7ed43d6
- MIRACL and Tevatron: ``positive_passages`` and ``negative_passages``, lists of ``{"docid": …,
  "title": …, "text": …}``, with a ``query_id``. https://huggingface.co/datasets/miracl/miracl

Positives have grade 1, others 0. Where they stand first, the tie rule *input order* favours them.
A query without an id is called by its file and line, a passage without one ``positive-1``,
``negative-1`` or ``document-1``.
"""

from __future__ import annotations

from pathlib import Path

from analysis.datasets import as_id, as_text
from analysis.errors import Place, quoted
from analysis.readers.collection import text_of
from analysis.readers.columns import spelled
from analysis.readers.lines import set_name
from analysis.readers.objects import member

_POSITIVE = ("positive", "positive_passages", "pos")
_OTHERS = {
    "negative": "negative",
    "negative_passages": "negative",
    "neg": "negative",
    "documents": "document",
}
"""Keys of the other passages, and what a passage without an id is called under each."""

_Row = tuple[str, str, int, str, str]  # the columns of a set


def is_sample(record: dict[str, object]) -> bool:
    """Whether an object is a query with its passages."""
    return any(key in record for key in _POSITIVE)


def sample_query_id(record: dict[str, object], place: Place) -> str:
    """The query's id, or where it stands."""
    key = spelled("query_id", record)
    if key is None:
        return f"{set_name(Path(str(place.file)))}:{place.line}"
    return as_id(record[key], place._replace(field=key))


def sample_rows(record: dict[str, object], query_id: str, place: Place) -> list[_Row]:
    """Rows of one query; raises :class:`InputError` for what is no such sample."""
    query_place = place._replace(field="query")
    query = as_text(member(record, "query", query_place), query_place)
    others = [key for key in _OTHERS if key in record]
    if len(others) != 1:
        raise place.error(
            f"beside the positive passages there is {' and '.join(others) or 'nothing'}",
            "give either negative or documents",
        )
    positive = next(key for key in _POSITIVE if key in record)
    relevant = _passages(record[positive], "positive", place._replace(field=positive))
    candidates = _passages(record[others[0]], _OTHERS[others[0]], place._replace(field=others[0]))
    if others[0] == "documents":
        return _among_documents(query_id, query, relevant, candidates)
    return [
        *((query_id, passage_id, 1, query, text) for passage_id, text in relevant),
        *((query_id, passage_id, 0, query, text) for passage_id, text in candidates),
    ]


def _among_documents(
    query_id: str,
    query: str,
    relevant: list[tuple[str, str]],
    documents: list[tuple[str, str]],
) -> list[_Row]:
    """Documents in their order, then the positives that are not among them."""
    relevant_texts, texts = {text for _, text in relevant}, {text for _, text in documents}
    behind = [(passage_id, text) for passage_id, text in relevant if text not in texts]
    return [
        (query_id, passage_id, int(text in relevant_texts), query, text)
        for passage_id, text in documents + behind
    ]


def _passages(value: object, noun: str, place: Place) -> list[tuple[str, str]]:
    """Ids and texts of a list of passages, or of one that stands alone."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        raise place.error(f"{quoted(value)} is not a list", "give a list of passages")
    return [
        _passage(one, f"{noun}-{number}", place._replace(field=f"{place.field}[{number - 1}]"))
        for number, one in enumerate(values, 1)
    ]


def _passage(value: object, name: str, place: Place) -> tuple[str, str]:
    return text_of(value, place) if isinstance(value, dict) else (name, as_text(value, place))
