"""What the README and docs/ say is so: their Python prints it, the audit says it, links lead on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import run

from analysis.counting import COLUMNS
from analysis.recordings import recording

ROOT = Path(__file__).parent.parent
PAGES = {
    page.name: page.read_text("utf-8") for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
}
EXAMPLES = [
    pytest.param(code, printed, id=f"{name}-{number}")
    for name, text in PAGES.items()
    for number, (code, printed) in enumerate(
        re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.S)
    )
]


def test_all_python_has_its_output_below_it():
    assert len(EXAMPLES) == sum(text.count("```python") for text in PAGES.values()) >= 7


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_the_python_prints_what_stands_below_it(code, printed):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert result.stdout == printed


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """What the audit of the recorded scores prints, without white space at the ends of lines."""
    folder = tmp_path_factory.mktemp("audit")
    scores = recording("infinity", "0.0.32", "float16")[["query_id", "passage_id", "score"]]
    scores.to_csv(folder / "run.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "100")
        result = run("audit", "--scores", "run.csv", "--fail-on", "saturated>0")
    assert result.returncode == 1
    return "\n".join(line.rstrip() for line in result.stdout.splitlines())


@pytest.mark.parametrize("name", ["README.md", "audit.md"])
def test_the_audit_of_recorded_scores_says_what_the_page_says(audited, name):
    """[…] stands for lines left out."""
    (shown,) = re.findall(r"```text\n(Audit of run.csv.*?)```", PAGES[name], re.S)
    for part in shown.split("[…]"):
        assert part.strip() in audited


@pytest.mark.parametrize("name", PAGES)
def test_every_local_link_leads_somewhere(name):
    folder = ROOT if name == "README.md" else ROOT / "docs"
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGES[name])
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_glossary_has_every_column_of_effects_with_its_heading_and_meaning():
    for column, (heading, meaning) in COLUMNS.items():
        row = f"| `{column}` | {heading.format(k='k')} | {meaning.format(k='k')} |"
        assert row in PAGES["glossary.md"]
