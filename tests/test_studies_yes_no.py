"""The grid of two logits, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.formats import format_of
from analysis.heads import Head
from analysis.studies import yes_no


@pytest.fixture
def pairs() -> pd.DataFrame:
    """Five pairs around 24; in bfloat16, whose step there is 1/8, two differences are one."""
    exact = np.array([-0.5, -0.26, -0.24, 0.25, 0.5])
    wide = pd.DataFrame(
        {
            "query_id": "q",
            "passage_id": list("abcde"),
            "forward_dtype": "float32",
            "logit_no": 24.0,
            "logit_yes": 24.0 + exact,
            "logit_rows": exact,
            "exact": exact,
            "level": 24.0 + exact / 2,
        }
    )
    rounded = format_of("bfloat16").round(wide["logit_yes"]).astype(float)
    narrow = wide.assign(forward_dtype="bfloat16", logit_yes=rounded)
    return pd.concat([wide, narrow], ignore_index=True)


def test_an_upcast_restores_nothing_and_rows_do(pairs):
    found = yes_no.by_head(pairs).set_index(["forward_dtype", "head"])["distinct"]
    assert found.loc["bfloat16"].tolist() == [4, 4, 5]
    assert found.loc["float32"].tolist() == [5, 5]


def test_heads_are_told_apart_by_name():
    names = [yes_no.name_of(head, "bfloat16") for head in yes_no.heads_of("bfloat16")]
    assert names == [
        "yes − no in bfloat16",
        "yes − no in float32, after an upcast",
        "rows of the head subtracted in float32",
    ]
    names = [yes_no.name_of(head, "float32") for head in yes_no.heads_of("float32")]
    assert names == ["yes − no in float32", "rows of the head subtracted in float32"]


def test_rows_are_what_the_network_gave(pairs):
    own = pairs[pairs["forward_dtype"] == "bfloat16"]
    assert yes_no.left_by(Head("rows"), own).tolist() == own["logit_rows"].tolist()


def test_the_higher_the_logits_the_fewer_their_differences(pairs):
    found = yes_no.by_level(pairs, "bfloat16")
    assert found["level"].tolist() == [3.0, 6.0, 12.0, 24.0, 48.0]
    assert found["possible"].tolist() == [65, 33, 17, 9, 5]  # 1 / step + 1
    assert found["possible"].is_monotonic_decreasing
    assert (found["found"] <= len(pairs) / 2).all()
    assert yes_no.by_level(pairs, "float16")["found"].iloc[0] == 5


def test_the_recorded_pairs_are_whole():
    pairs = yes_no.recorded_pairs()
    assert yes_no.halves_of(pairs)
    assert pairs["exact"].notna().all()
    level = pairs[["logit_no", "logit_yes"]].mean(axis=1)
    assert (pairs["level"] == level).all()
