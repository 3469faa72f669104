"""Rows of a view: one order for texts and logits, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from few_rows import few_logits, few_pairs

from analysis.catalogue import CATALOGUE
from analysis.errors import InputError
from analysis.scorepath import ScorePath
from analysis.viewing.rows import rows_of


def test_logits_follow_the_candidates_whatever_order_they_come_in():
    pairs = few_pairs()
    ours = rows_of(few_logits(pairs), pairs)
    shuffled = rows_of(few_logits(pairs).sample(frac=1, random_state=1), pairs)
    pd.testing.assert_frame_equal(shuffled.pairs, ours.pairs)
    for dtype, logits in ours.logits.items():
        np.testing.assert_array_equal(shuffled.logits[dtype], logits)


def test_rows_of_a_query_stand_together_in_the_order_given():
    pairs = few_pairs()
    mixed = pairs.iloc[[8, 0, 9, 3, 10, 1, 2, 4, 5, 6, 7]]
    rows = rows_of(few_logits(pairs), mixed)
    assert list(rows.candidates) == ["q2", "q1", "q3"]
    assert rows.candidates["q1"] == ["p0", "p3", "p1", "p2", "p4", "p5", "p6", "p7"]


def test_paths_that_score_alike_are_there_once_and_all_of_the_catalogue_are():
    rows = rows_of(few_logits(few_pairs()), few_pairs())
    assert len(rows.paths) == len({path.computation for path in rows.paths}) == 73
    known = [path for engine in CATALOGUE for path in engine.paths.values()]
    assert all(rows.has(path) == path.is_plain for path in known)
    assert not rows.has(ScorePath("float64"))
    assert not rows.has(ScorePath("float16", "fused", "float8_e5m2", "float8_e5m2"))


def test_a_forward_dtype_beyond_the_usual_is_shown():
    rows = rows_of(few_logits(few_pairs(), "float64", "float8_e4m3fn", "float32"), few_pairs())
    assert rows.has(ScorePath("float64", "fused", "float64", "float64"))
    assert rows.has(ScorePath("float8_e4m3fn").raw())


def test_the_frame_is_what_apply_takes():
    rows = rows_of(few_logits(few_pairs()), few_pairs())
    assert len(rows.frame()) == 33
    assert rows.frame("q2")["forward_dtype"].tolist() == [
        dtype for dtype in ("float32", "float16", "bfloat16") for _ in range(2)
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda logits, pairs: (logits, pairs.to_dict()), "give the set, or its frame"),
        (lambda logits, pairs: (logits.drop(columns="grade"), pairs), "has no column grade"),
        (lambda logits, pairs: (logits.assign(grade=0.5), pairs), "no whole numbers"),
        (lambda logits, pairs: (logits.assign(grade="good"), pairs), "no whole numbers"),
        (lambda logits, pairs: (logits, pairs[1:]), "does not stand both in"),
        (lambda logits, pairs: (logits[1:], pairs), "does not stand both in"),
        (lambda logits, pairs: (logits[:0], pairs), "nothing to be shown"),
        (lambda logits, pairs: (logits, pairs[:0]), "nothing to be shown"),
        (lambda logits, pairs: (logits.assign(logit=np.nan), pairs), "is NaN"),
        (lambda logits, pairs: (logits[logits["forward_dtype"] == "float16"], pairs), "no logits"),
        (lambda logits, pairs: (pd.concat([logits, logits]), pairs), "stands twice"),
        (lambda logits, pairs: (logits, pd.concat([pairs, pairs])), "stands twice"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, says):
    pairs = few_pairs()
    with pytest.raises(InputError, match=f"(?i){says}"):
        rows_of(*change(few_logits(pairs), pairs))
