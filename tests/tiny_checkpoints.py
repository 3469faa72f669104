"""Tiny cross-encoders of random weights, as ordinary checkpoint folders."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from analysis.datasets import RerankingSet, from_pairs

WORDS = ["der", "die", "und", "zug", "wie", "was", "ein", "neu", "pass", "brot", "rad", "wald"]


def write_tokenizer(folder: Path) -> None:
    """Write a WordPiece tokeniser that knows a few words and all letters."""
    from tokenizers import BertWordPieceTokenizer

    letters = "abcdefghijklmnopqrstuvwxyzäöüß0123456789"
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    vocab += [*letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = BertWordPieceTokenizer({word: number for number, word in enumerate(vocab)})
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "BertTokenizer", "model_max_length": 48, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_checkpoint(
    folder: Path, *, num_labels: int = 1, dtype: str = "float32", head: bool = True, **config
) -> Path:
    """Write a two-layer BERT with random weights, the same ones each time."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    settings = {
        "vocab_size": 120,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
        "num_labels": num_labels,
        **config,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = BertForSequenceClassification if head else BertModel
        kind(BertConfig(**settings)).to(getattr(torch, dtype)).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def change_weights(folder: Path, change) -> None:
    """Apply ``change`` to the tensors (a dict) of a checkpoint."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def tiny_set(n_queries: int = 4, n_candidates: int = 6) -> RerankingSet:
    """Make a set of texts of different lengths; the grade of its last pair is unknown."""
    rows = []
    for q in range(n_queries):
        asked = q % len(WORDS)
        query = " ".join((WORDS * 2)[asked : asked + 3 + q % 2])
        for c in range(n_candidates):
            start, length = (5 * q + 3 * c) % len(WORDS), 2 + (7 * q + 5 * c) % 23
            passage = " ".join((WORDS * 3)[start : start + length])
            rows.append((f"q{q}", f"p{c}", (q + c) % 4, query, passage))
    columns = ["query_id", "passage_id", "grade", "query", "passage"]
    pairs = pd.DataFrame(rows, columns=columns).astype({"grade": "Int64"})
    pairs.loc[len(pairs) - 1, "grade"] = pd.NA
    return from_pairs("tiny", pairs)
