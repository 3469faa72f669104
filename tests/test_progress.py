"""Progress on a terminal: after a while, never before, and never where nobody looks."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from analysis import progress
from analysis.readers import lines

WIPED = "\x1b[2K"
"""What ends the line that was wiped."""


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "_DELAY_SECONDS", 0.0)


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Put a terminal in the place of standard error; pytest does so itself between its phases."""
    with redirect_stderr(Terminal()) as shown:
        yield shown


def awaited(terminal: Terminal, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in terminal.getvalue():
        assert time.monotonic() < deadline, repr(terminal.getvalue())
        time.sleep(0.01)


def test_long_work_shows_itself_and_goes():
    with terminal() as shown:
        with progress.bar("reading a\x1b[31m[red].jsonl", 10, "pairs") as advance:
            advance(7)
            awaited(shown, "7/10")
        assert "reading a\ufffd[31m[red].jsonl" in shown.getvalue()
        assert shown.getvalue().endswith(WIPED)
        with progress.busy("judging"):
            awaited(shown, "judging")
    assert progress._showing == set()


def test_short_work_shows_nothing(monkeypatch):
    monkeypatch.setattr(progress, "_DELAY_SECONDS", 30.0)
    with terminal() as shown, progress.bar("reading", 10) as advance, progress.busy("judging"):
        advance(10)
    assert "reading" not in shown.getvalue()
    assert "judging" not in shown.getvalue()


def test_what_an_error_holds_on_to_is_hidden():
    def lines():
        with progress.bar("reading", 10) as advance:
            yield advance

    with terminal() as shown:
        reading = lines()
        next(reading)(3)
        awaited(shown, "reading")
        progress.hide()
        assert shown.getvalue().endswith(WIPED)
        reading.close()


def test_nothing_shows_where_nobody_looks(capsys):
    with progress.bar("reading", 10) as advance, progress.busy("judging"):
        advance(5)
        time.sleep(0.01)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["set.jsonl", "set.jsonl.gz"])
def test_of_a_packed_file_the_packed_bytes_count(name, tmp_path, monkeypatch):
    """They are what the bar's total says."""
    file, text = tmp_path / name, b"".join(b"%d\n" % (n**5) for n in range(30_000))
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    steps, totals = [], []

    @contextmanager
    def bar(what: str, total: int) -> Iterator[progress.Advance]:
        totals.append(total)
        yield steps.append

    monkeypatch.setattr(progress, "bar", bar)
    monkeypatch.setattr(lines, "_SMALL", 1000)
    assert sum(1 for _ in lines.text_lines(file)) == 30_000
    assert totals == [file.stat().st_size]
    assert min(steps) >= 0
    assert 0.9 * totals[0] < sum(steps) <= totals[0]
