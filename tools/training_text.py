"""The demo reranker's training text, and the pairs that are drawn from it.

A pair is (question, passage, label): label 1 if the passage answers the question, else 0.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

TEXT = Path(__file__).parent.parent / "data" / "training"
HELD_OUT_EVERY = 16

Pair = tuple[str, str, float]


@dataclass(frozen=True)
class Group:
    """Phrasings of one question and the passages that answer it."""

    questions: tuple[str, ...]
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Neighbouring questions, and passages of the topic that answer none of them."""

    groups: tuple[Group, ...]
    background: tuple[str, ...]
    lookalikes: tuple[str, ...]

    def wrong_passages(self, group: Group) -> list[str]:
        """Every passage of the topic that does not answer this group's question."""
        neighbours = [p for g in self.groups if g is not group for p in g.passages]
        return [*neighbours, *self.background, *self.lookalikes]

    def passages(self) -> list[str]:
        """Every passage of the topic."""
        answers = [passage for group in self.groups for passage in group.passages]
        return [*answers, *self.background, *self.lookalikes]


def read_text(folder: Path) -> list[list[Topic]]:
    """The topics of each file of the training text."""
    return [read_domain(file) for file in sorted(folder.glob("*.jsonl"))]


def read_domain(file: Path) -> list[Topic]:
    """The topics of one file of the training text."""
    with file.open(encoding="utf-8") as lines:
        return [topic_of(json.loads(line)) for line in lines]


def topic_of(record: dict) -> Topic:
    """Read one line of the training text."""
    groups = [Group(tuple(g["questions"]), tuple(g["passages"])) for g in record["groups"]]
    return Topic(tuple(groups), tuple(record["background"]), tuple(record["lookalikes"]))


def kept(domains: list[list[Topic]]) -> list[Topic]:
    """The topics to train on: all but one in so many of every domain."""
    return [t for domain in domains for n, t in enumerate(domain) if n % HELD_OUT_EVERY]


def held_out(domains: list[list[Topic]]) -> list[Topic]:
    """The topics to watch, which are not trained on."""
    return [topic for domain in domains for topic in domain[::HELD_OUT_EVERY]]


def digest(folder: Path) -> str:
    """SHA-256 of the whole text."""
    content = hashlib.sha256()
    for file in sorted(folder.glob("*.jsonl")):
        content.update(file.read_bytes())
    return content.hexdigest()
