"""Browsers for the tests that need one, and what they ask it."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from analysis.viewing.module import module

WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)  # a busy machine is no failure

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with it, and containers are root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="NO CHROMIUM HERE: nothing in a browser is tested. Install the package 'chromium'.",
    ),
]

AXE = Path(__file__).parent.parent / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
AXE_VERSION = "axe-core@4.10.3"


def axe_core() -> str | None:
    """axe-core's code, from the npm registry, kept in build/; None where it cannot be had."""
    if not AXE.exists() and shutil.which("npm"):
        npm = ["npm", "install", "--no-save", "--prefix", AXE.parents[2], AXE_VERSION]
        subprocess.run(npm, capture_output=True, check=False, timeout=120)
    return AXE.read_text(encoding="utf-8") if AXE.exists() else None


def violations(page: Page, axe: str) -> list[tuple[str, list[str]]]:
    """What axe-core finds in a page at WCAG A and AA: each rule with the elements that break it."""
    page.evaluate(axe)
    return page.evaluate(
        """async () => {
            const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
            const { violations } = await axe.run({ runOnly: { type: "tag", values: tags } });
            return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
        }"""
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def load_module(page: Page, data: bytes, code: str = "") -> None:
    """Load the view's module into an empty page, as ``core``, with a payload read by it."""
    page.evaluate(
        """async ([code, text]) => {
            const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
            window.core = await import(url);
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            window.payload = new core.Payload(bytes);
            window.scores = new core.Scores(payload);
        }""",
        [code or module(), base64.b64encode(data).decode("ascii")],
    )


class Shown:
    """A view in a page, as a reader sees and uses it; ``within`` is where to look for it."""

    def __init__(self, within: Page | FrameLocator | Locator) -> None:
        self.within = within
        self.rows = within.locator(".row")
        self.words = within.locator(".words")
        self.tiles = within.locator(".tile")
        self.picture = within.locator(".stairs")
        self.inspector = within.get_by_label("The chosen score")
        self.list = within.get_by_role("listbox", name="Passages in the order of the path")
        self.search = within.get_by_role("combobox", name="Query: type words to search")
        self.strip = within.get_by_role("slider", name="Queries")
        self.live = within.get_by_role("status")
        self.proof = within.locator(".proof")

    def radio(self, group: str, option: str) -> Locator:
        """A radio button of a named group."""
        named = self.within.get_by_role("group", name=group, exact=True)
        return named.get_by_role("radio", name=option, exact=True)

    def press(self, group: str, option: str) -> None:
        """Choose a radio button."""
        self.radio(group, option).check()

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        self.within.get_by_label(label, exact=True).select_option(label=option)

    def ranked(self) -> list[str]:
        """Ids of the passages in sight, in their order."""
        rows = self.rows.evaluate_all(
            "rows => rows.map(row => [Number(row.getAttribute('aria-posinset')),"
            " row.querySelector('.id').textContent]).sort((a, b) => a[0] - b[0])"
        )
        return [passage for _, passage in rows]

    def stages(self) -> list[str]:
        """The path that the radio buttons stand for."""
        return self.within.locator(".path input:checked").evaluate_all(
            "inputs => inputs.map(input => input.value)"
        )


class Watched:
    """What a page says on its console, what goes wrong in it and what it asks for, from now on."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@contextmanager
def opened(browser: Browser, file: Path, fragment: str = "", **options: object) -> Iterator[Page]:
    """A page opened from disk without a network; whatever it says on the console fails."""
    options = {"viewport": {"width": 1280, "height": 900}, "offline": True, **options}
    context = browser.new_context(**options)
    ready = ".row" if options.get("java_script_enabled", True) else "tbody tr"
    with at(context.new_page(), file, fragment, ready) as page:
        yield page
    context.close()


@contextmanager
def at(page: Page, file: Path, fragment: str = "", ready: str = ".row") -> Iterator[Page]:
    """A page that goes to a file, and is watched there."""
    watched = Watched(page)
    page.goto(file.as_uri() + fragment)
    page.locator(ready).first.wait_for()
    yield page
    assert watched.said == []
    assert {url.split("#")[0] for url in watched.asked} == {file.as_uri()}
