"""HTTP for the audit: one POST, bounded in time, in size and in how often it is tried.

What a server answers is never quoted in an error, since it may echo documents or credentials.
Redirects are not followed, so that texts and token go only where the user sent them. Credentials
in an address, and the values of its query string, are masked wherever the address is shown.
"""

from __future__ import annotations

import json
import logging
import os
import random
import ssl
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from typing import Self

import httpx

from analysis.errors import InputError, counted
from analysis.limits import ANSWER

TOKEN_VARIABLE = "RERANK_PRECISION_TOKEN"
"""Environment variable with the token that is sent as ``Authorization: Bearer``."""

# They log addresses with what their query holds, and headers with what a server echoes.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_RETRIED = (429, 502, 503, 504)
_LAST_PORT = 65_535
_READ_LOG = "the server's log says why"
_OTHER_REMEDY = f"{_READ_LOG}; the answers so far are kept"
_NAME_MODEL = f"name the model with --server-model, or {_READ_LOG}"
_OTHER_ENDPOINT = "give the address of the reranking endpoint itself"
_REMEDIES = {
    400: _NAME_MODEL,
    404: _OTHER_ENDPOINT,
    405: _OTHER_ENDPOINT,
    413: "shorten or leave out the longest passages, or raise the server's limit",
    422: _NAME_MODEL,
    429: "wait, or ask for a higher rate limit; the answers so far are kept",
    503: "wait until the model is loaded; the answers so far are kept",
}


class ServerError(InputError):
    """A server that cannot be reached, or whose answer cannot be used.

    ``status`` is the HTTP status, if the server gave one that was not a success. ``retry_after``
    is None where trying again is of no use, or else the seconds to wait at least.
    """

    def __init__(
        self,
        problem: str,
        remedy: str,
        *,
        url: httpx.URL,
        field: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(problem, remedy, file=shown(url), field=field)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True)
class Limits:
    """How much time and how many bytes a server gets.

    ``answer_seconds`` is for one attempt from connecting to the last byte, however slowly the
    bytes drip. ``answer_bytes`` counts after decompression; ``RERANK_PRECISION_ANSWER_BYTES`` sets
    it otherwise. Between attempts the wait doubles from ``first_wait`` seconds up to
    ``longest_wait``, with some jitter; a server's ``Retry-After`` can lengthen it, up to
    ``longest_wait``.
    """

    answer_seconds: float = 300.0
    connect_seconds: float = 10.0
    answer_bytes: int = field(default_factory=lambda: ANSWER.value)
    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 30.0


class Transport:
    """Posts JSON and returns the JSON of the answer; a context manager.

    The token comes from ``RERANK_PRECISION_TOKEN``. Raises :class:`InputError` for a token that
    no header can carry.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.has_token = bool(_token())
        self._client = httpx.Client(
            headers={"Content-Type": "application/json", "Accept-Encoding": "gzip"}
            | _authorization(),
            timeout=httpx.Timeout(self.limits.answer_seconds, connect=self.limits.connect_seconds),
            follow_redirects=False,
            verify=_certificates(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, url: httpx.URL, payload: object) -> object:
        """Return the parsed JSON answer; numbers are the float64 nearest to their decimals.

        Tries again after 429, 502, 503, 504 and broken connections. Raises
        :class:`ServerError` for whatever else is no JSON answer with status 200.
        """
        content = json.dumps(payload).encode()
        for earlier in range(self.limits.attempts - 1):
            try:
                return self._attempt(url, content)
            except ServerError as error:
                if error.retry_after is None:
                    raise
                time.sleep(self._wait(earlier, error.retry_after))
        return self._attempt(url, content)

    def _wait(self, earlier: int, wanted: float) -> float:
        """Seconds until the next attempt, after ``earlier`` waits and if the server wants some."""
        first, longest = self.limits.first_wait, self.limits.longest_wait
        growing = first * 2**earlier + random.uniform(0, first)
        return min(max(growing, wanted), longest)

    def _attempt(self, url: httpx.URL, content: bytes) -> object:
        """Post once. Causes are dropped from errors: they hold the request with its headers."""
        seconds = self.limits.answer_seconds
        try:
            return self._exchange_within(seconds, url, content)
        except httpx.ConnectTimeout:
            problem = f"nobody answered within {self.limits.connect_seconds:g} s"
            raise ServerError(problem, "check host and port, and firewalls", url=url) from None
        except (TimeoutError, httpx.TimeoutException):
            raise ServerError(
                f"there was no complete answer within {seconds:g} s",
                "give the server more time with --timeout; the answers so far are kept",
                url=url,
            ) from None
        except httpx.ConnectError as error:
            raise ServerError(
                f"there is no connection ({error})",
                "start the server, or check host and port",
                url=url,
            ) from None
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            problem = f"the connection broke off ({self._attempts()})"
            raise ServerError(problem, _OTHER_REMEDY, url=url, retry_after=0) from None
        except (httpx.HTTPError, httpx.InvalidURL, OverflowError) as error:
            problem = f"the exchange failed ({type(error).__name__})"
            raise ServerError(problem, "check that this is an HTTP server", url=url) from None

    def _exchange_within(self, seconds: float, url: httpx.URL, content: bytes) -> object:
        """Exchange in a thread, which is left behind when the time is over.

        httpx limits each read, not their sum, and gives nobody a turn between the reads of
        headers, of a TLS handshake or of a host's several addresses.
        """
        outcome: Future[object] = Future()

        def exchange() -> None:
            """Hand the answer, or what went wrong, to whoever still waits."""
            try:
                outcome.set_result(self._exchange(url, content))
            except BaseException as error:  # raised again where the result is waited for
                outcome.set_exception(error)

        Thread(target=exchange, daemon=True).start()
        return outcome.result(timeout=seconds)

    def _exchange(self, url: httpx.URL, content: bytes) -> object:
        with self._client.stream("POST", url, content=content) as response:
            self._check_status(url, response)
            return _parsed(url, self._body(url, response))

    def _attempts(self) -> str:
        return counted(self.limits.attempts, "attempt")

    def _body(self, url: httpx.URL, response: httpx.Response) -> bytes:
        """Read the body up to the limit, and unpack no more than that.

        httpx would unpack a chunk whole, and gzip inside gzip too: a kilobyte becomes a gigabyte.
        """
        limit, body = self.limits.answer_bytes, bytearray()
        unpacked = _unpacker(url, response)
        for chunk in response.iter_raw():
            body += unpacked(chunk, limit + 1 - len(body))
            if len(body) > limit:
                raise ServerError(
                    f"the answer is longer than {limit:,} bytes",
                    "check that this is the reranking endpoint",
                    url=url,
                )
        return bytes(body)

    def _check_status(self, url: httpx.URL, response: httpx.Response) -> None:
        status = response.status_code
        if response.has_redirect_location:
            raise ServerError(
                f"the server redirects to {_shown_target(url, response.headers['location'])}",
                "redirects are not followed: give that address, if you trust it",
                url=url,
                status=status,
            )
        if status == httpx.codes.OK:
            return
        problem, retry_after = f"the server answered with HTTP status {_named(response)}", None
        if status in _RETRIED:
            problem += f" ({self._attempts()})"
            retry_after = _seconds(response.headers.get("retry-after", ""))
        remedy = self._remedy(status)
        raise ServerError(problem, remedy, url=url, status=status, retry_after=retry_after)

    def _remedy(self, status: int) -> str:
        if status not in (401, 403):
            return _REMEDIES.get(status, _OTHER_REMEDY)
        if self.has_token:
            return f"check the token in {TOKEN_VARIABLE} and what it may do"
        return f"put the server's token into the environment variable {TOKEN_VARIABLE}"


def parsed_url(text: str) -> httpx.URL:
    """Check an address given by the user; raises :class:`InputError`, which does not repeat it."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        raise InputError("this is not an address", "give http://HOST:PORT", field="url") from None
    if url.port is not None and url.port > _LAST_PORT:
        raise InputError(
            f"the port {url.port} is above {_LAST_PORT}", "give a port that exists", field="url"
        )
    if url.scheme not in ("http", "https") or not url.host:
        problem = "the address needs http:// or https:// and a host"
        raise InputError(problem, "give http://HOST:PORT", field="url")
    if url.userinfo and _token():
        raise InputError(
            f"there are credentials in the address and a token in {TOKEN_VARIABLE}",
            "give one of the two",
            field="url",
        )
    return url


def shown(url: httpx.URL) -> str:
    """Spell an address as it may be shown: without password and without values of its query."""
    masked = url.copy_with(query=None, fragment=None, username=None, password=None)
    user = "***@" if url.userinfo else ""
    text = str(masked).replace("://", f"://{user}", 1)
    return f"{text}?***" if url.query else text


def _shown_target(url: httpx.URL, target: str) -> str:
    """Where a redirect leads: its host, and its path where that is the one asked for.

    Any other path may be an echo of the texts, or of the token, and so may the host.
    """
    address = url.join(target)  # httpx has refused what is no address
    is_same = address.path.rstrip("/") == url.path.rstrip("/")
    text = shown(address if is_same else address.copy_with(path="/***"))
    if address.scheme not in ("http", "https") or not address.host:
        return "what is no address of a server"
    secrets = filter(None, [_token(), url.password])
    if any(secret.lower() in text.lower() for secret in secrets):
        return "an address that repeats a secret"
    return text


def _parsed(url: httpx.URL, body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        where = f" from byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise ServerError(
            f"the answer of {len(body):,} bytes is not complete JSON{where}",
            "check that this is the reranking endpoint, with nothing in between that cuts answers",
            url=url,
        ) from None


def _unpacker(url: httpx.URL, response: httpx.Response) -> Callable[[bytes, int], bytes]:
    """What unpacks the next bytes of an answer, but not more than it is told to give."""
    packed = response.headers.get("content-encoding", "").strip().lower()
    if packed in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if packed not in ("gzip", "x-gzip"):
        raise ServerError(
            "the answer is packed in another way than gzip, or twice",
            "let it be sent as it is, or as gzip",
            url=url,
        )
    gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def unpacked(chunk: bytes, most: int) -> bytes:
        """Unpack a chunk; bytes behind the end of the gzip are none of the answer."""
        try:
            return b"" if gzip.eof else gzip.decompress(chunk, most)
        except zlib.error:
            raise ServerError(
                "the answer is damaged gzip", "let it be sent as it is", url=url
            ) from None

    return unpacked


def _named(response: httpx.Response) -> str:
    """Status with its standard phrase; the server's own phrase is not trusted."""
    try:
        return f"{response.status_code} {httpx.codes(response.status_code).name.replace('_', ' ')}"
    except ValueError:
        return str(response.status_code)


def _seconds(retry_after: str) -> float:
    """Seconds of a ``Retry-After``; 0 where it is a date or nonsense."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


@cache
def _certificates() -> ssl.SSLContext:
    """Whom a server's certificate may come from; read once, since that takes its time."""
    return httpx.create_ssl_context()


def _token() -> str:
    return os.environ.get(TOKEN_VARIABLE, "").strip()


def _authorization() -> dict[str, str]:
    token = _token()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError(
            "the token has characters that no header can carry",
            "set it to the token alone, without blanks or line breaks",
            field=TOKEN_VARIABLE,
        )
    return {"Authorization": f"Bearer {token}"}
