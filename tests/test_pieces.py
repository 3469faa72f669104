"""Pieces of Parquet against the whole of it."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis import counting
from analysis.counting import effects
from analysis.errors import InputError
from analysis.metrics import evaluate, evaluation
from analysis.pieces import is_parquet, pieces

PATHS = ["forward=float16,sigmoid=stepwise", "forward=float32", "forward=float32,sigmoid=none"]
MEASURES = ["nDCG@10", "AP", "RR@10"]


def run_of(lengths, seed=0):
    """Scores in float16 of queries with so many passages, and grades."""
    rng, rows = np.random.default_rng(seed), sum(lengths)
    return pd.DataFrame(
        {
            "query_id": np.repeat([f"q{number}" for number in range(len(lengths))], lengths),
            "passage_id": [f"p{place}" for length in lengths for place in range(length)],
            "grade": rng.integers(0, 3, rows),
            "score": rng.normal(0, 2, rows).astype("float16").astype(float),
        }
    )


def written(frame, file, row_group=None):
    frame.to_parquet(file, index=False, row_group_size=row_group)
    return file


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of at most 50 rows wherever they are taken."""

    def small(*arguments):
        return pieces(*arguments, rows=50)

    for module in (counting, evaluation):
        monkeypatch.setattr(module, "pieces", small)


@pytest.mark.parametrize("rows", [1, 7, 30, 1000])
@pytest.mark.parametrize("row_group", [3, 1000])
def test_pieces_are_the_rows_in_their_order_and_hold_whole_queries(tmp_path, rows, row_group):
    run = run_of([5, 1, 30, 2, 2, 9])
    found = list(pieces(written(run, tmp_path / "run.parquet", row_group), list(run), rows=rows))
    pd.testing.assert_frame_equal(pd.concat(found), run, check_dtype=False)
    assert sum(piece["query_id"].nunique() for piece in found) == 6
    assert all(len(piece) <= rows or piece["query_id"].nunique() == 1 for piece in found)


def test_row_groups_do_not_move_the_cuts(tmp_path):
    run = run_of([5, 1, 30, 2, 2, 9] * 4, seed=1).assign(
        query_id=lambda frame: (frame["passage_id"] == "p0").cumsum()
    )
    lengths = [
        [len(piece) for piece in pieces(file, ["query_id"], rows=40)]
        for file in (written(run, tmp_path / f"{n}.parquet", n) for n in (1, 13, 5000))
    ]
    assert lengths[0] == lengths[1] == lengths[2]
    assert sum(lengths[0]) == len(run)


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    run = run_of([5, 5, 5])
    for name, rows in {"b": run.iloc[5:], "a": run.iloc[:5]}.items():
        written(rows, tmp_path / f"{name}.parquet")
    assert is_parquet(tmp_path)
    (found,) = pieces(tmp_path, list(run))
    pd.testing.assert_frame_equal(found, run, check_dtype=False)


def test_a_folder_of_a_collection_or_called_like_the_shipped_set_is_none_of_parquet(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for folder in ("german", "collection"):
        (tmp_path / folder).mkdir()
        written(run_of([2]), tmp_path / folder / "part.parquet")
    assert is_parquet("collection")
    (tmp_path / "collection" / "queries.jsonl").touch()
    assert not is_parquet("collection")
    assert not is_parquet("german")
    assert is_parquet(tmp_path / "german")


def test_a_query_that_comes_back_is_an_error(tmp_path):
    run = run_of([5, 5, 5])
    file = written(pd.concat([run, run.iloc[:1]]), tmp_path / "run.parquet")
    assert (
        len(list(pieces(file, list(run)))) == 1
    )  # in memory as a whole nothing need stand together
    with pytest.raises(InputError, match=r"'q0' stand apart\. Sort the file by query_id"):
        list(pieces(file, list(run), rows=5))


def test_what_is_no_parquet_is_an_error(tmp_path):
    (tmp_path / "text.parquet").write_text("query_id\n")
    with pytest.raises(InputError, match="damaged"):
        list(pieces(tmp_path / "text.parquet", ["query_id"]))
    with pytest.raises(InputError, match="no such file"):
        list(pieces(tmp_path / "none.parquet", ["query_id"]))
    file = written(run_of([2]).iloc[:0], tmp_path / "empty.parquet")
    with pytest.raises(InputError, match="no rows"):
        list(pieces(file, ["query_id"]))
    with pytest.raises(InputError, match="no column logit"):
        list(pieces(file, ["query_id", "logit"]))


def test_a_damaged_page_is_an_error(tmp_path):
    file = written(run_of([500] * 40), tmp_path / "run.parquet")
    content = bytearray(file.read_bytes())
    content[: pq.ParquetFile(file).metadata.row_group(0).column(0).total_compressed_size] = bytes(
        pq.ParquetFile(file).metadata.row_group(0).column(0).total_compressed_size
    )
    file.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        list(pieces(file, ["query_id"]))


def test_effects_of_pieces_are_those_of_the_whole(tmp_path, small_pieces):
    run = run_of([3, 40, 1, 80, 7, 7, 20])
    logits = pd.concat(
        [
            run.assign(forward_dtype=dtype, logit=run["score"].astype(dtype).astype(float))
            for dtype in ("float32", "float16")
        ]
    ).sort_values("query_id", kind="stable")
    file = written(logits, tmp_path / "logits.parquet")
    # Sums of nDCG are taken in another order: their last bits may differ.
    pd.testing.assert_frame_equal(effects(logits, PATHS), effects(file, PATHS), rtol=1e-13)
    without = written(logits.drop(columns="grade"), tmp_path / "ungraded.parquet")
    assert effects(without, PATHS)["ndcg"].isna().all()


def test_a_path_that_is_named_twice_keeps_both_rows(tmp_path, small_pieces):
    run = run_of([40, 40]).assign(forward_dtype="float32", logit=lambda frame: frame["score"])
    file = written(run, tmp_path / "logits.parquet")
    pd.testing.assert_frame_equal(effects(run, PATHS[1:] * 2), effects(file, PATHS[1:] * 2))


def test_measures_of_pieces_are_those_of_the_whole(tmp_path, small_pieces):
    run = run_of([3, 40, 1, 80, 7, 7, 20])
    file = written(run, tmp_path / "run.parquet")
    pd.testing.assert_frame_equal(evaluate(file, file, MEASURES), evaluate(run, run, MEASURES))
    judged = run[["query_id", "passage_id", "grade"]].sample(frac=0.7, random_state=1)
    judged = pd.concat([judged[judged["query_id"] != "q3"], _unknown_query()])
    expected = evaluate(run, judged, MEASURES)
    pd.testing.assert_frame_equal(evaluate(file, judged, MEASURES), expected)
    assert expected["query_id"].eq("unknown").any()


def test_a_run_that_nobody_judged_is_an_error(tmp_path, small_pieces):
    file = written(run_of([3, 40, 80]), tmp_path / "run.parquet")
    with pytest.raises(InputError, match="no query of the run is judged"):
        evaluate(file, _unknown_query(), "AP")


def _unknown_query():
    return pd.DataFrame({"query_id": ["unknown"], "passage_id": ["p0"], "grade": [1]})
