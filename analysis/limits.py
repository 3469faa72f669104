"""Limits on what is read from outside: no file and no answer fills the memory or goes on for ever.

Each has an environment variable, which takes a whole number:

- ``RERANK_PRECISION_LINE_BYTES`` (256 MiB): one line, or a JSON file as a whole;
- ``RERANK_PRECISION_FILE_BYTES`` (64 GiB): one file, after decompression;
- ``RERANK_PRECISION_EXPANSION`` (100): how many times its size a gzip file may become; texts reach
  some 20, a file that is made to fill a disk 200 and more;
- ``RERANK_PRECISION_ANSWER_BYTES`` (16 MiB): one answer of a server, after decompression.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from analysis.errors import InputError


@dataclass(frozen=True)
class Limit:
    """A limit, and the environment variable that sets it otherwise."""

    variable: str
    default: int

    @property
    def value(self) -> int:
        """The limit as it is now; :class:`InputError` if the variable holds no whole number."""
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
            raise InputError("this is no limit", "give a whole number above 0", field=self.variable)
        return int(text)

    @property
    def remedy(self) -> str:
        """How to raise it."""
        return f"check that this is the file you mean; {self.variable} sets another limit"


LINE = Limit("RERANK_PRECISION_LINE_BYTES", 2**28)
FILE = Limit("RERANK_PRECISION_FILE_BYTES", 2**36)
EXPANSION = Limit("RERANK_PRECISION_EXPANSION", 100)
ANSWER = Limit("RERANK_PRECISION_ANSWER_BYTES", 2**24)
