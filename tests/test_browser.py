"""Notebook 3 toggled in a real JupyterLab, and a report page opened, in a real Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from playwright.sync_api import Locator, Page, expect, sync_playwright
from tiny_checkpoints import WORDS, change_weights, write_checkpoint

from analysis.places import NOTEBOOKS
from analysis.reporting import Run, execute, page_html
from analysis.widgets import BAND_COLOR

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="NO CHROMIUM HERE: nothing in a browser is tested. Install the package 'chromium'.",
    ),
]

NOTEBOOK = NOTEBOOKS / "03_rerank_dtype_toggle.ipynb"
FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with it, and containers are root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
ATTACK = '<script>window.hit = 1</script><img src="x" onerror="window.hit = 2"> & more'
OLD_INFINITY = "Infinity 0.0.13–0.0.68"
WAIT_MS = 60_000
COLOR = "cell => getComputedStyle(cell).color"
DARK_INK = "rgb(34, 34, 34)"
BACKGROUND = "row => getComputedStyle(row).backgroundColor"
BAND = f"rgb({', '.join(str(int(BAND_COLOR[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.fixture(scope="module")
def parameters(tmp_path_factory) -> dict[str, str]:
    """Notebook parameters: a tiny network with saturating logits, and texts that attack."""
    folder = tmp_path_factory.mktemp("browser")
    checkpoint = write_checkpoint(folder / "checkpoint")

    def louder(tensors: dict) -> None:
        for name in ("classifier.weight", "classifier.bias"):
            tensors[name] *= 6

    change_weights(checkpoint, louder)
    lines = []
    for q in range(3):
        texts = [" ".join((WORDS * 3)[q + c : q + 2 * c + 4]) for c in range(10)]
        texts[1] += f" {ATTACK}"
        candidates = [
            {"passage_id": f"p{c}", "text": text, "grade": c % 4} for c, text in enumerate(texts)
        ]
        query = f"{' '.join(WORDS[q : q + 3])} {ATTACK}"
        lines.append({"query_id": f"q{q}", "query": query, "candidates": candidates})
    own = folder / "own.jsonl"
    own.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RERANK_PRECISION_STORE", str(folder / "store"))
        yield {"model": str(checkpoint), "data": str(own)}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def lab(parameters, tmp_path_factory) -> str:
    """Address of notebook 3, with our parameters, in a JupyterLab of its own."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = parameterize_notebook(load_notebook_node(str(NOTEBOOK)), parameters)
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / NOTEBOOK.name)
    # The prompt for news would cover the notebook, and asks the network.
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "config" / "labconfig").mkdir(parents=True)
    (folder / "config" / "labconfig" / "page_config.json").write_text(json.dumps(off))
    # Cells out of sight are otherwise left undrawn, and undrawn text reads as empty.
    tracker = folder / "settings" / "@jupyterlab" / "notebook-extension"
    tracker.mkdir(parents=True)
    (tracker / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={folder / 'notebooks'}"]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    try:
        wait_for(f"http://127.0.0.1:{port}/api", server, log)
        yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}"
    finally:
        stop(server)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


def stop(server: subprocess.Popen) -> None:
    """End the server; asked politely, it ends its kernels too."""
    server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()  # kernels notice that it is gone, and end
        server.wait(timeout=20)


class View:
    """The interactive view in the notebook, as a reader sees and uses it."""

    def __init__(self, page: Page) -> None:
        box = page.locator(".jp-OutputArea-output").filter(has=page.get_by_label("Engine"))
        html = box.locator(".widget-html-content")
        self.page, self.box = page, box
        self.summary, self.picture = html.filter(has_text="tie group"), html.locator("img")
        self.rows = html.locator("tbody tr")

    def choose(self, label: str, option: str) -> None:
        self._answered(lambda: self.box.get_by_label(label).select_option(label=option))

    def press(self, label: str, option: str) -> None:
        self._answered(lambda: self.button(label, option).click())

    def button(self, label: str, option: str) -> Locator:
        named = self.page.get_by_text(label, exact=True)
        group = self.box.locator(".widget-toggle-buttons").filter(has=named)
        return group.get_by_role("button", name=option, exact=True)

    def _answered(self, act) -> None:
        """Act, and wait until the whole view has been drawn anew: the picture comes last."""
        before = self.picture_src()
        act()
        late = time.monotonic() + WAIT_MS / 1000
        while self.picture_src() == before:
            assert time.monotonic() < late, "the picture stays as it was"
            self.page.wait_for_timeout(50)

    def shown(self) -> tuple[str, list[str], str]:
        return self.summary.inner_text(), self.rows.all_inner_texts(), self.picture_src()

    def picture_src(self) -> str:
        return self.picture.get_attribute("src")

    def bands(self) -> list[bool]:
        return [row.evaluate(BACKGROUND) == BAND for row in self.rows.all()]

    def ties(self) -> list[bool]:
        return [" tied\t" in text for text in self.rows.all_inner_texts()]


@pytest.fixture(scope="module")
def view(browser, lab) -> View:
    """Notebook 3 opened, and all its cells run."""
    page = browser.new_page(viewport={"width": 1300, "height": 1500})
    page.goto(lab)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=WAIT_MS)
    # Before its kernel is there, a notebook that is run asks for one.
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    view = View(page)
    expect(view.picture).to_be_visible(timeout=WAIT_MS)
    view.picture.scroll_into_view_if_needed()
    # Visible is not yet drawn: wait until the last of its texts can be read.
    drawn = {"use_inner_text": True, "timeout": WAIT_MS}
    expect(view.summary).to_contain_text("tie group", **drawn)
    expect(view.rows.last).to_contain_text(re.compile(r"\w"), **drawn)
    yield view
    page.close()


def test_toggling_changes_summary_table_bands_and_picture(view):
    reference = view.shown()
    assert "float32 logits → fused sigmoid in float32 → stored as float32" in reference[0]
    assert len(reference[1]) == 10
    assert view.bands() == view.ties()

    view.press("Forward", "float16")
    view.choose("Engine", OLD_INFINITY)
    old = view.shown()
    assert "float16 logits → stepwise sigmoid in float16 → stored as float16" in old[0]
    assert all(before != after for before, after in zip(reference, old, strict=True))
    assert sum(view.bands()) >= 2
    assert view.bands() == view.ties()
    assert int(re.search(r"(\d+) of 10 scores are exactly 1.0", old[0])[1]) >= 2
    assert view.button("Stored as", "float32").is_disabled()

    view.press("Forward", "float32")
    assert view.shown() != old
    assert "float32 logits → stepwise sigmoid in float32" in view.summary.inner_text()
    few = sum(view.bands())

    view.box.get_by_label("Engine").select_option(label="own choice")
    expect(view.button("Stored as", "bfloat16")).to_be_enabled(timeout=WAIT_MS)
    view.press("Stored as", "bfloat16")
    assert "stored as bfloat16" in view.summary.inner_text()
    assert sum(view.bands()) > few
    assert view.bands() == view.ties()


def test_every_query_can_be_chosen_and_texts_stay_texts(view):
    options = view.box.get_by_label("Query").locator("option").all_inner_texts()
    assert len(options) == 3
    assert all(ATTACK in option.replace("\N{NO-BREAK SPACE}", " ") for option in options)
    before = view.rows.all_inner_texts()
    view.choose("Query", options[2])
    assert view.rows.all_inner_texts() != before
    assert view.rows.filter(has_text=ATTACK).count() == 1
    assert view.page.evaluate("window.hit") is None


def test_the_picture_says_what_it_shows(view):
    assert re.match(r"Left: ranks of 10 passages", view.picture.get_attribute("alt"))
    assert view.picture.evaluate("image => image.naturalWidth") > 1000


def test_tied_rows_stay_readable_in_a_dark_theme(view):
    view.page.evaluate("document.body.style.setProperty('--jp-widgets-color', 'white')")
    colors = [row.locator("td").last.evaluate(COLOR) for row in view.rows.all()]
    bands = view.bands()
    assert True in bands
    assert colors == [DARK_INK if band else "rgb(255, 255, 255)" for band in bands]


# The report page


@pytest.fixture(scope="module")
def report_page(parameters, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    executed = folder / NOTEBOOK.name
    execute(NOTEBOOK, executed, Run(folder, parameters))
    path = folder / "index.html"
    path.write_text(page_html([executed]), encoding="utf-8")
    return path


@pytest.mark.parametrize(("scheme", "paper"), [("light", 255), ("dark", 22)])
def test_the_report_page_stands_alone(browser, report_page, scheme, paper):
    page = browser.new_page(color_scheme=scheme)
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.goto(report_page.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [report_page.as_uri()]
    assert wrong == []
    images = page.locator("img")
    assert images.count() >= 1
    assert all(image.evaluate("image => image.naturalWidth") > 0 for image in images.all())
    assert page.evaluate("window.hit") is None
    assert page.get_by_role("cell", name=ATTACK).count() == 1
    assert page.locator("body").evaluate(BACKGROUND).startswith(f"rgb({paper},")
    page.close()


def test_tied_rows_of_the_report_are_readable_in_the_dark(browser, report_page):
    page = browser.new_page(color_scheme="dark")
    page.goto(report_page.as_uri())
    tied = page.locator("tr[style*=background] td").first
    assert tied.evaluate(COLOR) == DARK_INK
    plain = page.locator("tbody tr:not([style]) td").first
    assert plain.evaluate(COLOR) == "rgb(230, 230, 230)"
    page.close()


def test_the_report_fits_a_narrow_screen(browser, report_page):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(report_page.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
