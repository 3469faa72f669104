"""A sample of each kind of torture, and the table that ``make torture`` writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent / "tools"
sys.path.insert(0, str(TOOLS))

from torture import (  # noqa: E402 -- it lies in tools/
    audit_kills,
    damage,
    disks,
    mutations,
    page,
    scoring_kills,
    stored,
)
from torture.counts import CannotRunError, Count, Kind  # noqa: E402

from analysis.store import Store  # noqa: E402

KILLS = (*scoring_kills.KINDS[1:], audit_kills.KINDS[0])
"""test_resume.py kills one process at a time, test_clusters.py what runs on Ray."""
SAMPLES = {**{kind.name: 1 for kind in (*KILLS, damage.KINDS[-1])}, mutations.KINDS[0].name: 300}
QUICK = (*damage.KINDS, *disks.KINDS[:2], mutations.KINDS[0], *KILLS)


@pytest.fixture(autouse=True)
def main_module(monkeypatch):
    """Let ``__main__`` say where it is from, which multiprocessing asks: other tests replace it."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.name)
def test_a_sample_comes_out_right(kind: Kind, tmp_path: Path):
    sample = SAMPLES.get(kind.name, 8)
    try:
        count = kind.run(sample, tmp_path)
    except CannotRunError as error:
        pytest.skip(f"NOT RUN HERE: {error}")
    assert count.tried >= sample
    assert count.wrong == []


def test_wrong_logits_are_counted(tmp_path: Path, monkeypatch):
    """The torture itself can fail: a store that believes every file serves what was swapped."""
    monkeypatch.setattr("analysis.store._Entry._digest", lambda *_: "one for all")
    swapped = damage.damaging(damage.swap)(8, tmp_path)
    assert any("wrong logits were served" in line for line in swapped.wrong)


def test_a_fuzzer_that_does_not_run_is_counted(tmp_path: Path):
    pytest.importorskip("atheris")
    count = mutations.trying("no such subject")(1, tmp_path)
    assert count.tried == 0
    assert "KeyError: 'no such subject'" in count.wrong[0]


def test_an_error_without_a_remedy_is_counted(tmp_path: Path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no room")

    store = Store(tmp_path)
    monkeypatch.setattr(Store, "logits", fail)
    assert list(stored.faults(store, "here")) == ["here: OSError: no room"] * len(stored.KEYS)


def test_rows_take_the_place_of_those_of_their_kinds_alone(tmp_path: Path):
    table = tmp_path / "page.md"
    table.write_text(f"before\n{page.BEGIN}\n{page.END}after\n", encoding="utf-8")
    page.write_rows(table, {"b": ("how", "7", "0")}, ["a", "b", "c"])
    page.write_rows(table, {"a": ("how", "1", "0"), "old": ("", "", "")}, ["a", "b", "c"])
    page.write_rows(table, {"b": ("how", "8", "1")}, ["a", "b", "c"])
    text = table.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(f"{page.END}after\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows == ["| a | how | 1 | 0 |", "| b | how | 8 | 1 |"]


def test_counts_add_up():
    count = Count()
    count.add(["one fault"])
    count.add(tried=3)
    assert (count.tried, count.wrong) == (4, ["one fault"])
