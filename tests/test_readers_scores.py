"""Files of scores: what is read, exactly, and what is refused with file, line and field."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_files import refused
from reader_files import write as write_lines

from analysis.errors import InputError
from analysis.readers import check_scores, read_run, read_scores

SCORES = {"jsonl": None, "csv": ",", "tsv": "\t"}


def write(path, suffix, rows, logits=None):
    """Write (query, passage, spelled score) rows in a format; logits are spelled too."""
    columns = ["query_id", "passage_id", "score"] + (["logit"] if logits else [])
    rows = [(*row, *extra) for row, extra in zip(rows, logits or [()] * len(rows), strict=True)]
    if suffix == "jsonl":
        lines = [
            f'{{"query_id": "{q}", "passage_id": "{p}", "score": {s}'
            + (f', "logit": {rest[0]}' if rest else "")
            + "}"
            for q, p, s, *rest in rows
        ]
    elif suffix == "trec":
        lines = [f"{q} Q0 {p} {n} {s} tag" for n, (q, p, s) in enumerate(rows, 1)]
    else:
        lines = [SCORES[suffix].join(row) for row in [columns, *rows]]
    file = path / f"scores.{suffix}"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


ROWS = [("q1", "a", "0.9990"), ("q1", "b", "0.1000"), ("q2", "a", "1.0000")]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "trec"])
def test_every_format_gives_the_same(tmp_path, suffix):
    scores = read_scores(write(tmp_path, suffix, ROWS))
    assert scores.frame["query_id"].tolist() == ["q1", "q1", "q2"]
    assert scores.frame["passage_id"].tolist() == ["a", "b", "a"]
    assert scores.frame["score"].tolist() == [0.999, 0.1, 1.0]
    assert scores.frame["logit"].isna().all()
    assert scores.decimals == 4


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv"])
def test_logits_are_read_where_they_are_known(tmp_path, suffix):
    logits = [("7.5",), ("-0.15625",), ("1e2",)]
    frame = read_scores(write(tmp_path, suffix, ROWS, logits)).frame
    assert frame["logit"].tolist() == [7.5, -0.15625, 100.0]


@pytest.mark.parametrize(
    ("spelled", "decimals"),
    [
        (["0.5000", "0.9990"], 4),
        (["0.5", "0.999"], None),
        (["1", "0"], None),
        (["9.99e-1", "0.5"], None),
        (["-3.25", "12.50"], 2),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "trec"])
def test_printed_decimals(tmp_path, suffix, spelled, decimals):
    rows = [("q", f"p{number}", text) for number, text in enumerate(spelled)]
    scores = read_scores(write(tmp_path, suffix, rows))
    assert scores.decimals == decimals
    assert scores.frame["score"].tolist() == [float(text) for text in spelled]


def test_floats_survive_to_the_last_bit(tmp_path):
    values = np.random.default_rng(1).random(200)
    file = tmp_path / "scores.jsonl"
    file.write_text(
        "".join(
            json.dumps({"query_id": 1, "passage_id": n, "score": float(v)}) + "\n"
            for n, v in enumerate(values)
        )
    )
    frame = read_scores(file).frame
    np.testing.assert_array_equal(frame["score"], values)
    assert frame["query_id"].unique().tolist() == ["1"]


def test_gzip_blank_lines_and_other_columns(tmp_path):
    file = tmp_path / "run.csv.gz"
    text = "rank,score,passage_id,query_id\n1,0.5,p1,q1\n\n2,0.25,p2,q1\n"
    file.write_bytes(gzip.compress(text.encode()))
    assert read_scores(file).frame["score"].tolist() == [0.5, 0.25]


GOOD = '{"query_id": "q", "passage_id": "p", "score": 0.5}\n'
REFUSED = [
    ("a.jsonl", GOOD + '{"query_id": "q"}\n', 2, "passage_id", "missing"),
    ("a.jsonl", GOOD + '{"query_id": "q", "passage_id": "r"}\n', 2, "score", "missing"),
    ("a.jsonl", GOOD + "{\n", 2, None, "invalid JSON"),
    ("a.jsonl", "[1]\n", 1, None, "a JSON list"),
    ("a.jsonl", GOOD.replace("0.5", "NaN"), 1, "score", "'NaN' is not a finite number"),
    ("a.jsonl", GOOD.replace("0.5", "Infinity"), 1, "score", "not a finite number"),
    ("a.jsonl", GOOD.replace("0.5", "null"), 1, "score", "null is not a finite number"),
    ("a.jsonl", GOOD.replace("0.5", "true"), 1, "score", "not a finite number"),
    ("a.jsonl", GOOD.replace("0.5", "[0.5]"), 1, "score", "not a finite number"),
    ("a.jsonl", GOOD.replace("0.5", "1e999"), 1, "score", "not a finite number"),
    ("a.jsonl", GOOD.replace('"q"', '""'), 1, "query_id", "is not an id"),
    ("a.jsonl", GOOD + GOOD, 2, "passage_id", "stands on line 1 and again on line 2"),
    ("a.jsonl", "", None, None, "there is no score"),
    ("a.csv", "query_id,passage_id\nq,p\n", 1, None, "no column score"),
    ("a.csv", "query_id,passage_id,score\nq,p\n", 2, None, "2 cells under 3 columns"),
    ("a.csv", "query_id,passage_id,score\nq,p,\n", 2, "score", "'' is not a finite number"),
    ("a.csv", "query_id,passage_id,score\nq,p,0,5\n", 2, None, "4 cells under 3 columns"),
    ("a.csv", "query_id,passage_id,score,logit\nq,p,1,9\nq,r,1,\n", 3, "logit", "is missing"),
    ("a.csv", "", 1, None, "no column query_id, passage_id, score"),
    ("a.trec", "q Q0 p 1 0.5\n", 1, None, "5 columns instead of 6"),
    ("a.trec", "q Q0 p 1 nan tag\n", 1, "score", "'nan' is not a finite number"),
    ("a.trec", "q Q0 p 0.9 1 t\nq Q0 r 0.8 2 t\n", 1, "rank", "'0.9' is not a whole number"),
    ("a.trec", "q Q0 p 1 0.9 t\nq Q0 r 1e-3 2 t\n", 2, "rank", "'1e-3' is not a whole number"),
    (
        "a.run",
        "q Q0 p 1 0.5 t\nq Q0 p 2 0.4 t\n",
        2,
        "passage_id",
        "stands on line 1 and again on line 2",
    ),
    ("a.xlsx", "", None, None, "suffix '.xlsx'"),
    ("a.jsonl", GOOD + "0.50\n", 2, None, "a JSON number, not an object"),
    ("a.jsonl", GOOD.replace('"p"', '"p", "score": 1'), 1, None, "'score' stands twice"),
    ("a.jsonl", GOOD.replace("0.5", "0_5"), 1, None, "invalid JSON"),
    ("a.csv", "query_id,passage_id,score\nq,p,98.5%\n", 2, "score", "a percentage"),
    ("a.csv", 'query_id,passage_id,score\nq,p,"0,9995"\n', 2, "score", "decimal comma"),
    ("a.csv", "query_id,passage_id,score\nq,p,tensor(0.9995)\n", 2, "score", "torch tensor"),
    ("a.tsv", "q\tp\t1\nq\tr\t2\n", 1, None, "3 cells instead of query_id, passage_id, rank"),
    ("a.tsv", "q\tp\t1\t0.5\nq\tr\t2\n", 2, None, "3 cells instead of"),
]


@pytest.mark.parametrize(("name", "text", "line", "field", "says"), REFUSED)
def test_bad_input_names_file_line_and_field(tmp_path, name, text, line, field, says):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_scores(file)
    error = caught.value
    assert (error.file, error.line, error.field) == (file, line, field)
    assert says in error.problem
    assert error.remedy


@pytest.mark.parametrize("rank", ["-", "0", "-1", "+3", "007", "2.0"])
def test_the_rank_of_a_run_may_be_any_whole_number_or_a_dash(tmp_path, rank):
    run = write_lines(tmp_path / "a.trec", f"q Q0 p {rank} 0.5 tag")
    assert read_scores(run).frame["score"].tolist() == [0.5]


def test_pyterriers_columns(tmp_path):
    rows = "qid,docid,docno,rank,score,query\n1,12,d12,0,17.5,chem\n1,13,d13,1,16.25,chem\n"
    file = tmp_path / "p.csv"
    file.write_text(rows)
    frame = read_scores(file).frame
    assert frame["passage_id"].tolist() == ["d12", "d13"]
    given = check_scores(pd.read_csv(file).set_index("rank"))
    pd.testing.assert_frame_equal(given, frame)
    results = tmp_path / "p.res.gz"
    results.write_bytes(gzip.compress(b"1 Q0 d12 0 17.5 pyterrier\n1 Q0 d13 1 16.25 pyterrier\n"))
    pd.testing.assert_frame_equal(read_scores(results).frame, frame)


def test_ms_marcos_run_with_scores(tmp_path):
    file = write_lines(tmp_path / "run.dev.tsv", '7\tp"1\t1\t0.500', "7\tp2\t2\t0.250")
    scores = read_scores(file)
    assert scores.frame["passage_id"].tolist() == ['p"1', "p2"]
    assert (scores.frame["score"].tolist(), scores.decimals) == ([0.5, 0.25], 3)


def test_numpys_wrapper_is_taken_off_and_named(tmp_path):
    rows = [("q1", "a", "np.float32(0.99951)"), ("q1", "b", "np.float32(0.99855)")]
    scores = read_scores(write(tmp_path, "csv", rows))
    assert scores.frame["score"].tolist() == [0.99951, 0.99855]
    assert scores.decimals == 5
    assert scores.notes == ("scores are written as np.float32(…)",)


def test_several_files_and_a_folder_of_them(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    one = write(folder, "jsonl", ROWS[:2])
    other = write(folder, "csv", ROWS[2:])
    write_lines(folder / ".hidden.csv", "x")
    write_lines(folder / "README.md", "x")
    together = read_scores([one, str(other)])
    assert together.frame["score"].tolist() == [0.999, 0.1, 1.0]
    assert (together.decimals, together.notes) == (4, ("2 files",))
    assert read_scores(folder).frame["score"].tolist() == [1.0, 0.999, 0.1]  # by name
    again = write(tmp_path, "tsv", ROWS[:1])
    error = refused(read_scores, [one, again])
    assert error.problem == "passage 'a' of query 'q1' stands in scores.jsonl too"
    assert error.file == again
    assert refused(read_scores, []).problem == "no file is given"
    (tmp_path / "empty").mkdir()
    assert "no file that is read" in refused(read_scores, tmp_path / "empty").problem


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_scores(tmp_path / "nowhere.jsonl")


def test_a_lone_score_on_a_run_line_keeps_ids_with_odd_blanks(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("q\u00a01 Q0\tp 1   0.5 tag\r\n", encoding="utf-8")
    assert read_scores(file).frame["query_id"].tolist() == ["q\u00a01"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "s.jsonl",
            '{"query_id": "q", "passage_id": "a", "score": 1e-99999999999999999999}',
            ":1:",
        ),
        ("s.csv", "query_id,passage_id,score,score\nq,a,0.1,0.2", "two columns are named score"),
        ("s.csv", "query_id,passage_id,score\nq,a,0.1_2", "'0.1_2' is not a finite number"),
    ],
)
def test_numbers_and_headers_that_python_would_let_pass(tmp_path, name, text, problem):
    file = tmp_path / name
    file.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=problem):
        read_scores(file)


def test_a_run_is_read_whatever_its_name(tmp_path):
    run = read_run(write_lines(tmp_path / "run", "7 Q0 p1 1 0.5 tag", "", "7\tQ0 p2 2 .5 tag"))
    assert run.to_dict("list") == {
        "query_id": ["7", "7"],
        "passage_id": ["p1", "p2"],
        "score": [0.5, 0.5],
    }


@pytest.mark.parametrize(
    ("lines", "line", "field"),
    [
        (["q Q0 p 1 nan tag"], 1, "score"),
        (["q Q0 p 1 2"], 1, None),
        (["q Q0 p 1 2 t", "q Q0 p 2 1 t"], 2, "passage_id"),
        ([], None, None),
    ],
)
def test_bad_run_files(tmp_path, lines, line, field):
    error = refused(read_run, write_lines(tmp_path / "run", *lines))
    assert (error.file, error.line, error.field) == (tmp_path / "run", line, field)


def test_a_frame_is_checked_as_a_file_is():
    frame = pd.DataFrame(
        {"score": np.array([0.5, 1.0], "float16"), "query_id": 7, "passage_id": ["a", "b"], "x": 1}
    )
    checked = check_scores(frame)
    assert list(checked) == ["query_id", "passage_id", "score", "logit"]
    assert checked["query_id"].tolist() == ["7", "7"]
    assert checked["score"].tolist() == [0.5, 1.0]
    assert checked["logit"].isna().all()
    known = check_scores(frame.assign(logit=np.array([0.0, 9.5], "float32")))
    assert known["logit"].tolist() == [0.0, 9.5]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"score": [0.5, np.nan]}, "row 1, score", "'nan' is not a finite number"),
        ({"score": [True, False]}, "row 0, score", "'True' is not a finite number"),
        ({"score": [0.5, None]}, "row 1, score", "not a finite number"),
        ({"logit": [np.nan, 1.0]}, "row 0, logit", "other rows have one"),
        ({"logit": [np.inf, 1.0]}, "row 0, logit", "'inf' is not a finite number"),
        ({"query_id": [1.5, 1.5]}, "row 0, query_id", "is not an id"),
        ({"passage_id": "a"}, "row 1, passage_id", "stands on row 0 and again on row 1"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_with_its_row(change, field, says):
    frame = pd.DataFrame({"query_id": "q", "passage_id": ["a", "b"], "score": [0.5, 1.0]})
    error = refused(check_scores, frame.assign(**change))
    assert (error.file, error.line, error.field) == (None, None, field)
    assert says in error.problem


def test_a_frame_without_a_column_or_a_row_is_refused():
    frame = pd.DataFrame({"query_id": ["q"], "passage_id": ["a"], "score": [0.5]})
    assert "no column score" in refused(check_scores, frame.drop(columns="score")).problem
    assert refused(check_scores, frame.iloc[:0]).problem == "there is no score"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parquet_keeps_every_bit_and_prints_no_decimals(tmp_path, dtype):
    scores = np.array([0.5, 0.9990, 1.0], dtype=dtype)
    rows = pd.DataFrame({"qid": "q1", "docno": [1, 2, 3], "score": scores})
    rows.to_parquet(tmp_path / "scores.parquet")
    found = read_scores(tmp_path / "scores.parquet")
    assert found.frame["score"].tolist() == scores.astype(float).tolist()
    assert found.frame["passage_id"].tolist() == ["1", "2", "3"]
    assert found.decimals is None


@pytest.mark.parametrize(
    ("content", "says"), [(None, "no such file"), (b"PAR1", "no Parquet"), (b"", "no Parquet")]
)
def test_what_is_no_parquet_is_refused(tmp_path, content, says):
    file = tmp_path / "scores.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_scores(file)


@pytest.mark.parametrize("noted", [b"{", b'{"index_columns": 3}', b"\xff"])
def test_parquet_whose_note_for_pandas_is_damaged_is_refused(tmp_path, noted):
    file = tmp_path / "scores.parquet"
    table = pa.table({"query_id": ["q"], "passage_id": ["p"], "score": [0.5]})
    pq.write_table(table.replace_schema_metadata({b"pandas": noted}), file)
    assert "damaged" in refused(read_scores, file).problem


def test_parquet_that_becomes_too_large_is_refused(tmp_path, monkeypatch):
    pd.DataFrame({"score": np.zeros(1000)}).to_parquet(tmp_path / "scores.parquet")
    monkeypatch.setenv("RERANK_PRECISION_FILE_BYTES", "10")
    with pytest.raises(InputError, match="RERANK_PRECISION_FILE_BYTES"):
        read_scores(tmp_path / "scores.parquet")


def test_parquet_without_scores_names_what_is_missing(tmp_path):
    pd.DataFrame({"query_id": ["a"], "passage_id": ["b"]}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match="there is no column score"):
        read_scores(tmp_path / "s.parquet")
