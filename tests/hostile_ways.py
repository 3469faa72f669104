"""The ways in which servers misbehave, by name: what they send, and what an audit says of it."""

from __future__ import annotations

import gzip
import json
import zlib

from hostile_servers import (
    HOSTILE,
    TOKEN,
    Way,
    answers,
    bomb,
    chunk,
    chunked,
    drips,
    every,
    floods,
    holds,
    http,
    lacking,
    resets,
    results,
    right,
    says_status,
    sends,
    spelled,
)

START, LAST = b"HTTP/1.1 200 OK\r\n", b"0\r\n\r\n"
GZIP = "Content-Encoding: gzip"
ELSEWHERE = "http://127.0.0.1:9"

BROKEN = r"the connection broke off \(4 attempts\)"
NO_HTTP = rf"{BROKEN}|the exchange failed|HTTP server"
NO_JSON = "is not complete JSON"
NO_LIST = "the answer has no list of results"
NO_INDEX = "a result has no index"
UNKNOWN_INDEX = "a result has an index beyond"
NO_SCORE = "is not a finite number"
TOO_LATE = "there was no complete answer within"
TOO_LONG = "the answer is longer than"
PACKED = "packed in another way"
NO_TLS = "there is no connection"

STATUSES = {
    f"status {status}": Way(says_status(status), expects)
    for status, expects in {
        "201 Created": "HTTP status 201",
        "204 No Content": "HTTP status 204|broke off",
        "206 Partial Content": "HTTP status 206",
        "304 Not Modified": "HTTP status 304",
        "400 Bad Request": "HTTP status 400",
        "401 Unauthorized": "check the token|Check the token",
        "403 Forbidden": "Check the token",
        "404 Not Found": "HTTP status 404|there is no reranking endpoint",
        "405 Not Allowed": "HTTP status 405|there is no reranking endpoint",
        "407 Proxy": "HTTP status 407",
        "413 Too Large": "HTTP status 413",
        "422 Unprocessable": "HTTP status 422",
        "429 Too Many": r"HTTP status 429 TOO MANY REQUESTS \(4 attempts\)",
        "500 Error": "HTTP status 500",
        "503 Loading": r"HTTP status 503 SERVICE UNAVAILABLE \(4 attempts\)",
        "999 Denied": "HTTP status 999",
        f"599 {HOSTILE}": "HTTP status 599",
    }.items()
}
WAITS = {
    f"Retry-After {name}": Way(says_status("503 No", f"Retry-After: {wait}"), "HTTP status 503")
    for name, wait in {
        "of ages": "9" * 18,
        "of 5,000 digits": "9" * 5000,
        "below zero": "-1",
        "that is a date": "Fri, 31 Dec 9999 23:59:59 GMT",
        "that is no number": "NaN",
        "in other digits": "٣",
    }.items()
}
REDIRECTS = {
    "moved for good": Way(says_status("301 Moved", f"Location: {ELSEWHERE}/rerank"), "redirects"),
    "see other": Way(says_status("303 See", f"Location: {ELSEWHERE}/rerank"), "redirects"),
    "redirect that keeps the request": Way(
        says_status("308 Moved", f"Location: {ELSEWHERE}/rerank"), "redirects"
    ),
    "redirect to itself": Way(says_status("307 Again", "Location: /rerank"), "redirects"),
    "redirect with the token in its query": Way(
        says_status("302 Found", f"Location: {ELSEWHERE}/?t={TOKEN}"), "redirects"
    ),
    "redirect with the token in its path": Way(
        says_status("302 Found", f"Location: {ELSEWHERE}/{TOKEN}"), "redirects"
    ),
    "redirect with the token in its host": Way(
        says_status("302 Found", f"Location: http://{TOKEN}.example/"), "redirects"
    ),
    "redirect to a file": Way(
        says_status("302 Found", "Location: file:///etc/passwd"), "redirects"
    ),
    "redirect to a script": Way(
        says_status("302 Found", "Location: javascript:alert(1)"), "the exchange failed"
    ),
    "redirect to nonsense": Way(says_status("302 Found", "Location: http://[::1"), BROKEN),
    "redirect to nowhere": Way(says_status("302 Found"), "HTTP status 302"),
}
FRAMING = {
    "body shorter than its length": Way(sends(http(b"[1", length="100")), BROKEN),
    "body longer than its length": Way(
        sends(lambda asked: http(right(asked), length="9")), NO_JSON
    ),
    "length below zero": Way(sends(http(length="-2")), NO_HTTP),
    "length that is no number": Way(sends(http(length="two")), NO_HTTP),
    "length of thirty digits": Way(sends(http(length="9" * 30)), NO_HTTP),
    "two lengths": Way(sends(http(b"{}", "200 OK", "Content-Length: 3")), NO_HTTP),
    "no length, closed": Way(sends(lambda asked: START + b"\r\n" + right(asked)), None),
    "HTTP/1.0": Way(sends(lambda asked: b"HTTP/1.0 200 OK\r\n\r\n" + right(asked)), None),
    "HTTP/0.9": Way(sends(right), NO_HTTP),
    "HTTP/3.0": Way(sends(b"HTTP/3.0 200 OK\r\n\r\n{}"), rf"{NO_HTTP}|{NO_LIST}"),
    "banner of SSH": Way(sends(b"SSH-2.0-OpenSSH_9.6\r\n"), NO_HTTP),
    "banner before anybody asked": Way(sends(b"220 mail ESMTP\r\n"), NO_HTTP, unread=True),
    "answer before anybody asked": Way(sends(http(b"[]")), rf"{NO_HTTP}|scores for 0", unread=True),
    "alert of TLS": Way(sends(b"\x15\x03\x01\x00\x02\x02\x46"), NO_HTTP),
    "nothing, closed": Way(sends(b""), BROKEN),
    "nothing, closed unread": Way(sends(b""), BROKEN, unread=True),
    "nothing, reset": Way(resets(), BROKEN),
    "reset within the headers": Way(resets(START), BROKEN),
    "reset within the body": Way(resets(http(b"[1", length="100")), BROKEN),
    "half a status line": Way(sends(b"HTTP/1.1 2"), NO_HTTP),
    "status that is no number": Way(sends(b"HTTP/1.1 OK 200\r\n\r\n"), NO_HTTP),
    "status of four digits": Way(sends(b"HTTP/1.1 2000 OK\r\n\r\n"), NO_HTTP),
    "header without a colon": Way(sends(http(b"[]", "200 OK", "nonsense")), NO_HTTP),
    "header with a NUL": Way(sends(http(b"[]", "200 OK", "X: a\0b")), NO_HTTP),
    "header of 300,000 bytes": Way(sends(http(b"[]", "200 OK", "X: " + "x" * 300_000)), NO_HTTP),
    "20,000 headers": Way(
        sends(http(b"[]", "200 OK", *["X: x"] * 20_000)), rf"{NO_HTTP}|scores for 0"
    ),
    "hostile headers": Way(
        answers(right, "Server: <script>alert(1)</script>", f"X-Echo: {TOKEN}", "X: \x9b"), None
    ),
    "cookies": Way(answers(right, *[f"Set-Cookie: c{n}={'x' * 99}" for n in range(99)]), None),
    "protocol switched": Way(
        sends(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        f"HTTP status 101|{NO_HTTP}",
    ),
    "early hints": Way(
        sends(lambda asked: b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n" + http(right(asked))), None
    ),
    "bytes after the answer": Way(sends(lambda asked: http(right(asked)) + b"\r\n\r\n"), None),
    "two answers at once": Way(sends(lambda asked: http(right(asked)) + http(b"[]")), None),
    "length and chunks": Way(chunked(lambda body: chunk(body) + LAST, "Content-Length: 2"), None),
    "chunks": Way(
        chunked(
            lambda body: b"".join(chunk(body[n : n + 7]) for n in range(0, len(body), 7)) + LAST
        ),
        None,
    ),
    "chunks with extensions": Way(chunked(lambda body: chunk(body, f';x="{TOKEN}"') + LAST), None),
    "chunks with trailers": Way(
        chunked(lambda body: chunk(body) + b"0\r\nX-Trailer: \x9b31m\r\n\r\n"), None
    ),
    "chunks without an end": Way(chunked(chunk), BROKEN),
    "chunk without a size": Way(chunked(lambda body: b"zz\r\n" + body + LAST), NO_HTTP),
    "chunk of sixty digits": Way(chunked(lambda body: b"f" * 60 + b"\r\n" + body), NO_HTTP),
    "transfer packed": Way(
        sends(http(b"{}", "200 OK", "Transfer-Encoding: gzip")), rf"{NO_HTTP}|{NO_LIST}"
    ),
}
PACKING = {
    "gzip": Way(answers(lambda asked: gzip.compress(right(asked)), GZIP), None),
    "gzip that is none": Way(answers(b"[0.1]", GZIP), "damaged gzip"),
    "gzip cut short": Way(answers(lambda asked: gzip.compress(right(asked))[:-20], GZIP), NO_JSON),
    "gzip with bytes behind": Way(
        answers(lambda asked: gzip.compress(right(asked)) + b"more", GZIP), None
    ),
    "gzip in two members": Way(
        answers(lambda asked: gzip.compress(right(asked)[:9]) + gzip.compress(b"]"), GZIP), NO_JSON
    ),
    "gzip bomb": Way(answers(lambda _: bomb(64), GZIP), TOO_LONG),
    "gzip within gzip": Way(
        answers(lambda _: gzip.compress(bomb(64)), "Content-Encoding: gzip, gzip"), PACKED
    ),
    "gzip said twice": Way(answers(lambda _: gzip.compress(bomb(64)), GZIP, GZIP), PACKED),
    "deflate": Way(
        answers(lambda asked: zlib.compress(right(asked)), "Content-Encoding: deflate"), PACKED
    ),
    "brotli": Way(answers(b"\x8b\x00", "Content-Encoding: br"), PACKED),
    "packed hostilely": Way(answers(b"{}", "Content-Encoding: <img src=x>"), PACKED),
    "17 MiB of blanks": Way(answers(lambda _: b" " * (17 * 2**20)), TOO_LONG),
    "bytes without an end": Way(floods(START + b"\r\n", b" " * 2**20), TOO_LONG),
    "chunks that never end": Way(
        floods(START + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b" " * 2**20)), TOO_LONG
    ),
}
JSON = {
    "answer called HTML": Way(answers(right, "Content-Type: text/html"), None),
    "answer called UTF-16": Way(
        answers(right, "Content-Type: application/json; charset=utf-16"), None
    ),
    "byte order mark": Way(answers(lambda asked: b"\xef\xbb\xbf" + right(asked)), None),
    "no UTF-8": Way(answers(b'{"results": "\xff\xfe"}'), NO_JSON),
    "no bytes": Way(answers(b""), NO_JSON),
    "a page": Way(answers(b"<html>502</html>"), NO_JSON),
    "JSON cut short": Way(answers(lambda asked: right(asked)[:-3]), NO_JSON),
    "JSON twice": Way(answers(lambda asked: right(asked) * 2), NO_JSON),
    "JSON with a comment": Way(answers(b"{} // done"), NO_JSON),
    "Python's repr": Way(answers(lambda asked: repr(json.loads(right(asked))).encode()), NO_JSON),
    "100,000 arrays deep": Way(answers(b"[" * 100_000 + b"]" * 100_000), NO_JSON),
    "100,000 objects deep": Way(answers(b'{"a":' * 100_000), NO_JSON),
    "a million empty results": Way(answers(b"[" + b"{}," * 999_999 + b"{}]"), NO_INDEX),
    "null": Way(answers(b"null"), NO_LIST),
    "true": Way(answers(b"true"), NO_LIST),
    "a number": Way(answers(b"0.5"), NO_LIST),
    "a text": Way(answers(json.dumps(HOSTILE).encode()), NO_LIST),
    "an error with status 200": Way(
        answers(
            lambda asked: json.dumps(
                {"error": {"message": asked.headers, "code": HOSTILE}}
            ).encode()
        ),
        NO_LIST,
    ),
    "results that are null": Way(results(lambda _: {"results": None}), NO_LIST),
    "results that are an object": Way(results(lambda _: {"results": {"0": 0.5}}), NO_LIST),
    "results that are texts": Way(results(lambda _: {"results": [HOSTILE]}), NO_LIST),
    "results in lists": Way(results(lambda listed: {"results": [listed]}), NO_LIST),
    "plain scores": Way(results(lambda listed: [0.5 for _ in listed]), NO_LIST),
    "hostile texts beside the scores": Way(
        every(document={"text": HOSTILE}, model=HOSTILE, **{HOSTILE: HOSTILE}), None
    ),
    "half a surrogate pair": Way(
        answers(lambda asked: right(asked).replace(b'"m"', b'"\\ud800"')), None
    ),
    "1,000 fields": Way(every(**{f"field {n}": n for n in range(1000)}), None),
}
CLAIMS = {
    "no index": Way(lacking("index"), NO_INDEX),
    "index that is a text": Way(every(index=HOSTILE), NO_INDEX),
    "index that is true": Way(every(index=True), NO_INDEX),
    "index with a point": Way(every(index=0.0), NO_INDEX),
    "index below zero": Way(every(index=-1), UNKNOWN_INDEX),
    "index beyond the documents": Way(every(index=10**9), UNKNOWN_INDEX),
    "index of 4,000 digits": Way(every(index=10**4000), UNKNOWN_INDEX),
    "index of 5,000 digits": Way(
        answers(b'[{"index": ' + b"9" * 5000 + b', "score": 0.5}]'), NO_JSON
    ),
    "a document twice": Way(results(lambda listed: listed.append(listed[0])), "scored twice"),
    "no results": Way(results(lambda listed: listed.clear()), "there are scores for 0 of"),
    "one result too few": Way(
        results(lambda listed: listed.pop() and None), "there are scores for"
    ),
    "one result too many": Way(
        results(lambda listed: listed.append({"index": 99, "relevance_score": 0.5})), UNKNOWN_INDEX
    ),
    "no score": Way(lacking("relevance_score"), "has no relevance_score"),
    "score NaN": Way(spelled("NaN"), NO_SCORE),
    "score Infinity": Way(spelled("Infinity"), NO_SCORE),
    "score 1e999": Way(spelled("1e999"), NO_SCORE),
    "score of 4,000 digits": Way(spelled("9" * 4000), NO_SCORE),
    "score null": Way(spelled("null"), NO_SCORE),
    "score true": Way(spelled("true"), NO_SCORE),
    "score in a text": Way(spelled('"0.5"'), NO_SCORE),
    "score that echoes the token": Way(spelled(f'"Bearer {TOKEN}"'), NO_SCORE),
    "score in a list": Way(spelled("[0.5]"), NO_SCORE),
    "score in an object": Way(spelled('{"value": 0.5}'), NO_SCORE),
}
TIME = {
    "silence": Way(holds(), TOO_LATE, slow=True),
    "silence after the headers": Way(
        holds(START + b"Content-Length: 9\r\n\r\n"), TOO_LATE, slow=True
    ),
    "silence without a length": Way(holds(START + b"\r\n[]"), TOO_LATE, slow=True),
    "status line that drips": Way(drips(b"HTTP/1.1 200 ", b"O"), TOO_LATE, slow=True),
    "header that drips": Way(drips(START + b"X: ", b"x"), TOO_LATE, slow=True),
    "headers that drip": Way(drips(START, b"X: x\r\n"), TOO_LATE, slow=True),
    "body that drips": Way(drips(START + b"\r\n", b" "), TOO_LATE, slow=True),
    "chunks that drip": Way(
        drips(START + b"Transfer-Encoding: chunked\r\n\r\n", chunk(b" ")), TOO_LATE, slow=True
    ),
    "please continue, for ever": Way(
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), TOO_LATE, slow=True
    ),
}
TLS = {
    f"TLS: {name}": Way(says, NO_TLS, unread=True, https=True)
    for name, says in {
        "plain HTTP": sends(http(b"[]")),
        "garbage": sends(b"\x16\x03\x03" + bytes(range(256))),
        "an alert": sends(b"\x15\x03\x03\x00\x02\x02\x28"),
    }.items()
} | {
    "TLS: closed": Way(sends(b""), rf"{NO_TLS}|{BROKEN}", unread=True, https=True),
    "TLS: silence": Way(holds(), TOO_LATE, unread=True, slow=True, https=True),
    "TLS: handshake that drips": Way(
        drips(b"\x16\x03\x03\xff\x00\x02", b"\0"),
        rf"{TOO_LATE}|{NO_TLS}",
        unread=True,
        slow=True,
        https=True,
    ),
}
WAYS: dict[str, Way] = STATUSES | WAITS | REDIRECTS | FRAMING | PACKING | JSON | CLAIMS | TIME | TLS
