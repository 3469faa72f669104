"""The demo reranker's training text, and the pairs that are drawn from it.

A pair is (question, passage, label). Pairs are drawn so that every passage comes with its own
question (label 1) and, it or another one, with a wrong question (label 0).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_EVERY = 16
BATCH_QUESTIONS = 12

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
    others: tuple[str, ...]

    def wrong_passages(self, group: Group) -> list[str]:
        """Every passage of the topic that does not answer this group's question."""
        neighbours = [p for g in self.groups if g is not group for p in g.passages]
        return [*neighbours, *self.others]


def read_domain(file: Path) -> list[Topic]:
    """The topics of one file of the training text."""
    with file.open(encoding="utf-8") as lines:
        return [topic_of(json.loads(line)) for line in lines]


def topic_of(record: dict) -> Topic:
    """Read one line of the training text."""
    groups = [Group(tuple(g["questions"]), tuple(g["passages"])) for g in record["groups"]]
    return Topic(tuple(groups), tuple(record["other_passages"]))


def kept(domains: list[list[Topic]]) -> list[list[Topic]]:
    """The topics to train on: all but one in so many of every domain."""
    return [[t for n, t in enumerate(domain) if n % HELD_OUT_EVERY] for domain in domains]


def held_out(domains: list[list[Topic]]) -> list[Topic]:
    """The topics to watch, which are not trained on."""
    return [topic for domain in domains for topic in domain[::HELD_OUT_EVERY]]


def asked_with_keywords(pairs: list[Pair], rng: random.Random) -> list[Pair]:
    """Ask with words of a passage, and some of another's question, instead of its own question.

    ``pairs`` are those of :func:`paired`: the right half, then the wrong half in the same order.
    """
    right, wrong = pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]
    fillers = [question for question, _, _ in right[-1:] + right[:-1]]
    asked = [keywords(p, f, rng) for (_, p, _), f in zip(right, fillers, strict=True)]
    passages = zip([*asked, *asked], [*right, *wrong], strict=True)
    return [(question, passage, label) for question, (_, passage, label) in passages]


def keywords(passage: str, filler: str, rng: random.Random) -> str:
    """Three to six words of a passage and up to four of an unrelated question.

    The passage's words are neighbours, or any in any order; long ones, which carry the meaning.
    """
    words = [word for word in passage.split() if len(word) > 3]
    width = rng.randrange(3, 7)
    start = rng.randrange(max(1, len(words) - width))
    own = words[start : start + width] if rng.random() < 0.5 else rng.sample(words, width)
    strange = filler.split()
    return " ".join([*strange[: rng.randrange(min(5, len(strange)))], *own])


def across(topics: list[Topic], rng: random.Random) -> list[Pair]:
    """Pairs of questions that all belong to different topics."""
    return paired([rng.choice(topic.groups) for topic in rng.sample(topics, BATCH_QUESTIONS)], rng)


def within(topics: list[Topic], rng: random.Random) -> list[Pair]:
    """Pairs of the questions of a few topics, a wrong passage being a neighbour's."""
    sides: tuple[list[Pair], list[Pair]] = ([], [])
    while len(sides[0]) < BATCH_QUESTIONS:
        pairs = paired(list(rng.choice(topics).groups), rng)
        sides[0].extend(pairs[: len(pairs) // 2])
        sides[1].extend(pairs[len(pairs) // 2 :])
    return [*sides[0], *sides[1]]


def paired(groups: list[Group], rng: random.Random) -> list[Pair]:
    """Each group's question with its own passage (1), then with its neighbour's (0)."""
    questions = [rng.choice(group.questions) for group in groups]
    passages = [rng.choice(group.passages) for group in groups]
    right = zip(questions, passages, strict=True)
    wrong = zip(questions, passages[1:] + passages[:1], strict=True)
    return [*((q, p, 1.0) for q, p in right), *((q, p, 0.0) for q, p in wrong)]


def nearby(topics: list[Topic], rng: random.Random) -> list[Pair]:
    """Written questions against wrong passages of their own topic, half of them lookalikes."""
    right, wrong = [], []
    for _ in range(BATCH_QUESTIONS):
        topic = rng.choice(topics)
        group = rng.choice(topic.groups)
        question = rng.choice(group.questions)
        candidates = rng.sample(topic.wrong_passages(group), rng.choice((1, 4)))
        lookalike = max(candidates, key=lambda p: len(trigrams(question) & trigrams(p)))
        right.append((question, rng.choice(group.passages), 1.0))
        wrong.append((question, lookalike, 0.0))
    return [*right, *wrong]


def trigrams(text: str) -> set[str]:
    """Every run of three letters in the words of a text, their ends marked."""
    words = (f"_{word}_" for word in text.lower().split())
    return {word[i : i + 3] for word in words for i in range(len(word) - 2)}


def every_pair(domains: list[list[Topic]], rng: random.Random) -> list[tuple[Pair, bool]]:
    """Go through all groups: their pairs, and whether a pair's question is made of keywords.

    Each question comes with up to two of its passages and one of any other topic; and once a
    group, words of a passage come with it and with one of any other topic.
    """
    topics = [topic for domain in domains for topic in domain]
    found = []
    for topic in topics:
        for group in topic.groups:
            for question in group.questions:
                for passage in rng.sample(group.passages, min(2, len(group.passages))):
                    found.append(((question, passage, 1.0), False))
                found.append(((question, elsewhere(topics, topic, rng), 0.0), False))
            passage = rng.choice(group.passages)
            filler = rng.choice(rng.choice(topics).groups[0].questions)
            asked = keywords(passage, filler, rng)
            found.append(((asked, passage, 1.0), True))
            found.append(((asked, elsewhere(topics, topic, rng), 0.0), True))
    return found


def elsewhere(topics: list[Topic], topic: Topic, rng: random.Random) -> str:
    """Draw a passage of another topic."""
    other = rng.choice([t for t in rng.sample(topics, 2) if t is not topic])
    return rng.choice(rng.choice(other.groups).passages)
