"""Answers kept while an audit runs, so that an interrupted one resumes.

A JSONL file per audit, ``.cache/audit/3f1c09a2b4d5e6f7.jsonl``, named by the SHA-256 over the
server's address (without password), its API, the model's name and the content of the data. Each
line has the id of a query and the numbers of its candidates, no texts. An audit that has every
answer removes its file: the next audit of the same address asks again, because the server behind
it may have been started anew with another dtype.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.auditing.answers import finite
from analysis.limits import FILE
from analysis.places import cache_folder, named_path, writing

FOLDER_VARIABLE = "RERANK_PRECISION_AUDITS"
_REMEDY = f"make room there, or choose another folder for answers with {FOLDER_VARIABLE}"
_DEFAULT_FOLDER = cache_folder() / "audit"


@dataclass(frozen=True)
class Answer:
    """Scores, and logits where the server returns them, of one query's candidates in order."""

    query_id: str
    scores: list[float]
    logits: list[float] | None


class KeptAnswers:
    """The file of one audit; ``RERANK_PRECISION_AUDITS`` names another folder.

    Raises :class:`~analysis.errors.InputError` where the folder cannot be made or an answer cannot
    be written.
    """

    def __init__(self, key: Mapping[str, object]) -> None:
        folder = named_path(
            os.environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER,
            f"name a folder with {FOLDER_VARIABLE}",
        )
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        self._file = folder / f"{digest[:16]}.jsonl"
        with writing(folder, _REMEDY):
            folder.mkdir(parents=True, exist_ok=True)

    def read(self, sizes: Mapping[str, int], *, logits: bool) -> dict[str, Answer]:
        """Answers by query id, as far as they have a finite number for each candidate.

        ``sizes`` has the number of candidates by query id; ``logits`` says whether there must be
        logits too. Whatever else the file holds is left out, to be asked for again.
        """
        if not self._file.is_file() or self._file.stat().st_size > FILE.value:
            return {}
        with self._file.open(encoding="utf-8", errors="replace") as lines:
            answers = [_answer(line, sizes, logits) for line in lines]
        return {answer.query_id: answer for answer in answers if answer is not None}

    def add(self, answer: Answer) -> None:
        """Keep an answer; floats are written so that they read back exactly."""
        # The line break comes first: it ends a line that an earlier audit was killed in.
        with writing(self._file, _REMEDY), self._file.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(vars(answer))}")

    def forget(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)


def _answer(line: str, sizes: Mapping[str, int], logits: bool) -> Answer | None:
    """Answer of a line, or None if the line is not one that fits."""
    try:
        answer = Answer(**json.loads(line))
        size = sizes[answer.query_id]
        lists = [answer.scores, answer.logits] if logits else [answer.scores]
        fits = all(len(numbers) == size and None not in map(finite, numbers) for numbers in lists)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return answer if fits else None
