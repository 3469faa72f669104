"""Tell whether Infinity loads a reranker, with ``trust_remote_code`` and without.

    python run_trust_remote_code.py MODEL ANSWER

Writes a list with one entry for each of True and False: ``infinity, sentence_transformers,
trust_remote_code, loads, error``. The error is the exception as Python prints it, or null.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from infinity_emb import AsyncEmbeddingEngine, EngineArgs


def attempt(model: str, *, trust_remote_code: bool) -> dict[str, Any]:
    """Load the model once."""
    error = None
    try:
        AsyncEmbeddingEngine.from_args(
            EngineArgs(
                model_name_or_path=model,
                trust_remote_code=trust_remote_code,
                device="cpu",
                bettertransformer=False,
                model_warmup=False,
            )
        )
    except TypeError as raised:
        error = f"{type(raised).__name__}: {raised}"
    return {
        "infinity": version("infinity-emb"),
        "sentence_transformers": version("sentence-transformers"),
        "trust_remote_code": trust_remote_code,
        "loads": error is None,
        "error": error,
    }


if __name__ == "__main__":
    folder, answer = sys.argv[1:]
    attempts = [attempt(folder, trust_remote_code=trust) for trust in (True, False)]
    Path(answer).write_text(json.dumps(attempts), "utf-8")
