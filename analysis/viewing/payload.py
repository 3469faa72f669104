"""What the browser is given, as one block of bytes: Python computes, the browser looks up.

    length of the header (uint32) | header (JSON, UTF-8) | blanks | arrays, each aligned to 8 bytes

All numbers are little-endian; the header names each array with its kind, place and length. No
sigmoid is left to the browser:

- one evaluated in 16 bits is a **staircase**, sent whole: at which logit which score begins. All
  four are made when they are needed, by the code that scores everything else here;
- one evaluated in float32 or float64 is sent as the **scores** of the rows, and beside them, for
  each score as it is stored, its **span**: how many logits of the forward dtype share it, and how
  far the neighbours that the path can return are.

What remains to the browser is one exact rounding to the stored dtype. A **checksum** of Python's
scores, for every path, lets it prove that.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.catalogue import CATALOGUE, Engine
from analysis.figures.style import MARKS, mark_of
from analysis.formats import HALVES, Format, format_of, is_wide
from analysis.frames import KEYS
from analysis.scorepath import FLOAT32_REFERENCE, TIE_RULES, ScorePath
from analysis.sigmoids import FORMULAS, sigmoid
from analysis.steps import spans
from analysis.viewing.rows import Rows

_VERSION = 1
TOP_K = 10
MOST_SPANS = 20_000
"""Sets of more rows go without spans: they would take longer than the scores themselves."""
REFERENCE = replace(FLOAT32_REFERENCE.raw(), name="float32 logits")
"""What a path is held against unless another is chosen: the order of the float32 logits."""
GLYPHS = {"P": "✚", "o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼"}
GLYPHS |= {"X": "✖", "<": "◀", ">": "▶", "*": "★", "h": "⬢", "d": "♦"}
"""The figures' markers as characters."""

_Arrays = dict[str, NDArray]


def payload(rows: Rows) -> bytes:
    """Everything that a view shows of a set, whatever is toggled; the same bytes on every run."""
    first = rows.pairs.drop_duplicates("query_id")
    header = {
        "version": _VERSION,
        "k": TOP_K,
        "formats": _formats(rows),
        "forwardFormats": list(rows.logits),
        "dtypes": rows.dtypes,
        "tieRules": TIE_RULES,
        "reference": stages(REFERENCE),
        "engines": [one for engine in CATALOGUE if (one := _engine(engine, rows))["paths"]],
        "queries": first["query_id"].map(str).tolist(),
        "queryTexts": first["query"].tolist(),
        "passages": rows.pairs["passage_id"].map(str).tolist(),
        "grades": [None if pd.isna(grade) else int(grade) for grade in rows.pairs["grade"]],
        "wholeNumbers": [pd.api.types.is_integer_dtype(rows.pairs[name]) for name in KEYS],
        "checksums": {key(path, name): checksum(path, rows, name) for name, path in rows.shown},
    }
    wide = [
        (name, path)
        for name, path in rows.shown
        if path.has_sigmoid and is_wide(path.activation_dtype)
    ]
    arrays = _of_rows(rows) | _staircases() | _wide_scores(wide, rows)
    if len(rows.pairs) <= MOST_SPANS:
        for name, path in wide:
            arrays |= _spans(path, name, rows.logits[name])
    return _packed(header, arrays)


def stages(path: ScorePath, name: str = "") -> list[str]:
    """A path as the browser knows it: its five stages in their order.

    The first is the ``name`` of the forward format; of torch's, if none is given.
    """
    forward, *others = path.stages.values()
    return [name or forward, *others, path.tie_rule]


def key(path: ScorePath, name: str = "") -> str:
    """What the browser calls a path over a forward format, without what changes no score."""
    return "|".join(stages(path.reduced(), name)[:-1])


def checksum(path: ScorePath, rows: Rows, name: str = "") -> int:
    """CRC-32 of all scores of a path, in the order of the rows, as float64."""
    logits = rows.logits[name or path.forward_dtype]
    return zlib.crc32(path.scores(logits).astype("<f8").tobytes())


def _formats(rows: Rows) -> list[dict[str, Any]]:
    """Limits of every dtype, and of each forward format that is called otherwise than its dtype."""
    named = [name for name, one in rows.formats.items() if not one.is_torch]
    dtypes = dict.fromkeys([*rows.dtypes, *(name for name in rows.logits if name not in named)])
    return [_format(format_of(dtype)) for dtype in dtypes] + [
        {
            **_format(format_of(rows.formats[name].forward_dtype)),
            "name": name,
            "dtype": rows.formats[name].forward_dtype,
            "mark": GLYPHS[mark_of(rows.formats[name]).marker],
            "hint": str(rows.formats[name]).removeprefix(f"{name}: "),
        }
        for name in named
    ]


def _format(number_format: Format) -> dict[str, Any]:
    name, limits = number_format.name, number_format.finfo
    return {
        "name": name,
        "bits": number_format.bits,
        "precision": int(limits.nmant) + 1,
        "lowest": int(limits.minexp),
        "max": number_format.max,
        "mark": GLYPHS[MARKS[name].marker],
    }


def _engine(engine: Engine, rows: Rows) -> dict[str, Any]:
    """An engine's name, its paths in torch's dtypes at hand, and what is known of it."""
    paths = [stages(path) for path in engine.paths.values() if rows.has(path)]
    return {"name": engine.name, "wasRun": engine.was_run, "note": engine.note, "paths": paths}


def _of_rows(rows: Rows) -> _Arrays:
    """What is known of each row: its query's size, its place among the ids, logits and text."""
    by_query = rows.pairs.groupby("query_id", sort=False)
    place, distinct = pd.factorize(rows.pairs["passage"])
    texts = [text.encode() for text in distinct]
    arrays = {
        "candidates": by_query.size().to_numpy().astype("<u4"),
        # As Python orders ids: JavaScript compares strings by UTF-16 units.
        "idOrder": by_query["passage_id"].rank(method="first").to_numpy().astype("<u4"),
        "textOf": place.astype("<u4"),
        "textEnds": np.cumsum([len(text) for text in texts]).astype("<u4"),
        "texts": np.frombuffer(b"".join(texts), dtype="<u1"),
    }
    for name, logits in rows.logits.items():
        kind = "<f8" if rows.formats[name].forward_dtype == "float64" else "<f4"
        arrays[f"logits|{name}"] = logits.astype(kind)
    return arrays


@cache
def _staircases() -> _Arrays:
    """Each sigmoid that is evaluated in 16 bits, whole.

    ``logits|…`` has the ordinal of the first logit of each step, ``scores|…`` that of its score,
    both as differences to the step before.
    """
    arrays = {}
    for formula, dtype in product(FORMULAS, HALVES):
        number_format = format_of(dtype)
        most = int(number_format.ordinals(number_format.max))
        logits = np.arange(-most, most + 1)
        scores = sigmoid(number_format.from_ordinals(logits), formula, dtype)
        scores = number_format.ordinals(scores)
        first = np.flatnonzero(np.diff(scores, prepend=-1))
        for name, ordinals in (("stepLogits", logits), ("stepScores", scores)):
            arrays[f"{name}|{formula}|{dtype}"] = np.diff(ordinals[first], prepend=0).astype("<i4")
    return arrays


def _wide_scores(paths: list[tuple[str, ScorePath]], rows: Rows) -> _Arrays:
    """Scores of the rows as a wide sigmoid returns them, before they are stored."""
    arrays = {}
    for name, path in paths:
        if path.stored_dtype == path.activation_dtype:
            kind = "<f8" if path.activation_dtype == "float64" else "<f4"
            called = "|".join(["scores", name, path.formula, path.activation_dtype])
            arrays[called] = path.scores(rows.logits[name]).astype(kind)
    return arrays


def _spans(path: ScorePath, name: str, logits: NDArray[np.float64]) -> _Arrays:
    """Which logits share each score of a set, and the next scores that the path can return.

    ``span|…`` has, for each distinct score in ascending order, how many logits of the forward
    dtype below and above the set's lowest logit with that score have it too. ``neighbours|…`` has
    how many values of the stored dtype lie between it and the next attainable scores, 0 for none;
    in float64, where these are large and irregular numbers, it is left out.
    """
    forward, stored = format_of(path.forward_dtype), format_of(path.stored_dtype)
    ascending = np.unique(logits)
    scores, lowest = np.unique(path.scores(ascending), return_index=True)
    own = forward.ordinals(ascending[lowest])
    first, last = spans(path, ascending[lowest])
    called = key(path, name)
    arrays = {f"span|{called}": _whole(np.concatenate([own - first, last - own]))}
    if stored.bits <= 32:
        ends = np.clip([first - 1, last + 1], *forward.ordinals([-forward.max, forward.max]))
        below, above = stored.ordinals(path.scores(forward.from_ordinals(ends)))
        here = stored.ordinals(scores)
        arrays[f"neighbours|{called}"] = _whole(np.concatenate([here - below, above - here]))
    return arrays


def _whole(numbers: NDArray[np.int64]) -> NDArray:
    """Whole numbers in 32 bits where they fit."""
    fits = not numbers.size or int(np.abs(numbers).max()) < 2**31
    return numbers.astype("<i4" if fits else "<i8")


def _packed(header: dict[str, Any], arrays: _Arrays) -> bytes:
    """Header and arrays as the module's docstring says."""
    listed: dict[str, tuple[str, int, int]] = {}
    blocks, place = [], 0
    for name, array in arrays.items():
        listed[name] = (array.dtype.kind + str(array.dtype.itemsize), place, array.size)
        blocks.append(_aligned(array.tobytes()))
        place += len(blocks[-1])
    words = {**header, "arrays": listed}
    text = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return len(text).to_bytes(4, "little") + text + b"".join(blocks)


def _aligned(block: bytes) -> bytes:
    return block + b"\0" * (-len(block) % 8)


def unpacked(block: bytes) -> tuple[dict[str, Any], Iterator[tuple[str, NDArray]]]:
    """Inverse of what :func:`payload` packs: the header, and each array with its name."""
    length = int.from_bytes(block[:4], "little")
    header = json.loads(block[4 : 4 + length])
    arrays = (
        (name, np.frombuffer(block, f"<{kind}", count, 4 + length + place))
        for name, (kind, place, count) in header["arrays"].items()
    )
    return header, arrays
