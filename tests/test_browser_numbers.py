"""The browser's numbers are Python's: scores, orders, counts, measures, spans, roundings."""

from __future__ import annotations

import base64
from dataclasses import replace
from decimal import Decimal
from itertools import chain, product

import numpy as np
import pandas as pd
import pytest
from browsers import NEEDS_BROWSER, load_module
from few_rows import INT8, few_logits_of_runtimes, few_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logits import german_logits, german_set

from analysis.catalogue import CATALOGUE
from analysis.counting import COLUMNS, count, effects
from analysis.formats import FORMATS, format_of
from analysis.forwardformats import of_format
from analysis.metrics import evaluate
from analysis.scorepath import TIE_RULES, ScorePath
from analysis.sigmoids import FORMULAS
from analysis.steps import spans
from analysis.ties import apply
from analysis.viewing.payload import REFERENCE, payload, stages
from analysis.viewing.rows import Rows, rows_of

pytestmark = NEEDS_BROWSER

ENGINES = [path for engine in CATALOGUE for path in engine.paths.values()]
MEASURED = ["ndcg", "ndcg_min", "ndcg_max"]
COUNTED = [name for name in list(COLUMNS)[2:] if name not in MEASURED]
RAW = ScorePath("float32").raw()


@pytest.fixture(scope="module")
def rows() -> Rows:
    return rows_of(german_logits(), german_set())


@pytest.fixture(scope="module")
def logits(rows) -> pd.DataFrame:
    return rows.frame()


@pytest.fixture(scope="module")
def core(browser, rows):
    """An empty page with the view's module and the German set's payload."""
    page = browser.new_page()
    load_module(page, payload(rows))
    yield page
    page.close()


@pytest.fixture(scope="module")
def paths(rows) -> list[ScorePath]:
    """Paths over all tie rules: the catalogue's, and a quarter of all others."""
    shown = [path for path in ENGINES if rows.has(path)]
    more = [
        replace(path, tie_rule=TIE_RULES[number % len(TIE_RULES)])
        for number, path in enumerate(rows.paths)
        if number % 4 == 0
    ]
    return list(dict.fromkeys([*shown, *more]))


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f8")


BYTES = """(array) => btoa(
    Array.from(new Uint8Array(array.buffer), (byte) => String.fromCharCode(byte)).join(""))"""


def test_the_page_proves_every_path_by_its_checksum(core, rows):
    asked = [stages(path) for path in rows.paths]
    proven = core.evaluate("(paths) => paths.map((path) => scores.isProven(path))", asked)
    assert len(proven) == 73
    assert all(proven)


def test_a_wrong_score_is_not_proven(core):
    proven = core.evaluate(
        """() => {
            const path = ["float16", "stepwise", "float16", "float16", "input order"];
            const other = new core.Scores(payload);
            other.all(path)[7] += 2 ** -11;
            return other.isProven(path);
        }"""
    )
    assert not proven


def test_all_scores_are_pythons_bit_for_bit(core, rows):
    """All that can be toggled, and all that the catalogue has."""
    toggled = product(rows.logits, (*FORMULAS, "none"), rows.dtypes, rows.dtypes)
    asked = [ScorePath(*stages_) for stages_ in toggled]
    shown = {replace(path, tie_rule="input order") for path in ENGINES if rows.has(path)}
    assert shown <= set(asked)
    sent = core.evaluate(
        f"(paths) => paths.map((path) => ({BYTES})(scores.all(path)))", [*map(stages, asked)]
    )
    for path, text in zip(asked, sent, strict=True):
        ours = path.scores(rows.logits[path.forward_dtype])
        assert floats(text).tobytes() == ours.astype("<f8").tobytes(), path


def test_ranks_and_tie_sizes_of_every_query_are_pythons(core, logits, paths):
    sent = core.evaluate(
        """(paths) => paths.map((path) => payload.queries.map((_, query) => {
            const order = core.orderOf(scores, path, query);
            const sizes = Array.from(order.rows.keys(), (row) => order.groupOf(row)[1]);
            return [Array.from(order.rank), sizes];
        }))""",
        [*map(stages, paths)],
    )
    for path, queries in zip(paths, sent, strict=True):
        scored = apply(logits, path)
        ranks, sizes = ([*chain(*column)] for column in zip(*queries, strict=True))
        assert ranks == scored["rank"].tolist(), path
        assert sizes == scored["tie_size"].tolist(), path


COUNT = """(paths, against) => paths.map((path) => {
    const counted = payload.queries.map((_, query) => {
        const from = payload.starts[query], to = from + payload.arrays.candidates[query];
        const order = core.orderOf(scores, path, query);
        const other = core.orderOf(scores, against ?? payload.reference, query, path[4]);
        return core.countQuery(order, other, payload.grades.slice(from, to), payload.k);
    });
    return [counted, core.countAll(counted)];
})"""


def test_counts_and_measures_of_the_set_are_those_of_effects(core, logits, paths):
    for path, (_, all_) in zip(paths, core.evaluate(COUNT, [*map(stages, paths)]), strict=True):
        (row,) = effects(logits, path).to_dict("records")
        bounded = [name for name in COUNTED if path.has_sigmoid or name not in ("ones", "zeros")]
        assert {name: all_[name] for name in bounded} == {name: row[name] for name in bounded}
        assert [all_[name] for name in MEASURED] == pytest.approx(
            [row[name] for name in MEASURED], abs=1e-12, rel=0
        )


def test_ndcg_under_ties_of_every_query_is_pythons(core, logits, paths):
    for path, (counted, _) in zip(paths, core.evaluate(COUNT, [*map(stages, paths)]), strict=True):
        scored = apply(logits, path)
        ours = evaluate(scored, scored, ["nDCG@10"])[["expected", "min", "max"]]
        theirs = [[one[name] for name in MEASURED] for one in counted]
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-12)


def test_logit_intervals_and_neighbours_are_exact(core, rows):
    rng = np.random.default_rng(0)
    asked = [(path, int(rng.integers(len(rows.pairs)))) for path in rows.paths for _ in range(8)]
    sent = core.evaluate(
        """(asked) => asked.map(([path, row]) => {
            const [first, last] = scores.span(path, row);
            return [first, last, scores.neighbours(path, row) ?? null];
        })""",
        [[stages(path), row] for path, row in asked],
    )
    for (path, row), (first, last, near) in zip(asked, sent, strict=True):
        forward = format_of(path.forward_dtype)
        logit = rows.logits[path.forward_dtype][row : row + 1]
        ends = [forward.from_ordinals(end).astype(float)[0] for end in spans(path, logit)]
        assert [first, last] == ends, (path, row)
        beyond = [float(forward.next_below(first)), float(forward.next_above(last))]
        expected = [
            float(path.scores(np.array([x]))[0]) if np.isfinite(x) else None for x in beyond
        ]
        is_sent = path.stored_dtype != "float64" or not path.has_sigmoid
        assert near == (expected if is_sent else None), (path, row)


def test_logits_of_another_runtime_are_taken_by_their_formats_name(browser):
    rows = rows_of(few_logits_of_runtimes(few_pairs()), few_pairs())
    own = of_format(rows.frame(), INT8)
    page = browser.new_page()
    load_module(page, payload(rows))
    asked = [stages(path, name) for name, path in rows.shown]
    assert all(page.evaluate("(paths) => paths.map((path) => scores.isProven(path))", asked))
    paths = [path for name, path in rows.shown if name == INT8]
    assert len(paths) == len([name for name, _ in rows.shown if name == "float32"]) > 20
    own_stages = [stages(path, INT8) for path in paths]
    for path, (_, all_) in zip(paths, page.evaluate(COUNT, own_stages), strict=True):
        scored, float32 = apply(own, path), apply(of_format(rows.frame(), "float32"), RAW)
        counts = count(scored, float32, bounded=path.has_sigmoid)
        shown = [name for name in COUNTED if path.has_sigmoid or name not in ("ones", "zeros")]
        assert {name: all_[name] for name in shown} == {name: counts[name] for name in shown}, path
    spans_ = page.evaluate("(paths) => paths.map((path) => scores.span(path, 0))", own_stages)
    for path, ends in zip(paths, spans_, strict=True):
        logit = rows.logits[INT8][:1]
        forward = format_of("float32")
        ours = [forward.from_ordinals(end).astype(float)[0] for end in spans(path, logit)]
        assert ends == ours, path
    page.close()


@settings(max_examples=20)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=400))
def test_rounding_is_that_of_the_formats(core, values):
    values += [value * scale for value in values[:50] for scale in (2.0**-130, 2.0**-16)]
    names = ["float32", "float16", "bfloat16"]
    sent = core.evaluate(
        f"([names, values]) => names.map((name) => ({BYTES})("
        "Float64Array.from(values, (x) => payload.formats[name].round(x))))",
        [names, values],
    )
    for name, text in zip(names, sent, strict=True):
        ours = format_of(name).round(values).astype("<f8")
        assert floats(text).tobytes() == ours.tobytes()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_ordinals_and_digits_of_every_16_bit_value_read_back(core, name):
    assert core.evaluate(
        """(name) => {
            const format = payload.formats[name], most = Number(format.ordinal(format.max));
            const named = (x) => format.round(Number(format.digits(x).replaceAll("−", "-")));
            for (let n = -most; n <= most; n++) {
                const x = format.value(BigInt(n));
                if (format.ordinal(x) !== BigInt(n) || format.round(x) !== x) return [n, x];
                if (format.above(x) !== format.next(x)) return [n, x];
                if (n % 7 === 0 && named(x) !== x) return [n, x];
            }
            return most;
        }""",
        name,
    ) == int(format_of(name).ordinals(format_of(name).max))


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=20)
@given(st.lists(FINITE, min_size=1, max_size=200))
def test_decimals_and_ordinals_of_any_double_are_exact(core, values):
    sent = core.evaluate(
        """(values) => values.map((x) => {
            const format = payload.formats.float64;
            return [core.exactDecimal(x), String(format.ordinal(x)), format.next(x)];
        })""",
        values,
    )
    texts, ordinals, above = zip(*sent, strict=True)
    exact = [format(Decimal(value), "f") if value else "0" for value in values]
    assert [text.replace("−", "-") for text in texts] == exact
    assert [int(n) for n in ordinals] == FORMATS["float64"].ordinals(values).tolist()
    # A whole number comes as digits that name the double and are not its value.
    assert [float(x) for x in above] == FORMATS["float64"].next_above(values).tolist()


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_bits_are_the_values_own(core, values):
    for name in ("float64", "float32", "float16", "bfloat16"):
        held = format_of(name).round(values)
        sent = core.evaluate(
            "([name, values]) => values.map((x) => payload.formats[name].bitsOf(x).join(''))",
            [name, held.astype(float).tolist()],
        )
        assert [int(bits, 2) for bits in sent] == held.view(f"u{held.dtype.itemsize}").tolist()


def test_reduced_paths_and_plain_text_are_pythons(core, rows):
    chosen = [
        ScorePath(*stages_) for path in ENGINES if rows.has(path) for stages_ in [stages(path)]
    ]
    sent = core.evaluate(
        "(paths) => paths.map((path) => [scores.reduced(path), core.pathText(path),"
        " core.pathOf(core.pathText(path))])",
        [*map(stages, chosen)],
    )
    for path, (reduced, text, read) in zip(chosen, sent, strict=True):
        assert reduced == list(path.reduced().stages.values())
        assert text == path.text
        assert read == stages(path)
    assert core.evaluate("core.pathOf('forward=float16')") is None
    assert stages(REFERENCE) == core.evaluate("payload.reference")
