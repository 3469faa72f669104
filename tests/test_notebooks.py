"""Sentences, figures, tables and named values of a notebook, as its page shows them."""

from __future__ import annotations

import json
import re
import string
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbconvert.filters import markdown2html

from analysis import sinks
from analysis.figures.style import Picture, style
from analysis.notebooks import FIGURES_VARIABLE, VALUES_MIME, record, say, show, table

NASTY = 'Öl & Essig <script>alert("x")</script>'
ACTIVE = [
    "<img src=x onerror=alert(1)>",
    "[text](javascript:alert(1))",
    "![text](https://example.org/x.png)",
    "https://example.org/x y@example.org <https://example.org>",
    "**bold** _it_ `code` ~~gone~~ # head",
    "$x^2$ $$y$$ \\(z\\) \\begin{equation}",
    "&lt;b&gt; &amp; &#60;",
    "1. one",
    "- one | two |",
    "***",
]


@pytest.fixture(scope="module", autouse=True)
def _shell():
    """Outputs are displayed, and captured here, only inside an IPython shell."""
    InteractiveShell.instance()
    yield
    InteractiveShell.clear_instance()


def displayed(function, *args, **kwargs) -> dict:
    with capture_output() as captured:
        function(*args, **kwargs)
    (output,) = captured.outputs
    return dict(output.data)


@style()
def draw(color: str = "C0", caption: str = "A line", alt: str = "It falls") -> Picture:
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 1], [1, 0], color=color)
    ax.set_title("Öl")
    ax.axhspan(0, 0.5, clip_on=True)  # clipped: its id in the SVG is a hash
    return Picture(figure, caption, alt)


class Texts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def shown(markdown: str) -> str:
    """What a reader of the page sees of a Markdown text."""
    return "".join(Texts(markdown2html(markdown)).texts).removesuffix("\n")


def test_figure_files_are_the_same_bytes_twice(tmp_path, monkeypatch):
    shown = []
    for name in ("first", "second", "other"):
        monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path / name))
        shown.append(displayed(show, draw("C1" if name == "other" else "C0"), "01_x")["text/html"])
    files = {
        name: {f.name: f.read_bytes() for f in (tmp_path / name).iterdir()}
        for name in ("first", "second", "other")
    }
    assert sorted(files["first"]) == ["01_x.json", "01_x.png", "01_x.svg"]
    assert files["first"] == files["second"]
    assert shown[0] == shown[1] != shown[2]
    assert files["first"]["01_x.svg"] != files["other"]["01_x.svg"]
    assert files["first"]["01_x.png"] != files["other"]["01_x.png"]


def test_figure_files_do_not_follow_the_users_settings(tmp_path, monkeypatch):
    written = []
    for number, settings in enumerate(({}, {"savefig.dpi": 30, "svg.hashsalt": "mine"})):
        monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path / str(number)))
        with plt.rc_context(settings):
            displayed(show, draw(), "01_x")
        written.append([f.read_bytes() for f in sorted((tmp_path / str(number)).iterdir())])
    assert written[0] == written[1]


def test_caption_and_alt_text_go_with_the_figure(tmp_path, monkeypatch):
    monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path))
    picture = draw(caption=NASTY, alt=f"Alt {NASTY}")
    page = Texts(displayed(show, picture, "01_x")["text/html"])
    assert json.loads((tmp_path / "01_x.json").read_text()) == {
        "caption": NASTY,
        "alt": f"Alt {NASTY}",
    }
    assert [tag for tag, _ in page.tags] == ["figure", "div", "img", "figcaption"]
    assert page.tags[2][1]["alt"] == f"Alt {NASTY}"
    assert page.tags[2][1]["src"].startswith("data:image/png;base64,iVBOR")
    assert page.texts == [NASTY]
    svg = ET.parse(tmp_path / "01_x.svg").getroot()
    assert svg.findtext("{http://www.w3.org/2000/svg}title") == NASTY


def test_without_a_report_nothing_is_written_and_the_figure_is_closed(tmp_path, monkeypatch):
    monkeypatch.delenv(FIGURES_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    picture = draw()
    assert "<img " in displayed(show, picture, "01_x")["text/html"]
    assert list(tmp_path.iterdir()) == []
    assert not plt.fignum_exists(picture.figure.number)


def test_a_sentence_is_markdown():
    assert displayed(say, "**3** of 4")["text/markdown"] == "**3** of 4"


@pytest.mark.parametrize("character", string.punctuation)
def test_a_safe_character_shows_as_it_is(character):
    assert shown(sinks.markdown(character)) == character
    assert shown(sinks.markdown(2 * character)) == 2 * character


@pytest.mark.parametrize("text", [string.punctuation, *ACTIVE])
def test_a_safe_text_shows_as_it_is_and_does_nothing(text):
    page = Texts(markdown2html(f"In query {sinks.markdown(text)}, **3** candidates"))
    assert [tag for tag, _ in page.tags if tag != "span"] == ["p", "strong"]
    assert "".join(page.texts).strip() == f"In query {text}, 3 candidates"
    assert shown(sinks.markdown(text)) == text


def test_the_texts_that_test_safety_do_act_as_they_stand():
    assert all("".join(Texts(markdown2html(text)).texts).strip() != text for text in ACTIVE)


@pytest.mark.parametrize("text", ["$x$", "\\(x\\)", "$$x$$", "\\begin{x}"])
def test_no_text_node_of_a_page_has_a_delimiter_of_tex_and_more(text):
    pieces = Texts(markdown2html(sinks.markdown(text))).texts
    assert all(piece in ("$", "\\") or not {"$", "\\"} & set(piece) for piece in pieces)


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200b", "\x00", "\x1b", "\x7f"])
def test_a_character_that_hides_or_turns_text_is_replaced(character):
    assert shown(sinks.markdown(f"a{character}b")) == "a\ufffdb"


def test_a_line_end_is_a_blank_and_letters_stay():
    assert shown(sinks.markdown("a\n\n# b\r\nc\td")) == "a  # b  c d"
    assert shown(sinks.markdown("Öl 東京 👩\u200d🔬")) == "Öl 東京 👩\u200d🔬"


def test_table_escapes_caption_and_cells():
    frame = pd.DataFrame({"passage": [NASTY], "score": [0.99951171875], "grade": [pd.NA]})
    page = Texts(displayed(table, frame, NASTY)["text/html"])
    assert "script" not in {tag for tag, _ in page.tags}
    cells = [text for text in page.texts if text.strip()]
    assert cells == [NASTY, "passage", "score", "grade", NASTY, "0.999512"]


def test_table_digits_and_missing_values():
    frame = pd.DataFrame({"score": [0.99951171875, 1.0, float("nan")], "n": [1, 20_000_000, 3]})
    frame["grade"] = pd.array([0, None, 3], dtype="Int64")
    html = displayed(table, frame, "c", digits=8)["text/html"]
    cells = ["0.99951172", "1", "0", "1", "20000000", "", "", "3", "3"]
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == cells


def test_texts_stand_left_and_numbers_right():
    frame = pd.DataFrame({"passage": ["a"], "score": [0.5], "grade": [1]})
    html = displayed(table, frame, "c")["text/html"]
    sides = re.findall(r'<(t[hd]) style="text-align: (\w+)"', html)
    assert sides == [(tag, side) for tag in ("th", "td") for side in ("left", "right", "right")]


def test_recorded_values_are_kept_exactly_and_not_shown_to_readers():
    value = 0.1 + 0.2
    data = displayed(record, {"first_lost": 3, "a: b": value}, within=1.5)
    assert data == {VALUES_MIME: {"values": {"first_lost": 3.0, "a: b": value}, "within": 1.5}}
    assert json.loads(json.dumps(data)) == data


def test_recorded_values_tolerate_nothing_by_default():
    assert displayed(record, {"n": 1_234_567})[VALUES_MIME]["within"] == 0


def test_recorded_numpy_and_pandas_numbers_become_json():
    values = pd.Series([2, 3]).max(), pd.Series([0.5]).iloc[0]
    data = displayed(record, {"a": values[0], "b": values[1]})
    assert json.dumps(data[VALUES_MIME]["values"]) == '{"a": 3.0, "b": 0.5}'
