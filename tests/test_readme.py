"""The README's Python runs and prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import run

from analysis.recordings import recording

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.S)


def test_all_python_has_its_output_below_it():
    assert len(EXAMPLES) == README.count("```python") >= 2


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_the_python_prints_what_stands_below_it(code, printed):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert result.stdout == printed


def test_the_audit_of_recorded_scores_says_what_the_readme_says(tmp_path, monkeypatch):
    """Line by line but for white space at their ends; […] stands for lines left out."""
    (shown,) = re.findall(r"```text\n(Audit of run.csv.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    scores = recording("infinity", "0.0.32", "float16")[["query_id", "passage_id", "score"]]
    scores.to_csv("run.csv", index=False)
    monkeypatch.setenv("COLUMNS", "100")
    result = run("audit", "--scores", "run.csv", "--fail-on", "saturated>0")
    assert result.returncode == 1
    printed = "\n".join(line.rstrip() for line in result.stdout.splitlines())
    for part in shown.split("[…]"):
        assert part.strip() in printed


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) >= 8
    root = Path(__file__).parent.parent
    missing = [link for link in links if not (root / link).exists()]
    assert missing == []
