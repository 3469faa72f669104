"""The command line: what it prints, and what it answers to bad input."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from safetensors.torch import load_file

import analysis.commands
from analysis import reporting
from analysis.cli import COMMANDS, main
from analysis.engines import path_of, run_engines
from analysis.fingerprinting import fingerprint
from analysis.forwardformats import FORWARD_FORMATS, RUN_HERE
from analysis.readers import read
from analysis.reporting.running import Chapter
from analysis.scoring import COLUMNS

FAST = """
import sys, time
start = time.perf_counter()
import analysis
seconds = time.perf_counter() - start
heavy = ("torch", "transformers", "pandas", "pyarrow", "matplotlib", "numpy", "IPython")
found = [name for name in heavy if name in sys.modules]
import json
print(json.dumps([seconds, found]))
"""


class Result(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def python(*arguments: str) -> Result:
    """Run Python in a process of its own."""
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env=env,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def run(*arguments: object) -> Result:
    """Call ``main`` as the console script does, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["rerank-precision", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
    return Result(exit_.value.code or 0, out.getvalue(), err.getvalue())


def refused(result: Result) -> str:
    """Check that bad input gave one line on standard error and exit status 2."""
    lines = result.stderr.splitlines()
    assert (result.returncode, result.stdout, len(lines)) == (2, "", 1), result.stderr
    assert lines[0].startswith("rerank-precision: ")
    return lines[0]


@pytest.fixture(scope="module")
def own_set(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("own") / "own.jsonl"
    passages = [{"passage_id": f"p{n}", "text": "der Wald " * n} for n in range(1, 4)]
    lines = [{"query_id": "q1", "query": "wo im Wald", "candidates": passages}]
    lines.append({"query_id": "q2", "query": "wer", "candidates": []})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_import_is_fast_and_light():
    runs = [json.loads(python("-c", FAST).stdout) for _ in range(5)]
    assert min(seconds for seconds, _ in runs) < 0.3
    assert all(heavy == [] for _, heavy in runs)


def test_help_names_every_command():
    result = run("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert f" {command.__name__} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_the_help_of_every_command_has_its_examples(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    said = run(command.__name__, "--help").stdout
    assert "Examples:" in said
    for arguments in COMMANDS[command]:
        assert f"rerank-precision {command.__name__} {arguments}".rstrip() in said


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["audit", "--help"], 0),
        ([], 2),
        (["audit", "--no-such-option"], 2),
        (["check", "nowhere.jsonl"], 2),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_a_closed_pipe_leaves_the_exit_status_as_it_is(arguments, status):
    """As with ``|& head``: 1 stays the status of a condition that holds."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from analysis.cli import main; main()", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=writer, check=False)
    os.close(writer)
    assert done.returncode == status


def test_the_help_fills_the_lines_of_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert "a page per notebook and figures/." in run("report", "--help").stdout


def test_formats_prints_every_format_in_words():
    lines = run("formats").stdout.splitlines()
    assert [line.removesuffix(" (not run here)") for line in lines] == list(
        map(str, FORWARD_FORMATS.values())
    )
    assert sum(line.endswith(")") for line in lines) == len(FORWARD_FORMATS) - len(RUN_HERE)


def test_paths_prints_every_path_of_every_engine_with_its_end():
    lines = run("paths").stdout.splitlines()
    paths = [path for engine in run_engines() for path in engine.paths.values()]
    shown = [line.partition("; exactly 1.0 from logit ")[0] for line in lines[::2]]
    assert shown == [str(path) for path in paths]
    assert [path_of(line.strip()) for line in lines[1::2]] == paths
    ends = {line.partition(":")[0]: line.rpartition(" ")[2] for line in lines[::2]}
    assert ends["Infinity 0.0.13–0.0.68, float16"] == "7.625"
    assert ends["Haystack 2.x, float16"] == "8.320312"
    assert ends["Haystack 2.x, bfloat16"] == "6.25"
    assert ends["Infinity 0.0.69+, bfloat16"] == "16.75"


@pytest.fixture
def score_file(tmp_path) -> Path:
    """Scores of one query as Infinity printed them in float16, with their logits."""
    path = path_of("infinity", "0.0.68", "float16")
    logits = np.random.default_rng(4).normal(3.0, 4.0, 300).astype(np.float16).astype(float)
    rows = {"query_id": "q", "passage_id": range(300), "score": path.scores(logits)}
    file = tmp_path / "scores.csv"
    pd.DataFrame(rows | {"logit": logits}).to_csv(file, index=False)
    return file


def test_fingerprint_reads_scores_and_logits(score_file):
    frame = pd.read_csv(score_file)
    result = run("fingerprint", score_file)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{fingerprint(frame['score'], frame['logit'])}\n"
    assert "path: " in result.stdout


def test_fingerprint_without_logits_as_json(score_file):
    frame = pd.read_csv(score_file)
    frame.drop(columns="logit").to_csv(score_file, index=False)
    verdict = json.loads(run("fingerprint", score_file, "--json").stdout)
    assert verdict == fingerprint(frame["score"]).to_dict()
    assert verdict["kind"] == "sigmoid"


def test_check_german():
    result = run("check", "german")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("german: ")
    assert "all graded" in result.stdout


def test_check_names_the_split_and_what_was_left_out(tmp_path):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "der Wald"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "wo"}\n')
    (tmp_path / "qrels").mkdir()
    header = "query-id\tcorpus-id\tscore\n"
    for split in ("dev", "train"):
        (tmp_path / "qrels" / f"{split}.tsv").write_text(f"{header}q\td\t1\nq\tx\t-1\n")
    assert "--split" in refused(run("check", tmp_path))
    result = run("check", tmp_path, "--split", "dev")
    assert result.stdout == (
        f"{tmp_path.name}/dev: 1 query, 1 pair, all graded\n"
        "candidates per query: 1\n"
        "grades: 1 (1×)\n"
        "duplicates: none\n"
        "1 judged passage has no text in corpus.jsonl and is left out (the first is 'x')\n"
        "1 negative grade counts as 0, not relevant\n"
    )
    assert run("check", tmp_path / "qrels" / "dev.tsv").stdout == result.stdout
    assert "only the folder" in refused(run("check", "german", "--split", "dev"))


def test_scores_come_from_several_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('[{"index": 0, "score": 0.5}]')
    files = tmp_path / "a.json", tmp_path / "b.json"
    result = run("audit", "--scores", files[0], "--scores", files[1])
    assert result.stdout.replace("\n", "").startswith(f"Audit of {files[0]}")
    assert run("fingerprint", *files).stdout == run("fingerprint", tmp_path).stdout


def test_check_counts_one_and_prints_no_control_character(tmp_path):
    file = tmp_path / "o\x1b[31mwn.jsonl"
    candidate = {"passage_id": "p", "text": "der Wald"}
    lines = [{"query_id": "q", "query": "wo", "candidates": [candidate]}]
    file.write_text(json.dumps(lines[0]) + "\n")
    result = run("check", file)
    assert "wn: 1 query, 1 pair, not graded\n" in result.stdout
    lines.append({"query_id": "\r\x1b[2Kq", "query": "wer", "candidates": []})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = run("check", file)
    assert "query \ufffd\ufffd[2Kq has no candidates" in result.stdout
    assert "\x1b" not in result.stdout + refused(run("check", f"{file}\x1b[1m"))


def test_check_says_what_is_missing(own_set):
    result = run("check", own_set)
    assert result.returncode == 0
    first, *_, last = result.stdout.splitlines()
    assert first.endswith("2 queries, 3 pairs, not graded")
    assert last == "query q2 has no candidates and is left out"


def test_check_counts_the_tokens_of_a_model(own_set, tiny_checkpoint):
    said = run("check", own_set, "--model", tiny_checkpoint).stdout
    assert f"({tiny_checkpoint}): 10 to 14 (median 12); no pair is cut at 48 tokens" in said
    said = run("check", own_set, "--model", tiny_checkpoint, "--max-length", 12).stdout
    assert "1 pair (33.3%) will be cut at 12 tokens" in said
    assert "give --model" in refused(run("check", own_set, "--max-length", 10)).lower()


def test_check_says_where_a_passage_id_stands_twice(tmp_path):
    file = tmp_path / "twice.csv"
    file.write_text("query_id,query,passage_id,passage\nq,wo,p,Wald\nq,wo,p,Zug\n")
    assert "passage 'p' of query 'q' stands on line 2" in refused(run("check", file))


def test_the_example_is_a_set_that_can_be_checked_scored_and_is_never_overwritten(
    tmp_path, tiny_checkpoint, monkeypatch
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    folder = tmp_path / "my set"
    result = run("init", folder)
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1] == (
        f"next: rerank-precision check '{folder}' --model demo"
    )
    assert "duplicates: none" in run("check", folder, "--model", tiny_checkpoint).stdout
    file, out = folder / "candidates.jsonl", tmp_path / "logits.parquet"
    scored = run("score", out, "--data", file, "--model", tiny_checkpoint, "--format", "float32")
    assert scored.stdout == f"14 logits: {out}\n"
    file.write_text("mine")
    (folder / "README.md").unlink()
    assert "this is there already" in refused(run("init", folder))
    assert file.read_text() == "mine"
    assert not (folder / "README.md").exists()
    assert "this is there already" in refused(run("init", file))


def test_the_example_is_commented_and_its_readme_names_commands_that_are_there():
    example = Path(analysis.commands.__file__).parent / "example"
    lines = (example / "candidates.jsonl").read_text("utf-8").splitlines()
    assert all(json.loads(line)["comment"] for line in lines)
    named = set(re.findall(r"^rerank-precision (\w+)", (example / "README.md").read_text(), re.M))
    assert named == {"check", "score", "report"}


def test_check_names_file_and_line_of_bad_input(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"query_id": "q1", "query": "wo", "candidates": [\n')
    assert f"{bad}:1:" in refused(run("check", bad))


def test_a_missing_file_is_one_line_in_a_process_of_its_own(tmp_path):
    script = "import sys; from analysis.cli import main; main()"
    line = refused(python("-c", script, "check", str(tmp_path / "nowhere.jsonl")))
    assert "nowhere.jsonl: there is no such file or folder." in line


@pytest.mark.parametrize("command", [("check",), ("audit", "--scores")])
def test_an_empty_name_is_called_empty(command):
    assert "the name is empty" in refused(run(*command, "")).lower()


def test_score_writes_logits_in_the_dtypes_asked_for(
    tmp_path, own_set, tiny_checkpoint, monkeypatch
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    out = tmp_path / "deep" / "logits.parquet"
    asked = ["--format", "float32", "--format", "bfloat16"]
    result = run("score", out, "--data", own_set, "--model", tiny_checkpoint, *asked)
    assert (result.returncode, result.stdout) == (0, f"6 logits: {out}\n")
    logits = pd.read_parquet(out)
    assert tuple(logits) == COLUMNS
    assert logits["forward_dtype"].tolist() == ["float32"] * 3 + ["bfloat16"] * 3
    assert logits["passage_id"].tolist() == ["p1", "p2", "p3"] * 2


def test_score_takes_parquet_and_scores_it_like_the_same_rows_as_jsonl(
    tmp_path, own_set, tiny_checkpoint, monkeypatch
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    own = tmp_path / "own.parquet"
    read(own_set).pairs.to_parquet(own, index=False)
    options = ("--model", tiny_checkpoint, "--format", "float32")
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for out, data in zip(outs, (own_set, own), strict=True):
        assert run("score", out, "--data", data, *options).stdout == f"3 logits: {out}\n"
    whole, pieces = map(pd.read_parquet, outs)
    pd.testing.assert_frame_equal(whole, pieces, check_dtype=False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "german", "--max-length", "9"], "--max-length: without a model nothing is cut"),
        (["compare", "a", "b", "--split", "x"], "--split: no set is named"),
        (["audit", "--scores", "a", "--allow-pickle"], "--allow-pickle: applies only to model"),
        (["audit", "--url", "x"], "--url: the address needs http"),
        (["fingerprint", ""], "the name is empty"),
    ],
)
def test_an_error_calls_an_option_as_the_command_line_does(arguments, says):
    assert f"rerank-precision: {says}" in refused(run(*arguments)).replace(": The", ": the")


def test_a_remedy_in_python_names_the_option_too():
    """An error's texts with ``allow_pickle=True`` say ``--allow-pickle`` as well."""
    found = []
    for file in Path(analysis.commands.__path__[0]).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if is_call(node) else ""
            if name in ("InputError", "error"):
                strings = (ast.walk(argument) for argument in node.args)
                constants = (one.value for part in strings for one in part if is_text(one))
                found.append(" ".join(constants))
    named = [(text, name) for text in found for name in re.findall(r"(\w+)=(?:True|False)", text)]
    assert len(found) > 200
    assert {name for _, name in named} == {"allow_pickle", "trust_remote_code"}
    assert all(f"--{name.replace('_', '-')}" in text for text, name in named)


def is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_score_takes_pickled_weights_if_allowed(tmp_path, own_set, tiny_checkpoint, monkeypatch):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    pickled = Path(shutil.copytree(tiny_checkpoint, tmp_path / "pickled"))
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    frames = []
    for model, *allowed in ((tiny_checkpoint,), (pickled, "--allow-pickle")):
        out = tmp_path / "logits.parquet"
        asked = ("--data", own_set, "--model", model, "--format", "float32", *allowed)
        assert run("score", out, *asked).returncode == 0
        frames.append(pd.read_parquet(out))
    pd.testing.assert_frame_equal(*frames)
    line = refused(run("score", out, "--data", own_set, "--model", pickled))
    assert "--allow-pickle" in line


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--format", "float12"], "float12"),
        (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--model", "./nowhere"], "nowhere"),
    ],
)
def test_score_refuses_in_one_line(tmp_path, own_set, tiny_checkpoint, monkeypatch, wrong, says):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    good = {"--data": own_set, "--model": tiny_checkpoint} | {wrong[0]: wrong[1]}
    options = [part for option in good.items() for part in option]
    line = refused(run("score", tmp_path / "out.parquet", *options))
    assert says in line
    assert not (tmp_path / "out.parquet").exists()


def test_score_writes_files_only_and_leaves_the_old_one_where_it_fails(
    tmp_path, own_set, tiny_checkpoint, monkeypatch
):
    monkeypatch.setenv("RERANK_PRECISION_STORE", str(tmp_path / "store"))
    options = ("--data", own_set, "--model", tiny_checkpoint, "--format", "float32")
    os.mkfifo(tmp_path / "pipe")
    assert "pipe or a device" in refused(run("score", tmp_path / "pipe", *options))
    assert "$RUN stands in its name" in refused(run("score", tmp_path / "$RUN", *options))
    out = tmp_path / "out.parquet"
    out.write_text("old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_parquet", full)
        failed = run("score", out, *options)
    assert (failed.returncode, "No space left" in failed.stderr) == (2, True)
    assert out.read_text() == "old"


def test_report_of_own_data_needs_a_folder_of_its_own(own_set):
    assert "--out FOLDER" in refused(run("report", "--data", own_set))


def test_report_says_in_one_line_what_is_wrong_with_the_data(tmp_path):
    result = run("report", "--data", tmp_path / "nowhere.jsonl", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert result.stdout == ""  # before a notebook runs
    (line,) = result.stderr.splitlines()
    assert "nowhere.jsonl: there is no such file or folder." in line


def test_a_report_with_a_failed_notebook_has_a_status_of_its_own(monkeypatch, capsys):
    def report(**options):
        raise reporting.ChaptersFailedError([Chapter(Path("02_x.ipynb"), failure="bad \x1b[2J")])

    monkeypatch.setattr(reporting, "report", report)
    monkeypatch.setattr(sys, "argv", ["rerank-precision", "report", "--out", "site"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    said = capsys.readouterr().err
    assert said == "rerank-precision: 1 notebook failed.\n02_x: bad \ufffd[2J\n"


def test_report_takes_forward_formats_beside_dtypes(monkeypatch, capsys):
    asked = {}
    monkeypatch.setattr(reporting, "report", lambda **options: asked.update(options))
    words = [
        "report",
        "--dtype",
        "float16",
        "--format",
        "openvino:f32",
        "--format",
        "openvino:bf16",
    ]
    monkeypatch.setattr(sys, "argv", ["rerank-precision", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert asked["dtypes"] == ["float16"]
    assert asked["formats"] == ["openvino:f32", "openvino:bf16"]


def test_figures_takes_formats_with_commas_and_names(monkeypatch, capsys, tmp_path):
    asked = {}

    def draw(*names, **options):
        asked.update(options, names=names)
        return [tmp_path / "02_ruler.pdf"]

    monkeypatch.setattr(reporting, "draw", draw)
    words = [
        "figures",
        "--only",
        "02_ruler",
        "--format",
        "svg,pdf",
        "--style",
        "dark",
        "--width",
        "column",
    ]
    monkeypatch.setattr(sys, "argv", ["rerank-precision", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert (asked["names"], asked["formats"]) == (("02_ruler",), ["svg", "pdf"])
    assert (asked["style"], asked["width"], asked["out"]) == ("dark", "column", None)
    assert f"1 file: {tmp_path}" in capsys.readouterr().out


def test_figures_says_which_styles_there_are():
    assert "Choose one of paper, slide, dark" in refused(run("figures", "--style", "neon"))


def test_report_refuses_a_dtype_and_a_file_for_a_folder_before_a_notebook_runs(tmp_path):
    assert "banana" in refused(run("report", "--dtype", "banana", "--out", tmp_path))
    file = tmp_path / "page.html"
    file.write_text("")
    assert "this is a file" in refused(run("report", "--out", file))


def test_a_folder_in_place_of_the_file_for_logits_is_refused_before_scoring(tmp_path):
    assert "this is a folder" in refused(run("score", tmp_path))


def test_what_nobody_foresaw_is_not_exit_status_1(monkeypatch):
    def defect(**_):
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("analysis.auditing.audit", defect)
    result = run("audit", "--scores", "any.jsonl")
    assert result.returncode == 70


@pytest.mark.parametrize("name", ["make_context", "invoke"])
def test_an_interruption_is_said_wherever_it_comes(name, monkeypatch, capsys):
    """While options are read, say: that is before a command has its turn."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(typer.core.TyperGroup, name, interrupted)
    monkeypatch.setattr(sys, "argv", ["rerank-precision", "paths"])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 130
    said = capsys.readouterr().err
    assert said == "rerank-precision: interrupted; the same command goes on with what it has kept\n"
