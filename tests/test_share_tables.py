"""The tables that simulations write into pages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "share_tables.py"


def test_a_table_takes_the_place_of_the_one_after_its_mark_alone(tmp_path):
    spec = importlib.util.spec_from_file_location("share_tables", TOOL)
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    page = tmp_path / "page.md"
    other = f"<!-- other -->\nkept\n{tables.END}"
    page.write_text(f"before\n<!-- mark -->\nold\n{tables.END}after\n{other}")
    shares = {"one": {"wrong": 0.0, "decided": 0.5}, "two": {"wrong": 0.001, "decided": 1.0}}
    for _ in range(2):
        tables.write_table(page, "<!-- mark -->\n", "7 lists", "scores", shares)
    assert page.read_text() == (
        "before\n<!-- mark -->\n7 lists\n\n| scores | wrong | decided |\n|---|---:|---:|\n"
        f"| one | 0.00% | 50.00% |\n| two | 0.10% | 100.00% |\n{tables.END}after\n{other}"
    )
