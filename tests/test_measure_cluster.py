"""The simulation behind the capacity table, where its answer is known."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture(scope="module")
def tool():
    file = Path(__file__).parent.parent / "tools" / "measure_cluster.py"
    spec = importlib.util.spec_from_file_location("measure_cluster", file)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["measure_cluster"] = module  # where its dataclasses look for their names
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def costs(tool):
    """Batches of ten pairs that take a second each, and a driver that takes no time."""
    return tool.Costs(start=0.0, pair=0.0, batch=0.0, network=(1.0,), per_batch=10)


def test_workers_that_never_wait_share_the_work(tool, costs):
    for workers in (1, 2, 8):
        found = tool.simulated(8_000, workers, costs, piece=1_000)
        assert found.seconds == pytest.approx(800 / workers, rel=0.05)
        assert found.busy == pytest.approx(1, rel=0.05)


def test_a_slow_driver_is_what_a_set_takes(tool, costs):
    slow = replace(costs, pair=0.5, batch=2.0)
    found = tool.simulated(1_000, 64, slow, piece=100)
    assert found.seconds == pytest.approx(1_000 * 0.5 + 100 * 2.0, rel=0.01)
    assert found.busy == pytest.approx(100 / (64 * found.seconds), rel=0.01)


def test_the_start_and_the_last_piece_count(tool, costs):
    assert tool.simulated(10, 4, replace(costs, start=7.0)).seconds == 8
    assert tool.simulated(50, 4, costs).seconds == 2  # five batches on four workers


def test_more_workers_take_no_longer(tool, costs):
    real = replace(costs, pair=1e-3, batch=5e-3, network=(0.5, 1.0, 2.0), start=5.0)
    taken = [tool.simulated(100_000, workers, real).seconds for workers in (1, 2, 4, 8, 64, 512)]
    assert taken == sorted(taken, reverse=True)


def test_copies_have_whole_texts_and_queries_of_their_own(tool):
    pairs = tool.copies(2_000)
    assert len(pairs) == 2_000
    assert not pairs.duplicated(["query_id", "passage_id"]).any()
    assert set(pairs["passage"]) == set(pairs["passage"].head(945))
