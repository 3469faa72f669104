"""What READMEs and docs/ say is so: their Python prints it, the audit says it, links lead on."""

import re
from pathlib import Path

import pytest
from test_cli import run

import analysis
from analysis.counting import COLUMNS
from analysis.recordings import recording
from analysis.remedies import code_table, remedy_table
from analysis.remedies.networks import network_table
from analysis.reporting.running import notebooks

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
READMES = [README, ROOT / "README.zh-CN.md", ROOT / "README.de.md"]
DOCS = sorted(ROOT.glob("docs/*.md"))
NOTEBOOKS = ROOT / "notebooks" / "README.md"
TEXTS = {page: page.read_text("utf-8") for page in [*READMES, *DOCS, NOTEBOOKS]}
EXAMPLES = [
    pytest.param(code, printed, id=f"{page.name}-{number}")
    for page in [README, *DOCS]
    for number, (code, printed) in enumerate(
        re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXTS[page], re.S)
    )
]
MEGABYTE = 1_000_000


def links(text: str) -> list[str]:
    """Where a page's links and pictures lead to within the project, as they are written."""
    written = re.findall(
        r"""\]\(([^)#\s]+)|(?:src|srcset)="([^"]+)"|^```\{image\} (\S+)""", text, re.M
    )
    return [one for found in written for one in found if one and "://" not in one]


def test_all_python_has_its_output_below_it():
    assert len(EXAMPLES) == sum(TEXTS[page].count("```python") for page in [README, *DOCS]) >= 8


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_the_python_prints_what_stands_below_it(code, printed, capsys):
    exec(code, {})  # in this process, which has loaded already what takes seconds to load
    assert capsys.readouterr().out == printed


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


def test_the_audit_of_recorded_scores_says_what_the_page_says(audited):
    """[…] stands for lines left out."""
    page = TEXTS[ROOT / "docs" / "audit.md"]
    (shown,) = re.findall(r"```text\n(Audit of run.csv.*?)```", page, re.S)
    for part in shown.split("[…]"):
        assert part.strip() in audited


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_every_local_link_and_picture_leads_somewhere(page):
    assert [link for link in links(TEXTS[page]) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", READMES[1:], ids=lambda page: page.name)
def test_a_readme_in_another_language_has_the_same_code_commands_and_links(page):
    blocks = [re.findall(r"```.*?```", TEXTS[one], re.S) for one in (README, page)]
    assert blocks[0] == blocks[1]
    languages = {one.name for one in READMES}
    led = [[link for link in links(TEXTS[one]) if link not in languages] for one in (README, page)]
    assert led[0] == led[1]
    assert set(links(TEXTS[page])) & languages == languages - {page.name}


def test_the_readme_has_two_commands_and_twenty_lines_of_python_at_most():
    assert len(re.findall(r"```sh\n(.*?)```", TEXTS[README], re.S)[0].splitlines()) == 2
    assert len(re.findall(r"```python\n(.*?)```", TEXTS[README], re.S)[0].splitlines()) <= 20


def test_every_page_of_the_documentation_is_in_its_contents():
    index = TEXTS[ROOT / "docs" / "index.md"]
    listed = [
        name
        for names in re.findall(r"```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)```", index, re.S)
        for name in names.split()
    ]
    assert sorted([*listed, "index"]) == [page.stem for page in DOCS]


def test_the_notebooks_are_listed_in_their_order_each_with_a_picture_where_one_is_kept():
    names = [path.stem for path in notebooks()]
    rows = re.findall(
        r'^\|(?: <img src="\.\./figures/(\w+)\.png" .*?>)? \| \[.*?\]\(\./(\w+)\.ipynb\) \| \S',
        TEXTS[NOTEBOOKS],
        re.M,
    )
    assert [name for _, name in rows] == names
    for figure, name in rows:
        kept = {path.stem for path in (ROOT / "figures").glob(f"{name[:2]}_*.png")}
        assert figure in kept or (not figure and not kept)


def test_the_pictures_are_of_three_pages_in_three_ways_and_small():
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [picture.name for picture in pictures] == [
        f"{page}-{screen}.webp"
        for page in ("index", "sheet", "view")
        for screen in ("dark", "light", "phone")
    ]
    assert sum(picture.stat().st_size for picture in pictures) < 1.5 * MEGABYTE


def test_every_remedy_stands_in_its_page_with_its_lines_of_code():
    page = TEXTS[ROOT / "docs" / "what-to-do.md"]
    for row in remedy_table().itertuples(index=False):
        assert f"| {' | '.join(row)} |\n" in page
    for name, repairs, leaves, line in network_table().itertuples(index=False):
        assert f"| {name} | {repairs} | {leaves} | `{line}` |\n" in page
    for engine, lines in code_table().groupby("engine"):
        (block,) = re.findall(rf"### {engine}\n\n```text\n(.*?)```", page, re.S)
        apart = lines.assign(line=lines["line"].str.replace("  # ", "\n# "))  # to be short
        written = [f"# {row.remedy}\n{row.line}\n" for row in apart.itertuples()]
        assert block == "\n".join(written)


def test_the_api_has_every_name_of_the_top():
    api = TEXTS[ROOT / "docs" / "api.md"]
    described = re.findall(r"^\.\. auto\w+:: analysis\.(\w+)$", api, re.M)
    assert set(analysis.__all__) - {"__version__"} <= set(described)


def test_the_owner_whom_nobody_knows_yet_stands_in_one_page_alone():
    files = [*TEXTS, *(ROOT / "binder").iterdir(), ROOT / "docs" / "conf.py", ROOT / "Makefile"]
    named = [file.name for file in files if "OWNER" in file.read_text("utf-8")]
    assert named == ["online.md"]


def test_the_glossary_has_every_column_of_effects_with_its_heading_and_meaning():
    for column, (heading, meaning) in COLUMNS.items():
        row = f"| `{column}` | {heading.format(k='k')} | {meaning.format(k='k')} |"
        assert row in TEXTS[ROOT / "docs" / "glossary.md"]
