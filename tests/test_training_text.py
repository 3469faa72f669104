"""The demo reranker's training text: its form, and that nothing of the German set is in it."""

from __future__ import annotations

import importlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.readers import load_german

FOLDER = Path(__file__).parent.parent / "data" / "training"
SHARED_WORDS = 8

Texts = dict[str, str]


def texts_of(file: Path) -> Iterator[tuple[str, str, str]]:
    """Each text of a file: where it stands, ``"question"`` or ``"passage"``, the text."""
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            topic, place = json.loads(line), f"{file.name}, line {number}"
            for group in topic["groups"]:
                yield from ((place, "question", text) for text in group["questions"])
                yield from ((place, "passage", text) for text in group["passages"])
            wrong = [*topic["background"], *topic["lookalikes"]]
            yield from ((place, "passage", text) for text in wrong)


def words(text: str) -> list[str]:
    """Words of a text, however it is written: case, punctuation and Unicode form do not count."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def shingles(text: str) -> set[str]:
    """Every run of eight words in a text."""
    found = words(text)
    return {" ".join(found[i : i + SHARED_WORDS]) for i in range(len(found) - SHARED_WORDS + 1)}


def shared(training: list[tuple[str, str]], german: Texts) -> list[str]:
    """What a training text (place, text) has of a German one (id: text), one sentence each."""
    whole = {" ".join(words(text)): name for name, text in german.items()}
    runs = {run: name for name, text in german.items() for run in shingles(text)}
    found = []
    for place, text in training:
        all_of_it = " ".join(words(text))
        if all_of_it in whole:
            found.append(f"{place}: is {whole[all_of_it]}")
        elif common := sorted(shingles(text) & runs.keys()):
            found.append(f"{place}: shares {common[0]!r} with {runs[common[0]]}")
    return found


@pytest.fixture(scope="module")
def training() -> list[tuple[str, str, str]]:
    """All texts of the training text."""
    return [text for file in sorted(FOLDER.glob("*.jsonl")) for text in texts_of(file)]


@pytest.fixture(scope="module")
def german() -> Texts:
    """Every query and passage of the German set, by id."""
    pairs = load_german().pairs
    queries = dict(zip(pairs["query_id"], pairs["query"], strict=True))
    return queries | dict(zip(pairs["passage_id"], pairs["passage"], strict=True))


def test_nothing_of_the_german_set_is_in_the_training_text(training, german):
    assert len(german) > 900
    assert shared([(place, text) for place, _, text in training], german) == []


def test_what_is_shared_is_found():
    german = {
        "q1": "Wo melde ich den Hund an?",
        "p1": "Eins zwei drei vier fünf sechs sieben acht, neun.",
    }
    assert shared([("a", "wo melde ich den  HUND an")], german) == ["a: is q1"]
    run = "zwei drei vier fünf sechs sieben acht neun"
    assert shared([("b", f"Und – Zwei, drei vier fu\u0308nf sechs {run[-17:]}!")], german) == [
        f"b: shares {run!r} with p1"
    ]
    assert shared([("c", "Eins zwei drei vier fünf sechs sieben")], german) == []


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.jsonl")), ids=lambda file: file.name)
def test_every_line_is_a_topic(file):
    with file.open(encoding="utf-8") as lines:
        topics = [json.loads(line) for line in lines]
    assert topics
    for number, topic in enumerate(topics, 1):
        place = f"{file.name}, line {number}"
        assert topic.keys() == {"topic", "groups", "background", "lookalikes"}, place
        assert len(topic["groups"]) >= 2, f"{place}: no neighbouring question to be wrong for"
        for group in topic["groups"]:
            assert group.keys() == {"questions", "passages"}, place
            assert group["questions"], place
            assert group["passages"], place


def test_texts_are_clean(training):
    for place, kind, text in training:
        assert isinstance(text, str), place
        assert text == text.strip() != "", f"{place}: {text!r}"
        assert unicodedata.is_normalized("NFC", text), f"{place}: {text!a}"
        if kind == "passage":  # windows of up to eight of their words are asked
            assert len(words(text)) > SHARED_WORDS, f"{place}: {text!r}"


def test_no_passage_occurs_twice(training):
    counts = Counter(" ".join(words(text)) for _, kind, text in training if kind == "passage")
    assert counts
    assert [text for text, count in counts.items() if count > 1] == []


def test_counts_of_the_card_are_those_of_the_files(training, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER.parent.parent / "tools")
    card = importlib.import_module("demo_card")
    text = (FOLDER / "README.md").read_text("utf-8")
    counts = card.training_counts(FOLDER)
    assert text == card.filled(text, "counts", counts)
    questions, *passages = counts.splitlines()[-1].strip("| ").split(" | ")[-4:]
    kinds = Counter(kind for _, kind, _ in training)
    assert kinds == {"question": int(questions), "passage": sum(map(int, passages))}
