"""The widget, driven from Python: its traits, its page, its table, its figure."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html import unescape

import ipywidgets as ipw
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from few_rows import INT8, NASTY, few_logits, few_logits_of_runtimes, few_pairs
from shown_pages import Page

from analysis.datasets import RerankingSet
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.figures.looks import Look
from analysis.forwardformats import as_format, of_format
from analysis.policies import hash_of
from analysis.reporting.running import WIDGET_VIEW
from analysis.scorepath import FLOAT32_REFERENCE, ScorePath
from analysis.ties import apply
from analysis.viewing import RerankToggle, table_html, view, widgets
from analysis.viewing.module import module
from analysis.viewing.pages import script
from analysis.viewing.payload import REFERENCE, payload

OLD = path_of("infinity", "0.0.68", "float16")


def make_view(*dtypes: str, **shown) -> RerankToggle:
    pairs = few_pairs()
    return view(few_logits(pairs, *dtypes), pairs, **shown)


@pytest.fixture(scope="module")
def whole() -> RerankToggle:
    """A view with its payload."""
    return make_view(path=OLD, query="q2", selected="p1")


@pytest.fixture
def shown(whole, monkeypatch) -> RerankToggle:
    """A view without a payload, which takes longest to make; so are others made in that test."""
    monkeypatch.setattr(widgets, "payload", lambda _: b"")
    return make_view()


def from_browser(shown: RerankToggle, **change) -> None:
    """What the browser sends when a reader changes something."""
    shown.set_state({"_state": {**shown._state, **change}})


def test_begins_with_the_first_query_and_the_reference(shown):
    assert (shown.query, shown.selected) == ("q1", None)
    assert shown.path == FLOAT32_REFERENCE
    assert shown.against == REFERENCE == ScorePath("float32").raw()
    assert shown._state == {
        "query": "q1",
        "path": ["float32", "fused", "float32", "float32", "input order"],
        "against": ["float32", "none", "float32", "float32", "input order"],
        "selected": None,
    }


def test_takes_a_set_or_its_frame(whole):
    pairs = few_pairs()
    logits = few_logits(pairs)
    assert view(logits, RerankingSet("own", pairs))._data == whole._data


def test_setting_a_trait_moves_the_browser(shown):
    shown.path = OLD
    shown.query = "q2"
    shown.selected = "p1"
    shown.against = "haystack:float16"
    assert shown._state == {
        "query": "q2",
        "path": ["float16", "stepwise", "float16", "float16", "input order"],
        "against": ["float16", "fused", "float16", "float16", "input order"],
        "selected": "p1",
    }


def test_a_path_may_be_a_text(shown):
    shown.path = "infinity@0.0.68:float16"
    assert shown.path == OLD
    assert make_view(path="forward=float16,stored=bfloat16").path.stored_dtype == "bfloat16"


def test_the_browser_moves_the_traits_and_hears_no_echo(shown):
    heard, sent = [], []
    shown.observe(heard.append, ["path", "query", "selected", "against"])
    shown.comm.send = lambda data=None, buffers=None, **_: sent.append(data)
    from_browser(
        shown,
        query="q2",
        selected="p1",
        path=["bfloat16", *["fused"], "float32", "float32", "expected"],
    )
    assert (shown.query, shown.selected) == ("q2", "p1")
    assert shown.path == ScorePath("bfloat16", "fused", "float32", "float32", "expected")
    assert sorted(change["name"] for change in heard) == ["path", "query", "selected"]
    assert not [data for data in sent if data["method"] == "update"]


def test_path_and_forward_format_follow_each_other(monkeypatch):
    monkeypatch.setattr(widgets, "payload", lambda _: b"")
    pairs = few_pairs()
    shown = view(few_logits_of_runtimes(pairs), pairs, path=OLD, forward_format=INT8)
    assert shown.path == OLD.within("float32")
    assert shown._state["path"] == [INT8, "stepwise", "float16", "float16", "input order"]
    own = apply(of_format(shown.rows.frame("q1"), INT8), shown.path)
    pd.testing.assert_frame_equal(shown.orders()[1], own)
    assert f"{INT8}, float32 logits" in shown._table(inline=True)
    shown.path = OLD
    assert shown.forward_format == as_format("float16")
    shown.against_format = INT8
    assert shown._state["against"] == [INT8, "none", "float32", "float32", "input order"]
    assert shown.figure().caption.startswith(f"“Frage q1 <b>&”: {INT8}, float32 logits → ")
    from_browser(shown, path=[INT8, "fused", "float32", "float32", "input order"])
    assert (shown.path, shown.forward_format) == (FLOAT32_REFERENCE, as_format(INT8))
    with pytest.raises(InputError, match="openvino:f32"):
        shown.forward_format = "openvino:f32"


def test_a_path_keeps_its_name_while_it_is_the_same(shown):
    shown.path = OLD
    from_browser(shown, query="q3")
    assert shown.path.name == OLD.name


def test_another_query_has_other_passages(shown):
    shown.selected = "p7"
    shown.query = "q2"
    assert shown.selected is None
    shown.selected = "p1"
    shown.query = "q1"
    assert shown.selected == "p1"


def test_whole_number_ids_stay_whole_numbers(shown):
    pairs = few_pairs()
    for frame in (pairs, logits := few_logits(pairs)):
        frame["passage_id"] = frame["passage_id"].str[1:].astype(int)
        frame["query_id"] = frame["query_id"].str[1:].astype(int)
    shown = view(logits, pairs, query=2)
    assert shown._state["query"] == "2"
    from_browser(shown, query="1", selected="3")
    assert (shown.query, shown.selected) == (1, 3)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("query", "q9", r"query: there is no 'q9'. Choose one of 'q1', 'q2', 'q3'"),
        ("selected", "p9", r"selected: there is no 'p9'. Choose one of 'p0', .* and 3 more"),
        ("path", ScorePath("float64"), "path: this view cannot show .*float64 logits"),
        ("path", "vllm@one", "no version"),
        ("against", ScorePath("float32", "fused", "float8_e5m2"), "against: .* scores in float64"),
        ("path", 3, "3"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_changes_nothing(shown, name, value, says):
    before = dict(shown._state)
    with pytest.raises(InputError, match=says):
        setattr(shown, name, value)
    assert shown._state == before
    with pytest.raises(InputError, match=says):
        make_view(**{name: value})


def test_it_composes_and_links_as_every_widget(shown):
    other = make_view()
    box = ipw.VBox([shown, other])
    assert box.children == (shown, other)
    ipw.link((shown, "path"), (other, "path"))
    ipw.dlink((shown, "query"), (other, "query"))
    from_browser(shown, query="q3", path=["float16", "none", "float16", "float16", "input order"])
    assert other.query == "q3"
    assert other.path == ScorePath("float16").raw()
    assert other._state["query"] == "q3"


def test_nothing_is_scored_again(shown, monkeypatch):
    import analysis.models
    import analysis.scoring

    for room, name in ((analysis.scoring, "score"), (analysis.models, "load")):
        monkeypatch.setattr(room, name, lambda *_, **__: pytest.fail("scored again"))
    shown.path = "haystack:bfloat16"
    shown.html()


def test_the_orders_are_those_of_apply(shown):
    shown.path = replace_ties = ScorePath("float16", "stepwise", "float16", "float16", "expected")
    other, scored = shown.orders()
    logits = few_logits(few_pairs())
    one = logits[logits["query_id"] == "q1"]
    assert scored["rank"].tolist() == apply(one, replace_ties)["rank"].tolist()
    assert other["rank"].tolist() == apply(one, "forward=float32,sigmoid=none")["rank"].tolist()


# The figure


@pytest.mark.parametrize(
    ("path", "against", "axes", "caption"),
    [
        (OLD, REFERENCE, 2, "“Frage q1 <b>&”: float32 reference against Infinity"),
        (OLD, path_of("haystack:float16"), 2, "Haystack 2.x, float16 against Infinity"),
        (OLD.raw(), REFERENCE, 1, "float32 logits against float16 logits → no sigmoid"),
    ],
)
def test_the_figure_shows_the_orders_and_says_what_they_are(shown, path, against, axes, caption):
    shown.path, shown.against = path, against
    picture = shown.figure()
    assert len(picture.figure.axes) == axes
    assert caption in picture.caption
    assert "ranks of 8 passages" in picture.alt
    plt.close(picture.figure)


def test_the_figure_takes_the_styles_of_all_figures(shown, tmp_path):
    picture = shown.figure(style="dark", width="column")
    assert picture.look == Look("dark", "column")
    assert picture.figure.get_figwidth() == 3.5
    assert picture.save(tmp_path / "order.pdf").stat().st_size
    plt.close(picture.figure)


# The table of a notebook that shows no widget


def test_the_output_has_a_table_beside_the_widget(shown):
    shown.path = OLD
    data, _ = shown._repr_mimebundle_()
    assert WIDGET_VIEW in data
    assert data["text/plain"] == f"RerankToggle(query='q1', path='{OLD.text}')"
    page = Page(data["text/html"])
    assert page.text.startswith("Frage q1 <b>&: float16 logits → stepwise sigmoid in float16")
    assert {tag for tag, _ in page.tags} == {"p", "table", "thead", "tbody", "tr", "th", "td"}


def test_of_many_rows_the_first_hundred_stand_there(shown):
    pairs = few_pairs().iloc[[0] * 120].assign(passage_id=[f"p{n}" for n in range(120)])
    logits = pd.DataFrame(
        {
            **pairs[["query_id", "passage_id", "grade"]],
            "forward_dtype": "float32",
            "logit": [float(n) for n in range(120)],
        }
    )
    html = view(logits, pairs)._repr_mimebundle_()[0]["text/html"]
    assert html.count("<tr") == 101
    assert "The first 100 of 120." in html


def rows_in(html: str) -> list[list[str]]:
    found = re.findall(r"<tr.*?</tr>", html, re.S)
    return [[unescape(cell) for cell in re.findall(r"<t[dh].*?>(.*?)</t", row)] for row in found]


def test_a_table_has_ties_moves_grades_and_texts():
    pairs = few_pairs()
    logits = few_logits(pairs)
    one = logits[logits["query_id"] == "q1"]
    reference, scored = apply(one, FLOAT32_REFERENCE), apply(one, OLD)
    html = table_html(reference, scored, pairs)
    head, *rows = rows_in(html)
    assert head == ["rank", "score", "tie", "against float32", "grade", "passage id", "passage"]
    assert [row[5] for row in rows] == ["p0", "p2", "p5", "p7", "p1", "p4", "p6", "p3"]
    assert [row[1] for row in rows][:6] == ["1"] * 4 + ["0.99804688"] * 2
    assert [row[2] for row in rows][:6] == ["4 tied"] * 4 + ["2 tied"] * 2
    assert [row[3] for row in rows][:5] == ["▲ from 3", "▼ from 1", "▼ from 2", "", "▲ from 6"]
    assert [row[4] for row in rows] == list("02131023")
    assert rows[0][6] == NASTY
    assert html.count('<tr class="tied" style="background') == 6
    assert "style" not in table_html(reference, scored, pairs, inline=False)


# The page


def test_the_page_holds_the_payload_and_the_state(whole):
    html = whole.html("A <title>")
    (host,) = [attributes for _, attributes in Page(html).tags if "data-rerank-view" in attributes]
    assert json.loads(host["data-rerank-view"]) == whole._state
    (packed,) = re.findall(r'<script type="application/gzip">(.*?)</script>', html)
    assert gzip.decompress(base64.b64decode(packed)) == payload(whole.rows) == whole._data
    assert "<title>A &lt;title&gt;</title>" in html


def test_the_page_loads_nothing_and_runs_one_script(whole, tmp_path):
    html = whole.save(tmp_path / "view.html").read_text(encoding="utf-8")
    page = Page(html)
    (policy,) = [a["content"] for a in page.attributes("meta") if "http-equiv" in a]
    assert policy.startswith(f"default-src 'none'; script-src {hash_of(script())}; style-src ")
    assert not [a for _, a in page.tags if {"src", "href", "style"} & set(a)]
    assert {a.get("type") for a in page.attributes("script")} == {"application/gzip", "module"}
    assert "</script" not in script().lower()


def test_two_pages_are_the_same_bytes(whole):
    assert whole.html() == make_view(path=OLD, query="q2", selected="p1").html()


def test_the_frame_is_sandboxed_and_holds_the_page(whole):
    html = whole.inline(700).data
    (frame,) = Page(html).attributes("iframe")
    assert frame["sandbox"] == "allow-scripts allow-downloads"
    assert frame["height"] == "700"
    assert frame["srcdoc"] == whole.html()


# The module


def test_the_module_is_small_and_never_makes_html_of_text():
    assert len(module().encode()) < 80_000
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
    ):
        assert word not in module()
    assert not re.search(r"""["'`]https?://(?!www\.w3\.org/2000/svg)""", module())
    assert not re.search(r"^import|import\(", module(), re.MULTILINE)
