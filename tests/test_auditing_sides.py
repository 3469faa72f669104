"""``compare``: what its two sides can be, and the command."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from compared_sides import frame_of
from reader_files import refused, write
from reranking_server import infinity, serving
from test_cli import run

from analysis.auditing import compare
from analysis.auditing.sides import _called, _measured
from analysis.auditing.sources import Scored
from analysis.forwardformats import as_format
from analysis.metrics import evaluate
from analysis.recordings import recording
from analysis.scorepath import ScorePath

LOGITS = np.random.default_rng(5).normal(0, 4, 100)
FLOAT16, FLOAT32 = "infinity@0.0.32:float16", "haystack@2.31.0:float32"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same logits by one sigmoid, and after a temperature, as files."""
    folder = tmp_path_factory.mktemp("scores")
    names = folder / "usual.csv", folder / "cooler.jsonl"
    frames = [
        frame_of(ScorePath().scores(one)).drop(columns="logit") for one in (LOGITS, LOGITS / 2)
    ]
    frames[0].to_csv(names[0], index=False)
    frames[1].to_json(names[1], orient="records", lines=True, double_precision=10)
    return names


def test_files_and_frames(files):
    found = compare(files[0], frame_of(ScorePath().scores(LOGITS)))
    assert (found.answer, found.sides[0].name) == ("identical", str(files[0]))
    shape = compare(*map(str, files)).shape
    assert (shape.kind, round(shape.factor, 3)) == ("factor", 0.5)


def test_recordings_know_their_paths_logits_and_grades():
    found = compare(FLOAT16, FLOAT32)
    assert found.answer == "other forward dtype"
    assert (found.sides[0].path.forward_dtype, found.finding.dtype) == ("float16", "float16")
    logits = recording("infinity", "0.0.32", "float16")["logit"]
    assert found.sides[0].ends[0].tolist() == logits.tolist()
    measures = found.rankings.measures
    assert measures["measure"].tolist() == ["nDCG@10"]
    assert measures["min"][0] <= measures["difference"][0] <= measures["max"][0]
    assert found.rankings.tied[0] > found.rankings.tied[1]
    assert 0 < found.steps < 100


def test_the_servers_own_recording():
    found = compare("infinity@0.0.78:float32", "infinity@0.0.78:float32:http")
    assert found.answer == "identical"


def test_a_side_is_called_by_its_forward_format_where_torch_does_not_run_it():
    frame = pd.DataFrame({"logit": [1.0]})
    names = {
        text: _called(Scored("model", "m", frame, forward_format=as_format(text)))
        for text in ("float16", "onnxruntime:w8")
    }
    assert names == {"float16": "m", "onnxruntime:w8": "m in onnxruntime:w8"}
    assert _called(Scored("scores", "s", frame)) == "s"


def test_noise_of_a_model_that_was_run_here_is_measured():
    frame = frame_of(LOGITS).assign(logit=LOGITS)
    path = ScorePath("float16")
    half = Scored("model", "m", frame, path=path, float32_logits=pd.Series(LOGITS + 0.01))
    found = _measured([half, Scored("scores", "s", frame)])
    assert found["float16"].largest == pytest.approx(0.02)
    exact = Scored("model", "m", frame, path=ScorePath(), float32_logits=pd.Series(LOGITS))
    assert _measured([exact]) == {}


def test_what_cannot_be_compared(files):
    judged = frame_of(LOGITS).assign(grade=1)
    measures = evaluate(judged, judged, ["P@5"])
    assert "compare_measures" in refused(compare, measures, measures).remedy
    assert "no pair" in refused(compare, files[0], FLOAT32).problem
    assert "recording" in str(refused(compare, "infinity@0.0.1:float32", FLOAT32))
    assert "no such file" in refused(compare, files[0], files[0].with_name("absent.jsonl")).problem


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ({"dtype": "float16"}, "model"),
        ({"trust_remote_code": True}, "model"),
        ({"allow_pickle": True}, "model"),
        ({"server_model": "m"}, "server"),
        ({"timeout": 9}, "server"),
    ],
)
def test_what_applies_to_no_side_is_refused(files, option, kind):
    error = refused(compare, *files, **option)
    assert error.field == next(iter(option))
    assert error.problem == f"applies only to a {kind}, and neither side is one"


def test_a_server_is_asked_by_the_name_it_knows_its_model_by(tmp_path):
    rows = [f"q,Wo?,p{number},{number}" for number in range(20)]
    data = write(tmp_path / "set.csv", "query_id,query,passage_id,passage", *rows)
    with serving(infinity()) as server:
        assert compare(server.url, server.url, data=data, server_model="m").answer == "identical"
        assert {asked.payload["model"] for asked in server.asked} == {"m"}
        for seconds in (0, float("nan")):
            error = refused(compare, server.url, server.url, data=data, timeout=seconds)
            assert error.field == "timeout"


def test_a_set_without_the_pairs_is_said_not_to_be_used(files, tmp_path):
    rows = ["query_id,query,passage_id,passage,grade"]
    strange = write(tmp_path / "strange.csv", *rows, *(f"a,Wo?,{n},da,{n % 2}" for n in range(100)))
    queries = frame_of(LOGITS)["query_id"]
    known = [f"{queries[n]},Wo?,p{n},da,{n % 2}" for n in range(100)]
    partly, fully = (write(tmp_path / f"{n}.csv", *rows, *known[:n]) for n in (90, len(known)))
    for data, note in (
        (strange, "lengths and grades are not used: the set has none of the 100 pairs"),
        (partly, "lengths and grades are not used: the set lacks 10 of 100 pairs"),
    ):
        ran = run("compare", *files, "--data", data)
        assert f"rerank-precision: {note}\n" in ran.stderr
        assert "nDCG" not in ran.stdout
        assert compare(*files, data=data).to_dict()["notes"] == [note]
    found = compare(*files, data=fully)
    assert (found.notes, found.rankings.measures is None) == ((), False)
    assert compare(*files).notes == ()


def test_the_command(files):
    same = run("compare", files[0], files[0])
    assert same.returncode == 0
    assert "Identical: all 100 scores are the same." in same.stdout
    other = run("compare", files[0], files[1], "--json")
    assert other.returncode == 1
    assert json.loads(other.stdout)["shape"]["kind"] == "factor"
    assert "--data" in run("compare", files[0], files[1], "--split", "dev").stderr
    assert "applies only to a model" in run("compare", *files, "--dtype", "float16").stderr
    assert "applies only to a server" in run("compare", *files, "--server-model", "m").stderr
    missing = run("compare", files[0], FLOAT32)
    assert missing.returncode == 2
    assert "no pair" in missing.stderr


def test_logits_that_are_all_but_zero_draw_no_line():
    frame = {"query_id": list("aaaaa"), "passage_id": list("12345")}
    first = pd.DataFrame(frame | {"score": [0.0, 1.02, -7.97783, 1.0, 0.5]})
    second = pd.DataFrame(frame | {"score": [0.0, -2.3e-284, 0.0, -4.9e-324, 0.0]})
    assert compare(first, second).answer == compare(second, first).answer
