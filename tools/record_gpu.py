"""Record the German set on a GPU, with times and memory: `make gpu`; see ``docs/gpu.md``.

    python tools/record_gpu.py [--device cuda] [--budget 600] [--out data/gpu]

Writes ``logits.parquet``, ``speed.csv`` and ``runs.json``. What is computed is kept in
``build/gpu/kept``, so that a recording that was stopped, or ran out of time, goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pandas as pd
import torch

from analysis import sinks
from analysis.datasets import RerankingSet, from_pairs
from analysis.devices import describe, libraries
from analysis.errors import InputError
from analysis.models import Reranker, load
from analysis.places import replacing
from analysis.readers import load_german
from analysis.scoring import score
from analysis.store import Compute, Logits, Store
from analysis.studies.gpu import ALONE, FOLDER, LOGIT_COLUMNS, SPEED_COLUMNS, TOGETHER
from analysis.timing import measure_speed

BUILD = Path(__file__).parent.parent / "build" / "gpu"
KEPT = BUILD / "kept"
COMMAND = "make gpu"
SECONDS = 600
DTYPES = ("float32", "float16", "bfloat16")
BATCH_SIZES = (1, 4, 64, 256)
"""Pairs; the candidates of one query, fifteen or so, come in between."""
BATCH_TOKENS = {TOGETHER: 8192, ALONE: 1}
"""Tokens of a batch, padding included; a batch of fewer than a pair has is that pair."""
SPEED = "speed"
OVERRIDE = "NVIDIA_TF32_OVERRIDE"

Json = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A forward dtype, whether products of float32 run in TF32, and the attention."""

    forward_dtype: str
    tf32: bool
    attention: str

    def __str__(self) -> str:
        return f"{self.forward_dtype}{' with TF32' * self.tf32}, {self.attention}"

    @contextmanager
    def of(self, reranker: Reranker) -> Iterator[Reranker]:
        """Give the reranker under this setting; torch multiplies float32 by it meanwhile."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        try:
            yield replace(reranker, attention=self.attention)
        finally:
            torch.set_float32_matmul_precision(before)

    def named(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with this setting's three columns."""
        return frame.assign(**asdict(self))


@dataclass(frozen=True)
class Clock:
    """When the time is over, by ``time.monotonic``."""

    end: float

    def check(self) -> None:
        """Raise :class:`TimeoutError` from then on."""
        if monotonic() >= self.end:
            raise TimeoutError("there was no time left for it")


class TimedStore(Store):
    """A store that reads all it has kept, and computes no further batch when the time is over."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder)
        self.clock = clock

    def logits(
        self, key: Json, pairs: pd.DataFrame, batches: list, compute: Compute, *names: Sequence[str]
    ) -> Logits:
        """As :meth:`Store.logits`; raises :class:`TimeoutError`, and whole shards stay."""

        def compute_in_time(wanted: Sequence[int]) -> Iterator[Logits]:
            """Look at the clock before each batch; the first one loads the network."""
            computed = compute(wanted)
            for _ in wanted:
                self.clock.check()
                yield next(computed)

        return super().logits(key, pairs, batches, compute_in_time, *names)


@dataclass(frozen=True)
class Recorder:
    """One set on one reranker's device, as far as the time lasts."""

    dataset: RerankingSet
    reranker: Reranker
    clock: Clock
    kept: Path
    batch_sizes: tuple[int, ...]

    @property
    def settings(self) -> list[Setting]:
        """Every setting that this device and this model have, the model's own attention first."""
        attentions = dict.fromkeys([self.reranker.attention, "eager"])
        device = self.reranker.device
        # GPUs before Ampere have no TF32 and would compute the same again.
        tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        plain = [(dtype, False) for dtype in DTYPES]
        computed = [plain[0], ("float32", True), *plain[1:]] if tf32 else plain
        return [Setting(*how, attention) for attention in attentions for how in computed]

    def logits(self, setting: Setting, batches: str) -> pd.DataFrame:
        """Logits of the whole set, in batches or each pair alone."""
        store, tokens = TimedStore(self.kept / "logits", self.clock), BATCH_TOKENS[batches]
        with setting.of(self.reranker) as own:
            scored = score(
                self.dataset, own, [setting.forward_dtype], batch_tokens=tokens, store=store
            )
        return setting.named(scored.assign(batches=batches))[list(LOGIT_COLUMNS)]

    def speed(self, setting: Setting) -> pd.DataFrame:
        """Time and memory by batch size; measured once, and then read."""
        with setting.of(self.reranker) as own:
            file = self.kept / "speed" / f"{self._speed_digest(own, setting)}.parquet"
            if not file.exists():
                self.clock.check()
                dtypes = [setting.forward_dtype]
                measured = measure_speed(self.dataset, own, dtypes, self.batch_sizes)
                file.parent.mkdir(parents=True, exist_ok=True)
                with replacing(file) as temporary:
                    measured.to_parquet(temporary, index=False)
        return setting.named(pd.read_parquet(file))[list(SPEED_COLUMNS)]

    def _speed_digest(self, own: Reranker, setting: Setting) -> str:
        """Name of everything that a measurement depends on; TF32 is part of the device."""
        key = [own.identity(), own.length, self.dataset.sha256, setting.forward_dtype]
        key += [describe(own.device), libraries(), self.batch_sizes]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()

    def pieces(self) -> Iterator[tuple[str, Setting, Callable[[], pd.DataFrame]]]:
        """Yield what there is to record, what is wanted most first: what, the setting, how."""
        for batches in BATCH_TOKENS:
            for setting in self.settings:
                yield batches, setting, lambda own=setting, how=batches: self.logits(own, how)
        for setting in self.settings:
            yield SPEED, setting, lambda own=setting: self.speed(own)

    def record(self) -> tuple[pd.DataFrame, pd.DataFrame, list[Json]]:
        """Logits, speed, and each piece that is in neither, with the reason.

        A piece that fails, for want of memory for instance, does not keep the others from it.
        """
        frames: dict[str, list[pd.DataFrame]] = {"logits": [], SPEED: []}
        left_out = []
        for what, setting, piece in self.pieces():
            print(f"{setting}, {what}", file=sys.stderr, flush=True)
            try:
                frames[SPEED if what == SPEED else "logits"].append(piece())
            except (TimeoutError, InputError, RuntimeError) as error:
                reason = str(error).strip().partition("\n")[0]
                left_out.append({"what": what, **asdict(setting), "why": reason})
        return (
            _together(frames["logits"], LOGIT_COLUMNS),
            _together(frames[SPEED], SPEED_COLUMNS),
            left_out,
        )


def about(recorder: Recorder, left_out: list[Json], seconds: float) -> Json:
    """What all settings share: the model, the data and the machine; and what is missing."""
    dataset, reranker = recorder.dataset, recorder.reranker
    model = {"name": reranker.name, "max_length": reranker.length, **reranker.identity()}
    del model["attention"]  # of each setting its own
    return {
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": seconds,
        "python": platform.python_version(),
        "versions": libraries(),
        "device": device_facts(reranker.device),
        "model": model,
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "queries": dataset.n_queries,
            "pairs": dataset.n_pairs,
        },
        "batch_tokens": BATCH_TOKENS,
        "left_out": left_out,
    }


def device_facts(device: torch.device) -> Json:
    """What is known of the device, ready for JSON; bytes of its memory, where it is a GPU."""
    described = describe(device)
    del described["float32_matmul"]  # of each setting its own
    if device.type == "cuda":
        found, products = torch.cuda.get_device_properties(device), torch.backends.cuda.matmul
        described |= {
            "capability": f"{found.major}.{found.minor}",
            "memory": found.total_memory,
            "float16_sums_in_float16": products.allow_fp16_reduced_precision_reduction,
            "bfloat16_sums_in_bfloat16": products.allow_bf16_reduced_precision_reduction,
        }
    return described


def first_queries(dataset: RerankingSet, number: int | None) -> RerankingSet:
    """The set of so many queries, its first ones; None: all."""
    if number is None:
        return dataset
    wanted = dataset.pairs["query_id"].drop_duplicates().head(number)
    pairs = dataset.pairs[dataset.pairs["query_id"].isin(wanted)].reset_index(drop=True)
    return from_pairs(dataset.name, pairs)


def write(folder: Path, logits: pd.DataFrame, speed: pd.DataFrame, shared: Json) -> None:
    """Write a recording; ``runs.json`` comes last, so that where it is, the rest is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.json").unlink(missing_ok=True)
    logits.to_parquet(folder / "logits.parquet", index=False, compression="zstd")
    speed.to_csv(folder / "speed.csv", index=False)
    text = json.dumps(shared, indent=1, ensure_ascii=False) + "\n"
    (folder / "runs.json").write_text(text, "utf-8")


def _together(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """The frames as one; an empty one with the columns, if there are none."""
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record everything that fits."""
    parser = argparse.ArgumentParser(description="Record the German set on a GPU.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps or cpu")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--queries", type=int, help="only the first ones, to try it out")
    parser.add_argument("--budget", type=float, default=SECONDS, help="seconds, by default 600")
    parser.add_argument("--out", type=Path, help="by default data/gpu, and for a CPU build/gpu/cpu")
    args = parser.parse_args(arguments)
    clock, started = Clock(monotonic() + args.budget), monotonic()
    if OVERRIDE in os.environ:
        raise SystemExit(f"{OVERRIDE} is set, and would decide over TF32. Unset it.")
    try:
        reranker, dataset = load(args.model, device=args.device), load_german()
        few = first_queries(dataset, args.queries)
        recorder = Recorder(few, reranker, clock, KEPT, BATCH_SIZES)
    except InputError as error:
        raise SystemExit(sinks.terminal(error)) from error
    logits, speed, left_out = recorder.record()
    for piece in left_out:
        print("left out:", sinks.terminal(" ".join(map(str, piece.values()))), file=sys.stderr)
    if logits.empty:
        raise SystemExit("Nothing was recorded.")
    kind = reranker.device.type
    out = args.out or (FOLDER if kind == "cuda" else BUILD / kind)
    write(out, logits, speed, about(recorder, left_out, round(monotonic() - started, 1)))
    print(f"{len(logits)} logits and {len(speed)} measurements are in {out}")


if __name__ == "__main__":
    main()
