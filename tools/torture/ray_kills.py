"""Scoring on a Ray cluster whose driver or workers are killed: the logits of an undisturbed run.

Each run has a cluster of its own with two workers, which ends with its driver. The undisturbed run
is one without Ray.
"""

from __future__ import annotations

import os
import signal
import time
from importlib.util import find_spec
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil

from torture.counts import CannotRunError, Count, Kind
from torture.processes import started
from torture.scoring_kills import Scoring, kill_again, score_tiny

_WORKERS = 2
_KILLS_OF_ONE_RUN = 3
"""A batch is sent again so often."""
_BETWEEN = 0.5
"""A worker is killed within so many seconds after one is there."""
_LONGEST = 300


def score_on_ray(checkpoint: Path, store: Path, logits: Path) -> None:
    """What :func:`score_tiny` does, on a cluster that ends with this process."""
    import ray

    ray.init(address="local", num_cpus=_WORKERS, include_dashboard=False, log_to_driver=False)
    score_tiny(checkpoint, store, logits, "ray")


def kill_driver(times: int, folder: Path) -> Count:
    """The driver is killed again and again, its cluster with it; then another may end."""
    return kill_again(_scoring(folder), times, seed=3)


def kill_workers(times: int, folder: Path) -> Count:
    """Workers are killed, while the driver goes on to its end."""
    scoring, count = _scoring(folder), Count()
    rng = np.random.default_rng(4)
    while count.tried < times:
        place, kills = folder / "killed", min(times - count.tried, _KILLS_OF_ONE_RUN)
        with started(score_on_ray, *scoring.into(place)) as (driver, _):
            count.add(tried=sum(_kill_a_worker(driver, rng) for _ in range(kills)))
            driver.join(_LONGEST)
        if driver.exitcode != 0:
            count.add([f"after kill {count.tried}: status {driver.exitcode}"], tried=0)
        count.add(scoring.differences(place, f"after kill {count.tried}"), tried=0)
    return count


def _scoring(folder: Path) -> Scoring:
    if find_spec("ray") is None:
        raise CannotRunError("the extra ray is not installed")
    return Scoring(folder, score_on_ray)


def _kill_a_worker(driver: BaseProcess, rng: np.random.Generator) -> bool:
    """Kill one at a random moment, if there is one before the driver ends."""
    while driver.exitcode is None and not _workers(driver):
        time.sleep(0.01)
    driver.join(float(rng.uniform(0, _BETWEEN)))
    workers = _workers(driver)
    if not workers:
        return False
    os.kill(int(rng.choice(workers)), signal.SIGKILL)
    return True


def _workers(driver: BaseProcess) -> list[int]:
    """Process ids of the workers of a driver's cluster."""
    found = []
    try:
        for process in psutil.Process(driver.pid).children(recursive=True):
            if process.name().startswith("ray::_Worker"):
                found.append(process.pid)
    except psutil.NoSuchProcess:  # it has just ended
        return []
    return found


KINDS = (
    Kind("kill -9 of a Ray driver", "two workers, which end with it", 10, kill_driver),
    Kind("kill -9 of Ray workers", "up to three a run", 10, kill_workers),
)
