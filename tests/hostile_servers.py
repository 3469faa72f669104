"""Servers that misbehave, each in one named way: in HTTP, in time, in JSON, in what they claim.

A way is what is sent for a request, byte by byte, and what an audit has to say of it: a regular
expression, or None where the answer is right all the same.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

from reranking_server import Asked, infinity

Says = Callable[[socket.socket, Asked], None]
"""Sends whatever it likes; the connection is closed afterwards."""

TOKEN = "s3cret-t0ken-4711"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e'\"</script>"
_PATIENCE = 30.0
"""Seconds after which a server gives up waiting for its client."""


@dataclass(frozen=True)
class Way:
    """One way to misbehave.

    ``unread`` says that the request is not read first, ``slow`` that only the client's patience
    ends it, ``https`` that the client expects TLS.
    """

    says: Says
    expects: str | None
    unread: bool = False
    slow: bool = False
    https: bool = False


@dataclass
class Misbehaving:
    """A running server: it answers ``good`` requests well, and those after them its way."""

    port: int
    way: Way
    good: float = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it claims to rerank."""
        return f"{'https' if self.way.https else 'http'}://127.0.0.1:{self.port}/rerank"

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection, until it misbehaves or the client hangs up."""
        connection.settimeout(_PATIENCE)
        with connection, suppress(OSError):
            if self.way.unread and not self.good:
                self.way.says(connection, Asked("", "", {}, {}))
                return
            while (asked := _read(connection)) is not None:
                self.asked.append(asked)
                if len(self.asked) > self.good:
                    self.way.says(connection, asked)
                    return
                connection.sendall(http(right(asked)))


@contextmanager
def misbehaving(way: Way, good: float = 0) -> Iterator[Misbehaving]:
    """Serve on a free port of loopback until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Misbehaving(listening.getsockname()[1], way, good)

        def accept() -> None:
            with suppress(OSError):  # the socket is closed
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=server.serve, args=[connection], daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who accepts
    thread.join()


def _read(connection: socket.socket) -> Asked | None:
    """The next request of a connection; None once the client has hung up."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (some := connection.recv(65_536)):
            return None
        received += some
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(headers["Content-Length"]):
        body += connection.recv(65_536)
    path, _, query = first.split(" ")[1].partition("?")
    return Asked(path, query, headers, json.loads(body))


# What is sent


def right(asked: Asked) -> bytes:
    """The right answer, as Infinity gives it."""
    return infinity()(asked).body


def http(body: bytes = b"{}", status: str = "200 OK", *headers: str, length: str = "") -> bytes:
    """A whole answer; ``length`` is what it claims its length to be."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length or len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8") + body


def sends(make: Callable[[Asked], bytes] | bytes) -> Says:
    """Send some bytes, or what is made of a request."""

    def says(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(make if isinstance(make, bytes) else make(asked))

    return says


def holds(start: bytes = b"") -> Says:
    """Send some bytes, and say nothing more."""

    def says(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        _until_hung_up(connection)

    return says


def drips(start: bytes, drop: bytes, pause: float = 0.02) -> Says:
    """Send some bytes, and then drops for ever, each of them in good time."""

    def says(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            connection.sendall(drop)
            time.sleep(pause)

    return says


def floods(start: bytes, wave: bytes) -> Says:
    """Send some bytes, and then more than anybody can hold."""

    def says(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            connection.sendall(wave)

    return says


def resets(start: bytes = b"") -> Says:
    """Send some bytes, and break the connection off."""

    def says(connection: socket.socket, _: Asked) -> None:
        connection.sendall(start)
        # Lingering for no time makes the system send a reset instead of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return says


def _until_hung_up(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def answers(body: bytes | Callable[[Asked], bytes], *headers: str) -> Says:
    """Answer with a body and status 200."""
    return sends(lambda asked: http(body(asked) if callable(body) else body, "200 OK", *headers))


def says_status(status: str, *headers: str) -> Says:
    """Answer with a status, and an echo of the request in the body."""
    return sends(lambda asked: http(_echo(asked), status, *headers))


def _echo(asked: Asked) -> bytes:
    return json.dumps([asked.headers, asked.payload, HOSTILE]).encode()


def results(change: Callable[[list[dict]], object]) -> Says:
    """Answer with right results that were changed in place, or with what the change returns."""

    def body(asked: Asked) -> bytes:
        value = json.loads(right(asked))
        changed = change(value["results"])
        return json.dumps(value if changed is None else changed).encode()

    return answers(body)


def every(**fields: object) -> Says:
    """Answer with results that all have these fields."""
    return results(lambda listed: [one.update(fields) for one in listed] and None)


def lacking(field: str) -> Says:
    """Answer with results that lack a field."""
    return results(lambda listed: [one.pop(field) for one in listed] and None)


def spelled(number: str) -> Says:
    """Answer with right results whose scores are spelled so."""

    def body(asked: Asked) -> bytes:
        (documents,) = (v for v in asked.payload.values() if isinstance(v, list))
        listed = (f'{{"index": {i}, "score": {number}}}' for i in range(len(documents)))
        return f"[{', '.join(listed)}]".encode()

    return answers(body)


def chunked(pieces: Callable[[bytes], bytes], *headers: str) -> Says:
    """Answer in chunks, as ``pieces`` makes them of the right body."""
    start = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers, "", ""])
    return sends(lambda asked: start.encode() + pieces(right(asked)))


def chunk(body: bytes, extension: str = "") -> bytes:
    """One chunk."""
    return f"{len(body):x}{extension}\r\n".encode() + body + b"\r\n"


@cache
def bomb(mebibytes: int) -> bytes:
    """So many mebibytes of blanks, as a gzip of a thousandth of that."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(mebibytes)) + packer.flush()
