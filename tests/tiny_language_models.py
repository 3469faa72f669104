"""Tiny language models of random weights, as ordinary checkpoint folders."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_checkpoints import WORDS

_WORDS = [*WORDS, "yes", "no", "Yes", "true", "false", "query", "document", "passage"]
NAMES = {
    "qwen3": "Qwen3-Reranker-0.6B",
    "qwen2": "mxbai-rerank-base-v2",
    "gemma": "bge-reranker-v2-gemma",
    "t5": "monot5-base-msmarco",
}
"""What a model of each kind is called after."""
_SPECIAL = ["<pad>", "</s>", "<unk>", "<bos>", "<|im_start|>", "<|im_end|>"]
_SIZES = {"vocab_size": 420, "num_hidden_layers": 2, "pad_token_id": 0, "eos_token_id": 1}
_DECODER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "initializer_range": 0.5,
    "bos_token_id": 3,
}
_ENCODER_DECODER = {
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
    "initializer_factor": 3.0,
}
TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
LOGIT_SCORE = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
RERANKER_TEMPLATE = (
    "<|im_start|>system\nJudge the Document.<|im_end|>\n<|im_start|>user\n"
    '<Instruct>: {{ messages | selectattr("role", "eq", "system") | map(attribute="content") '
    '| first | default("none") }}\n'
    '<Query>: {{ messages | selectattr("role", "eq", "query") | map(attribute="content") '
    "| first }}\n"
    '<Document>: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") '
    "| first }}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
"""As vLLM has it for Qwen3-Reranker: examples/pooling/score/template/qwen3_reranker.jinja."""


def write_language_model(folder: Path, kind: str = "qwen3") -> Path:
    """Write a model of an architecture, with a byte-level tokeniser; T5 with one of words."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    is_t5 = kind in ("t5", "mt5")
    config = CONFIG_MAPPING[kind](**_SIZES, **(_ENCODER_DECODER if is_t5 else _DECODER))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        loader = AutoModelForSeq2SeqLM if is_t5 else AutoModelForCausalLM
        loader.from_config(config).save_pretrained(folder)
    _write_tokenizer(folder, words=is_t5)
    return folder


def _write_tokenizer(folder: Path, *, words: bool) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>" if words else None))
    if words:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        alphabet = [chr(code) for code in range(33, 127)] + ["▁"]
        corpus = _WORDS * 9
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        corpus = [*(_WORDS * 9), " ".join(_WORDS)]
    trainer = trainers.BpeTrainer(
        vocab_size=_SIZES["vocab_size"],
        special_tokens=_SPECIAL,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 1024,
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "bos_token": "<bos>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def add_logit_score(
    folder: Path,
    yes: object,
    no: object,
    *,
    template: str | None = RERANKER_TEMPLATE,
    processing: dict | None = None,
    message: str = "flat",
    instruction: str | None = "Given a web search query, retrieve relevant passages",
) -> Path:
    """Add what sentence-transformers 5.4 writes beside a reranker with a LogitScore.

    As in its documentation (docs/cross_encoder/usage/custom_models.rst at cad2119).
    """
    (folder / "1_LogitScore").mkdir()
    files = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": TRANSFORMER},
            {"idx": 1, "name": "1", "path": "1_LogitScore", "type": LOGIT_SCORE},
        ],
        "1_LogitScore/config.json": {
            "true_token_id": yes,
            "false_token_id": no,
            "module_input_name": "causal_logits",
        },
        "config_sentence_transformers.json": {
            "__version__": {"sentence_transformers": "5.4.0"},
            "activation_fn": "torch.nn.modules.linear.Identity",
            "default_prompt_name": "query" if instruction else None,
            "model_type": "CrossEncoder",
            "prompts": {"query": instruction} if instruction else {},
        },
        "sentence_bert_config.json": {
            "transformer_task": "text-generation",
            "modality_config": {
                "text": {"method": "forward", "method_output_name": "logits"},
                "message": {"method": "forward", "method_output_name": "logits", "format": message},
            },
            "module_output_name": "causal_logits",
            **({"processing_kwargs": processing} if processing else {}),
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder
