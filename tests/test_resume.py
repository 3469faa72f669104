"""Scoring that is killed goes on where it was: model, scoring and store together."""

from __future__ import annotations

import signal
import time

import pandas as pd
from test_store import started

from analysis.models import load
from analysis.scoring import score
from analysis.store import BATCHES_PER_SHARD, Store

SCORING = """
import sys, time, torch
from tiny_checkpoints import tiny_set
from analysis.models import load
from analysis.scoring import score
from analysis.store import Store

torch.set_num_threads(1)
reranker = load(sys.argv[1], device="cpu")
real = type(reranker).logits

def slowly(self, outputs):
    time.sleep(0.1)
    return real(self, outputs)

type(reranker).logits = slowly
score(tiny_set(), reranker, ["float16"], batch_tokens=40, store=Store(sys.argv[2]))
"""


def test_killed_scoring_goes_on_where_it_was(tiny_checkpoint, tiny_pairs, tmp_path, monkeypatch):
    """A real network in a real process, and a real kill -9 once two shards are there."""
    process = started(SCORING, tiny_checkpoint, tmp_path / "killed")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed").glob("*/shard-00001.parquet")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    [place] = (tmp_path / "killed").iterdir()
    kept = {file.name: file.stat().st_mtime_ns for file in place.glob("shard-*.parquet")}
    assert not (place / "logits.parquet").exists()

    reranker = load(tiny_checkpoint, device="cpu")
    forwards, real = [], type(reranker).logits
    monkeypatch.setattr(
        type(reranker), "logits", lambda self, outputs: forwards.append(1) or real(self, outputs)
    )
    frames, numbers = {}, {}
    for name in ("undisturbed", "killed"):
        options = {"batch_tokens": 40, "store": Store(tmp_path / name), "progress": False}
        frames[name] = score(tiny_pairs, reranker, ["float16"], **options)
        numbers[name] = len(forwards)
        forwards.clear()
    assert numbers["killed"] == numbers["undisturbed"] - BATCHES_PER_SHARD * len(kept)
    assert 0 < numbers["killed"] < numbers["undisturbed"]
    for name, written in kept.items():
        assert (place / name).stat().st_mtime_ns == written
    pd.testing.assert_frame_equal(*frames.values(), check_exact=True)
    for file in (tmp_path / "undisturbed" / place.name).iterdir():
        assert (place / file.name).read_bytes() == file.read_bytes()
    assert len(list(place.iterdir())) == len(list(tmp_path.glob("undisturbed/*/*")))
