"""Batches of pairs for training the demo reranker, and the logits that the pairs are to get.

Each question comes with passages that answer it and with wrong ones, most of them of its own topic
and one of them among those that the base model takes for the nearest: so the network learns to say
no. A batch depends on the seed and its number alone, so a run that was cut resumes as it was.

First a logit is to be 10 or −10. Then it is graded: background of the topic lies above passages
that answer another question, and within its kind a pair lies the higher, the nearer the base
model's cosine puts it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import fmean, pstdev

from base_cosine import passage_embeddings, question_embeddings
from training_text import Group, Pair, Topic

QUESTIONS, PASSAGES = 8, 4  # of a batch, and of each of its questions
NEAREST = 4
ELSEWHERE = 0.25
AIM = 10.0
CENTRES = {"answer": 8.0, "background": -4.0, "wrong": -8.0}
SPREAD, FARTHEST = 1.5, 2.0

Target = Callable[[str, str, str], float]


class Batches:
    """Draws the pairs of any batch by its number."""

    def __init__(self, topics: list[Topic], *, seed: int) -> None:
        self.topics, self.seed = topics, seed
        self.groups = [(topic, group) for topic in topics for group in topic.groups]
        self.questions = question_embeddings(
            [q for _, group in self.groups for q in group.questions]
        )
        self.passages = passage_embeddings([p for topic in topics for p in topic.passages()])
        self.spreads = self._spreads()

    def certain(self, number: int) -> list[Pair]:
        """A batch whose logits are to be 10 and −10; up to two answers for each question."""
        return self._batch(number, 2, lambda kind, *_: AIM if kind == "answer" else -AIM)

    def graded(self, number: int) -> list[Pair]:
        """A batch whose logits are graded; one answer for each question."""
        return self._batch(number, 1, self.grade)

    def grade(self, kind: str, question: str, passage: str) -> float:
        """The graded logit of a pair, by its kind and by its cosine among its kind's."""
        mean, deviation = self.spreads[kind]
        place = (self.cosine(question, passage) - mean) / deviation
        return CENTRES[kind] + SPREAD * max(-FARTHEST, min(FARTHEST, place))

    def cosine(self, question: str, passage: str) -> float:
        """The base model's cosine."""
        return float(self.questions[question] @ self.passages[passage])

    def nearest_first(self, question: str, passages: list[str]) -> list[str]:
        """Passages in the order of the base model's cosine, the nearest first."""
        return sorted(passages, key=lambda passage: self.cosine(question, passage), reverse=True)

    def _spreads(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of the cosines of each kind of pair within topics."""
        cosines: dict[str, list[float]] = {kind: [] for kind in CENTRES}
        for topic, group in self.groups:
            question = group.questions[0]
            for passage in topic.passages():
                kind = self._kind(topic, group, passage)
                cosines[kind].append(self.cosine(question, passage))
        return {kind: (fmean(values), pstdev(values)) for kind, values in cosines.items()}

    def _kind(self, topic: Topic, group: Group, passage: str) -> str:
        if passage in group.passages:
            return "answer"
        return "background" if passage in topic.background else "wrong"

    def _batch(self, number: int, answers: int, target: Target) -> list[Pair]:
        """The pairs of a batch, a question's side by side; an epoch has every group once."""
        epoch, place = divmod(number, len(self.groups) // QUESTIONS)
        order = random.Random(f"{self.seed} epoch {epoch}").sample(self.groups, len(self.groups))
        rng = random.Random(f"{self.seed} batch {number}")
        pairs = []
        for topic, group in order[place * QUESTIONS : (place + 1) * QUESTIONS]:
            question = rng.choice(group.questions)
            for passage in self._passages(topic, group, question, answers, rng):
                kind = self._kind(topic, group, passage)
                pairs.append((question, passage, target(kind, question, passage)))
        return pairs

    def _passages(
        self, topic: Topic, group: Group, question: str, answers: int, rng: random.Random
    ) -> list[str]:
        """Passages for a question: answers, one of the nearest wrong ones, others."""
        right = rng.sample(group.passages, min(answers, len(group.passages)))
        others = self.nearest_first(question, topic.wrong_passages(group))
        hard = others.pop(rng.randrange(min(NEAREST, len(others))))
        wrong = [hard, *rng.sample(others, PASSAGES - len(right) - 1)]
        if rng.random() < ELSEWHERE:
            elsewhere = rng.choice([t for t in self.topics if t is not topic])
            wrong[-1] = rng.choice(elsewhere.passages())
        return [*right, *wrong]
