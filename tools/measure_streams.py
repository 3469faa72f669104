"""Measure memory and time of what is larger than memory.

    python tools/measure_streams.py [LARGEST]

Writes the tables of ``docs/scale.md``. LARGEST is the most stored scores, 100,000,000 unless said
otherwise; a tenth of it is the most pairs that are compared, a hundredth the most that are scored.
Each measurement is a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import datetime
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from tiny_checkpoints import WORDS, write_checkpoint

from analysis.auditing import audit, compare
from analysis.counting import effects
from analysis.devices import describe
from analysis.engines import path_of
from analysis.models import load
from analysis.store import Store
from analysis.streaming import score_file

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "scale.md"
FOLDER = ROOT / "build" / "streams"
BEGIN, END = "<!-- made by tools/measure_streams.py -->\n", "<!-- end -->\n"
PASSAGES = 100
AT_ONCE = 100_000
PATH = "forward=float32,sigmoid=stepwise,activation=float16"
OTHER = "forward=float32"
PLAIN = """
    SELECT sum(ones), avg(mean), avg(different) FROM (
        SELECT count(*) FILTER (logit > 8) AS ones, avg(logit) AS mean,
               count(DISTINCT logit) AS different
        FROM '{file}' GROUP BY query_id)
"""


def write_rows(file: Path, rows: int, columns: Callable[[np.random.Generator, int], dict]) -> None:
    """Write a file of ``rows`` rows, some at a time, each with a seed of its own; once."""
    if file.exists():
        return
    writer = None
    part = file.with_suffix(".part")
    for first in range(0, rows, AT_ONCE):
        number = np.arange(first, min(first + AT_ONCE, rows))
        ids = {"query_id": [f"q{n // PASSAGES:08}" for n in number]}
        ids["passage_id"] = [f"p{n % PASSAGES}" for n in number]
        table = pa.table(ids | columns(np.random.default_rng(first), len(number)))
        writer = writer or pq.ParquetWriter(part, table.schema)
        writer.write_table(table)
    writer.close()
    part.replace(file)


def logits(generator: np.random.Generator, n: int) -> dict:
    """Logits of a reranker that likes some passages, and grades."""
    grade = generator.integers(0, 4, n)
    logit = generator.normal(-2, 3, n).astype(np.float32).astype(np.float64) + 2 * grade
    return {"grade": grade, "forward_dtype": ["float32"] * n, "logit": logit}


def scores(path: str) -> Callable[[np.random.Generator, int], dict]:
    """What makes scores of a path over the same logits."""

    def of(generator: np.random.Generator, n: int) -> dict:
        """Scores alone."""
        chosen = path_of(path)
        return {"score": chosen.scores(chosen.logits(logits(generator, n)["logit"]))}

    return of


def texts(generator: np.random.Generator, n: int) -> dict:
    """Short texts of a few words; a query's text is the same for all of its passages."""
    words = np.array(WORDS)
    passages = [" ".join(words[row]) for row in generator.integers(0, len(words), (n, 8))]
    return {"query": ["wie ein zug"] * n, "passage": passages}


def count_effects(rows: int) -> dict[str, float]:
    """Count the effects of a path over stored logits."""
    (found,) = effects(FOLDER / f"logits-{rows}.parquet", PATH).to_dict("records")
    return {"ones": int(found["ones"])}


def audit_scores(rows: int) -> dict[str, float]:
    """Audit a file of scores."""
    return {"saturated": audit(scores=FOLDER / f"scores-{rows}.parquet").saturated}


def compare_scores(rows: int) -> dict[str, float]:
    """Compare it with the scores of another path."""
    files = (FOLDER / f"{name}-{rows}.parquet" for name in ("scores", "others"))
    return {"pairs": compare(*files).rankings.candidates}


def aggregate(rows: int) -> dict[str, float]:
    """Aggregate the same file in DuckDB, on one thread as everybody here."""
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.sql(PLAIN.format(file=FOLDER / f"logits-{rows}.parquet")).fetchall()
    return {}


def score_pairs(rows: int) -> dict[str, float]:
    """Score a set with a narrow network and keep its logits."""
    model = load(str(FOLDER / "model"), device="cpu")
    store = Store(FOLDER / f"store-{time.time_ns()}")
    out = FOLDER / "out.parquet"
    file = FOLDER / f"pairs-{rows}.parquet"
    return {"rows": score_file(file, model, ["float32"], out=out, store=store, progress=False)}


WORK = {
    work.__name__: work
    for work in (count_effects, aggregate, score_pairs, audit_scores, compare_scores)
}


def measured(work: Callable[[int], dict], rows: int) -> dict[str, float]:
    """Time and peak memory of some work, in a process of its own."""
    command = [sys.executable, __file__, "work", work.__name__, str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def do(name: str, rows: int) -> None:
    """Do some work and print what it took."""
    begin = time.perf_counter()
    WORK[name](rows)
    taken = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": taken, "peak": peak}))


def growth(frame: pd.DataFrame) -> str:
    """How memory grows from the fewest rows to the most, and how straight time does."""
    rise = frame["peak"].iloc[-1] - frame["peak"].iloc[0]
    straight = np.corrcoef(frame["rows"], frame["seconds"])[0, 1] ** 2
    return f"Memory rises by {rise:,.0f} MB; R² of a straight line of seconds: {straight:.5f}."


def table(frame: pd.DataFrame, of: str) -> str:
    """A table of one kind of work in Markdown."""
    headings = {"rows": of, "seconds": "seconds", "peak": "peak memory, MB"}
    headings["ratio"] = "times DuckDB's"
    columns = [name for name in headings if name in frame]
    lines = [" | ".join(headings[name] for name in columns), "|".join(["---:"] * len(columns))]
    form = {"rows": "{:,.0f}", "seconds": "{:.1f}", "peak": "{:,.0f}", "ratio": "{:.1f}"}
    for row in frame[columns].to_dict("records"):
        lines.append(" | ".join(form[name].format(value) for name, value in row.items()))
    return "\n".join(f"| {line} |" for line in lines)


def main(largest: int) -> None:
    """Measure everything; the page's tables are written as they are measured."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_checkpoint(FOLDER / "model", num_hidden_layers=1, hidden_size=16, intermediate_size=16)
    tables = []
    for part in (scored_pairs, counted_effects, audited_scores, compared_scores):
        tables += part(largest)
        write_page(tables)


def scored_pairs(largest: int) -> list[str]:
    """Scoring, tokenising included."""
    sizes = [largest // 10_000, largest // 1_000, largest // 200, largest // 100]
    for rows in sizes:
        write_rows(FOLDER / f"pairs-{rows}.parquet", rows, texts)
    return tables_of(
        pd.DataFrame([measured_at(score_pairs, rows) for rows in sizes]), "pairs scored"
    )


def counted_effects(largest: int) -> list[str]:
    """Saturation, ties and measures, beside a plain aggregation of the same file."""
    found = []
    for rows in (largest // 100, largest // 10, largest):
        write_rows(FOLDER / f"logits-{rows}.parquet", rows, logits)
        ours, plain = measured_at(count_effects, rows), measured_at(aggregate, rows)
        found.append({**ours, "ratio": ours["seconds"] / plain["seconds"]})
    return tables_of(pd.DataFrame(found), "stored scores")


def audited_scores(largest: int) -> list[str]:
    """An audit of stored scores."""
    return of_stored_scores(audit_scores, largest, "scores audited", {"scores": PATH})


def compared_scores(largest: int) -> list[str]:
    """Two files of scores compared."""
    both = {"scores": PATH, "others": OTHER}
    return of_stored_scores(compare_scores, largest // 10, "pairs compared", both)


def of_stored_scores(
    work: Callable[[int], dict], most: int, of: str, paths: dict[str, str]
) -> list[str]:
    """Some work on scores of paths, by the names of their files."""
    found = []
    for rows in (most // 100, most // 10, most):
        for name, path in paths.items():
            write_rows(FOLDER / f"{name}-{rows}.parquet", rows, scores(path))
        found.append(measured_at(work, rows))
    return tables_of(pd.DataFrame(found), of)


def measured_at(work: Callable[[int], dict], rows: int) -> dict[str, float]:
    """What so many rows took."""
    return {"rows": rows, **measured(work, rows)}


def tables_of(frame: pd.DataFrame, of: str) -> list[str]:
    """A table, and how it grows."""
    return [table(frame, of), growth(frame)]


def write_page(tables: list[str]) -> None:
    """Write the tables, and on what machine they were measured, into the page."""
    cpu = describe(torch.device("cpu"))["name"]
    machine = f"{cpu}, Python {platform.python_version()}, {datetime.date.today()}."
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    made = "\n\n".join([*tables, machine])
    PAGE.write_text(before + BEGIN + made + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        do(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000)
