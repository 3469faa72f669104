"""The one table of effects against plain counting, and against itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counting import COLUMNS, count, effects, headings
from analysis.engines import path_of
from analysis.errors import InputError
from analysis.metrics import evaluate
from analysis.scorepath import FLOAT32_REFERENCE, TIE_RULES, ScorePath
from analysis.ties import apply

OLD = path_of("infinity", "0.0.68", "float16")
COUNTS = [
    "ones",
    "zeros",
    "tied",
    "tied_in_top",
    "moved",
    "first_shared",
    "first_lost",
    "reordered",
]


def logits_of(queries, grades=None, dtypes=("float32", "float16")):
    """Logits of lists of candidates, the same in each forward dtype but for its rounding."""
    rows = [
        (f"q{query}", f"p{place}", None if grades is None else grades[query][place], logit)
        for query, logits in enumerate(queries)
        for place, logit in enumerate(logits)
    ]
    frame = pd.DataFrame(rows, columns=["query_id", "passage_id", "grade", "logit"])
    frame["grade"] = frame["grade"].astype("Int64")
    return pd.concat(
        [
            frame.assign(forward_dtype=dtype, logit=ScorePath(dtype).logits(frame["logit"]))
            for dtype in dtypes
        ],
        ignore_index=True,
    )


def counted(table):
    return table[COUNTS].to_dict("records")


def plainly(scored, reference, k):
    """The same counts by loops over queries, ranks taken from sorted lists."""
    found = dict.fromkeys(COUNTS, 0)
    for query_id, rows in scored.groupby("query_id"):
        scores = rows["score"].tolist()
        others = reference[reference["query_id"] == query_id].set_index("passage_id")["score"]
        others = others.loc[rows["passage_id"]].tolist()
        spans = [spans_of(scores), spans_of(others)]
        found["ones"] += scores.count(1.0)
        found["zeros"] += scores.count(0.0)
        tied = [last > first for first, last in spans[0]]
        found["tied"] += sum(tied)
        found["tied_in_top"] += sum(
            is_tied and first <= k for is_tied, (first, _) in zip(tied, spans[0], strict=True)
        )
        places = [stable_ranks(values) for values in (scores, others)]
        found["moved"] += sum(a != b for a, b in zip(*places, strict=True))
        first = [{n for n, span in enumerate(own) if span[0] == 1} for own in spans]
        found["first_shared"] += len(first[0]) > 1
        found["first_lost"] += not first[0] <= first[1]
        pairs = [pair for pair in zip(*spans, strict=True) if min(pair[0][0], pair[1][0]) <= k]
        found["reordered"] += any(ours != theirs for ours, theirs in pairs)
    return found


def spans_of(values):
    ordered = sorted(values, reverse=True)
    return [(ordered.index(v) + 1, ordered.index(v) + ordered.count(v)) for v in values]


def stable_ranks(values):
    order = sorted(range(len(values)), key=lambda place: -values[place])
    return [order.index(place) for place in range(len(values))]


@given(
    st.lists(
        st.lists(
            st.sampled_from([-18.0, 1.0, 1.001, 7.0, 7.1, 7.7, 9.0, 20.0]), min_size=1, max_size=7
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 4),
)
def test_counts_are_those_of_plain_counting(queries, k):
    logits = logits_of(queries)
    reference = apply(logits, ScorePath().raw())
    found = effects(logits, [OLD, FLOAT32_REFERENCE], k=k)
    assert counted(found) == [
        plainly(apply(logits, path), reference, k) for path in (OLD, FLOAT32_REFERENCE)
    ]


@given(
    st.lists(st.sampled_from([1.0, 2.0, 2.5, 9.0]), min_size=1, max_size=8),
    st.sampled_from(TIE_RULES),
)
def test_the_reference_against_itself_changes_nothing(logits, tie_rule):
    """Also where identical passages lead, and whatever the tie rule."""
    path = ScorePath("float32", tie_rule=tie_rule)
    found = effects(logits_of([logits]), [path, path.raw()])
    assert (found[["moved", "first_lost", "reordered"]] == 0).all(axis=None)


def test_two_identical_passages_that_lead_share_their_place_and_lose_nothing():
    (found,) = counted(effects(logits_of([[9.0, 9.0, 1.0]]), ScorePath()))
    assert (found["first_shared"], found["first_lost"]) == (1, 0)


def test_a_third_that_joins_them_takes_their_place():
    (found,) = counted(effects(logits_of([[9.0, 9.0, 8.0]]), OLD))
    assert (found["first_shared"], found["first_lost"]) == (1, 1)


def test_the_order_of_the_references_rows_does_not_count():
    logits = logits_of([[9.0, 8.0, 1.0], [3.0, 7.0]])
    scored, reference = apply(logits, OLD), apply(logits, ScorePath().raw())
    assert count(scored, reference.iloc[::-1]) == pytest.approx(
        count(scored, reference), nan_ok=True
    )


def test_ndcg_is_that_of_the_metrics_and_missing_without_grades():
    grades = [[3, 0, 1], [0, 2, 0]]
    logits = logits_of([[9.0, 8.5, 8.0], [1.0, 8.0, 9.0]], grades)
    found = effects(logits, OLD, k=2).iloc[0]
    scored = apply(logits, OLD)
    expected = evaluate(scored, scored, ["nDCG@2"])[["expected", "min", "max"]].mean()
    assert found[["ndcg", "ndcg_min", "ndcg_max"]].tolist() == pytest.approx(expected.tolist())
    assert effects(logits_of([[1.0]]), OLD)[["ndcg", "ndcg_min", "ndcg_max"]].isna().all(axis=None)


def test_raw_logits_do_not_saturate():
    found = effects(logits_of([[1.0, 0.0, 1.0]]), ScorePath().raw())
    assert found[["ones", "zeros"]].isna().all(axis=None)
    assert found["tied"].tolist() == [2]


def test_without_float32_logits_nothing_is_held_against_them():
    found = effects(logits_of([[9.0, 8.0]], dtypes=["float16"]), OLD)
    assert found[["moved", "first_lost", "reordered"]].isna().all(axis=None)
    assert found["tied_in_top"].tolist() == [2]


def test_rows_are_named_by_path_computation_or_key():
    logits = logits_of([[1.0]])
    nameless = ScorePath("float16", "fused", "float16", "float16")
    found = effects(logits, [OLD, nameless])
    assert found["path"].tolist() == [OLD.name, nameless.computation]
    assert effects(logits, {"mine": OLD})["path"].tolist() == ["mine"]
    assert effects(logits, (path for path in [OLD]))["path"].tolist() == [OLD.name]


def test_paths_that_differ_in_their_tie_rule_alone_have_a_row_each():
    paths = [ScorePath("float16", tie_rule=rule) for rule in TIE_RULES]
    assert len(effects(logits_of([[1.0, 2.0]]), paths)) == len(TIE_RULES)


def test_every_column_has_words_for_people():
    found = effects(logits_of([[1.0]]), OLD, k=5)
    words = found.rename(columns=headings(5))
    assert list(headings(5)) == list(found)
    assert "tied in the top 5" in words
    assert not [name for name in words if "_" in name]


def test_a_forward_dtype_that_was_not_scored_is_named():
    with pytest.raises(InputError, match="no logits of a bfloat16 forward pass"):
        effects(logits_of([[1.0]]), path_of("haystack", "2.31.0", "bfloat16"))


def test_candidates_and_queries_are_all_of_them():
    found = effects(logits_of([[1.0, 2.0], [np.pi]]), OLD).iloc[0]
    assert (found["candidates"], found["queries"]) == (3, 2)


def test_no_path_gives_an_empty_table_with_all_columns():
    logits = logits_of([[1.0, 2.0]])
    assert list(effects(logits, [])) == list(effects(logits, [ScorePath()])) == list(COLUMNS)


def test_a_path_may_be_a_text():
    logits, text = logits_of([[9.0, 8.0, 1.0]]), "infinity@0.0.32:float16"
    expected = effects(logits, path_of(text))
    for paths in (text, [text]):
        pd.testing.assert_frame_equal(effects(logits, paths), expected)
    assert effects(logits, {"old": text})["path"].tolist() == ["old"]
    with pytest.raises(InputError, match="unknown engine 5"):
        effects(logits, 5)


@pytest.mark.parametrize("k", [0, -1, 1.5, "10", True])
def test_a_top_has_a_whole_number(k):
    with pytest.raises(InputError, match="k: there is no top"):
        effects(logits_of([[1.0]]), [ScorePath()], k=k)


def test_the_reference_has_the_same_pairs():
    logits = logits_of([[1.0, 2.0, 3.0]])
    lacking = logits[(logits["forward_dtype"] == "float16") | (logits["logit"] != 2.0)]
    others = logits.assign(
        passage_id=logits["passage_id"].where(
            logits["forward_dtype"] == "float16", "x" + logits["passage_id"]
        )
    )
    for wrong in (lacking, others):
        with pytest.raises(InputError, match="does not stand both in"):
            effects(wrong, ScorePath("float16"))


def test_frames_without_what_is_counted_are_refused():
    with pytest.raises(InputError, match="has no column forward_dtype"):
        effects(logits_of([[1.0]]).drop(columns="forward_dtype"), [])
    scored = apply(logits_of([[1.0]]), ScorePath())
    with pytest.raises(InputError, match="has no column score"):
        count(scored.drop(columns="score"))
    with pytest.raises(InputError, match="is NaN"):
        count(scored.assign(score=np.nan))
