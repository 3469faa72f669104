"""What is done to scores afterwards, and what that does to ties, order and saturation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from analysis.afterwards import AFTER_KINDS, CONSEQUENCES, After
from analysis.errors import InputError
from analysis.formats import FORMATS
from analysis.scorepath import ScorePath
from analysis.steps import saturation

EACH = [
    After("shift", (-4.5,)),
    After("factor", (0.3,)),
    After("clip", (1e-7, 1 - 1e-7)),
    After("percent"),
    After("elasticsearch"),
    After("min-max"),
    After("softmax"),
    After("rank", (60.0,)),
]
LOGITS = np.random.default_rng(0).normal(1, 5, 200)
QUERIES = np.arange(200) // 10


@pytest.mark.parametrize("after", EACH, ids=str)
def test_the_order_within_a_query_is_kept_as_promised(after):
    assert after.consequences.order == "kept"
    path = ScorePath(after=after)
    before, passed_on = ScorePath().scores(LOGITS), path.scores(LOGITS, queries=QUERIES)
    for query in np.unique(QUERIES):
        own = query == QUERIES
        order = np.argsort(before[own], kind="stable")
        assert np.all(np.diff(passed_on[own][order]) >= 0)


def test_every_kind_has_its_consequences():
    assert {after.kind for after in EACH} | {"nothing"} == set(AFTER_KINDS) == set(CONSEQUENCES)


def test_the_library_page_has_the_consequences():
    page = (Path(__file__).parent.parent / "docs" / "library.md").read_text(encoding="utf-8")
    for kind, said in CONSEQUENCES.items():
        assert f"| {kind} | {' | '.join(said)} |" in page


def test_a_shift_is_subtracted_in_the_dtype_of_the_sigmoid():
    """mxbai-rerank v2: the bfloat16 logit is cast to float32, then shifted."""
    path = ScorePath("bfloat16", after="shift:-4.5")
    half = FORMATS["bfloat16"].round(LOGITS).astype(float)
    assert np.array_equal(path.scores(LOGITS), ScorePath().scores(half - 4.5))


def test_a_factor_is_haystacks_calibration():
    path = ScorePath("float16", "fused", "float16", "float16", after="factor:0.3")
    half = FORMATS["float16"].round(LOGITS).astype(np.float32)
    product = FORMATS["float16"].round(half * np.float32(0.3)).astype(float)
    plain = ScorePath("float16", "fused", "float16", "float16")
    agree = path.scores(LOGITS) == plain.scores(product)
    assert agree.mean() > 0.99  # 0.3 is rounded to float32 there before it multiplies


def test_percent_saturates_at_100():
    path = ScorePath("float16", "fused", "float16", "float16", after="percent")
    assert path.saturates
    assert (
        saturation(path).one_from
        == saturation(ScorePath("float16", "fused", "float16", "float16")).one_from
    )
    assert path.scores([20.0]) == 100.0


@pytest.mark.parametrize(
    "text", ["clip:0.001:0.999", "min-max", "softmax", "rank:60", "elasticsearch"]
)
def test_an_end_that_no_sigmoid_made_is_no_saturation(text):
    path = ScorePath(after=text)
    assert not path.saturates
    assert np.isnan(saturation(path).one_from)


def test_min_max_and_softmax_and_ranks_of_each_query():
    scores = {
        text: ScorePath(after=text).scores(LOGITS, queries=QUERIES)
        for text in ("min-max", "softmax", "rank:60")
    }
    lists = {text: found.reshape(-1, 10) for text, found in scores.items()}
    assert set(lists["min-max"].max(axis=1)) == {1.0}
    assert set(lists["min-max"].min(axis=1)) == {0.0}
    assert lists["softmax"].sum(axis=1) == pytest.approx(1)
    assert np.allclose(np.sort(1 / lists["rank:60"], axis=1), np.arange(61, 71))


def test_equal_scores_stay_equal_under_min_max():
    assert After("min-max").of_scores([0.5, 0.5], ["q", "q"]).tolist() == [0.0, 0.0]


def test_elasticsearch_has_no_negative_scores():
    """max(score, 0) + min(exp(score), 1): what is negative ends between 0 and 1."""
    found = After("elasticsearch").of_scores([-3.0, 0.0, 2.5])
    assert found == pytest.approx([np.exp(-3), 1.0, 3.5])


def test_a_list_needs_its_queries():
    with pytest.raises(InputError, match="queries: softmax is taken over the scores of a query"):
        ScorePath(after="softmax").scores(LOGITS)


@pytest.mark.parametrize("after", [After(), *EACH], ids=str)
def test_the_plain_text_reads_back(after):
    assert After.of_text(after.text) == after


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("banana", "unknown step afterwards"),
        ("shift", "takes 1 finite numbers"),
        ("clip:0.1", "takes 2 finite numbers"),
        ("clip:0.9:0.1", "bounds are swapped"),
        ("factor:-1", "turns the order round"),
        ("shift:inf", "finite"),
        ("shift:much", "something else than numbers"),
    ],
)
def test_what_is_done_by_nobody_is_refused(text, problem):
    with pytest.raises(InputError, match=problem):
        After.of_text(text)


def test_texts_hold_no_separator_of_a_path():
    assert not any(re.search("[,=]", after.text) for after in EACH)
