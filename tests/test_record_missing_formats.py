"""Formats recorded later: what was recorded stays, and nothing is mixed that does not belong."""

from __future__ import annotations

import importlib
import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

TOOLS = Path(__file__).parent.parent / "tools"
KEPT, NEW = "openvino:f32", "openvino:default"
VERSIONS = {"openvino": "1.0"}


@pytest.fixture(scope="module")
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module("record_missing_formats")


@pytest.fixture
def recorder(tool, tiny_pairs, monkeypatch):
    """A recorder of the tiny set for two formats, whose runner answers with fixed logits."""
    import record_formats

    def answer(self, run, text, batchings):
        passes = [{"logits": [[(9.0).hex()] * len(b) for b in one.batches]} for one in batchings]
        facts = {"file": "model.bin", "bytes": 5_000_000, "sha256": "b"}
        return {"passes": passes, "facts": facts, "versions": VERSIONS}

    monkeypatch.setattr(record_formats.Recorder, "answer", answer)
    (own,) = (run for run in record_formats.RUNS if KEPT in run.formats)
    run = record_formats.FormatRun((KEPT, NEW), own.environment, own.files)
    monkeypatch.setattr(record_formats, "RUNS", (run,))
    return record_formats.Recorder(tiny_pairs, Path("model"))


@pytest.fixture
def folder(tool, recorder, tmp_path) -> Path:
    """A recording of one of the formats, on a machine of another name."""
    run = {"forward_format": KEPT, "file": "model.onnx", "bytes": 1, "versions": VERSIONS}
    shared = {**tool.about(recorder.dataset), "cpu": "another", "date": "2020-01-01"}
    write(tmp_path, {**shared, "runs": [run]})
    card = "<!-- runs: written by the tool -->\n<!-- end of runs -->\n"
    (tmp_path / "README.md").write_text(card, "utf-8")
    rows, _ = tool.recorded(recorder, list(tool.every_format({NEW})))
    tool.write_table(rows.assign(logit=1.0), tmp_path / "formats.parquet")
    return tmp_path


def runs(folder: Path) -> dict:
    return json.loads((folder / "runs.json").read_text("utf-8"))


def write(folder: Path, shared: dict) -> None:
    (folder / "runs.json").write_text(json.dumps(shared), "utf-8")


def test_what_is_recorded_stays_and_what_is_missing_comes_after(tool, recorder, folder):
    before = pd.read_parquet(folder / "formats.parquet"), runs(folder)
    tool.add_missing(recorder, folder)
    rows, shared = pd.read_parquet(folder / "formats.parquet"), runs(folder)
    kept = rows[rows["forward_format"] == KEPT]
    pd.testing.assert_frame_equal(kept, before[0])
    assert len(rows) == 2 * len(kept)
    assert rows["forward_format"].drop_duplicates().tolist() == [KEPT, NEW]
    assert rows.loc[rows["forward_format"] == NEW, "logit"].eq(9.0).all()
    assert shared["runs"][0] == before[1]["runs"][0]
    added = shared["runs"][1]
    now = tool.about(recorder.dataset)
    assert added["forward_format"] == NEW
    assert all(added[name] == now[name] for name in tool.MACHINE)
    assert {**shared, "runs": []} == {**before[1], "runs": []}
    card = (folder / "README.md").read_text("utf-8")
    assert f"| `{NEW}` | on {now['date']}, {now['cpu']}, {now['cpu_capability']} |" in card
    assert f"| `{NEW}` | `model.bin` | 5 |" in card


def test_a_second_time_nothing_is_written(tool, recorder, folder):
    tool.add_missing(recorder, folder)
    written = {file: file.read_bytes() for file in folder.iterdir()}
    tool.add_missing(recorder, folder)
    assert {file: file.read_bytes() for file in folder.iterdir()} == written


@pytest.mark.parametrize(
    ("name", "value"), [("adapter", {}), ("data", {}), ("one_query_in", 99), ("padded", 1)]
)
def test_another_model_data_or_batches_are_not_mixed_in(tool, recorder, folder, name, value):
    write(folder, {**runs(folder), name: value})
    refused(tool, recorder, folder, f"another {name}")


def test_another_version_of_the_runtime_is_not_mixed_in(tool, recorder, folder):
    shared = runs(folder)
    shared["runs"][0]["versions"] = {"openvino": "0.9"}
    write(folder, shared)
    refused(tool, recorder, folder, "is recorded with {'openvino': '0.9'}")


def refused(tool, recorder, folder: Path, said: str) -> None:
    """It stops, says why, and has written nothing."""
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(SystemExit, match=said):
        tool.add_missing(recorder, folder)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_times_name_their_cpu_and_go_on_where_they_were_cut(tool, recorder, folder, monkeypatch):
    """A format that this CPU has not is left out; another CPU's times go."""
    import record_formats

    asked = []

    def seconds(self, run, text, threads):
        asked.append((text, threads))
        if text == NEW:
            raise subprocess.CalledProcessError(1, "runner")
        return threads / 10

    monkeypatch.setattr(record_formats.Recorder, "seconds", seconds)
    tool.add_missing(recorder, folder)
    record_formats.add_times(recorder, folder)
    assert asked == [(KEPT, 1), (KEPT, 2), (NEW, 1)]
    shared = runs(folder)
    now = tool.about(recorder.dataset)
    assert shared["timed"] == {name: now[name] for name in tool.MACHINE}
    assert [run.get("seconds") for run in shared["runs"]] == [{"1": 0.1, "2": 0.2}, None]
    card = (folder / "README.md").read_text("utf-8")
    assert f"| timed on | {now['date']}, {now['cpu']}, {now['cpu_capability']} |" in card
    assert f"| `{KEPT}` | `model.onnx` | 0 | 0.1 | 0.2 |" in card
    assert f"| `{NEW}` | `model.bin` | 5 |  |  |" in card
    record_formats.add_times(recorder, folder)
    assert asked[3:] == [(NEW, 1)]
    shared["timed"]["cpu_flags"] = ["another"]
    write(folder, shared)
    record_formats.add_times(recorder, folder)
    assert asked[4:] == [(KEPT, 1), (KEPT, 2), (NEW, 1)]
