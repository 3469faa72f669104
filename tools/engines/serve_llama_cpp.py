"""Serve a BERT cross-encoder by llama.cpp, in an environment of its own.

    python tools/engines/serve_llama_cpp.py CHECKPOINT PORT

Writes the checkpoint (a folder with ``model.safetensors`` and a WordPiece ``tokenizer.json``) as a
float32 GGUF beside it, as llama.cpp's own converter would, and serves it on loopback until it is
stopped. xllamacpp brings llama.cpp's server as it is.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp
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


def write_gguf(checkpoint: Path, file: Path) -> None:
    """Write a BERT checkpoint with one label as a float32 GGUF."""
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
    _add_tokens(writer, checkpoint, config["vocab_size"])
    names = _MODULES | {
        f"bert.encoder.layer.{layer}.{theirs}": f"blk.{layer}.{ours}"
        for layer in range(config["num_hidden_layers"])
        for theirs, ours in _OF_LAYERS.items()
    }
    for name, tensor in load_file(checkpoint / "model.safetensors").items():
        module, _, kind = name.rpartition(".")
        writer.add_tensor(f"{names[module]}.{kind}", np.ascontiguousarray(tensor, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokens(writer: gguf.GGUFWriter, checkpoint: Path, size: int) -> None:
    text = (checkpoint / "tokenizer.json").read_text(encoding="utf-8")
    vocabulary = json.loads(text)["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    tokens += [f"[unused{number}]" for number in range(size - len(tokens))]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_spelled(token) for token in tokens])
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token.startswith("[") else normal for token in tokens])
    writer.add_token_type_count(2)
    writer.add_bos_token_id(tokens.index("[CLS]"))
    writer.add_eos_token_id(tokens.index("[SEP]"))
    writer.add_sep_token_id(tokens.index("[SEP]"))
    writer.add_pad_token_id(tokens.index("[PAD]"))
    writer.add_unk_token_id(tokens.index("[UNK]"))
    writer.add_mask_token_id(tokens.index("[MASK]"))
    writer.add_add_bos_token(True)
    writer.add_add_sep_token(False)  # llama.cpp would put a second one between query and passage


def _spelled(token: str) -> str:
    """A token as llama.cpp spells WordPiece: the beginning of a word is marked, not its rest."""
    if token.startswith("["):
        return token
    return token.removeprefix("##") if token.startswith("##") else _WORD_BEGINS + token


def serve(file: Path, port: int) -> xllamacpp.Server:
    """Start llama.cpp's server with ``--reranking`` on one thread."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 512
    parameters.cpuparams.n_threads = 1
    parameters.hostnames, parameters.port = ["127.0.0.1"], port
    return xllamacpp.Server(parameters)


def main() -> None:
    """Write and serve the checkpoint; ends with the process."""
    checkpoint = Path(sys.argv[1])
    file = checkpoint / "model.gguf"
    write_gguf(checkpoint, file)
    server = serve(file, int(sys.argv[2]))
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
