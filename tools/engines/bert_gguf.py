"""Write a BERT cross-encoder as a GGUF, as llama.cpp's own converter and quantiser would.

The converter is in no package. What it writes for a BERT with one label, and which tensors
``llama-quantize`` leaves alone, was read in llama.cpp (``convert_hf_to_gguf.py``,
``src/llama-quant.cpp``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import TokenType
from numpy.typing import NDArray
from safetensors.numpy import load_file

_WORD_BEGINS = "\u2581"
_MODULES = {
    "bert.embeddings.word_embeddings": "token_embd",
    "bert.embeddings.position_embeddings": "position_embd",
    "bert.embeddings.token_type_embeddings": "token_types",
    "bert.embeddings.LayerNorm": "token_embd_norm",
    "bert.pooler.dense": "cls",
    "classifier": "cls.output",
}
_OF_LAYERS = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_STAY_FLOAT32 = ("position_embd.weight", "token_types.weight")
_KINDS = {"f32": Kind.F32, "f16": Kind.F16, "q8_0": Kind.Q8_0, "q4_0": Kind.Q4_0}
# The embedding counts as the output: six bits in blocks of 256, or q8_0 where rows are shorter.
_EMBEDDING = {"q4_0": Kind.Q8_0}


def write_gguf(checkpoint: Path, file: Path, kind: str = "f32") -> None:
    """Write a checkpoint's folder as one file, its matrices as f32, f16, q8_0 or q4_0.

    The folder holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``, WordPiece's or
    Unigram's. The rows of its matrices are a multiple of 32 long and, for q4_0, none of 256.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(file, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_token_type_count(config["type_vocab_size"])
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    add = _add_unigram if tokenizer["type"] == "Unigram" else _add_word_pieces
    add(writer, tokenizer["vocab"], config["vocab_size"])
    for name, tensor in _tensors(checkpoint, config["num_hidden_layers"]):
        chosen = _kind(name, tensor, kind)
        writer.add_tensor(name, gguf.quants.quantize(tensor, chosen), raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(checkpoint: Path, layers: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The checkpoint's tensors under llama.cpp's names."""
    names = _MODULES | {
        f"bert.encoder.layer.{layer}.{theirs}": f"blk.{layer}.{ours}"
        for layer in range(layers)
        for theirs, ours in _OF_LAYERS.items()
    }
    for name, tensor in load_file(checkpoint / "model.safetensors").items():
        module, _, part = name.rpartition(".")
        yield f"{names[module]}.{part}", np.ascontiguousarray(tensor, np.float32)


def _kind(name: str, tensor: NDArray[np.float32], kind: str) -> Kind:
    """What ``llama-quantize`` makes of a tensor; vectors stay, and a matrix of one row is one."""
    if min(tensor.shape) == 1 or tensor.ndim == 1 or name in _STAY_FLOAT32:
        return Kind.F32
    return _EMBEDDING.get(kind, _KINDS[kind]) if name == "token_embd.weight" else _KINDS[kind]


def _add_word_pieces(writer: gguf.GGUFWriter, vocabulary: dict[str, int], size: int) -> None:
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    tokens += [f"[unused{number}]" for number in range(size - len(tokens))]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_spelled(token) for token in tokens])
    writer.add_token_types(
        [TokenType.CONTROL if token.startswith("[") else TokenType.NORMAL for token in tokens]
    )
    names = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
    _add_special(writer, *map(tokens.index, names))
    # llama.cpp would put a second one between query and passage.
    writer.add_add_sep_token(False)


def _spelled(token: str) -> str:
    """A token as llama.cpp spells WordPiece: the beginning of a word is marked, not its rest."""
    if token.startswith("["):
        return token
    return token.removeprefix("##") if token.startswith("##") else _WORD_BEGINS + token


def _add_unigram(writer: gguf.GGUFWriter, vocabulary: list[tuple[str, float]], size: int) -> None:
    tokens = [token for token, _ in vocabulary]
    if len(tokens) != size:
        raise ValueError(f"{len(tokens)} tokens for a network of {size}")
    special = {name: tokens.index(name) for name in ("<s>", "</s>", "<pad>", "<unk>", "<mask>")}
    kinds = [TokenType.NORMAL] * size
    for name, number in special.items():
        kinds[number] = TokenType.UNKNOWN if name == "<unk>" else TokenType.CONTROL
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([score for _, score in vocabulary])
    writer.add_token_types(kinds)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    _add_special(writer, *special.values())
    writer.add_add_eos_token(True)
    # Two stand between query and passage: the end of the one, and a separator.
    writer.add_add_sep_token(True)


def _add_special(
    writer: gguf.GGUFWriter, begin: int, end: int, pad: int, unknown: int, mask: int
) -> None:
    writer.add_bos_token_id(begin)
    writer.add_eos_token_id(end)
    writer.add_sep_token_id(end)
    writer.add_pad_token_id(pad)
    writer.add_unk_token_id(unknown)
    writer.add_mask_token_id(mask)
    writer.add_add_bos_token(True)
