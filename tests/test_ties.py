"""Ranks and tie groups against plain sorting."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.engines import path_of
from analysis.errors import InputError
from analysis.forwardformats import in_format
from analysis.scorepath import TIE_RULES, ScorePath
from analysis.ties import apply, first_ranks, ranks, tie_groups, tied_in_top, with_tie_groups


def frame(logits, query_id="q1", dtype="float16"):
    ids = [f"p{number}" for number in range(len(logits))]
    return pd.DataFrame(
        {"query_id": query_id, "passage_id": ids, "forward_dtype": dtype, "logit": logits}
    )


def path(tie_rule):
    return ScorePath("float16", "stepwise", "float16", "float16", tie_rule)


LOGITS = [7.0, 9.0, 3.0, 8.0, 7.1, -1.0]


@pytest.mark.parametrize(
    ("tie_rule", "expected"),
    [
        ("input order", [3, 1, 5, 2, 4, 6]),
        ("docid ascending", [3, 1, 5, 2, 4, 6]),
        ("docid descending", [4, 2, 5, 1, 3, 6]),
        ("expected", [3.5, 1.5, 5, 1.5, 3.5, 6]),
    ],
)
def test_ranks_under_each_rule(tie_rule, expected):
    assert apply(frame(LOGITS), path(tie_rule))["rank"].tolist() == expected


def test_docid_rules_do_not_follow_the_input():
    shuffled = frame(LOGITS).iloc[::-1]
    scored = apply(shuffled, path("docid ascending")).set_index("passage_id")
    assert scored["rank"].reindex([f"p{n}" for n in range(6)]).tolist() == [3, 1, 5, 2, 4, 6]


def test_groups_and_sizes():
    scored = apply(frame(LOGITS), path("input order"))
    assert scored["tie_group"].tolist() == [2, 1, 3, 1, 2, 4]
    assert scored["tie_size"].tolist() == [2, 2, 1, 2, 2, 1]
    groups = tie_groups(scored)
    assert groups["score"].round(3).tolist() == [1.0, 0.999]
    assert groups[["size", "first_rank", "last_rank"]].to_numpy().tolist() == [[2, 1, 2], [2, 3, 4]]


def test_queries_do_not_mix():
    both = pd.concat([frame([9, 8], "q1"), frame([8.5, 1], "q2")], ignore_index=True)
    scored = apply(both, path("input order"))
    assert scored["rank"].tolist() == [1, 2, 1, 2]
    assert scored["tie_size"].tolist() == [2, 2, 1, 1]


def test_a_group_counts_in_a_top_that_it_reaches_into():
    scored = apply(frame(LOGITS), path("input order"))
    assert first_ranks(scored).tolist() == [3, 1, 5, 1, 3, 6]
    assert tied_in_top(scored, 2).tolist() == [False, True, False, True, False, False]
    assert tied_in_top(scored, 3).tolist() == [True, True, False, True, True, False]


def test_formats_of_one_dtype_are_ranked_apart_whatever_the_index():
    own = in_format(frame([9, 8, 7], dtype="float32"), "float32")
    other = in_format(own.assign(logit=[7, 8, 9]), "openvino:bf16")
    scored = apply(pd.concat([own, other]), ScorePath("float32").raw())
    assert scored["rank"].tolist() == [1, 2, 3, 3, 2, 1]
    assert scored.index.tolist() == [0, 1, 2, 0, 1, 2]


@given(
    st.lists(st.sampled_from([6.5, 7.0, 7.7, 8.0, 9.0]), min_size=1, max_size=12),
    st.sampled_from(TIE_RULES),
)
def test_every_rule_keeps_the_order_of_scores_and_uses_each_place_once(logits, tie_rule):
    scored = apply(frame(logits), path(tie_rule)).sort_values("rank", kind="stable")
    assert scored["score"].is_monotonic_decreasing
    assert scored["rank"].sum() == len(logits) * (len(logits) + 1) / 2
    if tie_rule != "expected":
        assert scored["rank"].tolist() == list(range(1, len(logits) + 1))


SCORES = [0.0, -0.0, 1.0, 0.5, 0.1, -2.5, np.inf, -np.inf]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SCORES)), max_size=30),
    st.sampled_from([np.float32, np.float64]),
    st.randoms(use_true_random=False),
)
def test_places_are_those_of_pandas_whatever_the_order_of_rows(rows, dtype, random):
    """Of float32 values and of such as float32 does not hold; -0.0 ties with 0.0."""
    numbers = list(range(len(rows)))
    random.shuffle(numbers)
    scored = pd.DataFrame(rows, columns=["query_id", "score"], index=numbers)
    scored = scored.assign(
        score=scored["score"].to_numpy(dtype).astype(np.float64),
        passage_id=[f"p{number}" for number in numbers],
    )
    by_query = scored.groupby("query_id")["score"]

    def ranked(method):
        return by_query.rank(method=method, ascending=False).tolist()

    groups = with_tie_groups(scored)
    assert groups["tie_group"].tolist() == ranked("dense")
    sizes = scored.groupby(["query_id", "score"])["score"].transform("size")
    assert groups["tie_size"].tolist() == sizes.tolist()
    assert first_ranks(scored).tolist() == ranked("min")
    assert ranks(scored, "expected").tolist() == ranked("average")
    assert ranks(scored, "input order").tolist() == ranked("first")
    for rule in ("reversed input order", "docid ascending", "docid descending"):
        turned = scored.iloc[::-1]
        if rule.startswith("docid"):
            turned = scored.sort_values("passage_id", ascending=rule == "docid ascending")
        expected = turned.groupby("query_id")["score"].rank(method="first", ascending=False)
        assert ranks(scored, rule).tolist() == expected.reindex(scored.index).tolist()


def test_one_candidate_and_none():
    assert apply(frame([3.0]), path("expected"))["rank"].tolist() == [1]
    assert apply(frame([]), path("expected")).empty
    assert tie_groups(apply(frame([]), path("input order"))).empty


def test_missing_forward_dtype_is_named():
    with pytest.raises(InputError, match=r"no logits of a float16 forward pass.*bfloat16"):
        apply(frame(LOGITS, dtype="bfloat16"), path_of("infinity", "0.0.68", "float16"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (frame(LOGITS).drop(columns="query_id"), "has no column query_id"),
        (pd.concat([frame(LOGITS), frame([1.0])]), "passage 'p0' of query 'q1' stands twice"),
        (frame([1.0]).assign(query_id=None), "query_id: .*neither strings nor whole numbers"),
        (frame([1.0, 2.0]).assign(passage_id=[1, "a"]), "passage_id: .*neither strings nor"),
        (frame([1.0]).assign(logit="1"), "logit: .*give numbers"),
        (LOGITS, "came as a list"),
    ],
)
def test_other_frames_are_refused(wrong, says):
    with pytest.raises(InputError, match=f"(?i){says}"):
        apply(wrong, path("input order"))


def test_a_score_that_overflows_to_nan_is_refused():
    overflowing = ScorePath("float16", "none", "float16", "float8_e4m3fn")
    with pytest.raises(InputError, match="score of query 'q1', passage 'p1' is NaN"):
        apply(frame([1.0, 500.0]), overflowing)


def test_nan_is_refused_by_name():
    with pytest.raises(InputError, match="query 'q1', passage 'p1' is NaN"):
        apply(frame([1.0, np.nan]), path("input order"))
