"""A page with the view in Firefox, where there is one, asked over WebDriver BiDi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest
from browsers import free_port
from few_rows import few_logits, few_pairs
from websocket import WebSocket, create_connection

from analysis.viewing import view

NAMES = ("firefox", "firefox-esr")
FIREFOX = next((found for name in NAMES if (found := shutil.which(name))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(FIREFOX is None, reason="no Firefox here: only Chromium shows the view"),
]

SHOW = """new Promise((done) => {
    const look = () => {
        const root = document.querySelector("[data-rerank-view]").shadowRoot;
        const proof = root?.querySelector(".proof").textContent;
        if (!proof) return setTimeout(look, 50);
        root.querySelector(".sigmoid input[value=none]").click();
        const rows = [...root.querySelectorAll(".row")];
        rows.sort((a, b) => a.getAttribute("aria-posinset") - b.getAttribute("aria-posinset"));
        const ids = rows.map((row) => row.querySelector(".id").textContent);
        done([proof, ...ids].join());
    };
    look();
})"""


def test_firefox_shows_the_view_and_proves_its_scores(tmp_path):
    pairs = few_pairs()
    file = view(few_logits(pairs), pairs).save(tmp_path / "view.html")
    with firefox(tmp_path) as tab:
        tab.open(file)
        proof, *order = tab.ask(SHOW).split(",")
        assert proof == "✓ 11 scores bitwise equal to Python’s"
        assert order == ["p2", "p5", "p0", "p7", "p4", "p1", "p6", "p3"]
        assert tab.said == []


class Tab:
    """A tab of Firefox; ``said`` is what its console says."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket, self._numbers = socket, count(1)
        self.said: list[str] = []
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        (tab,) = self._call("browsingContext.getTree")["contexts"]
        self._context = tab["context"]

    def open(self, file: Path) -> None:
        """Go to a file."""
        url = file.as_uri()
        self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def ask(self, expression: str) -> str:
        """The text that a JavaScript expression gives, or promises."""
        target = {"context": self._context}
        answer = self._call(
            "script.evaluate", expression=expression, target=target, awaitPromise=True
        )
        return answer["result"]["value"]

    def _call(self, method: str, **params: object) -> dict:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (message := json.loads(self._socket.recv())).get("id") != number:
            self.said.append(message["params"]["text"])
        assert message["type"] == "success", message
        return message["result"]


@contextmanager
def firefox(folder: Path) -> Iterator[Tab]:
    """A Firefox without a window, which leaves all it writes in a folder."""
    port, profile = free_port(), folder / "profile"
    profile.mkdir()
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    command += ["--remote-debugging-port", str(port)]
    env = {**os.environ, "HOME": str(folder)}
    with (folder / "firefox.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        with closing(connection(port)) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        process.wait(timeout=30)


def connection(port: int) -> WebSocket:
    """Where Firefox listens, once it does."""
    for _ in range(150):
        try:
            url = f"ws://127.0.0.1:{port}/session"
            return create_connection(url, timeout=60, suppress_origin=True)
        except OSError:
            time.sleep(0.2)
    return pytest.fail("Firefox does not listen")
