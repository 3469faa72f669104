"""Every way in which a server misbehaves: one clear error or a right answer, and no secret out."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hostile_servers import TOKEN, Misbehaving, Way, misbehaving
from hostile_ways import WAYS
from reranking_server import FLOAT16_INFINITY, Asked, logit

from analysis import read
from analysis.auditing import transport
from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.auditing.sources import from_server
from analysis.cli import main
from analysis.limits import ANSWER
from analysis.sinks import is_control

QUERIES, DOCUMENTS = 3, 3
DETECTION, PER_QUERY = 2, 2
"""Requests to find out how the server is asked, and for one query: scores and raw scores."""
SECONDS = 30
"""What one audit may take at most, though servers drip and flood."""
ENDING = {name: way for name, way in WAYS.items() if way.expects and not (way.slow or way.https)}
"""Ways that end an audit, and at once."""
PASSAGES = [f"Passage {number}" for number in range(DOCUMENTS)]


@dataclass(frozen=True)
class Audited:
    """What came of an audit: exit status, all that it showed and wrote, how long it took."""

    status: int
    out: str
    err: str
    page: str
    seconds: float
    trace: str


Run = Callable[..., Audited]


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """Seconds that the audit wanted to wait between its attempts; nobody waits here."""
    wanted: list[float] = []
    monkeypatch.setattr(transport, "time", SimpleNamespace(sleep=wanted.append))
    return wanted


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """A small set; answers are kept beside it, and there is a token to be sent."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    monkeypatch.setenv(transport.TOKEN_VARIABLE, TOKEN)
    file = tmp_path / "set.jsonl"
    candidates = [{"passage_id": text, "text": text} for text in PASSAGES]
    queries = ({"query_id": f"q{q}", "query": f"Frage {q}"} for q in range(QUERIES))
    lines = (json.dumps(query | {"candidates": candidates}) for query in queries)
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def run(data, monkeypatch, waits) -> Run:
    """Audit a server, as from the command line."""
    page = data.with_name("page.html")

    def run(server: Misbehaving, timeout: float = 60) -> Audited:
        out, err, begin = io.StringIO(), io.StringIO(), time.monotonic()
        options = ["--data", data, "--timeout", timeout, "--json", "-", "--html", page]
        words = ["rerank-precision", "audit", "--url", server.address, *map(str, options)]
        monkeypatch.setattr(sys, "argv", words)
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        return Audited(
            ended.value.code or 0,
            out.getvalue(),
            err.getvalue(),
            page.read_text("utf-8") if page.exists() else "",
            time.monotonic() - begin,
            "".join(traceback.format_exception(ended.value)),
        )

    return run


def check_told(audited: Audited, way: Way, waits: list[float], caplog, folder: Path) -> None:
    """Check that an audit told one thing, in time, and its token to nobody."""
    assert audited.seconds < SECONDS
    assert all(wait <= transport.Limits().longest_wait for wait in waits)
    if way.expects is None:
        assert audited.status == 0, audited.err
        assert json.loads(audited.out)["source"]["kind"] == "url"
    else:
        assert (audited.status, audited.out, audited.page) == (3, "", "")
        assert re.search(way.expects, audited.err, re.IGNORECASE), audited.err
        assert audited.err.count("\n") == 1
        assert len(audited.err) < 600
    shown = audited.out + audited.err + audited.page
    assert not [character for character in shown if is_control(character) and character != "\n"]
    assert "onerror" not in shown
    kept = "".join(file.read_text("utf-8") for file in folder.rglob("*.jsonl"))
    for text in (shown, audited.trace, caplog.text, kept):
        assert TOKEN.lower() not in text.lower()


def check_scores(frame: pd.DataFrame) -> None:
    """Check that every score is what the server's path makes of its passage, bitwise."""
    logits = FLOAT16_INFINITY.logits([logit(text) for text in PASSAGES])
    assert frame["score"].tolist() == FLOAT16_INFINITY.scores(logits).tolist() * QUERIES


@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])
def test_a_server_that_misbehaves_at_once(way, run, waits, caplog, data):
    caplog.set_level(logging.DEBUG)
    with misbehaving(way) as server:
        audited = run(server, timeout=0.3 if way.slow else 60)
        check_told(audited, way, waits, caplog, data.parent)
        if way.expects is None:
            check_scores(from_server(server.address, read(data)).frame)


@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in ENDING.items()])
def test_a_server_that_misbehaves_on_the_way_loses_no_answer(way, run, waits, caplog, data, capsys):
    caplog.set_level(logging.DEBUG)
    with misbehaving(way, DETECTION + (QUERIES - 1) * PER_QUERY) as server:
        check_told(run(server), way, waits, caplog, data.parent)
        before, server.good = len(server.asked), float("inf")
        check_scores(from_server(server.address, read(data)).frame)
    assert f"resuming after {QUERIES - 1} of {QUERIES} queries" in capsys.readouterr().err
    asked = [one.payload for one in server.asked[before:]]
    again = {one["query"] for one in asked if len(one["documents"]) == DOCUMENTS}
    assert again == {"Frage 0", "Frage 2"}  # the first is asked for once more, to be compared


def test_there_are_enough_ways():
    assert len(WAYS) >= 81
    assert len(ENDING) >= 81


def test_a_bomb_unpacks_no_further_than_the_limit(data, waits, monkeypatch):
    monkeypatch.setenv(ANSWER.variable, str(2**20))
    with misbehaving(WAYS["gzip bomb"]) as server:
        tracemalloc.start()
        try:
            with pytest.raises(transport.ServerError, match="longer than"):
                from_server(server.address, read(data))
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < 2**24  # of 2**26, the server's own buffers included


def test_no_log_has_the_query_of_an_address(data, waits, caplog):
    caplog.set_level(logging.DEBUG)
    with misbehaving(WAYS["status 404 Not Found"]) as server:
        with pytest.raises(transport.ServerError) as caught:
            from_server(f"{server.address}?api_key={TOKEN}", read(data))
        assert TOKEN in server.asked[0].query
    assert TOKEN not in caplog.text + "".join(traceback.format_exception(caught.value))


@pytest.fixture
def own_certificate(tmp_path) -> Path:
    """A certificate for 127.0.0.1 that its server made itself, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("NO OPENSSL HERE: what a certificate of one's own does is not known.")
    file = tmp_path / "own.pem"
    options = (
        "-x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    )
    command = [
        "openssl",
        "req",
        *options.split(),
        "-keyout",
        file,
        "-out",
        file.with_suffix(".crt"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    return file


def test_a_certificate_that_nobody_vouches_for_gets_no_token(own_certificate, run, waits):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate)
    heard = []

    def says(connection: socket.socket, _: Asked) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            heard.append(secured.recv(65_536))

    with misbehaving(Way(says, "", unread=True, https=True)) as server:
        audited = run(server)
    assert audited.status == 3
    assert "certificate" in audited.err.lower()
    assert b"".join(heard) == b""
