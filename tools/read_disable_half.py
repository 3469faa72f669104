"""Read from Infinity's releases what became of INFINITY_DISABLE_HALF.

    python tools/read_disable_half.py

Downloads the wheels of the versions below with pip, parses their cross-encoder and writes
``data/engines/disable_half.json``: for each version whether the variable is *advertised* (named
anywhere, in a log message for instance), whether the environment is *read* for it, and whether it
*works*: the condition in front of the cast to float16 is evaluated as it stands, for a CUDA device,
with the variable and without, and must change.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from record_engines import write_json

from analysis.recordings import FOLDER

VARIABLE = "INFINITY_DISABLE_HALF"
MODULE = "infinity_emb/transformer/crossencoder/torch.py"
# Both sides of every change, and what people run between and after them.
VERSIONS = [
    f"0.0.{patch}" for patch in (11, 12, 13, 20, 26, 27, 32, 33, 40, 45, 46, 52, 61, 62, 68, 69, 78)
]


def read(version: str, source: str) -> dict[str, Any]:
    """What one version's cross-encoder does with the variable."""
    tree = ast.parse(source)
    lookups = [node for node in ast.walk(tree) if looks_up(node)]
    conditions = [
        node.test
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and any(map(looks_up, ast.walk(node.test)))
    ]
    return {
        "version": version,
        "advertised": VARIABLE in source,
        "read": bool(lookups),
        "works": any(map(works, conditions)),
        "condition": ast.unparse(conditions[0]) if conditions else None,
    }


def looks_up(node: ast.AST) -> bool:
    """Tell whether a node asks ``os.environ`` for the variable."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("os.environ.get", "os.getenv")
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == VARIABLE
    )


def works(condition: ast.expr) -> bool:
    """Tell whether setting the variable keeps a network on CUDA from being cast."""
    return holds(condition, {}) and not holds(condition, {VARIABLE: "1"})


def holds(condition: ast.expr, environ: dict[str, str]) -> bool:
    """Evaluate the condition of Infinity's constructor for a network on a CUDA device."""
    device = torch.device("cuda", 0)
    names = {
        "self": SimpleNamespace(model=SimpleNamespace(device=device), _target_device=device),
        "os": SimpleNamespace(environ=environ),
    }
    code = compile(ast.Expression(condition), MODULE, "eval")
    return bool(eval(code, {"__builtins__": {}}, names))


def cross_encoder(version: str, folder: Path) -> str:
    """Source of a version's cross-encoder, from its wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*command, f"infinity-emb=={version}"], check=True)
    (wheel,) = Path(folder).glob(f"infinity_emb-{version}-*.whl")
    with zipfile.ZipFile(wheel) as files:
        return files.read(MODULE).decode("utf-8")


def main() -> None:
    """Read every version and write what was found."""
    with tempfile.TemporaryDirectory() as folder:
        found = [read(version, cross_encoder(version, Path(folder))) for version in VERSIONS]
    write_json(FOLDER / "disable_half.json", found)


if __name__ == "__main__":
    main()
