"""A report's site of a tiny model, a hostile set and tiny notebooks, in Chromium too."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest
from browsers import NEEDS_BROWSER, violations
from shown_pages import Page
from sites import write_notebook, write_set

from analysis import places
from analysis.cli import main
from analysis.errors import InputError
from analysis.policies import hash_of
from analysis.reporting import ChaptersFailedError, asked, report, running
from analysis.reporting.pages import INDEX, SHEET

HOSTILE = " <img src=x onerror=alert(1)>'\"</script>&{{ 7 * 7 }}"
FIGURE = """
import matplotlib.pyplot as plt
from analysis.figures.style import Picture
from analysis.notebooks import record, show
figure, ax = plt.subplots(figsize=(9, 2))
ax.plot([0, 1])
show(Picture(figure, "A line", 'From "0" up'), "01_line")
record({"doubled": 2})
print("model", model)
"""
LINKS = """
from analysis import sinks
from analysis.notebooks import say
say(f"See `01_own`, {sinks.markdown('<img src=x onerror=alert(1)>')}.")
"""
A4_PAGES = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_checkpoint) -> tuple[Path, list[str], str]:
    """A site with a chapter, one of the background and one that failed; its steps; its error."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "notebooks").mkdir()
    write_notebook(folder / "notebooks", "01_own", FIGURE)
    write_notebook(folder / "notebooks", "02_recorded", LINKS, background=True)
    write_notebook(folder / "notebooks", "03_broken", f"raise ValueError({HOSTILE!r})")
    write_notebook(folder / "notebooks", "04_last", "1")
    data = write_set(folder / "own.jsonl", HOSTILE)
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "NOTEBOOKS", folder / "notebooks")
        patch.setenv("RERANK_PRECISION_STORE", str(folder / "store"))
        options = {"model": tiny_checkpoint, "data": data, "path": "haystack:float16"}
        options["formats"] = ["bfloat16", "torch:float64"]
        with pytest.raises(ChaptersFailedError) as failed:
            report(out=folder / "site", max_length=32, device="cpu", say=said.append, **options)
    return folder / "site", said, str(failed.value)


@pytest.fixture(scope="module")
def site(made) -> Path:
    return made[0]


def page_of(site: Path, name: str) -> Page:
    return Page((site / name).read_text("utf-8"))


def test_every_step_is_said_and_the_failure_at_the_end(made):
    site, said, failed = made
    assert said[0] == "scoring 24 pairs in float32, float16, bfloat16, float64"
    assert said[1] == "measuring a pass of one query in float16 and float32"
    assert said[2] == f"answer: {site / INDEX}"
    assert said[3] == "01_own: running (1 of 4)"
    assert said[-1] == f"report: {site / INDEX}"
    assert failed.startswith("1 notebook failed.\n03_broken: ValueError: <img src=x")


def test_the_site_has_a_page_for_every_chapter_that_ran(site):
    pages = {file.name for file in site.glob("*.html")}
    assert pages == {INDEX, SHEET, "01_own.html", "02_recorded.html", "04_last.html"}
    assert {folder.name for folder in site.iterdir() if folder.is_dir()} == {"notebooks", "figures"}


def test_every_local_link_leads_somewhere(site):
    for file in site.glob("*.html"):
        page = page_of(site, file.name)
        for link in page.attributes("a"):
            assert (site / link["href"].split("#")[0]).exists(), link


@pytest.mark.parametrize("name", [INDEX, SHEET, "01_own.html", "02_recorded.html"])
def test_a_page_loads_nothing_and_runs_only_the_views_script(site, name):
    page = page_of(site, name)
    (policy,) = (m["content"] for m in page.attributes("meta") if "http-equiv" in m)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    text = (site / name).read_text("utf-8")
    (css,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    assert rules["style-src"] == hash_of(css)
    scripts = re.findall('<script type="module">(.*?)</script>', text, re.DOTALL)
    assert ("script-src" in rules) == (name == INDEX) == bool(scripts)
    assert all(hash_of(one) == rules["script-src"] for one in scripts)
    assert rules.get("style-src-elem", hash_of(css)) == hash_of(css)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("src") or "data:").startswith("data:"), tag
    assert {"iframe", "object", "embed", "base", "link"}.isdisjoint(tag for tag, _ in page.tags)


def test_the_first_page_says_which_chapter_failed_and_why(site):
    index = page_of(site, INDEX)
    assert "1 of 4 chapters failed." in index.text
    assert f"ValueError:{HOSTILE}" in index.text


def test_forward_formats_set_beside_stand_in_a_table_of_their_own(site):
    section = (site / INDEX).read_text("utf-8").split('<section id="formats">')[1]
    section = section.split("</section>")[0]
    names = re.findall('<tr><th scope="row">(.*?)</th>', section)
    assert names == ["float32", "float16", "bfloat16", "float64"]
    assert "belongs to its batch" not in section


def test_chapters_are_listed_with_their_question_and_the_background_apart(site):
    index = (site / INDEX).read_text("utf-8")
    assert index.count("How many in 0.5?") == 3
    own, background = index.split("<h3>Background</h3>")
    assert "02_recorded.html" in background
    assert "02_recorded.html" not in own
    assert '<img src="data:image/png;base64,' in own


def test_a_chapter_has_neighbours_and_links_but_no_code(site):
    own, recorded = page_of(site, "01_own.html"), page_of(site, "02_recorded.html")
    neighbours = {link["rel"]: link["href"] for link in own.attributes("a") if "rel" in link}
    assert neighbours == {"next": "04_last.html"}  # the background comes last
    assert any(link["href"] == "01_own.html" for link in recorded.attributes("a"))
    assert "plt.subplots" not in own.text
    assert "doubled" not in own.text
    assert "<img src=x onerror=alert(1)>" in recorded.text
    (image,) = own.attributes("img")
    assert image["alt"] == 'From "0" up'


def test_notebooks_get_what_was_asked_for(site):
    notebook = nbformat.read(site / "notebooks" / "01_own.ipynb", as_version=4)
    given: dict[str, object] = {}
    exec(notebook.cells[2].source, given)
    assert given["loading"] == {"device": "cpu", "max_length": 32}
    assert given["formats"] == ["float64"]
    assert given["your_path"] == "haystack:float16"
    assert given["data"] == str(site.parent / "own.jsonl")


def test_the_command_makes_the_report_again(site):
    text = page_of(site, SHEET).text
    assert "rerank-precision report --model" in text
    assert "--path haystack:float16" in text
    assert "--format float64" in text
    assert "--device cpu --max-length 32" in text


def test_a_report_of_ones_own_needs_a_folder(tmp_path):
    data = write_set(tmp_path / "own.jsonl")
    with pytest.raises(InputError, match="--out FOLDER"):
        report(data=data)
    with pytest.raises(InputError, match="--out FOLDER"):
        report(path="haystack:float16")


def test_outside_a_checkout_every_report_needs_a_folder(monkeypatch):
    monkeypatch.setattr(places, "CHECKOUT", None)
    with pytest.raises(InputError, match="--out FOLDER"):
        report()


def test_shipped_names_come_before_local_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "german"):
        (tmp_path / name).mkdir()
        assert asked._absolute(name) == name


# Interrupted

WAITS = """
import os, signal, time
from pathlib import Path
here = Path(data).with_name("interrupted")
if not here.exists():
    here.touch()
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
"""


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_report_goes_on_where_it_was(tmp_path, tiny_checkpoint, monkeypatch, capsys):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    folder, out = tmp_path / "notebooks", tmp_path / "site"
    folder.mkdir()
    write_notebook(folder, "01_done", "1")
    write_notebook(folder, "02_waits", WAITS)
    monkeypatch.setattr(running, "NOTEBOOKS", folder)
    data = write_set(tmp_path / "own.jsonl", graded=False)
    options = ["--model", tiny_checkpoint, "--data", data, "--dtype", "float16", "--out", out]
    monkeypatch.setattr(sys, "argv", ["rerank-precision", "report", *map(str, options)])

    def ended() -> int:
        with pytest.raises(SystemExit) as ending:
            main()
        return ending.value.code or 0

    assert ended() == 130
    assert capsys.readouterr().err.endswith(
        "rerank-precision: interrupted; the same command goes on with what it has kept\n"
    )
    assert "1 of 2 chapters is not here yet." in " ".join(page_of(out, INDEX).text.split())
    assert "01_done.html" in (out / INDEX).read_text("utf-8")
    kept = [out / "notebooks" / "01_done.ipynb", *(out / "notebooks").glob("speed-*")]
    kept += (tmp_path / "store").rglob("logits.parquet")
    written = [file.stat().st_mtime_ns for file in kept]
    assert ended() == 0
    assert "01_done: inputs unchanged, nothing recomputed (1 of 2)" in capsys.readouterr().out
    assert [file.stat().st_mtime_ns for file in kept] == written
    assert "not here yet" not in page_of(out, INDEX).text
    assert (out / "02_waits.html").exists()


# In a browser


@pytest.fixture
def shown(browser, site):
    """Open a page without a network; whatever it says on the console fails."""
    contexts, said = [], []

    def open_page(name: str, **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto((site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


class TestInABrowser:
    pytestmark = NEEDS_BROWSER

    def test_the_view_toggles_on_the_first_page(self, shown):
        page = shown(INDEX)
        page.locator(".row").first.wait_for()
        checked = ".path input:checked"
        before = page.locator(checked).evaluate_all("found => found.map(one => one.value)")
        assert before[0] == "float16"
        page.get_by_role("group", name="Network runs in").get_by_label("float32").check(force=True)
        after = page.locator(checked).evaluate_all("found => found.map(one => one.value)")
        assert after[0] == "float32"

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("name", [INDEX, SHEET, "01_own.html"])
    def test_a_page_fits_a_phone(self, shown, name, scheme):
        page = shown(name, viewport={"width": 390, "height": 800}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}[scheme]

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("name", [INDEX, SHEET, "01_own.html"])
    def test_axe_finds_nothing(self, shown, axe, name, scheme):
        page = shown(name, color_scheme=scheme)
        if name == INDEX:
            page.locator(".row").first.wait_for()
        assert violations(page, axe) == []

    def test_a_figure_is_readable_on_a_phone(self, shown):
        page = shown("01_own.html", viewport={"width": 390, "height": 800})
        assert page.locator(".picture img").bounding_box()["width"] == 720

    def test_a_picture_is_no_white_box_in_the_dark(self, shown):
        page = shown("01_own.html", color_scheme="dark")
        style = page.locator(".picture img").evaluate("image => getComputedStyle(image).filter")
        assert "invert" in style

    def test_the_sheet_prints_on_two_pages(self, shown):
        pdf = shown(SHEET).pdf(prefer_css_page_size=True)
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) <= A4_PAGES
