"""Answers and small sites for the tests of reports: made logits, tiny notebooks."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from analysis.datasets import from_pairs
from analysis.reporting.answer import Answer
from analysis.scorepath import ScorePath

PARAMETERS = ("model", "data", "dtypes", "formats", "loading", "your_path")
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
FLOAT16 = ScorePath("float16", "stepwise", "float16", "float16", name="half")


def answer_of(logits: pd.DataFrame, path: ScorePath = FLOAT16) -> Answer:
    """An answer for logits; texts and times are made up."""
    ids = logits.loc[logits["forward_dtype"] == "float32", ["query_id", "passage_id", "grade"]]
    candidates = from_pairs("made", ids.assign(query="wo", passage="Wald").reset_index(drop=True))
    reranker = SimpleNamespace(
        name="model",
        revision=None,
        length=512,
        device=torch.device("cpu"),
        identity=lambda: {"weights": {"model.safetensors": 64 * "a"}},
    )
    speed = pd.DataFrame(
        {
            "forward_dtype": list(dict.fromkeys([path.forward_dtype, "float32"])),
            "pairs": 10,
            "weight_bytes": 10**8,
            "peak_bytes": 2 * 10**8,
        }
    ).assign(seconds=lambda frame: [0.1, 0.3][-len(frame) :])
    speed = speed.assign(fastest=speed["seconds"], slowest=speed["seconds"])
    return Answer(candidates, reranker, path, logits, speed)


def write_notebook(folder: Path, name: str, *sources: str, background: bool = False) -> Path:
    """A notebook that takes what reports give to it."""
    first = new_markdown_cell(f"# {name} <&>\n\n**Question.** A fact. How many in 0.5? And so.\n")
    first.metadata["tags"] = ["background"] if background else []
    parameters = "\n".join(f"{name} = None" for name in PARAMETERS)
    cells = [first, new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def write_set(file: Path, text: str = "", *, graded: bool = True, queries: int = 4) -> Path:
    """A set of queries with six candidates each; ``text`` is part of every id and text of it."""
    lines = []
    for q in range(queries):
        candidates = [
            {
                "passage_id": f"p{c}{text}",
                "text": f"{'wald brot rad '[: 3 * c + 2]} neu {text}",
                **({"grade": c % 3} if graded else {}),
            }
            for c in range(6)
        ]
        query = {"query_id": f"q{q}{text}", "query": f"wie {'zug ' * q}{text}"}
        lines.append({**query, "candidates": candidates})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file
