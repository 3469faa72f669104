"""Batches of pairs for training a shipped reranker.

Each question comes with passages that answer it and with wrong ones: one of them is among the
nearest of its own topic, by a measure that is given, and the last is sometimes of another topic.
So the network learns to say no. A batch depends on the seed and its number alone, so a run that was
cut resumes as it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from training_text import Group, Pair, Topic

PASSAGES, RIGHT = 4, 2  # of each question
NEAREST = 4

Nearness = Callable[[str, list[str]], Sequence[float]]
"""How near each of some passages is to a question."""


class Batches:
    """Draws the pairs of any batch by its number.

    ``questions`` is how many a batch has, ``elsewhere`` the share of them that have a passage of
    another topic.
    """

    def __init__(
        self,
        topics: list[Topic],
        nearness: Nearness,
        *,
        questions: int,
        elsewhere: float,
        seed: int,
    ) -> None:
        self.topics, self.nearness, self.seed = topics, nearness, seed
        self.questions, self.elsewhere = questions, elsewhere
        self.groups = [(topic, group) for topic in topics for group in topic.groups]

    def batch(self, number: int) -> list[Pair]:
        """The pairs of a batch, a question's side by side; an epoch has every group once."""
        epoch, place = divmod(number, len(self.groups) // self.questions)
        order = random.Random(f"{self.seed} epoch {epoch}").sample(self.groups, len(self.groups))
        rng = random.Random(f"{self.seed} batch {number}")
        drawn = order[place * self.questions : (place + 1) * self.questions]
        return [pair for topic, group in drawn for pair in self._pairs(topic, group, rng)]

    def _pairs(self, topic: Topic, group: Group, rng: random.Random) -> list[Pair]:
        question = rng.choice(group.questions)
        right = rng.sample(group.passages, min(RIGHT, len(group.passages)))
        others = self.nearest_first(question, topic.wrong_passages(group))
        hard = others.pop(rng.randrange(min(NEAREST, len(others))))
        wrong = [hard, *rng.sample(others, PASSAGES - len(right) - 1)]
        if rng.random() < self.elsewhere:
            wrong[-1] = rng.choice(
                rng.choice([t for t in self.topics if t is not topic]).passages()
            )
        return [(question, p, 1.0) for p in right] + [(question, p, 0.0) for p in wrong]

    def nearest_first(self, question: str, passages: list[str]) -> list[str]:
        """Passages in the order of their nearness, the nearest first."""
        near = dict(zip(passages, self.nearness(question, passages), strict=True))
        return sorted(passages, key=near.__getitem__, reverse=True)
