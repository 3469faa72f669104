"""Folders that hold a collection, told by the names of their files; each file perhaps ``.gz``.

========= ================================ ============================ =======================
layout    judgements                       queries                      passages
========= ================================ ============================ =======================
BEIR      ``qrels/<split>.tsv``, ``.jsonl`` ``queries.jsonl``           ``corpus.jsonl``
MIRACL    ``qrels.miracl-…-<split>.tsv``   ``topics.miracl-…-<split>``  ``docs-0.jsonl``, …
MS MARCO  ``qrels.<split>.tsv``            ``queries.<split>.tsv``      ``collection.tsv``
documents ``msmarco-doc<split>-qrels.tsv`` ``…-queries.tsv``            ``msmarco-docs.tsv``
v2        ``passv2_<split>_qrels.tsv``     ``passv2_<split>_queries``   ``msmarco_passage_00``, …
mteb 2    ``qrels/<split>-….parquet``      ``queries/<split>-…``        ``corpus/<split>-…``
========= ================================ ============================ =======================

Candidates are the passages that a split's qrels judge. Some bring candidates of their own: MS MARCO
``top1000.<split>``, with their texts, and the TREC run ``msmarco-doc<split>-top100``; mteb's
reranking sets ``top_ranked`` (:mod:`analysis.readers.ranked`). The folders of a subset of mteb's,
such as ``de-qrels``, hold the splits ``de-<split>``; its judgements may stand in ``data`` too.

https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset,
https://huggingface.co/datasets/miracl/miracl, https://microsoft.github.io/msmarco/Datasets,
https://microsoft.github.io/msmarco/TREC-Deep-Learning, ``mteb/abstasks/retrieval.py`` of mteb 2.26
(``_push_dataset_to_hub``)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from analysis.datasets import RerankingSet
from analysis.errors import InputError, Place, quoted
from analysis.places import named_path
from analysis.readers.collection import Texts, joined, read_texts
from analysis.readers.lines import suffix_of
from analysis.readers.qrels import Candidate, judgements
from analysis.readers.ranked import ranked_candidates
from analysis.readers.table import top1000_rows
from analysis.readers.trec import run_candidates

_DEEPEST = 3  # folders below the one that is named
_PART = r"-[0-9]+-of-[0-9]+\.parquet"  # how datasets calls the parts of a split
_ONLY_PART = r"-0+-of-0*1\.parquet"
_OF_SUBSET = re.compile(r"([^/]+)-(corpus|queries|qrels|top_ranked)/(.+\.parquet)")
_USUAL = "test"  # the split that BEIR's and mteb's tasks are evaluated on


@dataclass(frozen=True)
class _Layout:
    """Names of a layout's files below its folder, as patterns without ``.gz``.

    ``example`` are the names for people: judgements, queries, passages.
    """

    name: str
    qrels: str
    queries: str
    passages: str
    example: tuple[str, str, str]
    top1000: str = "(?!)"
    run: str = "(?!)"


_BEIR = _Layout(
    "BEIR",
    qrels=r"qrels/(?P<split>[^/]+)\.(?:tsv|jsonl)",
    queries=r"queries\.jsonl",
    passages=r"corpus\.jsonl",
    example=("qrels/SPLIT.tsv", "queries.jsonl", "corpus.jsonl"),
    run=r"top_ranked(?:/SPLIT)?\.jsonl",
)
_LAYOUTS = (
    _BEIR,
    _Layout(
        "MIRACL",
        qrels=r"(?:miracl-v[^/]+/)?(?:qrels/)?qrels\.miracl[^/]*-(?P<split>[^/-]+)\.tsv",
        queries=r"(?:miracl-v[^/]+/)?(?:topics/)?topics\.miracl[^/]*-SPLIT\.tsv",
        passages=r"(?:miracl-corpus-[^/]+/)?docs-[0-9]+\.jsonl",
        example=("qrels.miracl-…-SPLIT.tsv", "topics.miracl-…-SPLIT.tsv", "docs-0.jsonl"),
    ),
    _Layout(
        "MS MARCO",
        qrels=r"qrels\.(?P<split>[^/]+)\.tsv",
        queries=r"queries\.SPLIT\.tsv",
        passages=r"collection\.tsv",
        example=("qrels.SPLIT.tsv", "queries.SPLIT.tsv", "collection.tsv"),
        top1000=r"top1000\.SPLIT(?:\.tsv)?",
    ),
    _Layout(
        "MS MARCO",
        qrels=r"msmarco-doc(?P<split>[^/-]+)-qrels\.tsv",
        queries=r"msmarco-docSPLIT-queries\.tsv",
        passages=r"msmarco-docs\.tsv",
        example=("msmarco-docSPLIT-qrels.tsv", "msmarco-docSPLIT-queries.tsv", "msmarco-docs.tsv"),
        run=r"msmarco-docSPLIT-top100",
    ),
    _Layout(
        "MS MARCO",
        qrels=r"passv2_(?P<split>[^/]+)_qrels\.tsv",
        queries=r"passv2_SPLIT_queries\.tsv",
        passages=r"(?:msmarco_v2_passage/)?msmarco_passage_[0-9]+(?:\.jsonl)?",
        example=("passv2_SPLIT_qrels.tsv", "passv2_SPLIT_queries.tsv", "msmarco_passage_00"),
    ),
    _Layout(
        "mteb",
        qrels=rf"(?:qrels|data)/(?P<split>[^/]+){_ONLY_PART}",
        queries=rf"queries/(?:SPLIT|queries){_PART}",
        passages=rf"corpus/(?:SPLIT|corpus){_PART}",
        example=("qrels/SPLIT-….parquet", "queries/SPLIT-….parquet", "corpus/SPLIT-….parquet"),
        run=rf"top_ranked/(?:SPLIT|top_ranked){_ONLY_PART}",
    ),
)


@dataclass(frozen=True)
class _Folder:
    """A folder with a layout; ``files`` by their name below it, without ``.gz``."""

    path: Path
    layout: _Layout
    files: Mapping[str, Path]

    @cached_property
    def splits(self) -> dict[str, Path]:
        """The judgements of each split."""
        found = ((re.fullmatch(self.layout.qrels, name), path) for name, path in self.files.items())
        return {match["split"]: path for match, path in found if match}

    def split(self, wanted: str | None) -> str:
        """The split that is wanted, the only one, or ``test`` among several."""
        if not self.splits:
            raise self._lacks(self.layout.example[0])
        if wanted is None and len(self.splits) == 1:
            return next(iter(self.splits))
        chosen = _USUAL if wanted is None else wanted
        if chosen in self.splits:
            return chosen
        problem = "there are several splits" if wanted is None else f"no split {quoted(wanted)}"
        raise Place(self.path).error(
            f"{problem} (of {', '.join(self.splits)})",
            "name one of them: --split NAME, in Python split=NAME",
        )

    def matching(self, pattern: str, split: str) -> list[Path]:
        """Files of a split whose names match, by name."""
        compiled = re.compile(pattern.replace("SPLIT", re.escape(split)))
        return [path for name, path in self.files.items() if compiled.fullmatch(name)]

    def top1000(self, split: str) -> Path | None:
        """The split's candidates with their texts; of dev.small it is called top1000.dev."""
        for name in (split, split.partition(".")[0]):
            for path in self.matching(self.layout.top1000, name):
                return path
        return None

    def has_passages(self, split: str) -> bool:
        """Whether there are texts for a split."""
        return bool(self.top1000(split) or self.matching(self.layout.passages, split))

    def part(self, number: int, split: str) -> list[Path]:
        """Files of the queries (1) or passages (2); :class:`InputError` if there are none."""
        pattern = (self.layout.qrels, self.layout.queries, self.layout.passages)[number]
        found = self.matching(pattern, split)
        if not found:
            raise self._lacks(self.layout.example[number].replace("SPLIT", split))
        return found

    def _lacks(self, part: str) -> InputError:
        whole = ", ".join(self.layout.example).replace("SPLIT", "<split>")
        return Place(self.path).error(
            f"this {self.layout.name} folder has no {part.replace('SPLIT', '<split>')}",
            f"give a folder with {whole}",
        )


def is_collection(folder: Path) -> bool:
    """Whether a folder has one of the layouts."""
    return _found(folder) is not None


def read_folder(
    folder: str | Path, run: str | Path | None = None, split: str | None = None
) -> RerankingSet:
    """Read one split of a collection's folder; the set is named ``<folder>/<split>``.

    ``split`` may be left out where there is only one, or one that is called ``test``. Candidates
    are those of ``run``, a TREC run file or mteb's ``top_ranked``, or the layout's own, or the
    passages that the qrels judge and that have a text; how many have none is in the set's
    ``notes``. A passage is its title, a space and its text. Queries that the qrels judge but the
    run does not name are ``queries_without_candidates``; queries of other splits are left out.
    Raises :class:`InputError` as described in :mod:`analysis.readers`, for a missing part of the
    folder and for a candidate of a run without a text.
    """
    folder = named_path(folder, "name a folder")
    found = _found(folder)
    if found is None:
        raise Place(folder).error(
            "this folder has no corpus.jsonl, so it is not a BEIR folder, nor is it MIRACL's, "
            "MS MARCO's or mteb's",
            f"give one with {', '.join(_BEIR.example).replace('SPLIT', '<split>')}",
        )
    split = found.split(split)
    file = found.splits[split]
    qrels = judgements(file, header=found.layout is _BEIR and suffix_of(file) == ".tsv")
    name = f"{folder.resolve().name}/{split}"
    top1000 = found.top1000(split) if run is None else None
    if top1000 is not None:
        return joined(name, top1000, *_of_top1000(top1000), qrels, qrels.grades)
    own = found.matching(found.layout.run, split)
    runs = own if run is None else [named_path(run, "name a run")]
    candidates = _candidates(runs[0]) if runs else None
    wanted = {one.passage_id for one in (candidates or qrels.candidates)}
    queries = read_texts(found.part(1, split))
    passages = read_texts(found.part(2, split), wanted)
    file = runs[0] if runs else file
    return joined(name, file, candidates, queries, passages, qrels, qrels.grades)


def split_file(folder: str | Path, split: str) -> Path:
    """File of a split's judgements, by which :func:`analysis.read` takes that split.

    Raises :class:`InputError` for what is no collection's folder, and for a split it has not.
    """
    path = named_path(folder, "name a folder")
    found = _found(path) if path.is_dir() else None
    if found is None:
        raise Place(folder).error(
            "only the folder of a collection has splits", "leave the split out"
        )
    return found.splits[found.split(split)]


def folder_of(file: Path) -> tuple[Path, str] | None:
    """Folder and split that a file of judgements belongs to; None for any other file."""
    file = file.absolute()
    for folder in list(file.parents)[:_DEEPEST]:
        name = _name(file, folder)
        matches = (re.fullmatch(layout.qrels, name) for layout in _LAYOUTS)
        match = next(filter(None, matches), None)
        found = _found(folder) if match else None
        if found is not None and found.has_passages(match["split"]):
            return folder, match["split"]
    return None


def _found(folder: Path) -> _Folder | None:
    """The folder with its layout; None if it has none."""
    files = _files(folder)
    for layout in _LAYOUTS:
        for pattern in (layout.passages, layout.qrels):
            any_split = pattern.replace("SPLIT", "[^/]+")
            if any(re.fullmatch(any_split, name) for name in files):
                return _Folder(folder, layout, files)
    return None


def _files(folder: Path) -> dict[str, Path]:
    """Files by their names below the folder; a plain one before its gzip."""
    patterns = ("/".join("*" * depth) for depth in range(1, _DEEPEST + 1))
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(_name(path, folder), path)
    return found


def _name(file: Path, folder: Path) -> str:
    """Name below the folder, without ``.gz``; a subset of mteb's stands before the split."""
    name = file.relative_to(folder).as_posix().removesuffix(".gz")
    return _OF_SUBSET.sub(r"\2/\1-\3", name)


def _candidates(path: Path) -> list[Candidate]:
    is_ranked = suffix_of(path) in (".jsonl", ".parquet")
    return ranked_candidates(path) if is_ranked else run_candidates(path)


def _of_top1000(path: Path) -> tuple[list[Candidate], Texts, Texts]:
    candidates, queries, passages = [], {}, {}
    for line, (query_id, passage_id, query, passage) in top1000_rows(path):
        candidates.append(Candidate(query_id, passage_id, line))
        for text_id, text, texts in ((query_id, query, queries), (passage_id, passage, passages)):
            if texts.setdefault(text_id, text) != text:
                raise Place(path, line).error(
                    f"{quoted(text_id)} has another text further up", "give each id one text"
                )
    return candidates, Texts(path, queries), Texts(path, passages)
