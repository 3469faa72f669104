"""Inputs made by Hypothesis, for every reader, the fingerprint, measures, compare and steps.

Used by the tests and by ``tools/torture``. ``INPUTS`` has, for each subject, a strategy and a
check: the check raises AssertionError where what comes out is wrong, and lets through whatever
exception is not the documented :class:`InputError`.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from score_lists import Source, is_wrong, queries_of, sigmoid_paths, sources

from analysis.auditing import compare
from analysis.datasets import RerankingSet, from_pairs
from analysis.errors import InputError
from analysis.fingerprinting import fingerprint
from analysis.formats import format_of
from analysis.metrics import evaluate
from analysis.readers import (
    check_scores,
    read,
    read_qrels,
    read_run,
    read_scores,
    read_trec,
)
from analysis.scorepath import ScorePath
from analysis.steps import spans

Contents = Mapping[str, bytes]


class Input(NamedTuple):
    """A subject's strategy, and the check of what it gives."""

    strategy: st.SearchStrategy
    check: Callable[[object], None]


# Texts, ids and numbers as files have them, good and bad.

_ODD = (
    "",
    " ",
    "\t",
    "\n",
    "\r",
    "\x00",
    "\x1b[31m",
    "\u2028",
    "\ufeff",
    "\ud7ff",
    "İ",
    "e\u0301",
    "'",
    '"',
)
_TEXTS = st.one_of(
    st.sampled_from(["wie", "Zug und Brot", "a,b", 'sagt "ja"', "x\ty", *_ODD, "lang " * 400]),
    st.text(max_size=12),
)
_IDS = st.one_of(
    st.sampled_from(
        ["q1", "q2", "p1", "p2", "p3", "7", "07", "7.0", "", "nan", "None", "ß", "a b"]
    ),
    st.text(max_size=4),
)
_NUMBERS = st.one_of(
    st.sampled_from(
        (
            *("0", "1", "-0", "0.5", "1.0", "5e-324", "1e308", "1e309", "1e-400", "nan", "inf"),
            *("NaN", "-Infinity", "1_0", "٣", "0x1p3", "", " 1", "1 ", "+1", "1,5"),
            *("tensor(0.5)", "9" * 400),
        )
    ),
    st.floats(allow_nan=False).map(repr),
    st.integers(-3, 5).map(str),
)
_GOOD_IDS = st.sampled_from(["q1", "q2", "q3", "p1", "p2", "p3", "7"])
_GOOD_NUMBERS = st.one_of(st.floats(-20, 20).map(repr), st.sampled_from(["0", "1", "0.5"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _mostly(good: st.SearchStrategy, bad: st.SearchStrategy) -> st.SearchStrategy:
    """Nine times of ten a good one: most of an input must be right for the rest to be read."""
    return st.integers(0, 9).flatmap(lambda number: bad if number == 0 else good)


_ID = _mostly(_GOOD_IDS, _IDS)
_NUMBER = _mostly(_GOOD_NUMBERS, _NUMBERS)
_TEXT = _mostly(st.sampled_from(["wie", "Zug und Brot", "Wald"]), _TEXTS)
_NUMERIC = _mostly(st.floats(-20, 20), st.one_of(st.floats(), st.integers(), _JSON))
_GRADE = _mostly(st.integers(0, 3), st.one_of(st.integers(), st.floats(), st.none(), _TEXTS))


# What happens to files on their way.

_SNIPPETS = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"',
        b"\t",
        b"\r",
        b"\n",
        b"{",
        b"}",
        b"[",
        b",",
        b"\\",
    ),
    *(
        b"NaN",
        b"1e999",
        b"-0",
        b"9" * 400,
        b"[" * 3000,
        b'{"a":' * 3000,
        b"\xed\xa0\x80",
        b"\x1f\x8b",
    ),
    *(b"\\ud800", b"\\u0000", "\u2028".encode(), "ſ".encode(), b"query_id", b"score", b" " * 500),
)
_CHANGE = st.tuples(
    st.sampled_from(("cut", "drop", "double", "insert", "flip")),
    st.floats(0, 1),
    st.floats(0, 0.2),
    st.sampled_from(_SNIPPETS),
)


def _changed(content: bytes, changes: list[tuple[str, float, float, bytes]]) -> bytes:
    for kind, place, share, snippet in changes:
        start = int(place * len(content))
        end = start + int(share * len(content)) + 1
        if kind == "cut":
            content = content[:start]
        elif kind == "drop":
            content = content[:start] + content[end:]
        elif kind == "double":
            content = content[:end] + content[start:]
        elif kind == "insert":
            content = content[:start] + snippet + content[start:]
        elif content[start:]:
            content = content[:start] + bytes([content[start] ^ 1]) + content[start + 1 :]
    return content


def _damaged(content: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    changes = st.one_of(st.just([]), st.lists(_CHANGE, max_size=3))
    return st.builds(_changed, content, changes)


def _files(**named: st.SearchStrategy[bytes]) -> st.SearchStrategy[Contents]:
    """Files by name, ``_`` for the dot and ``__`` for a folder; some are packed by gzip."""
    files = {
        name.replace("__", "/").replace("_", "."): _damaged(content)
        for name, content in named.items()
    }
    return st.fixed_dictionaries(files)


# Formats.


def _lines(line: st.SearchStrategy[str], least: int = 0) -> st.SearchStrategy[bytes]:
    end = st.sampled_from(["\n", "\n", "\r\n"])
    lines = st.lists(line, min_size=least, max_size=6)
    return st.builds(
        lambda all_lines, mark: "".join(one + mark for one in all_lines).encode(
            errors="surrogatepass"
        ),
        lines,
        end,
    )


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _joined(separator: str, *cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*cells).map(separator.join)


_CANDIDATE = st.fixed_dictionaries(
    {"passage_id": _mostly(_GOOD_IDS, _JSON), "text": _mostly(_TEXT, _JSON)},
    optional={"grade": _GRADE, "score": _NUMERIC},
)
_SET_JSONL = _lines(
    st.fixed_dictionaries(
        {
            "query_id": _mostly(_GOOD_IDS, _JSON),
            "query": _mostly(_TEXT, _JSON),
            "candidates": _mostly(st.lists(_CANDIDATE, max_size=4), _JSON),
        }
    ).map(_json_text)
)
_SAMPLE_JSONL = _lines(
    st.fixed_dictionaries(
        {"query": _TEXT},
        optional={
            "positive": _mostly(st.lists(_TEXT, max_size=3), _JSON),
            "negative": _mostly(st.lists(_TEXT, max_size=3), _JSON),
            "documents": _mostly(st.lists(_TEXT, max_size=3), _JSON),
            "query_id": _mostly(_GOOD_IDS, _JSON),
        },
    ).map(_json_text)
)
_ROW = st.fixed_dictionaries(
    {"query_id": _mostly(_GOOD_IDS, _JSON), "passage_id": _mostly(_GOOD_IDS, _JSON)},
    optional={"score": _NUMERIC, "logit": _NUMERIC, "grade": _GRADE},
)
_RESULT = st.fixed_dictionaries(
    {"index": _mostly(st.integers(0, 3), _JSON), "relevance_score": _NUMERIC},
    optional={"document": _JSON},
)
_ANSWER = st.fixed_dictionaries(
    {"results": _mostly(st.lists(_RESULT, max_size=4), _JSON)},
    optional={"query_id": _ID, "query": _TEXT, "model": _TEXT},
)
_RUN_OBJECT = st.dictionaries(_ID, st.dictionaries(_ID, _NUMERIC, max_size=3), max_size=3)
_SCORE_JSON = st.one_of(_ANSWER, st.lists(_ROW, max_size=4), _RUN_OBJECT, _JSON)
_RUN_LINE = st.one_of(
    _joined(" ", _ID, st.just("Q0"), _ID, st.just("1"), _NUMBER, st.just("run")),
    _joined("\t", _ID, st.just("Q0"), _ID, _NUMBER, _NUMBER, _TEXT),
)
_QREL_LINE = _joined(" ", _ID, st.just("0"), _ID, _mostly(st.sampled_from("0123"), _NUMBERS))


def _table(separator: str, header: str, *cells: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    head = separator.join(header.split())
    rows = _lines(_joined(separator, *cells))
    return rows.map(lambda body: f"{head}\n".encode() + body)


def _parquet(frame: pd.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


_SCORE_FRAME = st.lists(st.tuples(_ID, _ID, st.floats(), st.floats(-9, 9)), max_size=5).map(
    lambda rows: pd.DataFrame(rows, columns=["query_id", "passage_id", "score", "logit"])
)
_QUERY_LINE = st.fixed_dictionaries({"_id": _ID, "text": _TEXT}).map(_json_text)
_BEIR = _files(
    corpus_jsonl=_lines(
        st.fixed_dictionaries({"_id": _ID, "text": _TEXT}, optional={"title": _TEXT}).map(
            _json_text
        )
    ),
    queries_jsonl=_lines(_QUERY_LINE),
    qrels__test_tsv=_table(
        "\t", "query-id corpus-id score", _ID, _ID, _mostly(st.sampled_from("012"), _NUMBERS)
    ),
)
_TREC = _files(
    own_run=_lines(_RUN_LINE),
    own_qrels=_lines(_QREL_LINE),
    queries_tsv=_lines(_joined("\t", _ID, _TEXT)),
    passages_tsv=_lines(_joined("\t", _ID, _TEXT)),
)


def _with_files(use: Callable[[Path], object]) -> Callable[[Contents], None]:
    """Make the check that writes files, reads them, and looks at what comes out."""

    def check(contents: Contents) -> None:
        folder = Path(tempfile.mkdtemp())
        try:
            for name, content in contents.items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            found = _answered(use, folder)
        finally:
            shutil.rmtree(folder)
        if found is not None:
            _check_read(found)

    return check


def _answered(use: Callable[..., object], *arguments: object) -> object:
    """What is returned; None for the documented error, which must say what is wrong."""
    try:
        return use(*arguments)
    except InputError as error:
        refusal = error
    assert refusal.problem
    assert refusal.remedy
    assert "\x1b" not in str(refusal)
    return None


def _check_read(found: object) -> None:
    """A set or scores that were read hold what they promise."""
    frame = found.pairs if isinstance(found, RerankingSet) else getattr(found, "frame", found)
    assert len(frame)
    ids = frame[["query_id", "passage_id"]]
    assert all(isinstance(one, str) and one.strip() for name in ids for one in ids[name])
    assert not ids.duplicated().any()
    if "score" in frame:
        assert np.isfinite(frame["score"]).all()
    if "logit" in frame:
        assert frame["logit"].isna().all() or np.isfinite(frame["logit"]).all()
    if "query" in frame:
        assert frame["query"].str.strip().all()
    if "grade" in frame:
        grades = frame["grade"].dropna().astype(float)
        assert (np.isfinite(grades) & (grades >= 0)).all()


def _one(name: str) -> Callable[[Path], Path]:
    return lambda folder: folder / name


def _first(folder: Path) -> Path:
    return next(file for file in folder.iterdir())


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, 1)


# The fingerprint.

_SOURCES = {source.name: source for source in sources()}
_LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=60)


def _check_verdict(given: tuple[str, list[float]]) -> None:
    """What a path made is never said to be of another kind; it stays among the paths."""
    name, logits = given
    source: Source = _SOURCES[name]
    scores = source.scores(np.array(logits))
    verdict = _answered(lambda: fingerprint(scores, queries=queries_of(len(scores))))
    if verdict is not None:
        assert str(verdict)
        json.dumps(verdict.to_dict(), allow_nan=False)
        if source.path is not None and source.kind == "sigmoid" and verdict.kind == "sigmoid":
            assert not is_wrong(verdict, source), f"{name}: {verdict}"


def _check_any_scores(given: tuple[list[object], list[object] | None, int | None]) -> None:
    scores, logits, decimals = given
    verdict = _answered(lambda: fingerprint(scores, logits, decimals=decimals))
    if verdict is not None:
        assert str(verdict)
        json.dumps(verdict.to_dict(), allow_nan=False)


_ANY_NUMBER = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.floats(0, 1, width=16),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, 5e-324, 1e308, np.nan, np.inf]),
)
_ANY_SCORES = st.tuples(
    st.lists(_mostly(_ANY_NUMBER, _JSON), max_size=40),
    st.none() | st.lists(_ANY_NUMBER, max_size=40),
    st.none() | st.integers(0, 20),
)


# Measures and compare.

_RUN_FRAME = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2"]),
        st.sampled_from([f"p{n}" for n in range(8)]),
        st.one_of(st.sampled_from([0.0, 0.5, 1.0, -0.0]), st.floats(-9, 9)),
    ),
    min_size=1,
    max_size=16,
    unique_by=lambda row: row[:2],
).map(lambda rows: pd.DataFrame(rows, columns=["query_id", "passage_id", "score"]))
_QRELS_FRAME = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2", "q3"]),
        st.sampled_from([f"p{n}" for n in range(10)]),
        _mostly(st.integers(0, 3), st.one_of(st.integers(-2, 2**40), st.floats())),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: pd.DataFrame(rows, columns=["query_id", "passage_id", "grade"]))
_MEASURES = ("nDCG@3", "nDCG", "RR@2", "RR", "AP@4", "AP", "P@3", "R@3", "Success@1")
_SLACK = 1e-12
"""Sums in other orders differ in their last bits."""


def _check_measures(given: tuple[pd.DataFrame, pd.DataFrame, int]) -> None:
    """The minimum, the expected value and the maximum stand in order; equal scores tie."""
    run, qrels, seed = given
    measured = _answered(evaluate, run, qrels, _MEASURES)
    if measured is None:
        return
    least, expected, most = (measured[name] for name in ("min", "expected", "max"))
    assert (least <= expected).all()
    assert (expected <= most).all()
    assert least.ge(0).all()
    assert most.le(1 + _SLACK).all()
    assert measured["std"].ge(0).all()
    other_order = run.sample(frac=1, random_state=seed)
    again = evaluate(other_order, qrels, _MEASURES)
    for name in ("min", "expected", "max"):
        assert np.allclose(measured[name], again[name], rtol=0, atol=_SLACK)


def _check_compare(given: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Nothing is more than rounding away from itself, and both sides may be named first."""
    first, second = given
    found = _answered(compare, first, second)
    other = _answered(compare, second, first)
    assert (found is None) == (other is None)
    for one in (found, other):
        if one is not None:
            assert str(one)
            json.dumps(one.to_dict(), allow_nan=False)
    itself = _answered(compare, first, first)
    assert itself is None or not itself.is_beyond_rounding


# Steps.

_PATHS = [path for path in sigmoid_paths() if path.has_steps]


def _check_steps(given: tuple[int, list[float]]) -> None:
    """The ends of a logit's step have its score, and their neighbours have not."""
    path: ScorePath = _PATHS[given[0]]
    made = path.logits(given[1])
    scores = path.scores(made)
    logits = format_of(path.logit_dtype)
    for ends in spans(path, made):
        assert np.array_equal(path.scores(logits.from_ordinals(ends)), scores)


def _frames(rows: list[list[object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "score", "logit"], dtype=object)


_ANY_FRAME = st.lists(st.tuples(_JSON, _JSON, _NUMERIC, _NUMERIC).map(list), max_size=4).map(
    _frames
)
_ANY_PAIRS = st.lists(
    st.tuples(_mostly(_GOOD_IDS, _JSON), _mostly(_GOOD_IDS, _JSON), _TEXT, _TEXT, _GRADE),
    max_size=4,
).map(
    lambda rows: pd.DataFrame(
        rows, columns=["query_id", "passage_id", "query", "passage", "grade"], dtype=object
    )
)
_CSV = _table(",", "query_id passage_id query passage grade", _ID, _ID, _TEXT, _TEXT, _NUMBER)
_SCORE_CSV = _table(",", "query_id passage_id score logit", _ID, _ID, _NUMBER, _NUMBER)

INPUTS: dict[str, Input] = {
    "sets, JSONL": Input(
        _files(own_jsonl=_SET_JSONL | _SAMPLE_JSONL), _with_files(lambda at: read(_first(at)))
    ),
    "sets, CSV and TSV": Input(
        _files(own_csv=_CSV) | _files(own_tsv=_CSV.map(lambda text: text.replace(b",", b"\t"))),
        _with_files(lambda at: read(_first(at))),
    ),
    "sets, gzip": Input(
        _files(own_jsonl_gz=_SET_JSONL.map(_packed)), _with_files(lambda at: read(_first(at)))
    ),
    "sets, BEIR": Input(_BEIR, _with_files(read)),
    "sets, MS MARCO": Input(
        _files(top1000_dev_tsv=_lines(_joined("\t", _ID, _ID, _TEXT, _TEXT))),
        _with_files(lambda at: read(at / "top1000.dev.tsv")),
    ),
    "sets, TREC": Input(
        _TREC,
        _with_files(
            lambda at: read_trec(
                at / "own.run",
                at / "own.qrels",
                queries=at / "queries.tsv",
                passages=at / "passages.tsv",
            )
        ),
    ),
    "sets, frames": Input(
        _ANY_PAIRS, lambda rows: _check_read_maybe(_answered(from_pairs, "own", rows))
    ),
    "qrels": Input(
        _files(own_qrels=_lines(_QREL_LINE)), _with_files(lambda at: read_qrels(_first(at)))
    ),
    "runs": Input(_files(own_run=_lines(_RUN_LINE)), _with_files(lambda at: read_run(_first(at)))),
    "scores, JSON and JSONL": Input(
        _files(own_json=_SCORE_JSON.map(lambda value: _json_text(value).encode()))
        | _files(own_jsonl=_lines(st.one_of(_ROW, _ANSWER).map(_json_text))),
        _with_files(lambda at: read_scores(_first(at))),
    ),
    "scores, CSV and runs": Input(
        _files(own_csv=_SCORE_CSV) | _files(own_trec=_lines(_RUN_LINE)),
        _with_files(lambda at: read_scores(_first(at))),
    ),
    "scores, Parquet": Input(
        _files(own_parquet=_SCORE_FRAME.map(_parquet)),
        _with_files(lambda at: read_scores(_first(at))),
    ),
    "scores, frames": Input(
        _ANY_FRAME, lambda rows: _check_read_maybe(_answered(check_scores, rows))
    ),
    "fingerprint of paths": Input(
        st.tuples(st.sampled_from(sorted(_SOURCES)), _LOGITS), _check_verdict
    ),
    "fingerprint of anything": Input(_ANY_SCORES, _check_any_scores),
    "measures": Input(st.tuples(_RUN_FRAME, _QRELS_FRAME, st.integers(0, 9)), _check_measures),
    "compare": Input(st.tuples(_RUN_FRAME, _RUN_FRAME), _check_compare),
    "steps": Input(
        st.tuples(st.integers(0, len(_PATHS) - 1), st.lists(st.floats(-25, 25), max_size=20)),
        _check_steps,
    ),
}


def _check_read_maybe(found: object) -> None:
    if found is not None:
        _check_read(found)
