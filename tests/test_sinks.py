"""Hostile texts in every sink: what steers, hides or is markup there shows as a text."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from nbconvert.filters import markdown2html

from analysis import apply, sinks
from analysis.errors import InputError
from analysis.figures.remedies import version_view
from analysis.figures.reranking import reranking
from analysis.figures.style import save
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.viewing import table_html

STEERING = "\x1b[2J\x07\u202e\ud800\x00"
HOSTILE = f"<img src=x onerror=alert(1)> & \" ' </script> $x$ **b** `c` {STEERING}"
DATA = HOSTILE.replace("\ud800", "")  # no frame holds a lone surrogate
KEPT = "Öl 東京 👩\u200d🌾"


class Parsed(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("sink", [sinks.markdown, sinks.html, sinks.svg, sinks.terminal])
def test_nothing_steers_any_sink_and_words_stay(sink):
    made = sink(HOSTILE)
    assert not set(STEERING) & set(made) - set("[2J")
    made.encode()  # lone surrogates are no text
    assert Parsed(sink(KEPT)).text == KEPT


def test_markdown_makes_a_text_of_everything():
    parsed = Parsed(markdown2html(sinks.markdown(HOSTILE)))
    assert set(parsed.tags) <= {"p", "span"}
    assert parsed.text.strip().startswith("<img src=x onerror=alert(1)> & \" ' </script> $x$ **b**")


def test_html_is_safe_between_tags_and_in_attributes():
    parsed = Parsed(f'<p title="{sinks.html(HOSTILE)}">{sinks.html(HOSTILE)}</p>')
    assert parsed.tags == ["p"]
    assert parsed.text.startswith("<img src=x onerror=alert(1)>")
    assert sinks.html("a\n\tb") == "a\n\tb"


def test_an_svg_file_with_hostile_texts_is_well_formed(tmp_path):
    logits = pd.DataFrame(
        {
            "query_id": DATA,
            "passage_id": [f"{DATA} {n}" for n in range(4)],
            "grade": 0,
            "forward_dtype": "float32",
            "logit": [9.0, 8.5, 8.0, 1.0],
        }
    )
    path = ScorePath("float32", "stepwise", "float16", "float16")
    orders = apply(logits, FLOAT32_REFERENCE), apply(logits, path)
    versions = {DATA: logits["logit"]}
    pictures = [
        reranking(*orders, path, DATA),
        version_view(versions, {"path": (8.3, "float16")}),
    ]
    for number, picture in enumerate(pictures):
        files = save(picture, f"{number}", tmp_path)
        plt.close(picture.figure)
        root = ET.fromstring(files[0].read_bytes())
        assert not [one for one in root.iter() if one.tag.endswith(("script", "}img"))]


@pytest.mark.parametrize("inline", [True, False])
def test_a_tie_table_shows_hostile_texts(inline):
    frame = pd.DataFrame(
        {
            "query_id": [DATA],
            "passage_id": [DATA],
            "grade": [1],
            "forward_dtype": ["float32"],
            "logit": [1.0],
        }
    )
    texts = frame[["query_id", "passage_id"]].assign(passage=DATA)
    scored = apply(frame, FLOAT32_REFERENCE)
    made = table_html(scored, scored, texts, other=DATA, inline=inline)
    parsed = Parsed(made)
    assert set(parsed.tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert not set("\x1b\x07\x00\u202e\ud800") & set(made)
    assert parsed.text.count("onerror=alert(1)") == 3


def test_check_prints_hostile_ids_and_file_names(tmp_path):
    file = tmp_path / "a\x1b]0;title\x07\u202e.jsonl"
    line = {"query_id": "\x1b[2Jq", "query": "wo", "candidates": []}
    other = {
        "query_id": "r",
        "query": "wo",
        "candidates": [{"passage_id": "\x1b[31m", "text": "Wald"}],
    }
    file.write_text("".join(json.dumps(one) + "\n" for one in (line, other)), "utf-8")
    for name in (file, tmp_path / "\x1b[31mnowhere.jsonl"):
        command = [sys.executable, "-c", "from analysis.cli import main; main()", "check", name]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        said = found.stdout + found.stderr
        assert said.strip()
        assert not set("\x1b\x07\u202e") & set(said)


def test_json_holds_the_same_values_and_nothing_that_steers():
    value = {HOSTILE: [HOSTILE, KEPT, "\U000e0041"], "n": 1.5}
    made = sinks.json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(made) == value
    assert not (set(STEERING) | {"\U000e0041"}) & set(made) - set("[2J")
    assert KEPT in made
    made.encode()


def test_an_error_names_hostile_places():
    error = InputError(HOSTILE, HOSTILE, file=HOSTILE, field=HOSTILE)
    assert not set("\x1b\x07\x00\u202e\ud800") & set(str(error))


def test_html_of_others_keeps_its_markup_and_loses_what_turns_text_round():
    assert sinks.steady("<b>a\u202e\x07\n\tb</b>") == "<b>a\ufffd\ufffd\n\tb</b>"
