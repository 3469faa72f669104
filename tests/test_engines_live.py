"""A real Infinity server on loopback, audited in two dtypes: `make test-engines`.

The target builds Infinity's environment and names its program; without it nothing here runs.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from test_cli import run

from analysis.auditing.kept import FOLDER_VARIABLE
from analysis.readers import GERMAN

INFINITY = os.environ.get("RERANK_PRECISION_INFINITY")
pytestmark = pytest.mark.skipif(
    not INFINITY, reason="NO INFINITY HERE: no real server is audited. Run 'make test-engines'."
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


@contextmanager
def infinity(checkpoint: Path, dtype: str, log: Path) -> Iterator[str]:
    """Address of a running server; the process ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [INFINITY, "v2", "--model-id", checkpoint, "--device", "cpu", "--engine", "torch"]
    command += ["--dtype", dtype, "--no-bettertransformer", "--no-model-warmup"]
    command += ["--host", "127.0.0.1", "--port", port]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, command)], env=os.environ | QUIET, stdout=output, stderr=output
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await_health(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def await_health(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    pytest.fail(f"Infinity did not start:\n{log.read_text()}")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_audit_of_a_server_names_its_forward_dtype(
    checkpoint, some_queries, tmp_path, monkeypatch, dtype
):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "audits"))
    report = tmp_path / "audit.json"
    with infinity(checkpoint, dtype, tmp_path / "infinity.log") as url:
        result = run("audit", "--url", url, "--data", some_queries, "--json", report)
    assert result.returncode == 0, result.stderr
    found = json.loads(report.read_text())
    assert found["source"]["details"]["raw scores"] == "offered"
    assert found["verdict"]["kind"] == "sigmoid"
    path = found["path"]
    assert (path["forward_dtype"], path["activation_dtype"]) == (dtype, "float32")
    # So few scores do not always tell the two formulas apart, which differ in last bits.
    assert "stepwise" in {left["formula"] for left in found["verdict"]["paths"]}
