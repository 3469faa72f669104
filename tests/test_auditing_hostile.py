"""Hostile texts in every field of a server's answer, through everything that an audit shows."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from http import HTTPStatus

import pytest
from reranking_server import FLOAT16_INFINITY, Asked, Reply, infinity, reply, serving
from shown_pages import Page
from sites import write_set

from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.cli import main

STEERING = "\x1b[2J\x9b31m\x07\u202e\u2066\x7f"
HOSTILE = f"<img src=x onerror=alert(1)> \"'</script>{{{{7*7}}}}[red]{STEERING}"
FORBIDDEN = set(STEERING) - set("[2J31m")


@pytest.fixture
def audited(tmp_path, monkeypatch):
    """Run an audit of a server that answers so; its exit status and all that it shows."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    data = write_set(tmp_path / "set.jsonl", HOSTILE)
    page = tmp_path / "page.html"

    def audit(answer) -> tuple[int, str, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with serving(answer) as server, redirect_stdout(out), redirect_stderr(err):
            options = ["--url", server.url, "--data", data, "--json", "-", "--html", page]
            arguments = ["rerank-precision", "audit", *map(str, options)]
            monkeypatch.setattr(sys, "argv", [*arguments, "--server-model", HOSTILE])
            with pytest.raises(SystemExit) as ended:
                main()
        html = page.read_text("utf-8") if page.exists() else ""
        return ended.value.code or 0, out.getvalue(), err.getvalue(), html

    return audit


def spoilt(asked: Asked) -> Reply:
    """A good answer, with hostile texts wherever there is room for one."""
    good = infinity(FLOAT16_INFINITY)(asked)
    if good.status != HTTPStatus.OK:
        return good
    value = json.loads(good.body)
    extra = dict.fromkeys(("id", "model", "object", "meta", HOSTILE), HOSTILE)
    results = [{**one, "document": {"text": HOSTILE}, **extra} for one in value["results"]]
    headers = {"Server": "<img src=x onerror=alert(1)>", "Content-Type": "text/html"}
    return reply({**value, **extra, "results": results}, headers=headers)


def test_a_good_answer_with_hostile_texts_shows_none_of_them(audited):
    status, out, err, html = audited(spoilt)
    assert status == 0, err
    assert not FORBIDDEN & set(out + err + html)
    assert json.loads(out)["source"]["details"]["model"] == HOSTILE
    page = Page(html)
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    assert "script" not in {tag for tag, _ in page.tags}
    assert all(image["src"].startswith("data:") for image in page.attributes("img"))


def bad(field: str):
    """Answer with a hostile text in place of what an audit reads."""

    def answer(asked: Asked) -> Reply:
        number = range(len(asked.payload.get("documents", [])))
        results = [{"index": i, "relevance_score": 0.5, field: HOSTILE} for i in number]
        return reply({"results": results} if field != "results" else {"results": HOSTILE})

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        *(bad(field) for field in ("index", "relevance_score", "results")),
        lambda _: reply({"error": {"message": HOSTILE}}, status=418),
        lambda _: reply({"detail": HOSTILE}, status=422),
        lambda _: Reply(HOSTILE.encode()),
        lambda _: Reply(status=302, headers={"Location": "http://x/\x9b31m<img onerror=1>"}),
        lambda _: Reply(b"{}", headers={"Content-Encoding": "<img src=x onerror=alert(1)>"}),
    ],
    ids=["index", "score", "results", "message", "detail", "no JSON", "redirect", "encoding"],
)
def test_a_bad_answer_is_one_plain_line(audited, answer):
    status, out, err, html = audited(answer)
    assert (status, out, html) == (3, "", "")
    assert err.startswith("rerank-precision: http://127.0.0.1:")
    assert err.count("\n") == 1
    assert not FORBIDDEN & set(err)
