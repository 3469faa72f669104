from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from reader_files import refused, write

from analysis.datasets import RerankingSet
from analysis.readers import read_csv

HEADER = "query_id,query,passage_id,passage,grade"


def table(tmp_path: Path, *rows: str) -> Path:
    return write(tmp_path / "a.csv", HEADER, *rows)


def test_columns_in_any_order_and_others_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "passage,,domain,query,grade,passage_id,query_id,", "x,,R,W,2,p,q,"
    )
    ours = read_csv(path).pairs
    assert ours.to_numpy().tolist() == [["q", "p", 2, "W", "x"]]


def test_grade_may_be_no_column_or_an_empty_cell(tmp_path: Path) -> None:
    without = read_csv(write(tmp_path / "b.csv", HEADER.removesuffix(",grade"), "q,W,p,x"))
    assert without.pairs["grade"].isna().all()
    partly = read_csv(table(tmp_path, "q,W,p,x,", "q,W,r,x,1"))
    assert partly.pairs["grade"].isna().tolist() == [True, False]


def test_a_frame_written_by_pandas_comes_back(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "query_id": ["q1", "q1", "NA"],
            "passage_id": ["1", "2", "nan"],
            "grade": [3, None, 0],
            "query": ["a, b", "a, b", "c"],
            "passage": ['Zeile\n"zwei"\r\n; drei', "", "null"],
        }
    )
    for name, separator in (("a.csv", ","), ("a.tsv", "\t"), ("a.csv.gz", ",")):
        frame.to_csv(tmp_path / name, sep=separator, index=False)
        ours = read_csv(tmp_path / name)
        texts = [column for column in frame if column != "grade"]
        assert ours.pairs[texts].to_numpy().tolist() == frame[texts].to_numpy().tolist()
        assert ours.pairs["grade"].fillna(-1).tolist() == [3, -1, 0]
        assert ours.name == "a"


def test_rows_of_a_query_need_not_stand_together(tmp_path: Path) -> None:
    ours = read_csv(table(tmp_path, "q,W,p,x,1", "r,V,p,y,0", "q,W,s,z,2"))
    assert ours.pairs["query_id"].tolist() == ["q", "r", "q"]
    assert ours.n_queries == 2


def test_a_document_longer_than_the_csv_modules_limit(tmp_path: Path) -> None:
    ours = read_csv(table(tmp_path, f"q,W,p,{'x' * 200_000},1"))
    assert len(ours.pairs["passage"][0]) == 200_000


@pytest.mark.parametrize(
    ("rows", "line", "field", "problem"),
    [
        (["q,W,p,x"], 3, None, "4 cells under 5 columns"),
        (["q,W,p,x,y,1"], 3, None, "6 cells under 5 columns"),
        ([",W,p,x,1"], 3, "query_id", "'' is not an id"),
        (["q,W,,x,1"], 3, "passage_id", "'' is not an id"),
        (["q,,p,x,1"], 3, "query", "'q' is empty"),
        (["q,W,p,x,2_5"], 3, "grade", "'2_5' is not a grade"),
        (["q,W,p,x,NA"], 3, "grade", "'NA' is not a grade"),
        (["q,W,p,x,nan"], 3, "grade", "'nan' is not a grade"),
        (["q,W,p,x,1e0"], 3, "grade", "'1e0' is not a grade"),
        (["q,W,p,x,True"], 3, "grade", "'True' is not a grade"),
        (["q,W,p,x,-1"], 3, "grade", "outside"),
        (["q,W,p,x,4711"], 3, "grade", "outside"),
        (["q,W,p,x,1", "q,W,p,x,1"], 4, "passage_id", "on line 3 and again on line 4"),
        (["q0,V,p,x,1"], 3, "query", "another text on line 2"),
        (['q,W,p,"x', 'y",1', "", "q,W,r,x,zwei"], 6, "grade", "'zwei'"),
        (['q,W,p,"x,1', "q,W,r,y,1"], 3, None, "no row of a table starts here"),
        (['q,W,p,"x"y,1'], 3, None, "no row of a table starts here"),
        (["q,W,p,x\ry,1"], 3, None, "no row of a table starts here"),
    ],
)
def test_bad_rows_are_refused_with_line_and_field(tmp_path, rows, line, field, problem) -> None:
    path = table(tmp_path, "q0,W,p,x,1", *rows)
    error = refused(read_csv, path)
    assert (error.file, error.line, error.field) == (path, line, field)
    assert problem in error.problem


@pytest.mark.parametrize("absent", HEADER.removesuffix(",grade").split(","))
def test_a_missing_column_is_refused_by_name(tmp_path: Path, absent: str) -> None:
    header = ",".join(name for name in HEADER.split(",") if name != absent)
    error = refused(read_csv, write(tmp_path / "a.csv", header, "a,b,c,d"))
    assert error.line == 1
    assert error.problem.endswith(f"has no column {absent}")


def test_a_german_excel_file_is_told_about_semicolons(tmp_path: Path) -> None:
    error = refused(read_csv, write(tmp_path / "a.csv", HEADER.replace(",", ";"), "q;W;p;x;1"))
    assert "semicolons" in error.remedy


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    error = refused(read_csv, write(tmp_path / "a.csv", f"{HEADER},query", "q,W,p,x,1,V"))
    assert error.problem == "two columns are named query"


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    assert "no (query, passage) pair" in refused(read_csv, table(tmp_path)).problem


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.xlsx"])
def test_the_suffix_must_say_the_delimiter(tmp_path: Path, name: str) -> None:
    assert "suffix" in refused(read_csv, write(tmp_path / name, HEADER)).problem


def test_reading_gives_a_set(tmp_path: Path) -> None:
    assert isinstance(read_csv(table(tmp_path, "q,W,p,x,1.")), RerankingSet)
