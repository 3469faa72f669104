"""HTTP of the audit against a real server on loopback that misbehaves in every way."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest
from reranking_server import Asked, Reply, reply, serving

from analysis.auditing.transport import (
    TOKEN_VARIABLE,
    Limits,
    ServerError,
    Transport,
    parsed_url,
    shown,
)
from analysis.errors import InputError

QUICK = Limits(
    answer_seconds=20, connect_seconds=20, attempts=3, first_wait=0.001, longest_wait=0.01
)
SECRET = "s3cret-t0ken"


@pytest.fixture(autouse=True)
def _no_token(monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def post(url: str, limits: Limits = QUICK, payload: object = None) -> object:
    with Transport(limits) as transport:
        return transport.post(httpx.URL(url), payload or {"query": "Geheimtext"})


def fails(answer, limits: Limits = QUICK) -> tuple[ServerError, int]:
    """Ask a server; returns the error, which names the address, and how often it was asked."""
    with serving(answer) as server:
        with pytest.raises(ServerError) as caught:
            post(f"{server.url}/rerank", limits)
        assert f"{server.url}/rerank:" in str(caught.value)
        assert "Geheimtext" not in str(caught.value)
        return caught.value, len(server.asked)


def test_numbers_are_the_float64_of_their_decimals():
    body = b"[0.1, 0.99951171875, 1e-320, 0.9990, 3, 0.30000000000000004]"
    with serving(lambda _: Reply(body)) as server:
        numbers = post(server.url)
    assert numbers == [0.1, 0.99951171875, 1e-320, 0.9990, 3, 0.30000000000000004]


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/rerank"
        with pytest.raises(ServerError, match=r"no connection .*Start the server") as caught:
            post(url)
    assert str(caught.value).startswith(url)


@pytest.mark.parametrize(
    ("status", "attempts", "says"),
    [
        (400, 1, "--server-model"),
        (401, 1, TOKEN_VARIABLE),
        (403, 1, TOKEN_VARIABLE),
        (404, 1, "endpoint itself"),
        (413, 1, "longest passages"),
        (422, 1, "--server-model"),
        (429, 3, "rate limit"),
        (500, 1, "server's log"),
        (502, 3, "server's log"),
        (503, 3, "model is loaded"),
        (504, 3, "server's log"),
        (418, 1, "server's log"),
        (599, 1, "server's log"),
        (204, 1, "server's log"),
    ],
)
def test_http_errors_say_what_to_do_and_only_passing_ones_are_tried_again(status, attempts, says):
    body = b"" if status == 204 else b"echo: Geheimtext"
    error, asked = fails(lambda _: Reply(body, status))
    assert (error.status, asked) == (status, attempts)
    assert f"HTTP status {status}" in str(error)
    assert says in error.remedy


def test_passing_trouble_passes():
    replies = iter([Reply(status=503), Reply(reset=True), reply([1])])
    with serving(lambda _: next(replies)) as server:
        assert post(server.url) == [1]
        assert len(server.asked) == 3


def test_retry_after_is_kept_to_but_not_beyond_the_longest_wait():
    answer = iter([Reply(status=429, headers={"Retry-After": "86400"}), reply([1])])
    with serving(lambda _: next(answer)) as server:
        assert post(server.url) == [1]


def test_a_connection_that_always_breaks_off():
    error, asked = fails(lambda _: Reply(reset=True))
    assert "broke off (3 attempts)" in error.problem
    assert asked == 3


def test_an_answer_that_ends_before_its_length():
    error, asked = fails(lambda _: Reply(b"[1", headers={"Content-Length": "100"}))
    assert "broke off" in error.problem
    assert asked == 3


@pytest.mark.parametrize(
    "body", [b"", b"<html>Geheimtext</html>", b'{"results": [', b"\xff\xfe", b"[" * 100_000]
)
def test_an_answer_that_is_no_json(body):
    error, asked = fails(lambda _: Reply(body))
    assert f"the answer of {len(body):,} bytes is not complete JSON" in error.problem
    assert asked == 1


def test_an_answer_without_end_is_cut_off():
    limits = Limits(answer_seconds=20, answer_bytes=1_000)
    error, _ = fails(lambda _: Reply(b" " * 100_000), limits)
    assert "longer than 1,000 bytes" in error.problem


def test_gzip_is_read_and_no_more_of_it_than_the_limit():
    packed = {"Content-Encoding": "gzip"}
    with serving(lambda _: Reply(gzip.compress(b"[0.1]"), headers=packed)) as server:
        assert post(server.url) == [0.1]
        assert server.asked[0].headers["Accept-Encoding"] == "gzip"
    bomb = gzip.compress(b"0" * 10_000_000)
    limits = Limits(answer_seconds=20, answer_bytes=1_000)
    error, _ = fails(lambda _: Reply(bomb, headers=packed), limits)
    assert "longer than 1,000 bytes" in error.problem


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate", "Geheimtext"])
def test_answers_packed_otherwise_are_refused(encoding):
    bomb = gzip.compress(gzip.compress(b"0" * 10_000_000))
    error, asked = fails(lambda _: Reply(bomb, headers={"Content-Encoding": encoding}))
    assert "packed in another way than gzip, or twice" in error.problem
    assert asked == 1


def test_damaged_gzip_is_refused():
    error, _ = fails(lambda _: Reply(b"[0.1]", headers={"Content-Encoding": "gzip"}))
    assert error.problem == "the answer is damaged gzip"
    cut = gzip.compress(b"[0.1, 0.2]")[:-12]
    error, _ = fails(lambda _: Reply(cut, headers={"Content-Encoding": "gzip"}))
    assert "not complete JSON" in error.problem


def test_the_limit_on_answers_can_be_set(monkeypatch):
    monkeypatch.setenv("RERANK_PRECISION_ANSWER_BYTES", "1000")
    assert Limits().answer_bytes == 1_000


def test_dripping_bytes_do_not_hold_the_audit():
    # Each byte comes well within a read's timeout; only a limit on their sum can end this.
    limits = Limits(answer_seconds=0.3)
    error, asked = fails(lambda _: Reply(b" " * 1_000, drip=0.05), limits)
    assert "no complete answer within 0.3 s" in error.problem
    assert "--timeout" in error.remedy
    assert asked == 1


@contextmanager
def dripping_headers():
    """A server that sends a header without end, each byte well within a read's timeout."""

    def drip() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Header: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/rerank"
    thread.join()  # it ends once the client has hung up


@contextmanager
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/rerank"


@pytest.mark.parametrize("server", [dripping_headers, silent])
def test_neither_dripping_headers_nor_silence_hold_the_audit(server):
    with server() as url:
        begin = time.monotonic()
        with pytest.raises(ServerError, match=r"no complete answer within 0\.3 s"):
            post(url, Limits(answer_seconds=0.3))
        assert 0.3 <= time.monotonic() - begin < 5


def test_waits_grow_and_a_server_may_ask_for_longer_ones(monkeypatch):
    waits = []
    monkeypatch.setattr("analysis.auditing.transport.time.sleep", waits.append)
    limits = Limits(answer_seconds=20, attempts=6, first_wait=1, longest_wait=10)
    fails(lambda _: Reply(status=503), limits)
    assert len(waits) == 5
    for wait, least, most in zip(waits, [1, 2, 4, 8, 10], [2, 3, 5, 9, 10], strict=True):
        assert least <= wait <= most
    waits.clear()
    fails(lambda _: Reply(status=503, headers={"Retry-After": "7"}), limits)
    assert waits[:3] == [7, 7, 7]


@pytest.mark.parametrize(
    ("path", "says"), [("/rerank/", "/rerank/"), ("/v2/rerank", "/***"), ("/Geheimtext", "/***")]
)
def test_redirects_are_named_and_not_followed(path, says):
    """A path other than the one asked for may be an echo, and is not shown."""
    with serving(lambda _: reply([1])) as other:
        target = f"{other.url.replace('//', '//user:pw@')}{path}?key=hidden"
        error, _ = fails(lambda _: Reply(status=307, headers={"Location": target}))
        assert other.asked == []
    assert f"redirects to {other.url.replace('//', '//***@')}{says}?***." in str(error)
    assert "pw" not in str(error)
    assert "hidden" not in str(error)


def test_the_token_is_sent_and_never_shown(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, f" {SECRET}\n")
    error, _ = fails(lambda asked: reply(asked.headers, status=403))
    assert SECRET not in str(error)
    assert f"check the token in {TOKEN_VARIABLE}" in error.remedy

    def echo(asked: Asked) -> Reply:
        return reply(asked.headers["Authorization"])

    with serving(echo) as server:
        assert post(server.url) == f"Bearer {SECRET}"


def test_without_a_token_none_is_sent():
    with serving(lambda asked: reply("Authorization" in asked.headers)) as server:
        assert post(server.url) is False


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel", "nul\x07"])
def test_a_token_that_no_header_carries_is_refused_unseen(monkeypatch, token):
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with pytest.raises(InputError) as caught, Transport(QUICK):
        pass
    assert TOKEN_VARIABLE in str(caught.value)
    assert token not in str(caught.value)


def test_credentials_in_the_address_are_sent_and_masked():
    def answer(asked: Asked) -> Reply:
        return Reply(status=500) if asked.headers["Authorization"] == "Basic dTpwdw==" else reply(1)

    with serving(answer) as server:
        url = parsed_url(server.url.replace("//", "//u:pw@") + "/rerank?api_key=hidden")
        with pytest.raises(ServerError, match="HTTP status 500") as caught:
            post(str(url))
    assert "pw" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert shown(url) == f"{server.url.replace('//', '//***@')}/rerank?***"


def test_two_kinds_of_credentials_are_refused(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, SECRET)
    with pytest.raises(InputError, match="one of the two") as caught:
        parsed_url("http://u:pw@host")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "host:7997", "ftp://host", "http://", "http://u:pw@[::1", "file:///etc/passwd"]
)
def test_what_is_no_address(address):
    with pytest.raises(InputError, match=r"^url") as caught:
        parsed_url(address)
    assert "pw" not in str(caught.value)


def test_texts_are_sent_as_they_are():
    text = {"query": 'Straße "Größe" 😀\n', "documents": ["\u0000", "ß"]}
    with serving(lambda asked: reply(asked.payload)) as server:
        assert post(server.url, payload=text) == json.loads(json.dumps(text))


def test_a_port_that_cannot_be_is_bad_input():
    with pytest.raises(InputError, match="port 99999 is above 65535"):
        parsed_url("http://127.0.0.1:99999")
