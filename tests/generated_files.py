"""Files and frames made by Hypothesis, of every format that is read: mostly right, some damaged."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping

import pandas as pd
from hypothesis import strategies as st

Contents = Mapping[str, bytes]
"""Files by their names below a folder."""

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
_ANY_UNIT = "surrogatepass"
_GOOD = ("q1", "q2", "q3", "p1", "p2", "p3", "7")
_GOOD_IDS = st.sampled_from(_GOOD)
_GOOD_NUMBERS = st.one_of(st.floats(-20, 20).map(repr), st.sampled_from(["0", "1", "0.5"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def mostly(good: st.SearchStrategy, bad: st.SearchStrategy) -> st.SearchStrategy:
    """Nearly always a good one: most of an input must be right for the rest to be read."""
    return st.integers(0, 29).flatmap(lambda number: bad if number == 0 else good)


_ID = mostly(_GOOD_IDS, _IDS)
_NUMBER = mostly(_GOOD_NUMBERS, _NUMBERS)
_TEXT = mostly(st.sampled_from(["wie", "Zug und Brot", "Wald"]), _TEXTS)
_NUMERIC = mostly(st.floats(-20, 20), st.one_of(st.floats(), st.integers(), JSON))
_GRADE = mostly(st.integers(0, 3), st.one_of(st.integers(), st.floats(), st.none(), _TEXTS))


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


def _lines(line: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    return st.lists(line, max_size=6).flatmap(_ended)


def _ended(lines: list[str]) -> st.SearchStrategy[bytes]:
    """Lines with one line end or another."""
    ends = st.sampled_from(["\n", "\n", "\r\n"])
    return ends.map(lambda end: "".join(f"{one}{end}" for one in lines).encode(errors=_ANY_UNIT))


def _texts_of_ids(line: Callable[[str, str], str]) -> st.SearchStrategy[bytes]:
    """A line for each good id, so that a join finds it, and perhaps for others."""
    good = st.lists(_TEXT, min_size=len(_GOOD), max_size=len(_GOOD)).map(
        lambda texts: list(zip(_GOOD, texts, strict=True))
    )
    others = mostly(st.just([]), st.lists(st.tuples(_ID, _TEXT), max_size=2))
    rows = st.builds(lambda first, more: first + more, good, others)
    return rows.flatmap(lambda pairs: _ended([line(*pair) for pair in pairs]))


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _joined(separator: str, *cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*cells).map(separator.join)


_CANDIDATE = st.fixed_dictionaries(
    {"passage_id": mostly(_GOOD_IDS, JSON), "text": mostly(_TEXT, JSON)},
    optional={"grade": _GRADE, "score": _NUMERIC},
)
_SET_LINE = st.fixed_dictionaries(
    {
        "query_id": mostly(_GOOD_IDS, JSON),
        "query": mostly(_TEXT, JSON),
        "candidates": mostly(
            st.lists(_CANDIDATE, max_size=4, unique_by=lambda one: str(one["passage_id"])), JSON
        ),
    }
)
_SET_JSONL = st.lists(
    _SET_LINE, min_size=1, max_size=4, unique_by=lambda one: str(one["query_id"])
).flatmap(lambda lines: _ended([_json_text(line) for line in lines]))
_SAMPLE_JSONL = _lines(
    st.fixed_dictionaries(
        {"query": _TEXT},
        optional={
            "positive": mostly(st.lists(_TEXT, max_size=3), JSON),
            "negative": mostly(st.lists(_TEXT, max_size=3), JSON),
            "documents": mostly(st.lists(_TEXT, max_size=3), JSON),
            "query_id": mostly(_GOOD_IDS, JSON),
        },
    ).map(_json_text)
)
_ROW = st.fixed_dictionaries(
    {
        "query_id": mostly(_GOOD_IDS, JSON),
        "passage_id": mostly(_GOOD_IDS, JSON),
        "score": _NUMERIC,
    },
    optional={"logit": _NUMERIC, "grade": _GRADE},
)
_RESULT = st.fixed_dictionaries(
    {"index": mostly(st.integers(0, 3), JSON), "relevance_score": _NUMERIC},
    optional={"document": JSON},
)
_ANSWER = st.fixed_dictionaries(
    {"results": mostly(st.lists(_RESULT, max_size=4), JSON)},
    optional={"query_id": _ID, "query": _TEXT, "model": _TEXT},
)
_RUN_OBJECT = st.dictionaries(_ID, st.dictionaries(_ID, _NUMERIC, max_size=3), max_size=3)
_SCORE_JSON = st.one_of(_ANSWER, st.lists(_ROW, max_size=4), _RUN_OBJECT, JSON)
_RUN_LINE = st.one_of(
    _joined(" ", _ID, st.just("Q0"), _ID, st.just("1"), _NUMBER, st.just("run")),
    _joined("\t", _ID, st.just("Q0"), _ID, mostly(st.sampled_from("012-"), _NUMBERS), _NUMBER, _ID),
)
_QREL_LINE = _joined(" ", _ID, st.just("0"), _ID, mostly(st.sampled_from("0123"), _NUMBERS))


def _table(separator: str, header: str, *cells: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    head = separator.join(header.split())
    rows = _lines(_joined(separator, *cells))
    return rows.map(lambda body: f"{head}\n".encode() + body)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


_SCORE_FRAME = st.lists(st.tuples(_ID, _ID, st.floats(), st.floats(-9, 9)), max_size=5).map(
    lambda rows: pd.DataFrame(rows, columns=["query_id", "passage_id", "score", "logit"])
)


def _beir_line(text_id: str, text: str) -> str:
    return _json_text({"_id": text_id, "title": "", "text": text})


_BEIR = _files(
    corpus_jsonl=_texts_of_ids(_beir_line),
    queries_jsonl=_texts_of_ids(_beir_line),
    qrels__test_tsv=_table(
        "\t", "query-id corpus-id score", _ID, _ID, mostly(st.sampled_from("012"), _NUMBERS)
    ),
)
_TREC = _files(
    own_run=_lines(_RUN_LINE),
    own_qrels=_lines(_QREL_LINE),
    queries_tsv=_texts_of_ids("{}\t{}".format),
    passages_tsv=_texts_of_ids("{}\t{}".format),
)


def _frames(rows: list[list[object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "score", "logit"], dtype=object)


_ANY_FRAME = st.lists(
    st.tuples(mostly(_GOOD_IDS, JSON), mostly(_GOOD_IDS, JSON), _NUMERIC, _NUMERIC).map(list),
    max_size=4,
).map(_frames)
_ANY_PAIRS = st.lists(
    st.tuples(mostly(_GOOD_IDS, JSON), mostly(_GOOD_IDS, JSON), _TEXT, _TEXT, _GRADE),
    max_size=4,
).map(
    lambda rows: pd.DataFrame(
        rows, columns=["query_id", "passage_id", "query", "passage", "grade"], dtype=object
    )
)
_CSV = _table(",", "query_id passage_id query passage grade", _ID, _ID, _TEXT, _TEXT, _NUMBER)
_SCORE_CSV = _table(",", "query_id passage_id score logit", _ID, _ID, _NUMBER, _NUMBER)

FILES: dict[str, st.SearchStrategy[Contents]] = {
    "sets, JSONL": _files(own_jsonl=_SET_JSONL | _SAMPLE_JSONL),
    "sets, CSV and TSV": _files(own_csv=_CSV)
    | _files(own_tsv=_CSV.map(lambda text: text.replace(b",", b"\t"))),
    "sets, gzip": _files(own_jsonl_gz=_SET_JSONL.map(lambda text: gzip.compress(text, 1))),
    "sets, BEIR": _BEIR,
    "sets, MS MARCO": _files(top1000_dev_tsv=_lines(_joined("\t", _ID, _ID, _TEXT, _TEXT))),
    "sets, TREC": _TREC,
    "qrels": _files(own_qrels=_lines(_QREL_LINE)),
    "runs": _files(own_run=_lines(_RUN_LINE)),
    "scores, JSON and JSONL": _files(
        own_json=_SCORE_JSON.map(lambda value: _json_text(value).encode(errors="surrogatepass"))
    )
    | _files(own_jsonl=_lines(st.one_of(_ROW, _ANSWER).map(_json_text))),
    "scores, CSV and runs": _files(own_csv=_SCORE_CSV) | _files(own_trec=_lines(_RUN_LINE)),
    "scores, Parquet": _files(own_parquet=_SCORE_FRAME.map(_parquet)),
}
"""Files of each subject."""

FRAMES: dict[str, st.SearchStrategy[pd.DataFrame]] = {
    "sets, frames": _ANY_PAIRS,
    "scores, frames": _ANY_FRAME,
}
"""Frames of each subject, whose cells may be anything."""
