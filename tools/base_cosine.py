"""Cosines of the demo reranker's base, as e5 models are meant to be used without any training.

They find the wrong passages that training holds against a question, and are a baseline of the
card. Prefixes and mean pooling are those of the model's authors (Wang et al., "Multilingual E5 text
embeddings", 2024).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from training_pairs import Nearness
from training_text import Topic
from transformers import AutoModel, AutoTokenizer

from analysis.demo import base_of

KEPT = Path(__file__).parent.parent / "build" / "model"
BATCH = 64
MAX_TOKENS = 512

Embeddings = dict[str, torch.Tensor]


def question_embeddings(texts: Sequence[str]) -> Embeddings:
    """The embedding of each question, shape (width,), length one."""
    return _embeddings([f"query: {text}" for text in texts])


def passage_embeddings(texts: Sequence[str]) -> Embeddings:
    """The embedding of each passage, shape (width,), length one."""
    return _embeddings([f"passage: {text}" for text in texts])


def cosine_nearness(topics: Sequence[Topic]) -> Nearness:
    """How near the passages of topics are to their questions, by cosine."""
    questions = question_embeddings(
        [q for topic in topics for group in topic.groups for q in group.questions]
    )
    known = passage_embeddings([p for topic in topics for p in topic.passages()])

    def nearness(question: str, passages: list[str]) -> list[float]:
        return [float(questions[question] @ known[passage]) for passage in passages]

    return nearness


def _embeddings(texts: Sequence[str]) -> Embeddings:
    """Embeddings of texts with their prefixes, by the texts without them."""
    by_length = sorted(set(texts), key=lambda text: (len(text), text))
    file = KEPT / f"{hashlib.sha256(json.dumps(by_length).encode()).hexdigest()[:16]}.safetensors"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        save_file({"embeddings": _computed(by_length)}, aside)
        aside.replace(file)  # whole or not at all
    rows = load_file(file)["embeddings"]
    return {text.split(": ", 1)[1]: row for text, row in zip(by_length, rows, strict=True)}


def _computed(texts: list[str]) -> torch.Tensor:
    """Embeddings of texts, shape (n_texts, width), each of length one."""
    base = base_of("demo")
    network = AutoModel.from_pretrained(base, add_pooling_layer=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    found = []
    for start in range(0, len(texts), BATCH):
        encoded = tokenizer(
            texts[start : start + BATCH],
            truncation=True,
            max_length=MAX_TOKENS,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            states = network(**encoded).last_hidden_state
        mask = encoded["attention_mask"].unsqueeze(-1)
        found.append(normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=-1))
    return torch.cat(found)
