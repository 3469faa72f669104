"""Comparisons of Parquet in parts against comparisons in memory."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from compared_sides import LARGER, NOT_KNOWN
from typer.testing import CliRunner

from analysis.auditing import compare
from analysis.cli import app
from analysis.discrepancies import Side, compare_sides
from analysis.discrepancies.streams import FARTHEST, compare_streams
from analysis.errors import InputError
from analysis.readers import check_scores, scorestreams
from analysis.readers.scorestreams import ScoreStream
from analysis.scorepath import ScorePath

OLD = ScorePath("float16", "stepwise", "float16", "float16")
NEW = ScorePath("float16", "fused", "float32", "float16")
PER_QUERY = 20
EVERYTHING = 10**6
SMALL = 300


def logits_of(queries: int) -> pd.DataFrame:
    rng, rows = np.random.default_rng(3), queries * PER_QUERY
    return pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(queries)], PER_QUERY),
            "passage_id": [f"p{row}" for row in range(rows)],
            "logit": rng.normal(0, 3, rows),
            "grade": rng.integers(0, 3, rows),
        }
    )


def scores_of(logits: pd.DataFrame, path: ScorePath) -> pd.DataFrame:
    frame = logits[["query_id", "passage_id"]]
    return frame.assign(score=path.scores(path.logits(logits["logit"])))


def stream(frame: pd.DataFrame, file) -> ScoreStream:
    frame.to_parquet(file, index=False)
    return ScoreStream(file, rows=SMALL)


def shuffled_within_queries(frame: pd.DataFrame) -> pd.DataFrame:
    shuffled = frame.sample(frac=1, random_state=1)
    order = pd.factorize(frame["query_id"])[1].get_indexer(shuffled["query_id"])
    return shuffled.iloc[np.argsort(order, kind="stable")]


@pytest.fixture
def logits():
    return logits_of(100)


@pytest.fixture
def frames(logits):
    """Old and new scores; the new ones in another order, without one query and without one pair."""
    other = scores_of(logits, NEW)
    other = other[(other["query_id"] != "q7") & (other["passage_id"] != "p300")]
    return scores_of(logits, OLD), shuffled_within_queries(other)


@pytest.fixture
def streams(frames, tmp_path):
    return [
        stream(frame, tmp_path / f"{name}.parquet")
        for name, frame in zip("ab", frames, strict=True)
    ]


def in_memory(frames, streams, grades=None):
    sides = (
        Side(str(one.path), check_scores(frame)) for frame, one in zip(frames, streams, strict=True)
    )
    return compare_sides(*sides, grades=grades)


def test_a_sample_of_everything_gives_what_memory_gives(frames, streams, logits):
    grades = logits[["query_id", "passage_id", "grade"]]
    whole = in_memory(frames, streams, grades)
    found = compare_streams(*streams, grades=grades, most=EVERYTHING)
    ours, theirs = found.to_dict(), whole.to_dict()
    assert ours.pop("all")["pairs"] == theirs["pairs"] == len(found.table) == 1979
    assert theirs.pop("all") is None
    measures = [
        pd.DataFrame(one["rankings"].pop("measures")).drop(columns="certainty")
        for one in (ours, theirs)
    ]
    # Sums within a piece begin anew, so that their last bits may differ.
    pd.testing.assert_frame_equal(*measures, rtol=1e-9, atol=1e-12)
    assert ours == theirs
    pd.testing.assert_frame_equal(found.table, whole.table)


def test_what_is_counted_is_counted_over_all(frames, streams):
    whole, found = in_memory(frames, streams), compare_streams(*streams, most=200)
    assert 200 <= len(found.table) <= 200 + FARTHEST * PER_QUERY < len(whole.table)
    assert found.rankings == whole.rankings
    assert found.alone == whole.alone == (21, 0)
    difference = (whole.table["score_a"] - whole.table["score_b"]).abs()
    assert found.whole.pairs == len(whole.table)
    assert found.whole.equal == (difference == 0).sum() > 0
    assert found.whole.largest == difference.max()
    assert found.whole.gap == whole.table["gap"].max()
    assert found.answer == whole.answer
    text = str(found)
    assert f"judged: {len(found.table):,} of 1,979 pairs: whole queries, taken evenly" in text
    assert f"all pairs: {found.whole.equal:,} of 1,979 have the same score" in text


@pytest.mark.parametrize("query", [0, 50, 99])
def test_one_pair_that_is_far_off_is_found_wherever_it_stands(logits, tmp_path, query):
    path = ScorePath()
    scores = scores_of(logits, path)
    other = scores.copy()
    row = query * PER_QUERY + 3
    other.loc[row, "score"] = path.scores(np.array([logits.loc[row, "logit"] - 25.0]))[0]
    both = [stream(one, tmp_path / f"{n}.parquet") for n, one in enumerate((scores, other))]
    found = compare_streams(*both, most=200)
    assert (found.answer, found.whole.equal) == (LARGER, len(scores) - 1)
    assert found.shape.kind == "a few pairs"
    (place,) = found.shape.rows
    assert found.table["passage_id"].iloc[place] == f"p{row}"


def test_pairs_that_the_grades_lack_are_counted_over_all(streams, logits):
    grades = logits[["query_id", "passage_id", "grade"]]
    assert compare_streams(*streams, grades=grades, most=200).notes == ()
    (note,) = compare_streams(*streams, grades=grades.iloc[:1000], most=200).notes
    assert "lacks 1,000 of 1,979 pairs" in note


def test_the_same_scores_are_identical(frames, streams):
    found = compare_streams(streams[0], streams[0], most=200)
    assert found.answer == "identical"
    assert found.whole.equal == found.whole.pairs == len(frames[0])
    assert found.whole.largest == found.whole.gap == 0


def test_paths_that_other_scores_refute_decide_nothing(logits, tmp_path):
    scores, other = scores_of(logits, OLD), scores_of(logits, NEW)
    both = [stream(one, tmp_path / f"{n}.parquet") for n, one in enumerate((scores, other))]
    known = compare_streams(*both, most=1000)
    assert known.answer != NOT_KNOWN
    outside = ~scores["query_id"].isin(known.table["query_id"])
    scores.loc[outside, "score"] *= 100
    both[0] = stream(scores, tmp_path / "refuted.parquet")
    found = compare_streams(*both, most=1000)
    assert found.answer == NOT_KNOWN
    assert "cannot have made" in found.finding.wanted
    assert compare_streams(both[0], both[0], most=1000).answer == "identical"


def test_another_order_of_queries_is_an_error(frames, streams, tmp_path):
    turned = stream(frames[1].iloc[::-1], tmp_path / "turned.parquet")
    with pytest.raises(InputError, match=r"turned.parquet: the queries stand in another order"):
        compare_streams(streams[0], turned)


def test_nothing_in_common_is_an_error(frames, streams, tmp_path):
    for column in ("query_id", "passage_id"):
        other = stream(
            frames[1].assign(**{column: "x" + frames[1][column]}), tmp_path / f"{column}.parquet"
        )
        with pytest.raises(InputError, match="no pair of query and passage in common"):
            compare_streams(streams[0], other)


def test_large_parquet_is_compared_in_parts_by_the_command(streams, monkeypatch):
    monkeypatch.setattr(scorestreams, "JUDGED", 500)
    files = [str(one.path) for one in streams]
    found = compare(*files)
    assert found.whole.pairs == 1979
    ran = CliRunner().invoke(app, ["compare", *files, "--json"])
    report = json.loads(ran.stdout)
    assert report["pairs"] == report["all"]["pairs"] == 1979
    assert "taken evenly by a hash" in report["all"]["sampled"]
    monkeypatch.undo()
    assert compare(*files).whole is None
