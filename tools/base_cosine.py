"""Cosines of the demo reranker's base, as e5 models are meant to be used without any training.

They find the wrong passages that training holds against a question, and are a baseline of the
card. Prefixes and mean pooling are those of the model's authors (Wang et al., "Multilingual E5 text
embeddings", 2024).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer

from analysis.demo import demo_base

BATCH = 64
MAX_TOKENS = 512

Embeddings = dict[str, torch.Tensor]


def question_embeddings(texts: Sequence[str]) -> Embeddings:
    """The embedding of each question, shape (width,), length one."""
    return _embeddings("query: ", texts)


def passage_embeddings(texts: Sequence[str]) -> Embeddings:
    """The embedding of each passage, shape (width,), length one."""
    return _embeddings("passage: ", texts)


def _embeddings(prefix: str, texts: Sequence[str]) -> Embeddings:
    base = demo_base()
    network = AutoModel.from_pretrained(base, add_pooling_layer=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    by_length = sorted(set(texts), key=len)
    found: Embeddings = {}
    for start in range(0, len(by_length), BATCH):
        part = by_length[start : start + BATCH]
        encoded = tokenizer(
            [prefix + text for text in part],
            truncation=True,
            max_length=MAX_TOKENS,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            states = network(**encoded).last_hidden_state
        mask = encoded["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(dim=1) / mask.sum(dim=1)
        found |= dict(zip(part, normalize(means, dim=-1), strict=True))
    return found
