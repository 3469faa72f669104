"""Answers kept while an audit runs, so that one that was interrupted goes on where it was.

A folder per audit, named by the first 16 hex digits of the SHA-256 over the server's address
(without password), its API, the model's name and the content of the data::

    .cache/audit/3f1c09a2b4d5e6f7/
        000000.json            {"query_id", "scores", "logits"} of the first query
        …

Files are written beside their place and then renamed, so an interruption leaves whole files. They
hold ids and numbers, no texts. An audit that has every answer removes its folder: the next audit
of the same address asks again, because the server behind it may have been started anew with
another dtype. For the same reason one kept query is asked again before the others are trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from analysis.errors import InputError
from analysis.places import cache_folder

FOLDER_VARIABLE = "RERANK_PRECISION_AUDITS"
_DEFAULT_FOLDER = cache_folder() / "audit"


@dataclass(frozen=True)
class Answer:
    """Scores, and logits where the server returns them, of one query's candidates in order."""

    query_id: str
    scores: list[float]
    logits: list[float] | None


class KeptAnswers:
    """The folder of one audit; ``RERANK_PRECISION_AUDITS`` names another parent folder."""

    def __init__(self, key: Mapping[str, object]) -> None:
        parent = Path(os.environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER).expanduser()
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        self.folder = parent / digest[:16]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and hold its lock; a second audit of the same server is refused."""
        lock = FileLock(self.folder.with_suffix(".lock"), timeout=0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise InputError(
                "another process is auditing this server with this data",
                "wait for it, or stop it",
                file=self.folder,
            ) from None
        except OSError as error:
            raise InputError(
                f"answers cannot be kept ({error.strerror})",
                f"choose another folder with {FOLDER_VARIABLE}",
                file=self.folder,
            ) from error
        try:
            yield
        finally:
            lock.release()

    def get(self, number: int) -> Answer | None:
        """Return the answer to a query (counted from 0), or None if it is not kept."""
        try:
            return Answer(**json.loads(self._file(number).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):  # not there, or damaged by others
            return None

    def put(self, number: int, answer: Answer) -> None:
        """Keep the answer to a query; floats are written so that they read back exactly."""
        file = self._file(number)
        beside = file.with_suffix(".part")
        beside.write_text(json.dumps(vars(answer)), encoding="utf-8")
        beside.replace(file)

    def discard(self) -> None:
        """Forget every answer."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    def remove(self) -> None:
        """Remove the folder once the audit has all it needs."""
        shutil.rmtree(self.folder)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"
