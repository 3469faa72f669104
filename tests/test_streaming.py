"""Scoring of Parquet in pieces against scoring in memory."""

import pandas as pd
import pytest
from tiny_checkpoints import tiny_set, write_checkpoint

from analysis.counting import effects
from analysis.errors import InputError
from analysis.models import load
from analysis.readers import read
from analysis.scoring import score
from analysis.store import Store
from analysis.streaming import score_file, sets

FORMATS = ["float32", "bfloat16"]
EVERYTHING = 1000


@pytest.fixture(scope="module")
def reranker(tmp_path_factory):
    return load(write_checkpoint(tmp_path_factory.mktemp("model")), device="cpu")


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "pairs.parquet"
    tiny_set().pairs.to_parquet(file, index=False)
    return file


def scored(source, reranker, out, **options):
    score_file(source, reranker, FORMATS, out=out, progress=False, **options)
    return pd.read_parquet(out)


def by_pair(logits):
    keys = ["query_id", "passage_id", "forward_format"]
    return logits.sort_values(keys).reset_index(drop=True)[[*keys, "logit"]]


def test_a_parquet_set_is_read_whole(source):
    assert read(source).sha256 == tiny_set().sha256


def test_one_piece_is_scored_as_in_memory(source, reranker, tmp_path):
    found = scored(source, reranker, tmp_path / "out.parquet", pairs=EVERYTHING)
    whole = score(read(source), reranker, FORMATS, progress=False)
    pd.testing.assert_frame_equal(by_pair(found), by_pair(whole), check_dtype=False)
    assert list(found) == list(whole)


def test_pieces_are_scored_each_by_itself(source, reranker, tmp_path):
    found = scored(source, reranker, tmp_path / "out.parquet", pairs=3)
    parts = list(sets(source, pairs=3))
    assert len(parts) > 1
    alone = [score(part, reranker, FORMATS, progress=False) for part in parts]
    pd.testing.assert_frame_equal(by_pair(found), by_pair(pd.concat(alone)), check_dtype=False)
    path = "forward=bfloat16,sigmoid=stepwise"
    pd.testing.assert_frame_equal(
        effects(tmp_path / "out.parquet", path), effects(pd.concat(alone), path)
    )


def test_a_run_that_was_cut_goes_on_and_ends_with_the_same_bytes(
    source, reranker, tmp_path, monkeypatch
):
    out, store = tmp_path / "out.parquet", Store(tmp_path / "store")
    first = tmp_path / "first.parquet"
    scored(source, reranker, first, pairs=3)
    calls = []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(*arguments, **options)

    monkeypatch.setattr("analysis.streaming.score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scored(source, reranker, out, store=store, pairs=3)
    assert not out.exists()
    kept = set(store.folder.rglob("logits.parquet"))
    assert kept
    scored(source, reranker, out, store=store, pairs=3)
    assert out.read_bytes() == first.read_bytes()
    assert kept < set(store.folder.rglob("logits.parquet"))


def test_an_error_names_the_row_of_the_file(source, reranker, tmp_path):
    pairs = tiny_set().pairs
    pairs.loc[len(pairs) - 1, "query"] = " "
    pairs.to_parquet(source, index=False)
    with pytest.raises(InputError, match=f"row {len(pairs) - 1}, query"):
        list(sets(source, pairs=3))


def test_grades_with_fractions_may_come_late(source, reranker, tmp_path):
    pairs = tiny_set().pairs.assign(grade=lambda frame: frame["grade"].astype("Float64"))
    pairs.loc[len(pairs) - 1, "grade"] = 0.5
    pairs.to_parquet(source, index=False)
    found = scored(source, reranker, tmp_path / "out.parquet", pairs=3)
    assert found["grade"].max() >= 0.5
    assert (found["grade"] == 0.5).sum() == len(FORMATS)
