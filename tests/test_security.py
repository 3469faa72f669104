"""The page on security keeps its word: every line is held by tests that exist."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from sites import PARAMETERS, write_notebook

from analysis import prompts

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
HELD = re.findall(r"^\| (.*) \| (.*) \| (.*) \| (.*) \|$", PAGE, re.M)[1:]
FLOORS = re.findall(r"^\| (\w+) \| ([\d.]+) \| (.*CVE-.*) \|$", PAGE, re.M)
TEST = re.compile(r"`(tests/test_\w+\.py)::(test_\w+)`")


@cache
def names_in(file: str) -> set[str]:
    """Names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", HELD, ids=lambda row: f"{row[0]}: {row[1]}"[:60])
def test_every_line_is_held_by_tests_that_exist(row):
    held = TEST.findall(row[-1])
    assert held
    assert all(name in names_in(file) for file, name in held)
    assert TEST.sub("", row[-1]).replace(",", "").split() == []


def test_nothing_that_comes_from_outside_is_left_out():
    assert {row[0] for row in HELD} >= {
        *("texts, ids, names", "data files", "archives", "checkpoints", "GGUF files"),
        *("servers", "kept files", "kept networks", "packages"),
    }


def parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_no_floor_is_below_a_known_weakness():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    floors = {name: floor for name, floor, _ in FLOORS}
    given = dict(re.findall(r"(\w+)>=([\d.]+)", " ".join(project["dependencies"])))
    given["jinja2"] = prompts.SANDBOX
    assert floors == {name: given[name] for name in floors} != {}
    for name, floor, because in FLOORS:
        fixed = re.findall(r"fixed in ([\d.]+\d)", because)
        assert all(parts(floor) >= parts(version) for version in fixed), name


HOSTILE = (
    "'''\"\"\"\n__import__('os').system('touch {canary}')\n#\\'); open('{canary}', 'w') #{{}}\x00"
)


def test_what_a_notebook_is_given_is_a_value(tmp_path):
    path = write_notebook(tmp_path, "01_own", "1")
    hostile = HOSTILE.replace("{canary}", str(tmp_path / "canary"))
    given = dict.fromkeys(PARAMETERS, hostile) | {"loading": {hostile: [hostile]}}
    notebook = parameterize_notebook(load_notebook_node(str(path)), given)
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert {name: names[name] for name in PARAMETERS} == given
    assert not (tmp_path / "canary").exists()
