"""Hostile texts in every field at once, on every kind of page, in Chromium: nothing runs or asks.

The texts stay texts because of the sinks. Should a sink fail, the page's policy is what holds: the
second half of the tests writes markup into finished pages, as a broken sink would let it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
import torch
from browsers import NEEDS_BROWSER, Watched
from few_rows import few_logits, few_pairs
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page
from sites import KERNEL, answer_of

from analysis import sinks
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import findings
from analysis.auditing.page import page_html
from analysis.auditing.sources import Scored
from analysis.datasets import from_pairs
from analysis.engines import path_of
from analysis.figures.style import Picture
from analysis.notebooks import say, show, table
from analysis.reporting import pages, running
from analysis.reporting.running import Chapter
from analysis.viewing import view

pytestmark = NEEDS_BROWSER

HIT = "window.top.hit = 1"
HOSTILE = "".join(
    [
        f"<script>{HIT}</script>",
        f"</script></style></title></textarea><img src=x onerror='{HIT}'>",
        f'" onmouseover="{HIT}" autofocus onfocus="{HIT}" x="',
        f"' onclick='{HIT}' ",
        f"<svg onload={HIT}><iframe srcdoc='<script>{HIT}</script>'>",
        f"<a href='javascript:{HIT}'>[link](javascript:{HIT})</a>",
        "<link rel=stylesheet href=http://127.0.0.1:9/x.css><meta http-equiv=refresh content=0>",
        "<style>@import 'http://127.0.0.1:9/y.css'; * { display: none }</style><!--",
        f"{{{{ 7 * 7 }}}}{{% raw %}}`${{{HIT}}}`$x$ \\(y\\) &lt;b&gt; =cmd|' /C calc'!A0",
        "\u202e\u2066RTL\x1b[31m\x07\x9b\x00\r\u2028",
        "x" * 5_000,
    ]
)
PATH = path_of("infinity", "0.0.68", "float16")


def ids(number: object) -> str:
    return f"{HOSTILE}{number}"


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    """Candidates of three queries; every id and every text attacks."""
    pairs = few_pairs()
    for column in ("query_id", "passage_id", "query", "passage"):
        pairs[column] = pairs[column].map(ids)
    return pairs


@pytest.fixture(scope="module")
def logits(pairs) -> pd.DataFrame:
    return few_logits(pairs)


@pytest.fixture(scope="module")
def site(tmp_path_factory, pairs, logits) -> Path:
    """A report whose every field attacks: set, model, path, command, outputs, failure."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "notebooks").mkdir()
    outputs = [
        new_output("stream", text=HOSTILE),
        new_output("display_data", {"text/plain": HOSTILE}),
        *(new_output("display_data", data) for data in shown_by_us(pairs)),
    ]
    for name in ("01_shown", "02_broken"):
        cells = [new_markdown_cell("# Title\n\n**Question.** Why?\n")]
        cells += [new_code_cell("1", outputs=outputs, execution_count=1)]
        path = folder / "notebooks" / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)
    path = replace(PATH, name=HOSTILE)
    reranker = replace_names(answer_of(logits, path).reranker)
    answer = replace(
        answer_of(logits, path), candidates=from_pairs(HOSTILE, pairs), reranker=reranker
    )
    chapters = [
        Chapter(folder / "notebooks" / "01_shown.ipynb"),
        Chapter(folder / "notebooks" / "02_broken.ipynb", failure=HOSTILE),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "NOTEBOOKS", folder / "notebooks")
        pages.write_site(folder, answer, chapters, HOSTILE)
    return folder


def shown_by_us(pairs: pd.DataFrame) -> list[dict]:
    """What the notebooks' own helpers show of hostile texts."""
    figure, ax = plt.subplots(figsize=(4, 1))
    ax.set_title("x")
    with capture_output() as captured:
        say(f"A sentence about {sinks.markdown(HOSTILE)}.")
        table(pairs.head(2), HOSTILE)
        show(Picture(figure, HOSTILE, HOSTILE), "01_shown")
    return [dict(one.data) for one in captured.outputs]


def replace_names(reranker: SimpleNamespace) -> SimpleNamespace:
    """The reranker of a made answer, called hostilely throughout."""
    held = {**vars(reranker), "name": HOSTILE, "revision": HOSTILE, "device": torch.device("cpu")}
    return SimpleNamespace(**held | {"identity": lambda: {"weights": {HOSTILE: HOSTILE}}})


@pytest.fixture(scope="module")
def shown(pairs, logits):
    return view(logits, pairs, path=PATH)


Make = Callable[[Path, pytest.FixtureRequest], Path]


def of_site(name: str) -> Make:
    return lambda _, request: request.getfixturevalue("site") / name


def a_view(folder: Path, request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue("shown").save(folder / "view.html", HOSTILE)


def an_audit(folder: Path, request: pytest.FixtureRequest) -> Path:
    """The page of an audit."""
    logits = request.getfixturevalue("logits").query("forward_dtype == 'float16'")
    frame = logits[["query_id", "passage_id", "logit"]].reset_index(drop=True)
    frame["score"] = PATH.scores(frame["logit"].to_numpy())
    scored = Scored("url", HOSTILE, frame, {HOSTILE: HOSTILE, "model": HOSTILE})
    page = page_html(findings(scored), [Condition.of_text("saturated>0")])
    file = folder / "audit.html"
    file.write_text(page, encoding="utf-8")
    return file


def a_frame(folder: Path, request: pytest.FixtureRequest) -> Path:
    """A view in the frame of a notebook's output."""
    file = folder / "frame.html"
    page = f"<!DOCTYPE html><title>x</title>{request.getfixturevalue('shown').inline(900).data}"
    file.write_text(page, encoding="utf-8")
    return file


PAGES: dict[str, Make] = {
    "first page": of_site(pages.INDEX),
    "sheet": of_site(pages.SHEET),
    "chapter": of_site("01_shown.html"),
    "view": a_view,
    "audit": an_audit,
}


@contextmanager
def visited(browser: Browser, file: Path) -> Iterator[tuple[Page, Watched]]:
    """A page opened from disk with a network that would answer; whoever asks it is seen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watched = Watched(page)
    page.on("dialog", lambda dialog: (watched.said.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri())
    yield page, watched
    context.close()


def provoke(page: Page) -> None:
    """Do what a reader does: point at everything, focus everything, click what is a link."""
    page.evaluate(
        """() => {
            const within = (root) => [...root.querySelectorAll("*")].flatMap(
                (one) => [one, ...(one.shadowRoot ? within(one.shadowRoot) : [])]);
            for (const one of within(document)) {
                for (const kind of ["mouseover", "focus", "error", "load", "toggle"])
                    one.dispatchEvent(new Event(kind));
                if (/^\\s*javascript:/i.test(one.getAttribute("href") ?? "")) one.click();
            }
        }"""
    )
    page.wait_for_timeout(100)


@pytest.mark.parametrize("make", [*PAGES.values(), a_frame], ids=[*PAGES, "frame"])
def test_hostile_texts_in_every_field_are_shown_and_nothing_more(browser, make, tmp_path, request):
    file = make(tmp_path, request)
    with visited(browser, file) as (page, watched):
        inner = page.frames[-1]
        inner.get_by_text("<script>window.top.hit").first.wait_for(state="attached")
        provoke(page)
        assert page.evaluate("window.hit") is None
        assert watched.said == []
        assert {url for url in watched.asked if not url.startswith("data:")} <= {
            file.as_uri(),
            "about:srcdoc",
        }
        assert not {"\u202e", "\u2066", "\x1b", "\x07", "\x9b"} & set(inner.content())


class Listening:
    """A server on loopback that answers nobody, and keeps what it is asked for."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.asked: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):  # the socket is closed
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._hear, args=[connection], daemon=True).start()

    def _hear(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if asked := connection.recv(65_536):  # Chromium connects early, and asks nothing
                self.asked.append(asked.partition(b"\r\n")[0])


@pytest.fixture
def elsewhere() -> Iterator[Listening]:
    """Where hostile markup would like to send its readers."""
    listening = Listening()
    yield listening
    listening.socket.close()


def markup(there: str) -> str:
    """What a broken sink might let into a page."""
    return f"""
<script>{HIT}</script><script src="{there}/x.js"></script>
<script type="module">{HIT}</script>
<img src="{there}/x.png" onerror="{HIT}"><img src=x onerror="{HIT}">
<svg onload="{HIT}"></svg><body onload="{HIT}">
<details open ontoggle="{HIT}"></details><input autofocus onfocus="{HIT}">
<a href="javascript:{HIT}">here</a>
<iframe src="{there}/"></iframe><iframe srcdoc="<script>{HIT}</script>"></iframe>
<iframe src="javascript:{HIT}"></iframe>
<object data="{there}/x"></object><embed src="{there}/y">
<link rel="stylesheet" href="{there}/x.css"><link rel="icon" href="{there}/i">
<style>@import "{there}/y.css"; main {{ display: none }}</style>
<p style="background: url({there}/z.png)">x</p>
<video src="{there}/v"></video><audio src="{there}/a" onerror="{HIT}"></audio>
<base href="{there}/"><form id="sent" action="{there}/f"></form>
"""


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_markup_that_got_into_a_page_neither_runs_nor_asks(
    browser, make, tmp_path, request, elsewhere
):
    page_text = make(tmp_path, request).read_text("utf-8")
    file = tmp_path / "broken.html"
    file.write_text(
        page_text.replace("<body", f"<body><div>{markup(elsewhere.address)}</div><i", 1), "utf-8"
    )
    with visited(browser, file) as (page, watched):
        page.locator("#sent").evaluate("form => form.submit()")
        provoke(page)
        assert page.evaluate("window.hit") is None
        assert elsewhere.asked == []
        refused = [said for said in watched.said if "Content Security Policy" in said]
        assert len(refused) > 5
        assert page.locator("main, body").last.is_visible()


def test_the_markup_would_run(browser, tmp_path, elsewhere):
    """What the test before proves: without a policy the same markup runs, and asks."""
    file = tmp_path / "open.html"
    file.write_text(f"<!DOCTYPE html><body>{markup(elsewhere.address)}", encoding="utf-8")
    with visited(browser, file) as (page, _):
        provoke(page)
        assert page.evaluate("window.hit") == 1
        assert elsewhere.asked
