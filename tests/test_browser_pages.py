"""The view in pages without a kernel: by mouse and keys, in the dark, on a phone, unscripted."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsers import NEEDS_BROWSER, Shown, Watched, at, load_module, opened, violations
from few_rows import INT8, few_logits, few_logits_of_runtimes, few_pairs
from made_logits import german_logits, german_set, many_pairs
from playwright.sync_api import Page, expect

from analysis.engines import path_of
from analysis.scorepath import ScorePath
from analysis.ties import apply
from analysis.viewing import RerankToggle, view
from analysis.viewing.module import module

pytestmark = NEEDS_BROWSER

OLD = path_of("infinity", "0.0.68", "float16")
LONG = "x" * 40_000
HOSTILE = [
    "<script>window.hit = 1</script>",
    '<img src="x" onerror="window.hit = 2"> & more',
    "</script><script>window.hit = 3</script><!--",
    "\u202eRTL override \u05e9\u05dc\u05d5\u05dd \U0001f600",
    LONG,
    "Wort " * 8000,
    "`${window.hit = 4}`",
    "javascript:window.hit = 5",
]


@pytest.fixture(scope="module")
def german() -> RerankToggle:
    return view(german_logits(), german_set(), path=OLD, query="recht-2")


@pytest.fixture(scope="module")
def german_file(german, tmp_path_factory) -> Path:
    return german.save(tmp_path_factory.mktemp("page") / "german.html")


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory) -> Path:
    """A page whose ids, queries and passages attack."""
    pairs = few_pairs().assign(query=lambda frame: HOSTILE[0] + frame["query_id"] + HOSTILE[2])
    pairs["passage"] = [HOSTILE[n % len(HOSTILE)] for n in range(len(pairs))]
    logits = few_logits(few_pairs())
    for frame in (pairs, logits):
        frame["passage_id"] = HOSTILE[1] + frame["passage_id"]
        frame["query_id"] = HOSTILE[0] + frame["query_id"]
    shown = view(logits, pairs, path=OLD)
    return shown.save(tmp_path_factory.mktemp("hostile") / "page.html", HOSTILE[2])


@pytest.fixture(scope="module")
def tab(browser) -> Iterator[Page]:
    """A page that is used again: making one takes longer than going somewhere else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(tab, german_file) -> Iterator[Page]:
    """The German set's page, opened anew."""
    tab.goto("about:blank")
    with at(tab, german_file) as page:
        yield page


@pytest.fixture
def shown(page) -> Shown:
    return Shown(page)


def order(path: ScorePath | str, query: str = "recht-2") -> list[str]:
    """Ids of a query's passages as Python ranks them."""
    logits = german_logits()
    scored = apply(logits[logits["query_id"] == query], path)
    return scored.sort_values("rank", kind="stable")["passage_id"].tolist()


# What it shows


def test_it_opens_with_the_state_of_the_page_and_proves_its_scores(shown):
    assert shown.stages() == ["float16", "stepwise", "float16", "float16", "input order"]
    assert shown.ranked() == order(OLD)
    expect(shown.proof).to_have_text("✓ 945 scores bitwise equal to Python’s")
    expect(shown.words).to_contain_text("So do Infinity 0.0.13–0.0.68")
    expect(shown.search).to_have_value("Schimmel in der Wohnung: Darf ich die Miete mindern?")


@pytest.mark.parametrize("rule", ["docid descending", "expected"])
def test_toggling_shows_pythons_order_of_every_stage(shown, rule):
    shown.press("Network runs in", "bfloat16")
    shown.press("Sigmoid", "fused")
    shown.press("evaluated in", "bfloat16")
    shown.press("Score stored as", "float32")
    shown.press("Equal scores by", rule)
    path = ScorePath("bfloat16", "fused", "bfloat16", "float32", rule)
    assert shown.ranked() == order(path)
    expect(shown.words).to_contain_text("bfloat16 logits → fused sigmoid in bfloat16 → stored as")
    expect(shown.words).to_contain_text("So do Haystack 2.x")  # a late cast changes no value
    shown.press("Score stored as", "float16")
    expect(shown.words).to_contain_text("No engine in the catalogue does this")


def test_forward_formats_of_other_runtimes_stand_in_the_first_column(browser, tmp_path):
    pairs = few_pairs()
    made = view(few_logits_of_runtimes(pairs), pairs)
    with opened(browser, made.save(tmp_path / "runtimes.html"), offline=True) as page:
        shown = Shown(page)
        shown.press("Forward format", INT8)
        assert shown.stages() == [INT8, "fused", "float32", "float32", "input order"]
        made.forward_format = INT8
        ranked = made.orders()[1].sort_values("rank", kind="stable")["passage_id"].tolist()
        assert shown.ranked() == ranked
        expect(shown.words).to_have_text(
            f"{INT8} logits → fused sigmoid in float32 → stored as float32"
        )
        expect(shown.proof).to_have_text("✓ 11 scores bitwise equal to Python’s")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        copied = page.evaluate(
            """() => {
                const said = [];
                navigator.clipboard.writeText = async (text) => said.push(text);
                const root = document.querySelector("[data-rerank-view]").shadowRoot;
                [...root.querySelectorAll(".taking button")][0].click();
                return said[0];
            }"""
        )
    named: dict[str, object] = {"logits": few_logits_of_runtimes(pairs), "candidates": pairs}
    exec(copied.replace("view(", "shown = view("), named)
    assert named["ranked"]["forward_format"].unique().tolist() == [INT8]
    assert named["shown"].forward_format.text == INT8


def test_list_picture_and_numbers_change_in_one_go(page):
    torn = page.evaluate(
        """() => {
            const root = document.querySelector("[data-rerank-view]").shadowRoot;
            const parts = () => [".rows", ".stairs", ".tiles", ".words", ".inspector", ".path"]
                .map((name) => root.querySelector(name).outerHTML);
            const before = parts();
            root.querySelector(".activation input[value=float32]").click();
            return parts().map((part, n) => part === before[n]);
        }"""
    )
    assert torn == [False] * 6


def test_an_engine_sets_the_stages_and_is_recognised(shown):
    shown.choose("Engine", "Haystack 2.x, bfloat16")
    assert shown.stages() == ["bfloat16", "fused", "bfloat16", "bfloat16", "input order"]
    shown.press("evaluated in", "float64")
    expect(shown.within.get_by_label("Engine", exact=True)).to_have_value("own")
    shown.press("evaluated in", "bfloat16")
    expect(shown.within.get_by_label("Engine", exact=True)).not_to_have_value("own")
    labels = shown.within.get_by_label("Engine", exact=True).locator("option").all_inner_texts()
    assert "vLLM ≥ 0.11, float32 (read, not run)" in labels


def test_any_path_can_be_compared_with(shown):
    was = shown.rows.filter(has_text="▲").count()
    assert was > 0
    shown.within.get_by_role("button", name="Compare with this").click()
    assert shown.rows.filter(has_text="▲").count() == 0
    expect(shown.within.get_by_label("compared with")).not_to_have_value("reference")
    shown.press("evaluated in", "float32")
    shown.press("Score stored as", "float32")
    assert shown.rows.filter(has_text="▲").count() > 0
    shown.choose("compared with", "float32 logits (reference)")
    assert shown.rows.filter(has_text="▲").count() == 0


def test_a_toggle_is_undone(page, shown):
    undo = shown.within.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    before = shown.stages()
    shown.press("Sigmoid", "none")
    shown.press("Network runs in", "bfloat16")
    undo.click()
    undo.click()
    assert shown.stages() == before
    expect(undo).to_be_disabled()
    shown.press("Sigmoid", "none")
    page.keyboard.press("Control+z")
    assert shown.stages() == before


def test_the_inspector_takes_a_score_apart(shown):
    shown.rows.filter(has_text="recht-2-10").click()
    for text in ("exactly0.9990", "next on this path", "Every logit from", "is hidden"):
        expect(shown.inspector).to_contain_text(text)
    bits = shown.inspector.get_by_role("img")
    said = "Bits in float16: sign 0, exponent 01110, fraction 1111111110"
    expect(bits).to_have_attribute("aria-label", said)
    shown.rows.first.click()
    expect(shown.inspector).to_contain_text("Every logit from 7.625 on has this score.")
    others = shown.inspector.locator(".sharers").get_by_role("button")
    logits = german_logits().query("query_id == 'recht-2' and forward_dtype == 'float32'")
    sharing = logits[logits["passage_id"].isin(order(OLD)[:3])]
    by_float32 = sharing.sort_values("logit", ascending=False)["passage_id"].tolist()
    assert others.all_inner_texts() == by_float32
    others.first.click()
    expect(shown.inspector.locator("h3")).to_have_text(by_float32[0])


def test_raw_logits_are_not_called_scores_of_a_sigmoid(shown):
    shown.press("Sigmoid", "none")
    expect(shown.tiles.first).to_contain_text("scores are logits")
    expect(shown.radio("evaluated in", "float16")).to_be_disabled()
    expect(shown.picture).to_contain_text("score = logit")


@pytest.mark.parametrize("part", ["top 10", "this step"])
def test_the_picture_zooms(shown, part):
    before = shown.picture.inner_html()
    shown.press("Show", part)
    assert shown.picture.inner_html() != before
    assert "NaN" not in shown.picture.inner_html()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (["float16", "stepwise", "float32", "float16"], "scores in sight, a tread each"),
        (["float16", "stepwise", "float32", "float32"], "float32 has too many scores here"),
        (["float32", "none", "float32", "float16"], "scores in sight, a tread each"),
        (["bfloat16", "none", "float32", "float16"], "there are no steps"),
    ],
)
def test_the_picture_has_treads_wherever_scores_are_coarser_than_logits(shown, path, says):
    groups = ("Network runs in", "Sigmoid", "evaluated in", "Score stored as")
    for group, option in zip(groups, path, strict=True):
        if not (group == "evaluated in" and path[1] == "none"):
            shown.press(group, option)
    expect(shown.within.locator("figcaption")).to_contain_text(says)


def test_a_click_on_a_dot_chooses_its_passage(page, shown):
    box = shown.picture.bounding_box()
    x, y = page.evaluate(
        """() => {
            const root = document.querySelector("[data-rerank-view]").shadowRoot;
            const dots = root.querySelector(".alone.dots").getAttribute("d").split("M");
            return dots.at(-1).split(/[ h]/).slice(0, 2).map(Number);
        }"""
    )
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(shown.inspector.locator("h3")).to_have_text("recht-2-01")


def test_queries_are_found_by_words(page, shown):
    shown.search.click()
    shown.search.fill("zecke ENTFERNEN")
    options = page.get_by_role("listbox", name="Queries").get_by_role("option")
    expect(options).to_have_count(1)
    shown.search.press("Enter")
    expect(shown.search).to_have_value(re.compile("^Zecke mit Pinzette"))
    assert shown.ranked() == order(OLD, "gesundheit-1")
    shown.search.fill("keine solche Frage")
    expect(page.get_by_text("No query has these words.")).to_be_visible()
    shown.search.press("Escape")
    expect(page.get_by_role("listbox", name="Queries")).to_be_hidden()


def test_the_strip_tells_which_queries_are_hit(shown):
    said = "recht-2, 10 of 64: first place shared by 3"
    expect(shown.strip).to_have_attribute("aria-valuetext", said)
    shown.press("Sigmoid", "none")
    expect(shown.strip).to_have_attribute("aria-valuetext", "recht-2, 10 of 64: no ties")


def test_ten_thousand_candidates_have_few_elements(browser, tmp_path):
    logits, pairs = many_pairs(1, 10_000)
    file = view(logits, pairs, path=OLD).save(tmp_path / "many.html")
    with opened(browser, file) as page:
        shown = Shown(page)
        assert shown.rows.count() < 40
        shown.list.focus()
        page.keyboard.press("End")
        worst = apply(logits, OLD).sort_values("rank")["passage_id"].iloc[-1]
        expect(shown.inspector.locator("h3")).to_have_text(worst)
        expect(shown.rows.filter(has_text=worst)).to_be_visible()
        assert shown.rows.count() < 40


def test_a_large_set_is_counted_a_moment_later(browser, german):
    page = browser.new_page()
    load_module(page, german._data, module().replace("MOST_AT_ONCE = 20_000", "MOST_AT_ONCE = 10"))
    at_once = page.evaluate(
        """() => {
            const host = document.body.appendChild(document.createElement("div"));
            new core.View(host, payload);
            return host.shadowRoot.querySelectorAll(".tile")[2].textContent;
        }"""
    )
    assert at_once.startswith("tied0 of 15")
    assert at_once.endswith("All 64: –")
    expect(Shown(page).tiles.nth(2)).to_contain_text("All 64: 2 of 945")
    page.close()


# What it gives


def test_a_link_leads_to_the_same_view(browser, page, shown, german_file):
    shown.press("Equal scores by", "expected")
    shown.choose("compared with", "Haystack 2.x, float16")
    shown.rows.nth(4).click()
    page.wait_for_url(re.compile("passage="))
    fragment = page.evaluate("location.hash")
    assert fragment.startswith(f"#query=recht-2&path={OLD.text.rpartition(',')[0]},ties=expected&")
    with opened(browser, german_file, fragment) as other:
        again = Shown(other)
        assert again.stages() == shown.stages()
        assert again.ranked() == shown.ranked()
        assert again.inspector.inner_text() == shown.inspector.inner_text()


@pytest.mark.parametrize(
    "fragment",
    [
        "#",
        "#query=%E0%A4%A",
        "#path=constructor,x",
        f"#path={OLD.text}".replace("float16", "__proto__"),
        "#query=nobody&passage=nothing",
    ],
)
def test_a_broken_link_shows_what_the_page_had(browser, german_file, fragment):
    with opened(browser, german_file, fragment) as page:
        assert Shown(page).ranked() == order(OLD)


def test_the_copied_python_shows_the_same(page, shown):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.press("evaluated in", "bfloat16")
    shown.choose("compared with", "Haystack 2.x, float16")
    shown.rows.nth(3).click()
    page.get_by_role("button", name="Copy as Python").click()
    expect(shown.live).to_have_text("Python copied")
    code = page.evaluate("navigator.clipboard.readText()")
    names = {"logits": german_logits(), "candidates": german_set()}
    exec(code.replace("view(logits", "again = view(logits"), names)
    again = names["again"]
    assert again.path == ScorePath("float16", "stepwise", "bfloat16", "float16")
    assert again.against == path_of("haystack:float16")
    ranked = names["ranked"].query("query_id == 'recht-2'").sort_values("rank", kind="stable")
    assert ranked["passage_id"].tolist() == shown.ranked()
    assert again.selected == shown.ranked()[3]


def test_without_a_clipboard_the_text_itself_is_given(page):
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy as Python").click()
    given = page.get_by_label("Python to copy")
    expect(given).to_have_value(re.compile("^from analysis import ScorePath"))
    expect(given).to_be_focused()


def test_the_picture_is_saved_as_a_file_that_stands_alone(page):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture (SVG)").click()
    assert download.value.suggested_filename == "recht-2.svg"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in text
    assert "<title>Schimmel in der Wohnung" in text
    assert "float16 logits → stepwise sigmoid in float16" in text


# Keys and readers


def focused(page: Page) -> str:
    """Name of what has the focus; of a radio button, that of its group."""
    return page.evaluate(
        """() => {
            let node = document.activeElement;
            while (node.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
            const legend = node.closest("fieldset")?.querySelector("legend");
            const label = node.closest("label")?.querySelector("span");
            return legend?.textContent ?? node.getAttribute("aria-label")
                ?? label?.textContent ?? node.textContent;
        }"""
    )


def test_everything_is_reached_and_done_by_keys_alone(page, shown):
    stops = []
    while "Save picture (SVG)" not in stops:
        page.keyboard.press("Tab")
        stops.append(focused(page))
        assert len(stops) < 40
    groups = ["Network runs in", "Sigmoid", "evaluated in", "Score stored as", "Equal scores by"]
    assert stops[:4] == ["Previous query", "Query: type words to search", "Next query", "Queries"]
    assert [stop for stop in stops if stop in groups] == groups  # one stop for each
    assert stops.index("Passages in the order of the path") < stops.index("Show")

    shown.strip.focus()
    page.keyboard.press("ArrowRight")
    expect(shown.strip).to_have_attribute("aria-valuenow", "11")
    page.keyboard.press("Home")
    expect(shown.strip).to_have_attribute("aria-valuenow", "1")
    shown.radio("Network runs in", "float16").focus()
    page.keyboard.press("ArrowDown")
    assert shown.stages()[0] == "bfloat16"
    shown.list.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(shown.inspector.locator("h3")).to_have_text(shown.ranked()[3])
    active = shown.list.get_attribute("aria-activedescendant")
    assert shown.rows.nth(0).page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    shown.search.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(shown.strip).to_have_attribute("aria-valuenow", "2")


def test_the_focus_is_seen(page, shown):
    for name in ("Previous query", "Undo"):
        page.get_by_role("button", name=name).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    outlines = page.evaluate(
        """() => {
            let node = document.activeElement;
            while (node.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
            return getComputedStyle(node).outlineStyle;
        }"""
    )
    assert outlines == "solid"


def test_one_short_sentence_is_said(shown):
    shown.press("evaluated in", "float32")
    shown.press("Score stored as", "float32")
    expect(shown.live).to_have_text("0 of 14 exactly 1.0, no ties, 0 moved.")
    shown.press("Score stored as", "bfloat16")
    assert len(shown.live.inner_text()) < 80
    shown.within.get_by_role("button", name="Next query").click()
    expect(shown.live).to_contain_text("Query 11: ")


def test_rows_say_rank_tie_move_grade_and_text(shown):
    said = shown.rows.first.get_attribute("aria-label")
    rank = "Rank 1, tied with 2 others, score 1.0, up from 3, grade 3."
    assert said.startswith(f"{rank} recht-2-02: Ja")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
def test_axe_finds_nothing(browser, german_file, axe, scheme, width):
    size = {"width": width, "height": 900}
    with opened(browser, german_file, color_scheme=scheme, viewport=size) as page:
        Shown(page).search.click()  # with the list of queries open
        assert violations(page, axe) == []


# Surroundings


def test_without_scripts_a_table_stands_there(browser, german_file):
    with opened(browser, german_file, java_script_enabled=False) as page:
        assert page.locator("tbody tr").count() == 14
        assert page.locator("tr.tied").count() >= 3
        assert page.locator("tbody tr td:nth-child(6)").all_inner_texts() == order(OLD)
        band = page.locator("tr.tied").first
        assert band.evaluate("row => getComputedStyle(row).backgroundColor") == "rgb(253, 241, 211)"


@pytest.mark.parametrize("width", [390, 640, 900])
def test_it_fits_narrow_screens(browser, german_file, hostile_file, width):
    for file in (german_file, hostile_file):
        with opened(browser, file, viewport={"width": width, "height": 844}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            inside = page.evaluate(
                """() => {
                    const root = document.querySelector("[data-rerank-view]").shadowRoot;
                    const right = (one) => one.getBoundingClientRect().right;
                    const end = right(root.querySelector(".app")) + 1;
                    const all = [...root.querySelectorAll("button, label, select, dd, dt, p, h3")];
                    return all.filter((one) => right(one) > end).length;
                }"""
            )
            assert inside == 0


COLORS = """() => {
    const root = document.querySelector("[data-rerank-view]").shadowRoot;
    const color = (name, what) => getComputedStyle(root.querySelector(name))[what];
    return [color(".app", "backgroundColor"), color(".treads", "stroke"), color(".tick", "fill"),
        color(".row.tied .text", "color"), color(".lane", "fill")];
}"""


def brightness(color: str) -> float:
    numbers = color.partition("(")[2].rstrip(")").split(",")
    return float(np.mean([float(number) for number in numbers[:3]]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_follows_the_theme(browser, german_file, scheme):
    with opened(browser, german_file, color_scheme=scheme) as page:
        paper, treads, ticks, text, lane = map(brightness, page.evaluate(COLORS))
        if scheme == "dark":
            assert max(paper, lane) < 60 < 150 < min(treads, ticks, text)
        else:
            assert min(paper, lane) > 200 > 120 > max(treads, ticks, text)


def test_less_motion_and_forced_colors_are_respected(browser, german_file):
    with opened(browser, german_file, reduced_motion="reduce", forced_colors="active") as page:
        shown = Shown(page)
        shown.press("Sigmoid", "fused")
        moving = shown.rows.first.evaluate("row => getComputedStyle(row).transitionDuration")
        assert moving == "0s"
        chosen, other = (
            shown.radio("Sigmoid", name).evaluate(
                "input => getComputedStyle(input.nextElementSibling).backgroundColor"
            )
            for name in ("fused", "none")
        )
        assert chosen != other


def test_hostile_texts_stay_texts(browser, hostile_file):
    with opened(browser, hostile_file, viewport={"width": 1280, "height": 900}) as page:
        shown = Shown(page)
        assert shown.search.input_value().startswith(HOSTILE[0])
        shown.search.click()
        page.get_by_role("listbox", name="Queries").get_by_role("option").nth(1).click()
        shown.strip.focus()
        page.keyboard.press("Home")
        shown.list.focus()
        for _ in range(8):
            page.keyboard.press("ArrowDown")
        passages = {row.locator(".text").text_content() for row in shown.rows.all()}
        assert {text[:320] for text in HOSTILE} == passages
        page.get_by_role("button", name="Save picture (SVG)").click()
        assert page.evaluate("window.hit") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert page.title() == HOSTILE[2]


def test_a_sandboxed_frame_shows_it_too(browser, german, tmp_path):
    file = tmp_path / "frame.html"
    html = f"<!DOCTYPE html><title>frame</title>{german.inline(900).data}"
    file.write_text(html, encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    watched = Watched(page)
    page.goto(file.as_uri())
    shown = Shown(page.frame_locator("iframe"))
    expect(shown.proof).to_have_text("✓ 945 scores bitwise equal to Python’s")
    shown.press("Sigmoid", "none")
    assert shown.stages()[1] == "none"
    expect(shown.within.get_by_role("button", name="Copy link")).to_be_hidden()
    shown.within.get_by_role("button", name="Copy as Python").click()
    expect(shown.live).to_have_text("Python copied")
    assert watched.said == []
    context.close()
