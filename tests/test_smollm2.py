"""The GGUF file of the yes/no demo's base: read as transformers reads it."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from reader_files import refused
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from analysis.errors import InputError
from analysis.smollm2 import convert

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
HIDDEN, HEADS, KEY_HEADS, INNER, LAYERS = 64, 4, 2, 96, 2
HEAD = HIDDEN // HEADS
NORMAL, CONTROL = 1, 3


def pieces() -> list[str]:
    """Special pieces, a letter for each byte, and one that is merged."""
    from tokenizers import pre_tokenizers

    return [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ja"]


def shapes() -> dict[str, tuple[int, ...]]:
    """Tensors of a small Llama network, by their names in GGUF."""
    layer = {
        "attn_norm": (HIDDEN,),
        "attn_q": (HIDDEN, HIDDEN),
        "attn_k": (KEY_HEADS * HEAD, HIDDEN),
        "attn_v": (KEY_HEADS * HEAD, HIDDEN),
        "attn_output": (HIDDEN, HIDDEN),
        "ffn_norm": (HIDDEN,),
        "ffn_gate": (INNER, HIDDEN),
        "ffn_up": (INNER, HIDDEN),
        "ffn_down": (HIDDEN, INNER),
    }
    blocks = {f"blk.{n}.{name}": shape for n in range(LAYERS) for name, shape in layer.items()}
    return {"token_embd": (len(pieces()), HIDDEN), "output_norm": (HIDDEN,)} | blocks


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A small GGUF file of the same kind."""
    return written(tmp_path_factory.mktemp("gguf") / "small.gguf")


def written(file: Path, heads: int = HEADS, merge: str = "j a") -> Path:
    """Write one: 4 bits with offsets, the embeddings in 8."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(heads)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(pieces()))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(pieces())
    writer.add_token_types([CONTROL] * len(SPECIAL) + [NORMAL] * (len(pieces()) - len(SPECIAL)))
    writer.add_token_merges([merge])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    rng = np.random.default_rng(0)
    for name, shape in shapes().items():
        values = rng.normal(size=shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0 if name == "token_embd" else _kind(shape)
        stored = gguf.quantize(values, kind)
        writer.add_tensor(f"{name}.weight", stored, raw_dtype=kind)
    for write in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{write}_to_file")()
    writer.close()
    return file


def _kind(shape: tuple[int, ...]) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType.Q4_1 if len(shape) == 2 else gguf.GGMLQuantizationType.F32


@pytest.fixture(scope="module")
def converted(file, tmp_path_factory) -> Path:
    """The checkpoint made of it."""
    folder = tmp_path_factory.mktemp("converted")
    convert(file, folder)
    return folder


def test_weights_are_those_that_transformers_reads_rounded_to_bfloat16(file, converted):
    theirs = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    ).state_dict()
    ours = load_file(converted / "model.safetensors")
    assert theirs.keys() - ours.keys() == {"lm_head.weight"}  # tied to the embeddings
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name].to(torch.bfloat16)), name


def test_the_checkpoint_loads_whole_and_says_its_numbers(converted):
    model, report = AutoModelForCausalLM.from_pretrained(
        converted, dtype=torch.bfloat16, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    config = model.config
    assert (config.head_dim, config.num_key_value_heads) == (HEAD, KEY_HEADS)
    assert (config.rms_norm_eps, config.rope_parameters["rope_theta"]) == (1e-5, 100000.0)
    assert json.loads((converted / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_tokeniser_takes_digits_one_by_one_and_every_text_back(converted):
    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert tokenizer.tokenize("ja 12") == ["ja", "Ġ", "1", "2"]
    assert tokenizer("<|im_start|>ja<|im_end|>")["input_ids"] == [1, len(pieces()) - 1, 2]
    assert tokenizer.pad_token == "<|im_end|>"
    text = "Straße: 5 µm, für „Ärzte“\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("content", [b"", b"no GGUF at all", b"GGUF" + b"\xff" * 60])
def test_another_file_is_an_error(tmp_path, content):
    other = tmp_path / "other.gguf"
    other.write_bytes(content)
    assert "not the GGUF file" in refused(convert, other, tmp_path).problem


def test_a_file_without_what_a_llama_network_says_is_an_error(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "bert")
    for write in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{write}_to_file")()
    writer.close()
    assert "not the GGUF file" in refused(convert, tmp_path / "other.gguf", tmp_path).problem


@pytest.mark.parametrize("said", [{"heads": 0}, {"merge": "ja nein"}, {"merge": "j"}])
def test_numbers_that_cannot_be_and_merges_of_nothing_are_an_error(tmp_path, said):
    other = written(tmp_path / "other.gguf", **said)
    assert "not the GGUF file" in refused(convert, other, tmp_path).problem


HUGE = [b"\xff" * 8, b"\x00" * 8, b"\xff" * 4 + b"\x00" * 4, b"\x7f" + b"\xff" * 7]


def damaged(whole: bytes, header: int, draw: random.Random) -> bytes:
    """A file cut short, or with a byte or a whole number of its header changed."""
    if draw.random() < 1 / 3:
        return whole[: draw.randrange(len(whole))]
    new = draw.choice([bytes([draw.randrange(256)]), *HUGE])
    place = draw.randrange(header - len(new))
    return whole[:place] + new + whole[place + len(new) :]


def outcome(file: Path, folder: Path) -> str:
    """What comes of a file: a checkpoint, or an error that names a file."""
    try:
        convert(file, folder)
    except InputError as error:
        return f"refused: {error.file}"
    return "converted"


def test_a_damaged_file_is_one_error_or_other_weights(file, tmp_path):
    """Other weights are what :class:`analysis.bases.Base` finds out by their checksum."""
    whole, header = file.read_bytes(), gguf.GGUFReader(file).data_offset
    other, draw, came = tmp_path / "other.gguf", random.Random(0), Counter()
    for _ in range(150):
        other.write_bytes(damaged(whole, header, draw))
        came[outcome(other, tmp_path)] += 1
    assert came.keys() <= {"converted", f"refused: {other}"}
    assert came[f"refused: {other}"] > 50


def test_what_a_damaged_file_names_stays_in_the_folder(file, tmp_path):
    """A tensor's name with a path in it writes nothing elsewhere."""
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    other = tmp_path / "other.gguf"
    other.write_bytes(file.read_bytes().replace(b"output_norm.weight", b"../../escaped/norm"))
    before = set(tmp_path.rglob("*"))
    assert "not the GGUF file" in refused(convert, other, folder).problem
    assert set(tmp_path.rglob("*")) == before
