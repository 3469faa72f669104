"""Sentences, figures, tables and named values of a notebook, as its page shows them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from analysis.figures.style import style
from analysis.notebooks import FIGURES_VARIABLE, VALUES_MIME, record, say, show, table

NASTY = 'Öl & Essig <script>alert("x")</script>'


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


def draw(color: str = "C0"):
    with style():
        figure, ax = plt.subplots(figsize=(3, 2))
        ax.plot([0, 1], [1, 0], color=color)
        ax.set_title("Öl")
        ax.axhspan(0, 0.5, clip_on=True)
    return figure


class Texts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_figure_files_are_the_same_bytes_twice(tmp_path, monkeypatch):
    shown = []
    for name in ("first", "second", "other"):
        monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path / name))
        figure = draw("C1" if name == "other" else "C0")
        shown.append(displayed(show, figure, "01_x", "A line", "It falls")["text/html"])
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
            displayed(show, draw(), "01_x", "A line", "It falls")
        written.append([f.read_bytes() for f in sorted((tmp_path / str(number)).iterdir())])
    assert written[0] == written[1]


def test_caption_and_alt_text_go_with_the_figure(tmp_path, monkeypatch):
    monkeypatch.setenv(FIGURES_VARIABLE, str(tmp_path))
    page = Texts(displayed(show, draw(), "01_x", NASTY, f"Alt {NASTY}")["text/html"])
    assert json.loads((tmp_path / "01_x.json").read_text()) == {
        "caption": NASTY,
        "alt": f"Alt {NASTY}",
    }
    assert [tag for tag, _ in page.tags] == ["figure", "img", "figcaption"]
    assert page.tags[1][1]["alt"] == f"Alt {NASTY}"
    assert page.tags[1][1]["src"].startswith("data:image/png;base64,iVBOR")
    assert page.texts == [NASTY]
    svg = ET.parse(tmp_path / "01_x.svg").getroot()
    assert svg.findtext("{http://www.w3.org/2000/svg}title") == NASTY


def test_without_a_report_nothing_is_written_and_the_figure_is_closed(tmp_path, monkeypatch):
    monkeypatch.delenv(FIGURES_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    figure = draw()
    assert "<img " in displayed(show, figure, "01_x", "A line", "It falls")["text/html"]
    assert list(tmp_path.iterdir()) == []
    assert not plt.fignum_exists(figure.number)


def test_a_sentence_is_markdown():
    assert displayed(say, "**3** of 4")["text/markdown"] == "**3** of 4"


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


def test_recorded_values_are_kept_exactly_and_shown_to_readers():
    value = 0.1 + 0.2
    data = displayed(record, {"first_lost": 3, "a: b": value}, within=1.5)
    assert data[VALUES_MIME] == {"values": {"first_lost": 3.0, "a: b": value}, "within": 1.5}
    assert data["text/markdown"] == "- first lost: **3**\n- a: b: **0.3**"
    assert json.loads(json.dumps(data[VALUES_MIME])) == data[VALUES_MIME]


def test_recorded_values_tolerate_nothing_by_default():
    assert displayed(record, {"n": 1_234_567})[VALUES_MIME]["within"] == 0


def test_recorded_numpy_and_pandas_numbers_become_json():
    values = pd.Series([2, 3]).max(), pd.Series([0.5]).iloc[0]
    data = displayed(record, {"a": values[0], "b": values[1]})
    assert json.dumps(data[VALUES_MIME]["values"]) == '{"a": 3.0, "b": 0.5}'
