"""Batches of pairs for training the demo reranker.

Each question comes with passages that answer it and with wrong ones, most of them of its own topic
and one of them among those that the base model takes for the nearest: so the network learns to say
no. A batch depends on the seed and its number alone, so a run that was cut resumes as it was.
"""

from __future__ import annotations

import random

from base_cosine import passage_embeddings, question_embeddings
from training_text import Group, Pair, Topic

QUESTIONS, PASSAGES = 8, 4  # of a batch, and of each of its questions
RIGHT = 2
NEAREST = 4
ELSEWHERE = 0.25


class Batches:
    """Draws the pairs of any batch by its number."""

    def __init__(self, topics: list[Topic], *, seed: int) -> None:
        self.topics, self.seed = topics, seed
        self.groups = [(topic, group) for topic in topics for group in topic.groups]
        self.questions = question_embeddings(
            [q for _, group in self.groups for q in group.questions]
        )
        self.passages = passage_embeddings([p for topic in topics for p in topic.passages()])

    def batch(self, number: int) -> list[Pair]:
        """The pairs of a batch, a question's side by side; an epoch has every group once."""
        epoch, place = divmod(number, len(self.groups) // QUESTIONS)
        order = random.Random(f"{self.seed} epoch {epoch}").sample(self.groups, len(self.groups))
        rng = random.Random(f"{self.seed} batch {number}")
        drawn = order[place * QUESTIONS : (place + 1) * QUESTIONS]
        return [pair for topic, group in drawn for pair in self._pairs(topic, group, rng)]

    def _pairs(self, topic: Topic, group: Group, rng: random.Random) -> list[Pair]:
        question = rng.choice(group.questions)
        right = rng.sample(group.passages, min(RIGHT, len(group.passages)))
        others = self.nearest_first(question, topic.wrong_passages(group))
        hard = others.pop(rng.randrange(min(NEAREST, len(others))))
        wrong = [hard, *rng.sample(others, PASSAGES - len(right) - 1)]
        if rng.random() < ELSEWHERE:
            wrong[-1] = rng.choice(
                rng.choice([t for t in self.topics if t is not topic]).passages()
            )
        return [(question, p, 1.0) for p in right] + [(question, p, 0.0) for p in wrong]

    def nearest_first(self, question: str, passages: list[str]) -> list[str]:
        """Passages in the order of the base model's cosine, the nearest first."""
        own = self.questions[question]
        return sorted(passages, key=lambda p: float(own @ self.passages[p]), reverse=True)
