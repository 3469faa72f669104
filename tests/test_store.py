"""The store: whole files whatever happens, and nothing computed twice."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.errors import InputError
from analysis.store import FOLDER_VARIABLE, Store

KEY = {"model": {"weights": "ab"}, "forward_dtype": "float16"}
SPECIAL = np.array([0x7FF8000000000001, 0xFFF8000000000000, 1 << 63, 1], dtype="u8").view("f8")

# What a run in another process does: the same rows and logits as below, without torch.
OTHER_PROCESS = """
import os, signal, sys, time
from pathlib import Path
from test_store import KEY, batches, computing, pairs
from analysis.store import Store

def kill_at(owner, name, argument, number):
    real, calls = getattr(owner, name), []
    def killing(*arguments, **options):
        calls.append(1)
        if argument in str(arguments) and len(calls) >= number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(owner, name, killing)
"""


def pairs(n: int = 40) -> pd.DataFrame:
    grades = pd.array([None if row % 5 == 0 else row % 4 for row in range(n)], dtype="Int64")
    ids = [f"q{row // 7}" for row in range(n)], [f"pä{row}" for row in range(n)]
    columns = {"query_id": ids[0], "passage_id": ids[1], "grade": grades}
    return pd.DataFrame(columns | {"forward_dtype": "float16"})


def batches(n: int = 40) -> list[np.ndarray]:
    """Thirteen batches of three, and one of one; four shards."""
    order = (np.arange(n) * 7) % n
    return [order[start : start + 3] for start in range(0, n, 3)]


def truth(n: int = 40) -> np.ndarray:
    return np.concatenate([SPECIAL, [np.inf, -np.inf], np.sin(np.arange(6, n))])


def computing(done: list[int], wait: float = 0.0):
    """Make the function that computes batches; ``done`` collects their numbers."""

    def compute(wanted: Sequence[int]) -> Iterator[np.ndarray]:
        for batch in wanted:
            time.sleep(wait)
            done.append(batch)
            yield truth()[batches()[batch], None]

    return compute


def run(store: Store) -> list[int]:
    """Ask for all logits; returns the batches that had to be computed for it."""
    done = []
    logits = store.logits(KEY, pairs(), batches(), computing(done))
    assert logits.tobytes() == truth().tobytes()
    return done


def files(store: Store) -> dict[str, bytes]:
    """All files of the key but the lock."""
    place = store.place(KEY)
    return {file.name: file.read_bytes() for file in place.iterdir() if file.name != "lock"}


def started(script: str, *arguments: object) -> subprocess.Popen:
    """Run a script in another process; not through a fork, which pytest's threads forbid."""
    folders = f"{Path(__file__).parent}:{Path(__file__).parent.parent}"
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": folders},
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Store:
    """Store after an undisturbed run; not to be changed."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    assert run(store) == list(range(14))
    return store


@pytest.fixture
def store(undisturbed, tmp_path) -> Store:
    """Copy of that store."""
    return Store(shutil.copytree(undisturbed.folder, tmp_path / "store"))


@pytest.fixture
def unfinished(store) -> Store:
    """The store without its final file, as a killed run leaves it."""
    (store.place(KEY) / "logits.parquet").unlink()
    return store


def test_layout(undisturbed):
    written = files(undisturbed)
    shards = [f"shard-{number:05}.parquet" for number in range(4)]
    assert sorted(written) == ["key.json", "logits.parquet", *shards]
    assert json.loads(written["key.json"]) == KEY
    assert len(undisturbed.place(KEY).name) == 16
    final = pq.read_table(undisturbed.place(KEY) / "logits.parquet").to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype()}.get
    )
    pd.testing.assert_frame_equal(final.drop(columns="logit"), pairs())
    assert final["logit"].to_numpy().tobytes() == truth().tobytes()


def test_known_logits_are_not_computed_again(store):
    before = files(store)
    assert run(store) == []
    assert files(store) == before


def test_order_of_keys_does_not_matter_and_values_do(tmp_path):
    store = Store(tmp_path)
    assert store.place(dict(reversed(KEY.items()))) == store.place(KEY)
    assert store.place(KEY | {"forward_dtype": "float32"}) != store.place(KEY)
    assert store.place(KEY | {"model": {"weights": "ba"}}) != store.place(KEY)


def test_finished_shards_are_not_computed_again(unfinished, undisturbed):
    for number in (1, 3):
        (unfinished.place(KEY) / f"shard-{number:05}.parquet").unlink()
    kept = unfinished.place(KEY) / "shard-00000.parquet"
    before = kept.stat().st_mtime_ns
    assert run(unfinished) == [4, 5, 6, 7, 12, 13]
    assert kept.stat().st_mtime_ns == before
    assert files(unfinished) == files(undisturbed)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    at = content.index(truth()[batches()[4][0]].tobytes())  # the first logit of the shard
    content[at + 2] ^= 4
    file.write_bytes(content)


def other_rows(file: Path) -> None:
    shutil.copyfile(file.with_name("shard-00000.parquet"), file)


def changed_rows(file: Path) -> None:
    table = pq.read_table(file)
    rows = pa.array(table["row"].to_numpy()[::-1].copy())
    pq.write_table(table.set_column(0, "row", rows), file)


def no_digest(file: Path) -> None:
    pq.write_table(pq.read_table(file).replace_schema_metadata(), file)


def of_another_key(file: Path) -> None:
    other = Store(file.parent / "other")
    other.logits(KEY | {"model": "other"}, pairs(), batches(), computing([]))
    shutil.copyfile(next(other.folder.glob(f"*/{file.name}")), file)
    shutil.rmtree(other.folder)


def a_folder(file: Path) -> None:
    file.unlink()
    (file.parent / "shard-00001.parquet.tmp").write_text("left by a killed run")


def a_pipe(file: Path) -> None:
    """Opening it would wait for somebody who writes."""
    file.unlink()
    os.mkfifo(file)


DAMAGES = [cut, empty, flip, other_rows, changed_rows, no_digest, of_another_key, a_folder, a_pipe]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_shard_is_computed_again_and_no_other(unfinished, undisturbed, damage):
    damage(unfinished.place(KEY) / "shard-00001.parquet")
    assert run(unfinished) == [4, 5, 6, 7]
    assert files(unfinished) == files(undisturbed)


@pytest.mark.parametrize(
    "damage", [cut, empty, flip, no_digest, of_another_key], ids=lambda damage: damage.__name__
)
def test_damaged_final_file_is_made_again_from_the_shards(store, undisturbed, damage):
    damage(store.place(KEY) / "logits.parquet")
    assert run(store) == []
    assert files(store) == files(undisturbed)


def test_damaged_final_file_and_shard_are_made_again(store, undisturbed):
    cut(store.place(KEY) / "logits.parquet")
    flip(store.place(KEY) / "shard-00001.parquet")
    assert run(store) == [4, 5, 6, 7]
    assert files(store) == files(undisturbed)


def test_final_file_of_other_pairs_is_not_taken(store):
    renamed = pairs().assign(passage_id=[f"p{row}" for row in range(40)])
    done = []
    store.logits(KEY, renamed, batches(), computing(done))
    final = pq.read_table(store.place(KEY) / "logits.parquet")
    assert final["passage_id"].to_pylist() == renamed["passage_id"].tolist()
    assert done == []


def test_no_flipped_byte_gives_a_wrong_logit(unfinished):
    """Wherever it is: the shard is computed again, or its content was not touched."""
    file = unfinished.place(KEY) / "shard-00003.parquet"
    whole, computed = file.read_bytes(), 0
    for at in range(0, len(whole), 9):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        computed += bool(run(unfinished))  # which asserts that the logits are right
        (unfinished.place(KEY) / "logits.parquet").unlink()
    assert computed > len(whole) / 9 / 4


def test_shards_cut_in_another_way_are_computed_again(unfinished, undisturbed, monkeypatch):
    monkeypatch.setattr("analysis.store.BATCHES_PER_SHARD", 3)
    assert run(unfinished) == list(range(14))
    (unfinished.place(KEY) / "shard-00004.parquet").unlink()
    (unfinished.place(KEY) / "logits.parquet").unlink()
    monkeypatch.undo()
    assert run(unfinished) == list(range(14))
    assert files(unfinished) == files(undisturbed)


def test_failure_keeps_the_shards_before_it(tmp_path, undisturbed):
    store = Store(tmp_path)

    def failing(wanted):
        yield from computing([])(wanted[:9])
        raise MemoryError

    with pytest.raises(MemoryError):
        store.logits(KEY, pairs(), batches(), failing)
    assert run(store) == list(range(8, 14))
    assert files(store) == files(undisturbed)


@pytest.mark.parametrize(
    ("where", "computed"),
    [
        ("(pq, 'write_table', 'shard-00002', 1)", range(8, 14)),  # before the file is begun
        ("(os, 'fsync', '', 4)", range(8, 14)),  # written, not known to be on disk
        ("(os, 'replace', 'shard-00002', 1)", range(8, 14)),  # on disk, not in its place
        ("(os, 'replace', 'logits.parquet', 1)", []),  # all but the final file
    ],
)
def test_killed_run_ends_with_the_same_bytes(tmp_path, undisturbed, where, computed):
    script = f"""{OTHER_PROCESS}
import pyarrow.parquet as pq
kill_at{where}
Store(sys.argv[1]).logits(KEY, pairs(), batches(), computing([]))
"""
    assert started(script, tmp_path).wait(60) == -signal.SIGKILL
    store = Store(tmp_path)
    assert "logits.parquet" not in files(store)
    assert run(store) == list(computed)
    assert files(store) == files(undisturbed)


def test_two_processes_share_the_work(tmp_path, undisturbed):
    script = f"""{OTHER_PROCESS}
done = []
Store(sys.argv[1]).logits(KEY, pairs(), batches(), computing(done, wait=0.05))
Path(sys.argv[2]).write_text(str(len(done)))
"""
    both = [started(script, tmp_path, tmp_path / name) for name in ("first", "second")]
    assert [process.wait(60) for process in both] == [0, 0]
    computed = [(tmp_path / name).read_text() for name in ("first", "second")]
    assert sorted(computed) == ["0", "14"]
    assert files(Store(tmp_path)) == files(undisturbed)


def test_waiting_for_another_process_is_said(store, caplog):
    (store.place(KEY) / "logits.parquet").unlink()
    held = (store.place(KEY) / "lock").open("w")
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.2, held.close).start()
    assert run(store) == []
    assert "waiting for another process" in caplog.text


def test_store_does_without_torch():
    script = "import sys, analysis.store; sys.exit('torch' in sys.modules)"
    assert started(script).wait(60) == 0


def test_folder_is_named_by_hand_by_the_environment_or_by_default(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert Store().folder == Path(__file__).parent.parent / ".cache" / "logits"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "here"))
    assert Store().folder == tmp_path / "here"
    assert Store("~/there").folder == Path.home() / "there"
    assert repr(Store("there")) == "Store('there')"


def test_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot be written .* {FOLDER_VARIABLE}"):
        run(Store(tmp_path / "file"))


def test_path_that_looks_like_a_partition_is_a_path(tmp_path):
    store = Store(tmp_path / "row=7" / "logit=1")
    assert run(store)
    assert run(store) == []


def test_a_pair_of_logits_takes_the_place_of_one(store):
    def compute(wanted: Sequence[int]) -> Iterator[np.ndarray]:
        for batch in wanted:
            done.append(batch)
            yield np.stack([truth()[batches()[batch]], np.arange(len(batches()[batch]))], axis=1)

    names, done = ("logit_no", "logit_yes"), []
    first = store.logits(KEY, pairs(), batches(), compute, names)
    assert first.shape == (40, 2)
    assert first[:, 0].tobytes() == truth().tobytes()
    assert done == list(range(14))  # the one logit that was kept is no pair
    again = store.logits(KEY, pairs(), batches(), compute, names)
    assert again.tobytes() == first.tobytes()
    assert len(done) == 14
    kept = pq.read_table(store.place(KEY) / "logits.parquet")
    assert tuple(kept.column_names[-2:]) == names
