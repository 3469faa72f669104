"""Run every engine on the German set and record what it returned: `make engines`.

    python tools/record_engines.py [--queries N] [--out data/engines]

Writes ``engines.parquet`` (a row per run and pair), ``runs.json`` (what each run was),
``trust_remote_code.json`` and the table of runs in ``README.md``. The model is the demo reranker,
saved as an ordinary checkpoint. Answers of engines are kept in ``build/engines/answers`` under a
hash of everything that went into them, so a recording that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from demo_card import fill, table
from engine_runs import ENVIRONMENTS, RUNNERS, RUNS, TRUST_REMOTE_CODE, EngineRun

from analysis.checkpoints import ADAPTER_FILES, sha256_of
from analysis.datasets import RerankingSet
from analysis.devices import describe
from analysis.models import load
from analysis.readers import load_german
from analysis.recordings import COLUMNS, FOLDER

BATCH_SIZE = 32
THREADS = 2
COMMAND = "make engines"

Json = dict[str, Any]


def request_of(dataset: RerankingSet, model: Path, forward_dtype: str, n_queries: int) -> Json:
    """What a runner is asked (``tools/engines/interface.py``), for the set's first queries."""
    queries = [
        {
            "query_id": query_id,
            "query": rows["query"].iloc[0],
            "candidates": [
                {"passage_id": row.passage_id, "text": row.passage} for row in rows.itertuples()
            ],
        }
        for query_id, rows in dataset.pairs.groupby("query_id", sort=False)
    ]
    return {
        "model": str(model),
        "forward_dtype": forward_dtype,
        "batch_size": BATCH_SIZE,
        "threads": THREADS,
        "queries": queries[:n_queries],
    }


def answer_of(run: EngineRun, request: Json, weights: str) -> Json:
    """What an engine answers to a request; kept, and read again while nothing has changed."""
    digest = hashlib.sha256(json.dumps([repr(run), request, weights]).encode())
    for file in sorted(RUNNERS.rglob("*.*")):
        if file.suffix in (".py", ".txt"):
            digest.update(file.read_bytes())
    kept = ENVIRONMENTS / "answers" / f"{digest.hexdigest()}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        asked, answered = kept.with_suffix(".request"), kept.with_suffix(".answer")
        asked.write_text(json.dumps(request, ensure_ascii=False), "utf-8")
        threads = {"OMP_NUM_THREADS": str(request["threads"])}
        run.environment.run(run.runner, asked, answered, settings=threads)
        answered.rename(kept)
        asked.unlink()
    return json.loads(kept.read_text("utf-8"))


def recorded(dataset: RerankingSet, n_queries: int) -> Iterator[tuple[pd.DataFrame, Json]]:
    """Yield each run's rows, and what the run was."""
    model = load("demo").save_merged(ENVIRONMENTS / "model")
    weights = sha256_of(model / "model.safetensors")
    for run in RUNS:
        for dtype in run.dtypes:
            print(run.engine, run.version, run.api, dtype, flush=True)
            answer = answer_of(run, request_of(dataset, model, dtype, n_queries), weights)
            named = {
                "engine": run.engine,
                "version": run.version,
                "api": run.api,
                "forward_dtype": dtype,
            }
            rows = pd.DataFrame(answer["rows"]).assign(**named)
            for column in ("logit", "score"):
                rows[column] = rows[column].map(float.fromhex)
            rows["rank"] = rows["rank"].astype("Int64")
            yield rows[list(COLUMNS)], {**named, **answer["facts"], "versions": answer["versions"]}


def about(dataset: RerankingSet, n_queries: int) -> Json:
    """What all runs share: the model, the data and the machine."""
    adapter = load("demo").adapter
    described = describe(torch.device("cpu"))
    return {
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpu": described["name"],
        "cpu_capability": described["capability"],
        "settings": described["settings"],
        "threads": THREADS,
        "batch_size": BATCH_SIZE,
        "data": {"name": dataset.name, "sha256": dataset.sha256, "queries": n_queries},
        "adapter": {name: sha256_of(adapter / name) for name in ADAPTER_FILES},
    }


def trust_remote_code() -> list[Json]:
    """Infinity's double pass of ``trust_remote_code``: as it failed, and as it was mended."""
    answers = []
    for environment in TRUST_REMOTE_CODE:
        answer = ENVIRONMENTS / "answers" / "trust_remote_code.answer"
        environment.run("run_trust_remote_code.py", ENVIRONMENTS / "model", answer, settings={})
        answers += json.loads(answer.read_text("utf-8"))
    return answers


def runs_text(shared: Json, runs: list[Json]) -> str:
    """The card's section on the runs."""
    rows = [
        [
            f"{run['engine']} {run['version']}",
            run["api"],
            run["forward_dtype"],
            run["attention"],
            *[run["versions"][name] for name in ("torch", "transformers", "numpy")],
        ]
        for run in runs
    ]
    head = ["engine", "interface", "forward dtype", "attention", "torch", "transformers", "NumPy"]
    facts = [
        ["recorded on", shared["date"]],
        ["by", f"`{shared['command']}`, Python {shared['python']}"],
        ["CPU", f"{shared['cpu']}, {shared['cpu_capability']}, {shared['threads']} threads"],
        ["queries", f"the first {shared['data']['queries']} of the German set"],
        ["largest batch", f"{shared['batch_size']} pairs, of one query"],
        *[
            [f"SHA-256 of `{name}`", f"`{digest}`"]
            for name, digest in sorted(shared["adapter"].items())
        ],
    ]
    return f"{table(['', ''], facts)}\n\n{table(head, rows)}"


def main() -> None:
    """Record everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, help="only the first ones, to try it out")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    dataset = load_german()
    n_queries = args.queries or dataset.n_queries
    frames, runs = zip(*recorded(dataset, n_queries), strict=True)
    shared = about(dataset, n_queries)
    args.out.mkdir(parents=True, exist_ok=True)
    pd.concat(frames, ignore_index=True).to_parquet(
        args.out / "engines.parquet", index=False, compression="zstd"
    )
    write_json(args.out / "runs.json", {**shared, "runs": list(runs)})
    write_json(args.out / "trust_remote_code.json", trust_remote_code())
    fill(args.out / "README.md", "runs", runs_text(shared, list(runs)))


def write_json(file: Path, content: Json | list[Json]) -> None:
    """Write JSON for people and programs."""
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
