"""The view beside a kernel, in a real JupyterLab and in Voilà; notebook 3 in the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from browsers import NEEDS_BROWSER, WAIT_MS, Shown, free_port
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect
from tiny_checkpoints import WORDS, change_weights, write_checkpoint

from analysis.places import NOTEBOOKS
from analysis.reporting.pages import chapter_html, entry
from analysis.reporting.running import Chapter, Run, execute

pytestmark = NEEDS_BROWSER

NOTEBOOK = NOTEBOOKS / "03_rerank_dtype_toggle.ipynb"
ATTACK = '<script>window.hit = 1</script><img src="x" onerror="window.hit = 2"> & more'
COLOR = "cell => getComputedStyle(cell).color"
BACKGROUND = "row => getComputedStyle(row).backgroundColor"
CELLS = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    "from few_rows import few_logits, few_pairs\n"
    "from analysis.viewing import RerankToggle\n"
    "pairs = few_pairs()\n"
    "shown = RerankToggle(few_logits(pairs), pairs)\n"
    "shown",
    "shown.path = 'infinity@0.0.68:float16'\nshown.selected = 'p7'\nprint('moved')",
    "print('SAID', shown.query, shown.selected, shown.path.text)",
    "import time; time.sleep(20)",
)
SHOW, MOVE, SAY, SLEEP = range(len(CELLS))


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
def lab(tmp_path_factory) -> Iterator[str]:
    """Address of a notebook with a view, in a JupyterLab of its own."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = written(CELLS, folder)
    # The prompt for news would cover the notebook, and asks the network.
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "config" / "labconfig").mkdir(parents=True)
    (folder / "config" / "labconfig" / "page_config.json").write_text(json.dumps(off))
    # Cells out of sight are otherwise left undrawn, and undrawn text reads as empty.
    tracker = folder / "settings" / "@jupyterlab" / "notebook-extension"
    tracker.mkdir(parents=True)
    (tracker / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    options = ["--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"]
    options += ["--IdentityProvider.token=", f"--ServerApp.root_dir={notebook.parent}"]
    with served("jupyterlab", options, folder) as address:
        wait_for(f"{address}/api")
        yield f"{address}/lab/tree/{notebook.name}"


def written(cells: Iterable[str], folder: Path) -> Path:
    """A notebook with these cells, in a folder of its own."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel)
    path = folder / "notebooks" / "view.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    return path


@contextmanager
def served(server: str, options: list[str], folder: Path) -> Iterator[str]:
    """Address of a server, a module of Jupyter's, that leaves all it writes in a folder."""
    env = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    port = free_port()
    command = [sys.executable, "-m", server, "--no-browser", f"--port={port}", *options]
    with (folder / "server.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def wait_for(url: str) -> None:
    """Wait until a server answers."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"nothing answers at {url}")


def stop(server: subprocess.Popen) -> None:
    """End the server; asked politely, it ends its kernels too."""
    server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()  # kernels notice that it is gone, and end
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def page(browser, lab) -> Iterator[Page]:
    """The notebook opened, and the cell with the view run."""
    page = browser.new_page(viewport={"width": 1300, "height": 1500})
    page.set_default_timeout(WAIT_MS)
    page.goto(lab)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    # Before its kernel is there, a notebook that is run asks for one.
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    run(page, SHOW)
    page.locator(".row").first.wait_for()
    yield page
    page.close()


@pytest.fixture
def shown(page) -> Shown:
    return Shown(page.locator(".jp-OutputArea").filter(has=page.locator(".row")).first)


def run(page: Page, cell: int) -> None:
    """Run a cell of the notebook."""
    page.locator(".jp-CodeCell").nth(cell).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def said_by_kernel(page: Page) -> str:
    """The widget's traits, as the kernel prints them."""
    output = page.locator(".jp-CodeCell").nth(SAY).locator(".jp-OutputArea-output")
    before = output.count()
    run(page, SAY)
    if before == 0:
        output.first.wait_for()
    expect(page.locator(".jp-CodeCell").nth(SAY)).to_contain_text("]:")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    return output.first.inner_text()


def test_the_widget_stands_in_its_output(shown):
    assert shown.stages() == ["float32", "fused", "float32", "float32", "input order"]
    assert shown.ranked() == ["p2", "p5", "p0", "p7", "p4", "p1", "p6", "p3"]
    expect(shown.proof).to_have_text("✓ 11 scores bitwise equal to Python’s")


def test_python_moves_the_view(page, shown):
    run(page, MOVE)
    expect(page.get_by_text("moved", exact=True).first).to_be_visible()
    expect(shown.words).to_contain_text("float16 logits → stepwise sigmoid in float16")
    assert shown.stages() == ["float16", "stepwise", "float16", "float16", "input order"]
    assert shown.ranked() == ["p0", "p2", "p5", "p7", "p1", "p4", "p6", "p3"]
    expect(shown.inspector.locator("h3")).to_have_text("p7")


def test_the_view_moves_python(page, shown):
    shown.press("Equal scores by", "docid descending")
    shown.within.get_by_role("button", name="Next query").click()
    shown.rows.filter(has_text="p1").click()
    path = "forward=float16,sigmoid=stepwise,activation=float16,stored=float16"
    assert said_by_kernel(page).strip() == f"SAID q2 p1 {path},ties=docid descending"


def test_the_view_answers_while_the_kernel_is_busy(page, shown):
    run(page, SLEEP)
    prompt = page.locator(".jp-CodeCell").nth(SLEEP).locator(".jp-InputPrompt")
    expect(prompt).to_have_text("[*]:")
    shown.press("Sigmoid", "none")
    assert shown.stages()[1] == "none"
    expect(shown.words).to_contain_text("no sigmoid")
    assert prompt.inner_text() == "[*]:"


def test_keys_typed_into_the_view_do_nothing_to_the_notebook(page, shown):
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    shown.list.focus()
    for key in ("d", "d", "a", "x", "ArrowDown"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert shown.list.evaluate("list => list.getRootNode().activeElement === list")


def test_the_view_follows_jupyters_theme(page, shown):
    app = page.locator(".app")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    expect(app).to_have_attribute("data-theme", "dark")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    expect(app).to_have_attribute("data-theme", "light")


def test_voila_shows_the_view_beside_a_kernel(browser, tmp_path):
    pytest.importorskip("voila", reason="NO VOILÀ HERE: install the extra 'dev'.")
    notebook = written(CELLS[:1], tmp_path)
    with served("voila", ["--Voila.ip=127.0.0.1", str(notebook)], tmp_path) as address:
        wait_for(f"{address}/voila/static/voila.js")
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(address)
        shown = Shown(page)
        expect(shown.proof).to_have_text("✓ 11 scores bitwise equal to Python’s")
        shown.press("Sigmoid", "none")
        assert shown.ranked() == ["p2", "p5", "p0", "p7", "p4", "p1", "p6", "p3"]
        page.close()


# The report page


@pytest.fixture(scope="module")
def report_page(parameters, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    executed = folder / NOTEBOOK.name
    execute(NOTEBOOK, executed, Run(folder, parameters))
    path, chapter = folder / "page.html", Chapter(executed)
    path.write_text(chapter_html(chapter, [entry(chapter)]), encoding="utf-8")
    return path


@pytest.mark.parametrize(("scheme", "paper"), [("light", 255), ("dark", 21)])
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
    assert page.get_by_role("cell", name=ATTACK).count() == 2  # the view's table, and its twin
    assert page.locator("body").evaluate(BACKGROUND).startswith(f"rgb({paper},")
    page.close()


def test_tied_rows_of_the_report_are_readable_in_the_dark(browser, report_page):
    page = browser.new_page(color_scheme="dark")
    page.goto(report_page.as_uri())
    tied, plain = (page.locator(f"tbody tr{which} td").first for which in (".tied", ":not(.tied)"))
    assert {tied.evaluate(COLOR), plain.evaluate(COLOR)} == {"rgb(232, 234, 237)"}
    assert tied.locator("..").evaluate(BACKGROUND) == "rgb(53, 43, 20)"
    page.close()


def test_the_report_fits_a_narrow_screen(browser, report_page):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(report_page.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
