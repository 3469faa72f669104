"""Scores of Parquet in parts: against the whole, samples, groups, what is refused, memory."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from analysis.auditing.findings import findings
from analysis.auditing.sources import Scored
from analysis.discrepancies.streams import compare_streams
from analysis.errors import InputError
from analysis.readers import check_scores, scorestreams
from analysis.readers.scorestreams import ScoreStream, read_or_sample
from analysis.scorepath import ScorePath

PATH = ScorePath("float16", "stepwise", "float16", "float16")
PER_QUERY = 10


def scores(queries: int, per_query: int = PER_QUERY) -> pd.DataFrame:
    rows = queries * per_query
    return pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(queries)], per_query),
            "passage_id": [f"p{row % per_query}" for row in range(rows)],
            "score": PATH.scores(np.random.default_rng(5).normal(0, 3, rows)),
        }
    )


def stream(frame: pd.DataFrame, file, rows: int = 100) -> ScoreStream:
    frame.to_parquet(file, index=False)
    return ScoreStream(file, rows=rows)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "scores.parquet"


@pytest.mark.parametrize("own", [False, True], ids=["ours", "PyTerrier's"])
def test_parts_are_what_is_read_in_memory(file, own):
    frame = scores(40).assign(logit=np.arange(400.0))
    if own:
        frame = frame.rename(columns={"query_id": "qid", "passage_id": "docno"})
    parts = list(stream(frame, file).parts())
    assert [len(part) for part in parts] == [100] * 4
    pd.testing.assert_frame_equal(pd.concat(parts), check_scores(frame))


@pytest.mark.parametrize("of", [str, int, "category"])
def test_ids_may_be_texts_numbers_or_categories(file, of):
    frame = scores(40)
    frame["query_id"] = frame["query_id"].str[1:].astype(int).astype("str")
    frame["query_id"] = frame["query_id"].astype(of)
    found = stream(frame, file)
    pd.testing.assert_frame_equal(pd.concat(found.parts()), check_scores(frame))
    plain = stream(frame.assign(query_id=frame["query_id"].astype(str)), file).queries()
    np.testing.assert_array_equal(found.queries().hashes, plain.hashes)
    assert found.queries().rows.tolist() == [PER_QUERY] * 40


def test_a_sample_does_not_depend_on_the_order_of_the_queries(file):
    frame = scores(60)
    queries = [
        stream(one, file).queries() for one in (frame, frame.iloc[::-1].reset_index(drop=True))
    ]
    chosen = [set(one.sample(205)) for one in queries]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 20
    assert len(queries[0].sample(3)) == 1
    taken = stream(frame, file).taken(queries[0].sample(205))
    whole = frame[frame["query_id"].isin(taken["query_id"].unique())]
    assert len(taken) == len(whole) == 200
    pd.testing.assert_frame_equal(taken[list(whole)], whole)


def test_groups_hold_the_queries_asked_for_in_their_order(file):
    one = stream(scores(40), file)
    hashes = one.queries().hashes
    asked = np.array([0, 1, 9, 10, 11, 30])
    groups = list(one.groups(hashes[asked], np.array([0, 0, 0, 1, 1, 5])))
    found = [group["query_id"].unique().tolist() for group in groups]
    assert found == [["q0", "q1", "q9"], ["q10", "q11"], ["q30"]]


def test_large_scores_are_sampled_and_say_so(file, monkeypatch):
    frame = scores(60)
    frame.to_parquet(file, index=False)
    whole, no_stream = read_or_sample(file)
    assert (len(whole.frame), whole.notes, no_stream) == (600, (), None)
    monkeypatch.setattr(scorestreams, "JUDGED", 200)
    sampled, found = read_or_sample(file)
    assert found == ScoreStream(file)
    assert len(sampled.frame) == 200
    assert sampled.notes == (
        "200 of 600 scores are judged: whole queries, taken evenly by a hash of their ids",
    )


def test_what_cannot_be_read_is_left_to_whoever_reads_it_whole(tmp_path):
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "text.parquet").write_text("query_id\n")
    for name in ("pipe", "text", "none"):
        found = ScoreStream.of(tmp_path / f"{name}.parquet")
        assert not found.is_large
        with pytest.raises(InputError):
            found.queries()


def test_a_row_that_is_wrong_is_named_by_its_number_in_the_file(file):
    frame = scores(40)
    frame.loc[333, "score"] = np.nan
    with pytest.raises(InputError, match=r"row 333, score"):
        list(stream(frame, file).parts())


def test_logits_of_some_parts_only_are_refused(file):
    frame = scores(40).assign(logit=1.0)
    frame.loc[200:, "logit"] = np.nan
    with pytest.raises(InputError, match=r"row 200, logit: logits are known"):
        list(stream(frame, file).parts())


def test_rows_of_a_query_that_stand_apart_are_refused(file):
    frame = scores(40)
    with pytest.raises(InputError, match=r"stand apart\. Sort the file by query_id"):
        stream(pd.concat([frame, frame.head(1).assign(passage_id="x")]), file).queries()


def test_memory_does_not_grow_with_the_scores(tmp_path):
    def audited_and_compared(queries: int) -> None:
        """Audit and compare so many queries, in pieces of twenty."""
        one = stream(scores(queries, 100), tmp_path / "scores.parquet", rows=2_000)
        tracemalloc.reset_peak()
        sample = one.taken(one.queries().sample(2_000)).reset_index(drop=True)
        assert findings(Scored("scores", "a", sample, stream=one)).counted("queries") == queries
        assert compare_streams(one, one, most=2_000).whole.equal == queries * 100

    def peak(queries: int) -> int:
        """The most bytes that were held then."""
        tracemalloc.start()
        try:
            audited_and_compared(queries)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    audited_and_compared(1)  # makes what is made once
    assert peak(120) < 1.25 * peak(40)
