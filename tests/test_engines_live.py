"""Real servers on loopback, audited: Infinity by torch and by ONNX Runtime, and llama.cpp.

`make test-engines` builds an environment for each and names its program; without them nothing here
runs.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from test_cli import run
from tiny_checkpoints import tiny_set, write_checkpoint

from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.readers import GERMAN

INFINITY = os.environ.get("RERANK_PRECISION_INFINITY")
INFINITY_ONNX = os.environ.get("RERANK_PRECISION_INFINITY_ONNX")
LLAMA_CPP = os.environ.get("RERANK_PRECISION_LLAMA_CPP")
SERVE_LLAMA_CPP = Path(__file__).parent.parent / "tools/engines/serve_llama_cpp.py"
needs_infinity = pytest.mark.skipif(
    not INFINITY, reason="NO INFINITY HERE: no real server is audited. Run 'make test-engines'."
)
needs_infinity_onnx = pytest.mark.skipif(
    not INFINITY_ONNX, reason="NO OPTIMUM HERE: no int8 is audited. Run 'make test-engines'."
)
needs_llama_cpp = pytest.mark.skipif(
    not LLAMA_CPP, reason="NO LLAMA.CPP HERE: no real server is audited. Run 'make test-engines'."
)

N_QUERIES = 8
START_SECONDS, STOP_SECONDS = 300, 30
QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """Save the demo reranker, its adapter merged, as an ordinary checkpoint."""
    from analysis import models

    return models.load("demo").save_merged(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def some_queries(tmp_path_factory) -> Path:
    """Queries of the German set with more than a hundred passages together."""
    file = tmp_path_factory.mktemp("data") / "some.jsonl"
    lines = GERMAN.read_text(encoding="utf-8").splitlines(keepends=True)[:N_QUERIES]
    assert sum(len(json.loads(line)["candidates"]) for line in lines) > 100
    file.write_text("".join(lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def onnx_checkpoint(checkpoint) -> Path:
    """The checkpoint with its network for ONNX Runtime, in float32 and in dynamic int8."""
    from analysis import models
    from analysis.forwardformats import ForwardFormat
    from analysis.runtimes.quantising import network_file

    reranker = models.load(checkpoint, device="cpu")
    for recipe, name in {"float32": "model.onnx", "int8-dynamic": "model_quantized.onnx"}.items():
        network = network_file(reranker, ForwardFormat.of_text(f"onnxruntime:{recipe}"))
        shutil.copyfile(network, checkpoint / name)
    return checkpoint


@contextmanager
def served(
    command: Sequence[object], port: int, log: Path, folder: Path | None = None, **settings: str
) -> Iterator[str]:
    """Address of a server that a command runs in a folder; the process ends with the block."""
    environment = os.environ | QUIET | settings
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, command)], cwd=folder, env=environment, stdout=output, stderr=output
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await_health(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def infinity(checkpoint: Path, dtype: str, port: int) -> list[object]:
    """Command that serves a checkpoint by Infinity in a dtype."""
    command = [INFINITY, "v2", "--model-id", checkpoint, "--device", "cpu", "--engine", "torch"]
    command += ["--dtype", dtype, "--no-bettertransformer", "--no-model-warmup"]
    return [*command, "--host", "127.0.0.1", "--port", port]


def infinity_onnx(port: int, *options: str) -> list[object]:
    """Command that serves the folder it is run in by Infinity and ONNX Runtime.

    Infinity names a file of another folder in a way that optimum does not find.
    """
    command = [INFINITY, "v2", "--model-id", ".", "--device", "cpu", "--engine", "optimum"]
    return [*command, "--no-model-warmup", *options, "--host", "127.0.0.1", "--port", port]


def await_health(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


def audited(url: str, data: Path, tmp_path: Path) -> dict:
    """Report of the audit of a server."""
    report = tmp_path / "audit.json"
    result = run("audit", "--url", url, "--data", data, "--json", report)
    assert result.returncode == 0, result.stderr
    return json.loads(report.read_text())


@needs_infinity
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_audit_of_infinity_names_its_forward_dtype(
    checkpoint, some_queries, tmp_path, monkeypatch, dtype
):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    port = free_port()
    with served(infinity(checkpoint, dtype, port), port, tmp_path / "log") as url:
        found = audited(url, some_queries, tmp_path)
    assert found["source"]["details"]["raw scores"] == "offered"
    assert found["verdict"]["kind"] == "sigmoid"
    path = found["path"]
    assert (path["forward_dtype"], path["activation_dtype"]) == (dtype, "float32")
    # So few scores do not always tell the two formulas apart, which differ in last bits.
    assert "stepwise" in {left["formula"] for left in found["verdict"]["paths"]}


@needs_infinity
@needs_infinity_onnx
@pytest.mark.parametrize(
    ("options", "moves"), [([], True), (["--onnx-do-not-prefer-quantized"], False)]
)
def test_the_audit_of_infinity_tells_dynamic_int8_from_float32(
    onnx_checkpoint, some_queries, tmp_path, monkeypatch, options, moves
):
    """On a CPU Infinity takes a quantised file unless it is told not to; nothing else says so."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    port, log = free_port(), tmp_path / "log"
    settings = {"PYTHONPATH": INFINITY_ONNX, "HF_HOME": str(tmp_path)}
    command = infinity_onnx(port, *options)
    with served(command, port, log, folder=onnx_checkpoint, **settings) as url:
        found = audited(url, some_queries, tmp_path)
    assert (float(found["source"]["details"]["batch shift"].split()[0]) > 0.01) == moves


@needs_llama_cpp
def test_the_audit_of_llama_cpp_finds_logits_that_are_their_own(tmp_path, monkeypatch):
    """A small BERT in float32: raw logits, each pair computed by itself."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    checkpoint, port = write_checkpoint(tmp_path / "tiny", max_position_embeddings=512), free_port()
    tiny_set().pairs.drop(columns="grade").to_csv(tmp_path / "tiny.csv", index=False)
    command = [LLAMA_CPP, SERVE_LLAMA_CPP, checkpoint, port]
    with served(command, port, tmp_path / "log") as url:
        found = audited(url, tmp_path / "tiny.csv", tmp_path)
    assert found["source"]["details"]["raw scores"] == "not offered"
    assert found["verdict"]["kind"] == "no sigmoid"
    assert found["source"]["details"]["batch shift"] == "0 logits"
