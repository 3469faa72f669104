"""What folders, TREC files and ir_datasets share: candidates, judgements and texts, by id."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.datasets import COLUMNS, RerankingSet, as_id, as_text, from_pairs
from analysis.errors import Place, counted, quoted, twice
from analysis.readers.lines import separated_rows, suffix_of
from analysis.readers.objects import member
from analysis.readers.qrels import Candidate, Qrels
from analysis.readers.records import records_of

_IDS = ("_id", "id", "pid", "docid", "doc_id", "docno", "passage_id", "qid", "query_id")
_TEXTS = ("text", "passage", "contents", "body", "query")
_DOCUMENT = 4  # MS MARCO's documents have four cells: id, url, title, body


class Texts(NamedTuple):
    """Texts by id, and the name of where they came from."""

    source: object
    by_id: Mapping[str, str]


def joined(
    name: str,
    file: object,
    run: Sequence[Candidate] | None,
    queries: Texts,
    passages: Texts,
    qrels: Qrels | None,
    topics: Iterable[str],
) -> RerankingSet:
    """Make the set of a run's candidates, in their order, with grades from ``qrels`` and texts.

    Without a run the judged passages are the candidates; those whose passage or query has no text
    are left out, and counted in the set's notes: published collections have such judgements.
    Negative grades are counted there too.
    ``topics`` are the query ids that were asked: those without a candidate are listed in
    ``queries_without_candidates``. ``file`` is what the candidates were read from. Raises
    :class:`InputError` for a candidate of a run without a text, and where no candidate has one.
    """
    listed = qrels.candidates if run is None else run
    candidates, notes = (listed, []) if run else _with_texts(listed, queries, passages)
    if run or not candidates:
        _check_texts(file, "query_id", listed, queries)
        _check_texts(file, "passage_id", listed, passages)
    rows = [
        (
            item.query_id,
            item.passage_id,
            _grade(item, qrels),
            queries.by_id[item.query_id],
            passages.by_id[item.passage_id],
        )
        for item in candidates
    ]
    notes += [] if qrels is None else qrels.notes
    asked = {item.query_id for item in candidates}
    unasked = [query_id for query_id in topics if query_id not in asked]
    return from_pairs(
        name,
        pd.DataFrame(rows, columns=COLUMNS, dtype=object),
        unasked if run else [query_id for query_id in unasked if query_id in queries.by_id],
        file=file,
        lines=_lines(candidates),
        notes=notes,
    )


def read_texts(paths: Path | Sequence[Path], wanted: Container[str] | None = None) -> Texts:
    """Read the texts of the ``wanted`` ids (default: all) from a file, or from several shards.

    ``.jsonl`` and ``.parquet`` have objects with an id (``_id``, ``id``, ``docid``, …), ``text``
    (or ``passage``, ``contents``, …) and perhaps ``title``, which is put before the text with a
    space, as BEIR does.
    ``.tsv`` has an id and a text a line, or id, url, title and body, no header, and quotation
    marks are ordinary characters, as in MS MARCO. All may end in ``.gz``. Raises
    :class:`InputError` for other suffixes, malformed lines and a wanted id that comes twice.
    """
    shards = [paths] if isinstance(paths, Path) else list(paths)
    texts: dict[str, str] = {}
    place_of: dict[str, Place] = {}
    for path in shards:
        for place, text_id, text in _reader(path)(path):
            if wanted is not None and text_id not in wanted:
                continue
            if text_id in place_of:
                first = place_of[text_id]
                raise place.inside("id").error(
                    f"{quoted(text_id)} stands {twice(_where(first, path), place.spot)}",
                    "keep one text for each id",
                )
            place_of[text_id], texts[text_id] = place, text
    return Texts(shards[0] if len(shards) == 1 else f"{len(shards)} files", texts)


def text_of(record: dict[str, object], place: Place) -> tuple[str, str]:
    """Id and text of an object, its title put before the text."""
    key = next((name for name in _IDS if name in record), _IDS[0])
    id_place = place.inside(key)
    text_id = as_id(member(record, key, id_place), id_place)
    key = next((name for name in _TEXTS if name in record), _TEXTS[0])
    text_place = place.inside(key)
    text = as_text(member(record, key, text_place), text_place)
    title = as_text(record.get("title") or "", place.inside("title"))
    return text_id, _titled(title, text)


def _titled(title: str, text: str) -> str:
    return f"{title} {text}".strip() if title else text


def _where(place: Place, path: Path) -> str:
    return place.spot if place.file == path else f"{place.spot} of {place.file.name}"


def _reader(path: Path) -> Callable[[Path], Iterator[tuple[Place, str, str]]]:
    readers = {".jsonl": _record_texts, ".parquet": _record_texts, ".tsv": _tsv_texts}
    suffix = suffix_of(path) or ".jsonl"  # MS MARCO's msmarco_passage_00.gz
    if suffix not in readers:
        raise Place(path).error(
            f"texts are not read from {quoted(suffix)} files",
            f"give one of {', '.join(readers)}",
        )
    return readers[suffix]


def _record_texts(path: Path) -> Iterator[tuple[Place, str, str]]:
    for place, record in records_of(path):
        yield place, *text_of(record, place)


def _tsv_texts(path: Path) -> Iterator[tuple[Place, str, str]]:
    for line, cells in separated_rows(path, "\t", quoted=False):
        if len(cells) not in (2, _DOCUMENT):
            raise Place(path, line).error(
                f"{counted(len(cells), 'cell')} instead of an id and a text",
                "write id, one tab, text",
            )
        text = _titled(*cells[2:]) if len(cells) == _DOCUMENT else cells[1]
        place = Place(path, line)
        yield place, as_id(cells[0], place.inside("id")), text


def _with_texts(
    judged: Sequence[Candidate], queries: Texts, passages: Texts
) -> tuple[list[Candidate], list[str]]:
    """Judged passages that have texts, and what is to be said about the others."""
    textless_queries = {one.query_id for one in judged} - queries.by_id.keys()
    textless = {one.passage_id for one in judged} - passages.by_id.keys()
    kept = [
        one
        for one in judged
        if one.query_id not in textless_queries and one.passage_id not in textless
    ]
    notes = [
        _left_out(textless_queries, queries, "judged query has", "judged queries have"),
        _left_out(textless, passages, "judged passage has", "judged passages have"),
    ]
    return kept, [note for note in notes if note]


def _left_out(ids: set[str], texts: Texts, noun: str, nouns: str) -> str:
    if not ids:
        return ""
    source = texts.source.name if isinstance(texts.source, Path) else texts.source
    first = quoted(min(ids))
    said = f"{counted(len(ids), noun, nouns)} no text in {source}"
    return f"{said} and {'is' if len(ids) == 1 else 'are'} left out (the first is {first})"


def _check_texts(file: object, field: str, candidates: Sequence[Candidate], texts: Texts) -> None:
    ids = [getattr(item, field) for item in candidates]
    missing = [row for row, text_id in enumerate(ids) if text_id not in texts.by_id]
    if not missing:
        return
    others = len({ids[row] for row in missing}) - 1
    more = f", and {counted(others, 'other id has', 'other ids have')} none" if others else ""
    raise Place(file, candidates[missing[0]].line, field).error(
        f"{quoted(ids[missing[0]])} has no text in {texts.source}{more}",
        "add the text, or leave the line out",
    )


def _grade(item: Candidate, qrels: Qrels | None) -> int | float | None:
    if qrels is None or item.query_id not in qrels.grades:
        return None
    return qrels.grades[item.query_id].get(item.passage_id, 0)


def _lines(candidates: Sequence[Candidate]) -> list[int] | None:
    lines = [item.line for item in candidates if item.line is not None]
    return lines if len(lines) == len(candidates) else None
