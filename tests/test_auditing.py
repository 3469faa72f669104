"""The command `audit`: exit statuses, files, and what it must not show."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from reranking_server import Reply, infinity, serving
from test_cli import refused, run

from analysis.auditing import audit
from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.auditing.transport import TOKEN_VARIABLE
from analysis.engines import path_of
from analysis.errors import InputError

SECRET = "s3cret-t0ken"
OLD = path_of("infinity", "0.0.68", "float16")


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def saturated(tmp_path_factory):
    """File of scores of which some are 1.0."""
    file = tmp_path_factory.mktemp("scores") / "scores.jsonl"
    scores = OLD.scores(np.random.default_rng(5).normal(4, 4, 200))
    rows = [
        {"query_id": f"q{n % 10}", "passage_id": f"p{n}", "score": score}
        for n, score in enumerate(scores.tolist())
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def own_set(tmp_path):
    file = tmp_path / "own.jsonl"
    passages = [{"passage_id": f"p{n}", "text": f"Geheimtext {n}"} for n in range(40)]
    lines = [{"query_id": f"q{n}", "query": f"Frage {n}", "candidates": passages} for n in range(3)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def said(result):
    """Standard output without its line breaks."""
    return " ".join(result.stdout.split())


def test_a_file_of_scores_and_status_0(saturated):
    result = run("audit", "--scores", saturated)
    assert (result.returncode, result.stderr) == (0, "")
    assert "stepwise sigmoid in float16" in said(result)
    assert "from 7.625 on becomes exactly 1.0" in said(result)


def test_a_condition_that_holds_is_status_1_and_the_reports_are_written(saturated, tmp_path):
    outs = ["--json", tmp_path / "new" / "a.json", "--html", tmp_path / "new" / "a.html"]
    fail_on = ["--fail-on", "saturated>0", "--fail-on", "top5-ties>100000"]
    result = run("audit", "--scores", saturated, *outs, *fail_on)
    assert result.returncode == 1
    assert "saturated>0: HOLDS" in result.stdout
    report = json.loads((tmp_path / "new" / "a.json").read_text())
    assert [item["holds"] for item in report["conditions"]] == [True, False]
    assert (tmp_path / "new" / "a.html").read_text().startswith("<!DOCTYPE html>")


def test_conditions_that_do_not_hold_are_status_0(saturated):
    assert run("audit", "--scores", saturated, "--fail-on", "saturated>100000").returncode == 0


def test_json_on_standard_output_is_alone_there(saturated):
    result = run("audit", "--scores", saturated, "--json", "-")
    assert json.loads(result.stdout)["source"]["kind"] == "scores"
    assert "Audit of" in result.stderr


def test_a_server_and_what_is_never_shown(own_set, tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, SECRET)
    outs = ["--json", tmp_path / "a.json", "--html", tmp_path / "a.html"]
    with serving(infinity()) as server:
        url = f"{server.url}/rerank?key=k3y-value"
        result = run("audit", "--url", url, "--data", own_set, *outs)
        assert all(asked.headers["Authorization"] == f"Bearer {SECRET}" for asked in server.asked)
        assert all(asked.query == "key=k3y-value" for asked in server.asked)
    assert result.returncode == 0, result.stderr
    written = [file.read_text() for file in tmp_path.rglob("*.*") if file != own_set]
    for text in [result.stdout, result.stderr, *written]:
        assert SECRET not in text
        assert "k3y-value" not in text
        assert "Geheimtext" not in text


@pytest.mark.parametrize("status", [401, 500])
def test_server_trouble_is_status_3_in_one_line(own_set, status, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, SECRET)
    with serving(lambda _: Reply(SECRET.encode(), status)) as server:
        result = run("audit", "--url", server.url, "--data", own_set)
        lines = result.stderr.splitlines()
        assert (result.returncode, result.stdout, len(lines)) == (3, "", 1)
        assert lines[0].startswith(
            f"rerank-precision: {server.url}/rerank: the server answered with HTTP status {status}"
        )
    assert SECRET not in result.stderr


def test_nobody_listening_is_status_3(own_set):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        result = run("audit", "--url", url, "--data", own_set)
    assert result.returncode == 3
    assert "Start the server" in result.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "No source given"),
        (["--url", "http://host", "--model", "demo"], "2 sources given: url and model"),
        (["--scores", "a.jsonl", "--path", "x"], "path: applies only to model. Remove it"),
        (["--scores", "a.jsonl", "--dtype", "float16"], "dtype: applies only to model. Remove it"),
        (
            ["--url", "http://host", "--trust-remote-code"],
            "--trust-remote-code: applies only to model",
        ),
        (["--model", "demo", "--server-model", "x"], "--server-model: applies only to url"),
        (["--url", "http://host", "--timeout", "0"], "timeout: the time must be above 0"),
        (["--url", "host"], "url: the address needs http"),
        (["--scores", "nowhere.jsonl"], "nowhere.jsonl: there is no such file"),
        (["--scores", "a.jsonl", "--fail-on", "much>0"], "'much>0' is no condition"),
    ],
)
def test_bad_input_is_status_2_in_one_line(options, says):
    assert says in refused(run("audit", *options))


def test_a_report_that_cannot_be_written_is_named(saturated, tmp_path):
    (tmp_path / "file").write_text("")
    page = tmp_path / "file" / "page.html"
    result = run("audit", "--scores", saturated, "--html", page)
    assert result.returncode == 2
    assert f"{page}: it cannot be written" in result.stderr


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_folder_for_a_report_is_refused_before_the_audit(tmp_path, option):
    assert "this is a folder" in refused(run("audit", "--scores", "nowhere", option, tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(
    ("options", "status"),
    [([], 0), (["--json", "-"], 0), (["--fail-on", "saturated>0"], 1)],
)
def test_a_closed_pipe_changes_nothing_but_the_output(saturated, tmp_path, options, status):
    """As with ``| head``: exit status 1 stays that of a condition; files are written."""
    reader, writer = os.pipe()
    os.close(reader)
    page = tmp_path / "page.html"
    script = "from analysis.cli import main; main()"
    command = ["audit", "--scores", str(saturated), "--html", str(page), *options]
    done = subprocess.run([sys.executable, "-c", script, *command], stdout=writer, check=False)
    os.close(writer)
    assert done.returncode == status
    assert page.exists()


def test_a_model_through_an_engines_path(tiny_checkpoint, own_set):
    options = ["--model", tiny_checkpoint, "--data", own_set, "--dtype", "bfloat16"]
    result = run("audit", *options, "--path", "haystack@2.31.0:bfloat16")
    assert result.returncode == 0, result.stderr
    assert "fused sigmoid in bfloat16" in said(result)
    assert "What a better path would change" in said(result)
    assert "against the order of the float32 logits" in said(result)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "http://host", "timeout": "a"}, "timeout: the time must be above 0"),
        ({"model": "demo", "path": 5}, "engine: unknown engine 5"),
        ({"scores": ""}, "name is empty"),
    ],
)
def test_bad_arguments_are_bad_input(given, says):
    with pytest.raises(InputError, match=f"(?i){says}"):
        audit(**given)
