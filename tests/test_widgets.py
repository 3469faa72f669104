"""The interactive view, driven from Python: what each control changes, and what it may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis import widgets
from analysis.datasets import RerankingSet
from analysis.engines import run_engines
from analysis.errors import InputError
from analysis.figures import reranking
from analysis.figures.style import img
from analysis.formats import format_of
from analysis.scorepath import FLOAT32_REFERENCE, TIE_RULES, ScorePath
from analysis.widgets import BAND_COLOR, OWN_CHOICE, RerankToggle, view

ENGINES = {engine.name: engine.paths for engine in run_engines()}
OLD_INFINITY = "Infinity 0.0.13–0.0.68"
NASTY = 'Öl & Essig <script>alert("x")</script>'
# Saturated in float16 (three, stepwise four), sharing 0.998 (two), far apart (two).
LOGITS = {"q1": [8.4, 6.25, 9.0, -2.1, 6.3, 8.9, 1.0, 7.8], "q2": [0.5, 3.0], "q3": [2.0]}


def make_pairs() -> pd.DataFrame:
    rows = [
        (query, f"p{n}", n % 4, f"Frage {query} <b>&", NASTY if n == 0 else f"Text {n}")
        for query, logits in LOGITS.items()
        for n in range(len(logits))
    ]
    columns = ["query_id", "passage_id", "grade", "query", "passage"]
    return pd.DataFrame(rows, columns=columns).astype({"grade": "Int64"})


def make_logits(pairs: pd.DataFrame, *dtypes: str) -> pd.DataFrame:
    exact = np.concatenate(list(LOGITS.values()))
    frames = [
        pairs[["query_id", "passage_id", "grade"]].assign(
            forward_dtype=dtype, logit=format_of(dtype).round(exact).astype(np.float64)
        )
        for dtype in dtypes
    ]
    return pd.concat(frames, ignore_index=True)


def make_toggle(*dtypes: str) -> RerankToggle:
    pairs = make_pairs()
    return RerankToggle(make_logits(pairs, *(dtypes or ("float32", "float16", "bfloat16"))), pairs)


@pytest.fixture
def toggle(monkeypatch) -> Iterator[RerankToggle]:
    """A view whose picture is an empty one, with its real alt text: drawing takes longest."""
    for name in ("slope", "score_lane"):
        monkeypatch.setattr(reranking, name, lambda *_: None)
    monkeypatch.setattr(widgets, "img", lambda _, alt: img(plt.figure(figsize=(0.2, 0.2)), alt))
    yield make_toggle()
    plt.close("all")


@pytest.fixture(scope="module")
def drawn() -> RerankToggle:
    """A view with its real picture."""
    return make_toggle()


def shown(toggle: RerankToggle) -> tuple[str, str, str]:
    return toggle.summary.value, toggle.table.value, toggle.picture.value


def stages(toggle: RerankToggle) -> list:
    return [toggle.formula, toggle.activation, toggle.stored, toggle.tie_rule]


class Table(HTMLParser):
    """Rows of the passages' table: cell texts, and whether the row has a tie band."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows, self.bands, self.tags = [], [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
            self.bands.append(f"background: {BAND_COLOR}" in (dict(attrs).get("style") or ""))
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.rows[-1][-1] += data

    def column(self, name: str) -> list[str]:
        place = self.rows[0].index(name)
        return [row[place] for row in self.rows[1:]]


def test_begins_with_the_first_query_and_the_reference(toggle):
    assert toggle.query.value == "q1"
    assert toggle.path == FLOAT32_REFERENCE
    table = Table(toggle.table.value)
    assert table.column("passage id") == ["p2", "p5", "p0", "p7", "p4", "p1", "p6", "p3"]
    assert not any(table.bands)
    assert "0 of 8 scores are exactly 1.0; 0 tie groups; one is first." in toggle.summary.value


def test_float16_makes_tie_bands_and_counts_them(toggle):
    toggle.engine.value = OLD_INFINITY
    toggle.forward.value = "float16"
    table = Table(toggle.table.value)
    assert table.bands == [False, *[True] * 6, False, False]
    assert table.column("passage id") == ["p0", "p2", "p5", "p7", "p1", "p4", "p6", "p3"]
    assert table.column("score")[:6] == ["1"] * 4 + ["0.99804688"] * 2
    assert table.column("tie")[:6] == ["4 tied"] * 4 + ["2 tied"] * 2
    assert table.column("against float32")[:5] == [
        "▲ from 3",
        "▼ from 1",
        "▼ from 2",
        "",
        "▲ from 6",
    ]
    assert "4 of 8 scores are exactly 1.0; 2 tie groups; the first place is shared by 4." in (
        toggle.summary.value
    )


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("query", "q2"),
        ("forward", "bfloat16"),
        ("formula", "stepwise"),
        ("activation", "bfloat16"),
        ("stored", "bfloat16"),
        ("tie_rule", "docid descending"),
    ],
)
def test_each_control_changes_summary_table_and_picture(drawn, control, value):
    drawn.query.value, drawn.tie_rule.value, drawn.formula.value = "q1", "input order", "fused"
    drawn.forward.value = drawn.activation.value = drawn.stored.value = "float16"
    before = shown(drawn)
    getattr(drawn, control).value = value
    changed = [old != new for old, new in zip(before, shown(drawn), strict=True)]
    # The picture shows a tie as a band; only who counts as moved, in its alt text, has changed.
    assert changed == [True, True, True]


def test_tie_rules_order_the_band(toggle):
    toggle.formula.value = "stepwise"
    toggle.activation.value = toggle.stored.value = "float16"
    first = {}
    for rule in TIE_RULES:
        toggle.tie_rule.value = rule
        table = Table(toggle.table.value)
        first[rule] = (table.column("passage id")[:4], table.column("rank")[:4])
    assert first["input order"] == (["p0", "p2", "p5", "p7"], ["1", "2", "3", "4"])
    assert first["docid ascending"] == first["input order"]
    assert first["docid descending"] == (["p7", "p5", "p2", "p0"], ["1", "2", "3", "4"])
    assert first["expected"] == (["p0", "p2", "p5", "p7"], ["2.5"] * 4)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_sets_and_locks_the_stages(toggle, engine):
    for dtype, path in ENGINES[engine].items():
        toggle.engine.value, toggle.forward.value = engine, dtype
        assert toggle.path == path
        assert all(control.disabled for control in stages(toggle))
        assert str(toggle.path) in toggle.summary.value
    assert not toggle.forward.disabled
    toggle.engine.value = OWN_CHOICE
    assert not any(control.disabled for control in stages(toggle))


def test_an_engine_that_does_not_know_the_forward_dtype_moves_it(toggle):
    toggle.forward.value = "bfloat16"
    toggle.engine.value = OLD_INFINITY
    assert toggle.forward.value == "float32"
    toggle.forward.value = "bfloat16"
    assert toggle.forward.value == "float32"
    assert toggle.path == ENGINES[OLD_INFINITY]["float32"]


def test_one_change_draws_once(toggle, monkeypatch):
    drawn = []
    monkeypatch.setattr(widgets, "_picture", lambda *args: drawn.append(args) or "picture")
    toggle.forward.value = "float16"
    toggle.engine.value = OLD_INFINITY  # changes three stages
    assert [path for _, _, path in drawn] == [
        ScorePath("float16", "fused", "float32", "float32"),
        ENGINES[OLD_INFINITY]["float16"],
    ]


def test_redrawing_loads_no_network(toggle, monkeypatch):
    import analysis.models
    import analysis.scoring

    for module, name in ((analysis.scoring, "score"), (analysis.models, "load")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("scored again"))
    before = toggle.table.value
    toggle.engine.value, toggle.forward.value = "Haystack 2.x", "bfloat16"
    assert toggle.table.value != before
    assert not {"models", "scoring", "torch", "store"} & set(vars(widgets))


def test_texts_are_escaped(toggle):
    table = Table(toggle.table.value)
    assert table.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert table.column("passage")[2] == NASTY
    assert toggle.query.options[0] == ("q1: Frage q1 <b>&", "q1")  # text, not HTML, in a menu


def test_names_and_ids_are_escaped():
    pairs = make_pairs().assign(passage_id=lambda frame: "<i>" + frame["passage_id"])
    toggle = RerankToggle(make_logits(pairs, "float32"), pairs)
    assert Table(toggle.table.value).column("passage id")[0] == "<i>p2"


def test_picture_has_alt_text_with_its_numbers(toggle):
    toggle.formula.value = "stepwise"
    toggle.activation.value = toggle.stored.value = "float16"
    (alt,) = re.findall(r'<img alt="([^"]+)"', toggle.picture.value)
    assert "ranks of 8 passages" in alt
    assert "5 of them moved" in alt
    assert "4 exactly 1.0" in alt
    assert 'src="data:image/png;base64,' in toggle.picture.value


def test_raw_logits_are_not_drawn_as_scores(toggle):
    toggle.formula.value = "none"
    assert Table(toggle.table.value).column("score")[:2] == ["9", "8.8999996"]
    assert "the 8 scores are the logits themselves" in toggle.summary.value
    (alt,) = re.findall(r'<img alt="([^"]+)"', toggle.picture.value)
    assert "exactly 1.0" not in alt


def test_a_query_with_one_candidate(toggle):
    toggle.query.value = "q3"
    table = Table(toggle.table.value)
    assert table.column("passage id") == ["p0"]
    assert table.bands == [False, False]
    assert "0 of 1 scores" in toggle.summary.value


def test_missing_grades_stay_empty():
    pairs = make_pairs().assign(grade=pd.array([pd.NA] * 11, dtype="Int64"))
    toggle = RerankToggle(make_logits(pairs, "float32"), pairs)
    assert Table(toggle.table.value).column("grade") == [""] * 8
    assert Table(make_toggle().table.value).column("grade") == list("21030123")


def test_logits_of_float32_only_can_still_be_stored_in_float16():
    toggle = make_toggle("float32")
    assert toggle.forward.options == ("float32",)
    for engine in ENGINES:
        toggle.engine.value = engine
        assert toggle.path == ENGINES[engine]["float32"]
    toggle.engine.value = OWN_CHOICE
    toggle.stored.value = "float16"
    assert "3 of 8 scores are exactly 1.0" in toggle.summary.value


def test_a_forward_dtype_beyond_the_usual_is_offered_and_engines_leave_it():
    toggle = make_toggle("float64", "float32")
    assert toggle.forward.options == ("float64", "float32")
    toggle.stored.value = "float64"
    toggle.engine.value = "Haystack 2.x"
    assert toggle.path == ENGINES["Haystack 2.x"]["float32"]


def test_logits_without_float32_are_refused():
    with pytest.raises(
        InputError, match=r"no logits of a float32 forward pass \(there are float16\)"
    ):
        make_toggle("float16")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda logits, pairs: (logits, RerankingSet("own", pairs)), "Give .*candidates.pairs"),
        (lambda logits, pairs: (logits.drop(columns="grade"), pairs), "has no column grade"),
        (lambda logits, pairs: (logits, pairs[1:]), "does not stand both in"),
        (lambda logits, pairs: (logits[1:], pairs), "does not stand both in"),
        (lambda logits, pairs: (logits[:0], pairs), "nothing to be shown"),
        (lambda logits, pairs: (logits, pairs[:0]), "nothing to be shown"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, says):
    pairs = make_pairs()
    with pytest.raises(InputError, match=says):
        view(*change(make_logits(pairs, "float32"), pairs))
