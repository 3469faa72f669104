"""Scoring on a local Ray cluster of two workers, against scoring in this process."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
from test_store import started
from tiny_checkpoints import change_weights, tiny_set, write_checkpoint

from analysis.answering import Here, answering
from analysis.clusters import Cluster, _places
from analysis.datasets import from_pairs
from analysis.errors import InputError
from analysis.forwardformats import as_format
from analysis.models import load
from analysis.scoring import score
from analysis.store import Store
from analysis.streaming import score_file

ray = pytest.importorskip("ray", reason="the extra ray is not installed")

pytestmark = pytest.mark.alone  # Ray takes seconds to start its processes, and gives up after 30

FORMATS = ["float32", "bfloat16", "onednn:float32"]
POISON = "q"
"""A letter that stands in no text, and whose embedding is no number."""

# What runs until it is killed: 24 batches, a tenth of a second each, on a cluster of its own.
SLOWLY = """
import sys, time, torch, ray
from tiny_checkpoints import tiny_set
from analysis import clusters
from analysis.models import load
from analysis.scoring import score
from analysis.store import Store

torch.set_num_threads(1)

taken = clusters._Pool.get

def slowly(pool, sent):
    time.sleep(0.1)
    return taken(pool, sent)

clusters._Pool.get = slowly
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
score(tiny_set(), load(sys.argv[1], device="cpu"), ["float32"], batch_tokens=1,
      store=Store(sys.argv[2]), engine="ray")
"""


@pytest.fixture(scope="module", autouse=True)
def cluster(tiny_checkpoint):
    """Two CPUs, so that there are two workers of one thread each."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def reranker(tmp_path_factory):
    folder = write_checkpoint(tmp_path_factory.mktemp("model") / "poisoned")
    number = load(folder, device="cpu").tokenizer.convert_tokens_to_ids(POISON)
    name = "bert.embeddings.word_embeddings.weight"
    change_weights(folder, lambda tensors: tensors[name][number].fill_(np.nan))
    return load(folder, device="cpu")


@pytest.fixture(scope="module")
def workers(reranker, cluster):
    """The cluster with the tiny model loaded, for all tests that need no other."""
    with answering("ray", reranker) as opened:
        yield opened


def scored(engine, reranker, **options):
    return score(tiny_set(), reranker, FORMATS, progress=False, engine=engine, **options)


def test_the_result_is_that_of_this_process_bit_for_bit(workers, reranker, tmp_path):
    store = Store(tmp_path)
    found = scored(workers, reranker, batch_tokens=40, store=store)
    here = scored("local", reranker, batch_tokens=40)
    pd.testing.assert_frame_equal(found, here, check_exact=True)
    (pool,) = workers._pools.values()
    assert len(set(pool.processes())) == 2


def test_the_store_is_the_same(workers, reranker, tmp_path, monkeypatch):
    """What the cluster kept is not computed again here, nor the other way round."""
    store = Store(tmp_path)
    found = scored(workers, reranker, store=store)
    monkeypatch.setattr(Here, "answers", None)
    pd.testing.assert_frame_equal(scored("local", reranker, store=store), found)
    monkeypatch.setattr(type(workers), "answers", None)
    pd.testing.assert_frame_equal(scored(workers, reranker, store=store), found)


def test_pieces_are_those_of_this_process(workers, reranker, tmp_path):
    """Several pieces are under way at once; the file has them in order."""
    source = tmp_path / "pairs.parquet"
    tiny_set(8).pairs.to_parquet(source, index=False)
    for name, engine in (("ray", workers), ("local", "local")):
        options = {"store": Store(tmp_path / name), "engine": engine, "pairs": 6}
        score_file(source, reranker, FORMATS, out=tmp_path / f"{name}.parquet", **options)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()


def test_a_worker_that_is_killed_loses_nothing(workers, reranker):
    """Its process gets a kill -9 once a batch is answered, with others before it."""
    one, width = as_format("float32"), 30
    batches = [
        reranker.batch({"input_ids": [np.full(width, number)], "token_type_ids": [np.zeros(width)]})
        for number in range(40)
    ]
    answers = workers.answers(one, batches)
    found = [next(answers)]
    (pool,) = workers._pools.values()
    before = pool.processes()
    os.kill(before[0], signal.SIGKILL)
    found += answers
    for logits, alone in zip(found, Here(reranker).answers(one, batches), strict=True):
        np.testing.assert_array_equal(logits, alone)
    after = pool.processes()
    assert before[0] not in after
    assert before[1] in after


def test_a_pair_that_makes_the_network_return_nan_is_named_and_the_rest_kept(
    workers, reranker, tmp_path
):
    """Its batch has others, which are kept as they are."""
    pairs, store = tiny_set().pairs, Store(tmp_path)
    pairs.loc[3, "passage"] = f"der zug {POISON}"
    options = {"batch_tokens": 200, "progress": False}
    with pytest.raises(InputError) as caught:
        score(
            from_pairs("bad", pairs), reranker, ["float32"], store=store, engine=workers, **options
        )
    message = str(caught.value)
    assert "1 of 24 logits" in message
    assert "(query, passage): 'q0', 'p3': nan in float32; in float32 the first nan comes" in message
    assert "comes out of bert.embeddings.word_embeddings" in message
    (kept,) = store.folder.rglob("logits.parquet")
    found = pd.read_parquet(kept)["logit"].to_numpy()
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]
    lost = np.isnan(found)
    alone = score(
        from_pairs("rest", pairs[~lost].reset_index(drop=True)),
        reranker,
        ["float32"],
        deterministic=True,
        progress=False,
    )
    np.testing.assert_allclose(found[~lost], alone["logit"], rtol=1e-4)


def test_a_machine_that_would_give_other_bits_is_refused(workers, reranker, monkeypatch):
    one = as_format("float16")
    (pool,) = workers._pools.values()
    inputs = reranker.batch(reranker.tokens(["der zug"], ["ein rad"], 20))
    other = {**workers.facts(one), "libraries": {"torch": "1.0"}}
    with pytest.raises(InputError, match=r"would give other bits .*libraries {'torch': '1.0'} and"):
        pool.get(pool.send("answer", one, other, inputs))
    workers.check_alike([one])
    monkeypatch.setattr(Here, "facts", lambda self, forward_format: other)
    with pytest.raises(InputError, match="workers would give other bits than this machine"):
        workers.check_alike([one])


def test_machines_have_room_for_whole_workers():
    nodes = [
        {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 7.0}},
        {"Alive": True, "Resources": {}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    assert _places(nodes, {"CPU": 4}) == 5
    assert _places(nodes, {"GPU": 1}) == 2
    assert _places(nodes, {"CPU": 32}) == 0


def test_a_worker_that_is_too_wide_is_an_error(reranker):
    wide = Cluster(reranker, threads=999)
    with pytest.raises(InputError, match="no machine of the cluster has 999 CPUs"):
        wide.facts(as_format("float32"))
    wide.close()


def test_a_driver_that_is_killed_goes_on_where_it_was(workers, reranker, tmp_path):
    """The head dies with it; another cluster takes the rest."""
    process = started(SLOWLY, reranker.folder, tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/shard-00001.parquet")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    (place,) = tmp_path.iterdir()
    kept = {file: file.stat().st_mtime_ns for file in place.glob("shard-*.parquet")}
    assert 1 < len(kept) < 6
    options = {"batch_tokens": 1, "progress": False}
    found = score(
        tiny_set(), reranker, ["float32"], store=Store(tmp_path), engine=workers, **options
    )
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    here = score(tiny_set(), reranker, ["float32"], **options)
    pd.testing.assert_frame_equal(found, here, check_exact=True)
