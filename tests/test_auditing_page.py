"""The audit as JSON, as a page and in the terminal."""

from __future__ import annotations

import html
import io
import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis.auditing.conditions import Condition
from analysis.auditing.findings import findings as found_in
from analysis.auditing.page import page_html
from analysis.auditing.record import MOST_TIES, SCHEMA, as_json
from analysis.auditing.sources import Scored
from analysis.auditing.terminal import print_summary
from analysis.engines import path_of
from analysis.policies import hash_of
from analysis.scorepath import ScorePath

OLD = path_of("infinity", "0.0.68", "float16")
ATTACK = '<script>alert("[bold]x[/bold]")</script> & "more" :smile: a\\'
STEERING = "\x1b[31m\r\x1b[2K\x1b]0;title\x07"
CONDITIONS = [Condition.of_text("saturated>0"), Condition.of_text("top3-ties>100000")]


def findings(path=OLD, n=200, *, known=True, ids="q"):
    logits = path.logits(np.random.default_rng(3).normal(4, 5, n))
    frame = pd.DataFrame(
        {
            "query_id": [f"{ids}{number % 10}" for number in range(n)],
            "passage_id": [f"p{number}" for number in range(n)],
            "score": path.scores(logits),
            "logit": logits if known else np.nan,
        }
    )
    details = {"endpoint": ATTACK}
    return found_in(Scored("url", f"http://host/{ATTACK}", frame, details))


def text_of(found, width=100):
    out = io.StringIO()
    print_summary(found, CONDITIONS, console=Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.fixture(scope="module")
def old():
    return findings(ids=ATTACK)


CASES = {
    "halves": lambda: findings(),
    "no logits": lambda: findings(known=False),
    "float32": lambda: findings(path_of("infinity", "0.0.78", "float32")),
    "raw logits": lambda: findings(ScorePath("float16", "none", "float16", "float16")),
    "few": lambda: findings(n=3, known=False),
}


@pytest.mark.parametrize("case", CASES)
def test_json_is_as_its_schema_says(case):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    text = as_json(CASES[case](), CONDITIONS)
    jsonschema.validate(json.loads(text), schema)
    assert set(json.loads(text)) == set(schema["required"])


def test_json_says_what_was_found(old):
    report = json.loads(as_json(old, CONDITIONS))
    as_it_is, hps, raw = report["effects"]
    assert as_it_is["ones"] + as_it_is["zeros"] == old.saturated
    assert (raw["ones"], raw["zeros"]) == (None, None)
    assert hps["tied_in_top"] > raw["tied_in_top"]
    assert report["recommendation"]["remedy"] == raw["remedy"]
    numbers = report["recommendation"]["numbers"]
    assert [numbers[row["remedy"]]["tied_in_top"] for row in report["effects"]] == [
        row["tied_in_top"] for row in report["effects"]
    ]
    assert report["conditions"][1]["value"] == old.tied_in_top(3)
    assert len(report["ties"]) == min(len(old.ties), MOST_TIES)
    assert report["path"]["activation_dtype"] == "float16"
    assert report["hidden"]["one_from"] == 7.625
    assert [item["holds"] for item in report["conditions"]] == [True, False]
    top = report["hidden"]["steps"][0]
    assert (top["score"], top["width"], top["logit_high"]) == (1.0, None, None)


def test_the_page_escapes_every_text(old):
    page = page_html(old, CONDITIONS)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<style>" in page


def test_the_page_needs_nothing_from_elsewhere_and_says_all_of_it(old):
    page = page_html(old, CONDITIONS).replace("http://host/", "")
    assert "://" not in page
    assert "data:image/png;base64," in page
    for sentence in (
        "upcast before the activation (HPS)",
        "Order by raw logits",
        "7.625",
    ):
        assert sentence in page
    assert "saturated&gt;0: holds" in page
    assert "top3-ties&gt;100000: does not hold" in page


def test_the_page_runs_nothing_and_has_no_style_but_its_own(old):
    page = page_html(old, CONDITIONS)
    (policy,) = re.findall('Content-Security-Policy" content="(.*?)"', page)
    (css,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    assert html.unescape(policy).startswith(f"default-src 'none'; style-src {hash_of(css)}; ")
    assert "script-src" not in policy


def test_the_page_without_logits_or_a_sigmoid_says_so():
    assert "logits are not known" in page_html(CASES["no logits"]())
    page = page_html(CASES["raw logits"]())
    assert "none counts as saturated" in page
    assert "<figure>" not in page


def test_the_terminal_says_all_of_it_and_takes_texts_as_texts(old):
    shown = text_of(old, width=200)
    for part in (
        f"Audit of http://host/{ATTACK}",
        f"{old.saturated:,} of 200 scores are saturated",
        "stepwise sigmoid in float16",
        "from 7.625 on becomes exactly 1.0",
        "upcast before the activation (HPS)",
        "Order by raw logits",
        "saturated>0: HOLDS",
        "top3-ties>100000: does not hold",
        f"{ATTACK}0",  # a query id
    ):
        assert part in shown


def test_no_control_character_reaches_the_terminal_or_the_page():
    found = findings(ids=STEERING)
    found = replace(found, scored=replace(found.scored, name=STEERING, details={"x": STEERING}))
    for shown in (text_of(found, width=200), page_html(found)):
        assert not set("\x1b\x07\r") & set(shown)
        assert "\ufffd[31m\ufffd\ufffd[2K" in shown


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_shown_and_no_placeholder_stays(case):
    found = CASES[case]()
    for shown in (text_of(found, width=60), page_html(found).partition("</style>")[2]):
        prose = shown.replace("data:image", "")
        assert "None" not in prose
        assert " nan" not in prose.lower()
