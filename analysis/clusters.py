"""Scoring on a Ray cluster: actors that hold the model answer the batches that are planned here.

The driver, which is where the command runs, tokenises, composes batches and writes the store; a
worker loads the model once and is given one batch after another. A worker computes on as many
threads as the driver would, on a GPU if the cluster has any and torch runs the format. What about
a machine can change a logit is asked of the workers, since it is they who compute: alike ones give
the bits that one of them would give alone, and others are refused.

A worker that dies is started again, by Ray, and its batch sent again; a driver that dies finds in
the store what was answered. The package and the model must be at the same place on each machine.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import progress, runtimes
from analysis.answering import Here, Made, Part
from analysis.devices import pick
from analysis.errors import InputError
from analysis.forwardformats import ForwardFormat
from analysis.overflows import Overflow
from analysis.rerankers import Forward, Inputs, Reranker

if TYPE_CHECKING:
    from types import ModuleType

    from ray import ObjectRef
    from ray.actor import ActorHandle

# Actors and not Ray Data: the actors of a Ray Data pipeline live as long as one execution of it,
# and an execution has to know its rows when it begins. Batches are planned a piece and a format at
# a time, each after what is kept was found, so that the model would be loaded for each of them.

_AHEAD = 2
"""Batches that a worker may have before it, so that it does not wait for the driver."""
_PIECES = 3
"""Pieces of a set that are under way at once: one is tokenised while others are answered."""
_RETRIES = 3
"""How often a batch is sent again whose worker died: it may be the batch that kills."""


class Cluster:
    """Workers of a Ray cluster that answer the batches of a reranker.

    It is the cluster that this process is connected to, else the one that ``RAY_ADDRESS`` names or
    that runs on this machine, else one is started here. Networks stay loaded, one per worker and
    format, until :meth:`close`. Raises :class:`InputError` where the extra ``ray`` is missing.
    """

    def __init__(self, reranker: Reranker, *, threads: int, gpus: bool = True) -> None:
        self._ray = _needed()
        self._is_ours = not self._ray.is_initialized()
        _connect(self._ray)
        self._reranker, self._threads = reranker, threads
        self._device = "cuda" if gpus and self._ray.cluster_resources().get("GPU") else "cpu"
        self._pools: dict[str, _Pool] = {}
        self._facts: dict[ForwardFormat, dict[str, Any]] = {}
        self._asking = threading.Lock()
        self._pieces = ThreadPoolExecutor(_PIECES)

    def facts(self, forward_format: ForwardFormat) -> dict[str, Any]:
        """As :class:`~analysis.answering.Answering` says; of the first worker that is there."""
        pool = self._pool(forward_format)
        with self._asking:
            if forward_format not in self._facts:
                with progress.busy("waiting for a worker"):
                    self._facts[forward_format] = pool.get(pool.send("facts", forward_format))
            return self._facts[forward_format]

    def answers(
        self, forward_format: ForwardFormat, batches: Iterable[Inputs]
    ) -> Iterator[NDArray[np.float64]]:
        """As :class:`~analysis.answering.Answering` says; some batches are under way at once.

        Raises :class:`InputError` for a worker that would give other bits, and for a batch at which
        a worker died again and again.
        """
        pool, facts = self._pool(forward_format), self.facts(forward_format)
        sent: deque[ObjectRef] = deque()
        for inputs in batches:
            sent.append(pool.send("answer", forward_format, facts, inputs))
            if len(sent) >= _AHEAD * pool.size:
                yield pool.get(sent.popleft())
        while sent:
            yield pool.get(sent.popleft())

    def locate(self, forward_format: ForwardFormat, inputs: Inputs) -> Overflow | None:
        """As :class:`~analysis.answering.Answering` says."""
        pool = self._pool(forward_format)
        return pool.get(pool.send("locate", forward_format, inputs))

    def each(self, work: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
        """As :class:`~analysis.answering.Answering` says; some parts are under way at once."""
        begun: deque[Future[Made]] = deque()
        for part in parts:
            begun.append(self._pieces.submit(work, part))
            if len(begun) == _PIECES:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()

    def check_alike(self, formats: Sequence[ForwardFormat]) -> None:
        """As :class:`~analysis.answering.Answering` says."""
        for one in formats:
            other = _differences(Here(self._reranker).facts(one), self.facts(one))
            if other:
                raise InputError(
                    f"workers would give other bits than this machine in {one.name}: {other}",
                    "start it on a machine like the workers",
                    field="engine",
                )

    def close(self) -> None:
        """Let the workers go, whatever they do, and the cluster if it was started here."""
        for pool in self._pools.values():
            pool.stop()
        # before the shutdown: a call after it would start another cluster
        self._pieces.shutdown(cancel_futures=True)
        if self._is_ours:
            self._ray.shutdown()

    def _pool(self, forward_format: ForwardFormat) -> _Pool:
        """The workers that run a format; they are started if need be."""
        device = self._device if forward_format.is_torch else "cpu"
        with self._asking:
            if device not in self._pools:
                self._pools[device] = _Pool(self._ray, self._reranker, device, self._threads)
            return self._pools[device]


class _Pool:
    """Workers on devices of one kind; those that come later join when they are there."""

    def __init__(self, ray: ModuleType, reranker: Reranker, device: str, threads: int) -> None:
        # GPUs ask for no CPU, which workers of other formats may hold.
        wanted = {"GPU": 1} if device == "cuda" else {"CPU": threads}
        self.size = _places(ray.nodes(), wanted)
        if not self.size:
            raise InputError(
                f"no machine of the cluster has {threads} CPUs, which a worker has here",
                "set OMP_NUM_THREADS to what a worker is to have, or start the cluster with more",
                field="engine",
            )
        self._ray, self._stopped = ray, False
        self._sending = threading.Lock()
        self._model = ray.put(reranker)  # held here, since a worker that is started again needs it
        kind = ray.remote(max_restarts=-1, max_task_retries=_RETRIES)(_Worker).options(
            num_cpus=wanted.get("CPU", 0), num_gpus=wanted.get("GPU", 0)
        )
        given = (device, threads, torch.get_float32_matmul_precision())
        self._workers = [kind.remote(*given) for _ in range(self.size)]
        self._starting = {worker.process.remote(): worker for worker in self._workers}
        self._before: dict[ActorHandle, set[ObjectRef]] = {}

    def send(self, method: str, *arguments: object) -> ObjectRef:
        """Call the worker that has least before it; waits until there is one."""
        with self._sending:
            if self._stopped:
                raise InputError("the cluster was left", "start again: the store has the rest")
            self._join()
            self._drop_answered()
            worker = min(self._before, key=lambda one: len(self._before[one]))
            sent = getattr(worker, method).remote([self._model], *arguments)
            self._before[worker].add(sent)
            return sent

    def get(self, sent: ObjectRef) -> Any:  # noqa: ANN401
        """What a worker answered; an error of its own is raised as it is."""
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(sent)
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except exceptions.RayActorError as error:
            raise InputError(
                f"a batch ended each worker that it was sent to, {_RETRIES + 1} times",
                "see Ray's logs; it may need more memory than a worker has. What was answered "
                "stays in the store",
                field="engine",
            ) from error

    def processes(self) -> list[int]:
        """Process ids of the workers that are there, each on its own machine."""
        return self._ray.get([worker.process.remote() for worker in self._before])

    def stop(self) -> None:
        """End the workers."""
        self._stopped = True
        for worker in self._workers:
            self._ray.kill(worker)

    def _join(self) -> None:
        """Take up the workers that have started; waits for one where there is none."""
        if not self._starting:
            return
        waiting = list(self._starting)
        number, seconds = (len(waiting), 0) if self._before else (1, None)
        started, _ = self._ray.wait(waiting, num_returns=number, timeout=seconds)
        for one in started:
            self.get(one)
            self._before[self._starting.pop(one)] = set()

    def _drop_answered(self) -> None:
        """Forget what was answered."""
        sent = [one for before in self._before.values() for one in before]
        if sent:
            _, left = self._ray.wait(sent, num_returns=len(sent), timeout=0, fetch_local=False)
            still = set(left)
            self._before = {worker: before & still for worker, before in self._before.items()}


class _Worker:
    """What an actor is: the networks of a reranker, each loaded once.

    Each call brings where the model lies, in a list so that it is fetched once only: what goes
    wrong with it is then the error of a call.
    """

    def __init__(self, device: str, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        self._device = device
        self._loaded: Here | None = None
        self._networks: dict[ForwardFormat, Forward] = {}

    def _here(self, model: list[ObjectRef]) -> Here:
        """The model on this machine."""
        import ray

        if self._loaded is None:
            self._loaded = Here(replace(ray.get(model[0]), device=pick(self._device)))
        return self._loaded

    def process(self) -> int:
        """Number of its process."""
        return os.getpid()

    def facts(self, model: list[ObjectRef], forward_format: ForwardFormat) -> dict[str, Any]:
        """What about this machine can change a logit."""
        return self._here(model).facts(forward_format)

    def answer(
        self,
        model: list[ObjectRef],
        forward_format: ForwardFormat,
        facts: Mapping[str, Any],
        inputs: Inputs,
    ) -> NDArray[np.float64]:
        """Logits of a batch, if this machine is one of which ``facts`` are true."""
        here = self._here(model)
        if forward_format not in self._networks:
            other = _differences(facts, here.facts(forward_format))
            if other:
                raise InputError(
                    f"{platform.node()} would give other bits than the first worker: {other}",
                    "run on machines of one kind",
                    field="engine",
                )
            self._networks[forward_format] = runtimes.forward(here.reranker, forward_format)
        own = {name: values.copy() for name, values in inputs.items()}  # Ray's are read-only
        return self._networks[forward_format](own)

    def locate(
        self, model: list[ObjectRef], forward_format: ForwardFormat, inputs: Inputs
    ) -> Overflow | None:
        """Where in the network a batch first overflows."""
        return self._here(model).locate(forward_format, inputs)


def _needed() -> ModuleType:
    """Ray, without the reports that it sends to its makers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise InputError(
            f"ray cannot be imported ({error})",
            "install the extra: pip install 'rerank-precision[ray]'",
            field="engine",
        ) from error
    return ray


def _connect(ray: ModuleType) -> None:
    """Connect this process to a cluster, unless it is; without one, start one here."""
    if ray.is_initialized():
        return
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises it bare where its processes are slow to start
        raise InputError(
            f"no Ray cluster could be reached or started ({error})",
            "name a running one with RAY_ADDRESS; `ray start --head` starts one",
            field="engine",
        ) from error


def _places(nodes: Iterable[Mapping[str, Any]], wanted: Mapping[str, int]) -> int:
    """How many workers that want such resources the machines of a cluster have room for."""
    return sum(
        min(int(node["Resources"].get(name, 0) // number) for name, number in wanted.items())
        for node in nodes
        if node["Alive"]
    )


def _differences(ones: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """What about two machines differs, in a few words; empty where nothing does."""
    names = [name for name in sorted({*ones, *others}) if ones.get(name) != others.get(name)]
    return "; ".join(f"{name} {ones.get(name)} and {others.get(name)}" for name in names)
