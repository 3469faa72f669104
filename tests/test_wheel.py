"""The wheel, installed away from the checkout: it brings what it needs, and keeps to what it has.

The packages it depends on are those of this environment, and no others. That
requirements-audit.txt is enough for a real environment of its own takes an index and a minute:
``make test-wheel`` asks for that, and for a page, with RERANK_PRECISION_WHEEL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from analysis.places import CHECKOUT

slow = pytest.mark.skipif(
    "RERANK_PRECISION_WHEEL" not in os.environ, reason="takes a minute: make test-wheel"
)
MEGABYTE = 1_000_000
SCORES = "query_id,passage_id,score\nq1,a,1.0\nq1,b,1.0\nq2,a,0.5\nq2,b,0.25048828125\n"

AUDIT = CHECKOUT / "requirements-audit.txt"


def run(*command: object, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run a command in a folder as a user would who has no checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env = kept | {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONIOENCODING": "utf-8"} | variables
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def printed(result: subprocess.CompletedProcess) -> str:
    """Return what a command that went well printed."""
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The built wheel; nothing is downloaded for it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    printed(run(*pip, "--wheel-dir", folder / "dist", CHECKOUT, folder=folder))
    (built,) = (folder / "dist").iterdir()
    return built


def environment(folder: Path, wheel: Path) -> Path:
    """Make an environment with the wheel and nothing else; returns the folder of its programs."""
    printed(run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder))
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    printed(run(*pip, wheel, folder=folder))
    return python.parent


def with_packages(folder: Path, wheel: Path, names: Iterable[str]) -> Path:
    """Make an environment with the wheel and links to some packages of this environment."""
    programs = environment(folder, wheel)
    (site,) = (folder / "venv" / "lib").glob("*/site-packages")
    for name in names:
        package = distribution(name)
        for top in {file.parts[0] for file in package.files} - {".."}:
            if not (site / top).exists():
                (site / top).symlink_to(package.locate_file(top))
    return programs


@pytest.fixture(scope="module")
def programs(wheel, lock, tmp_path_factory) -> Path:
    """Programs of an environment with the wheel and what it requires, as pip would install it."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [Requirement(line).name for line in project["dependencies"]]
    assert len(names) <= 16
    return with_packages(tmp_path_factory.mktemp("base"), wheel, lock.closure(names))


@pytest.fixture(scope="module")
def auditor(wheel, tmp_path_factory) -> Path:
    """Programs of an environment with the wheel and what requirements-audit.txt lists."""
    names = [line.partition("==")[0] for line in AUDIT.read_text(encoding="utf-8").splitlines()]
    return with_packages(tmp_path_factory.mktemp("audit"), wheel, names)


@pytest.fixture
def scores(tmp_path) -> Path:
    file = tmp_path / "scores.csv"
    file.write_text(SCORES)
    return file


def test_wheel_is_small_and_holds_the_package_alone(wheel):
    assert wheel.stat().st_size < 30 * MEGABYTE
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"analysis", "rerank_precision"}
    for name in (
        "py.typed",
        "reporting/templates/index.html.j2",
        "reporting/templates/site.css",
        "auditing/page.html.j2",
        "commands/example/candidates.jsonl",
        "auditing/audit.schema.json",
        "shipped/german/german.jsonl",
        "shipped/calibration/film_reviews.txt",
        "shipped/engines/engines.parquet",
        "shipped/formats/formats.parquet",
        "shipped/gpu/README.md",
        "shipped/holdouts/holdouts.parquet",
        "shipped/models/demo/adapter_model.safetensors",
        "shipped/models/demo-softened/adapter_model.safetensors",
        "shipped/models/demo-yes-no/1_LogitScore/config.json",
        "shipped/models/demo-yes-no/pair_logits.parquet",
        "shipped/notebooks/01_logit_to_score.ipynb",
    ):
        assert f"analysis/{name}" in names
    assert "analysis/shipped/notebooks/README.md" not in names  # its pictures are not there
    assert not [name for name in names if "training" in name or "__pycache__" in name]


def test_places_are_those_of_the_wheel(programs, tmp_path):
    code = "from analysis import places; print(places.CHECKOUT, places.cache_folder())"
    out = printed(run(programs / "python", "-c", code, folder=tmp_path))
    assert out == f"None {tmp_path / 'cache' / 'rerank-precision'}\n"


def test_every_public_name_is_there(programs, tmp_path):
    code = "import analysis; print([getattr(analysis, name) for name in analysis.__all__])"
    assert "ScorePath" in printed(run(programs / "python", "-c", code, folder=tmp_path))


def test_german_set_is_there(programs, tmp_path):
    out = printed(run(programs / "rerank-precision", "check", "german", folder=tmp_path))
    assert out.startswith("german: 64 queries, 945 pairs")


@pytest.mark.parametrize("command", [("audit", "--scores"), ("fingerprint",)])
def test_scores_are_judged_with_the_packages_of_an_audit_alone(auditor, scores, command):
    out = printed(run(auditor / "rerank-precision", *command, scores, folder=scores.parent))
    assert "cannot tell" in out


def test_the_page_of_an_audit_needs_no_more(auditor, scores):
    page = scores.with_name("audit.html")
    command = ["audit", "--scores", scores, "--html", page]
    printed(run(auditor / "rerank-precision", *command, folder=scores.parent))
    assert "<!DOCTYPE html>" in page.read_text(encoding="utf-8")


def test_measures_need_no_more(auditor, tmp_path):
    code = "from analysis import apply, effects, evaluate, path_of, read; print(path_of)"
    assert "path_of" in printed(run(auditor / "python", "-c", code, folder=tmp_path))


def test_what_is_not_installed_is_named_with_the_remedy(auditor, tmp_path):
    result = run(auditor / "rerank-precision", "audit", "--model", "demo", folder=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert "not installed" in result.stderr
    assert "pip install rerank-precision" in result.stderr


def test_the_demo_model_is_audited(programs, tmp_path):
    """With the logits of the checkout where they are known, else computed into it."""
    store = {"RERANK_PRECISION_STORE": str(CHECKOUT / ".cache" / "logits")}
    command = ["audit", "--model", "demo", "--json", "-"]
    out = printed(run(programs / "rerank-precision", *command, folder=tmp_path, **store))
    assert json.loads(out[out.index("{") :])


def test_a_report_asks_for_its_folder(programs, tmp_path):
    result = run(programs / "rerank-precision", "report", folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--out FOLDER" in result.stderr


REPORT = """
from pathlib import Path

from analysis.reporting.pages import chapter_html, entry
from analysis.reporting.running import Run, notebooks, run_if_changed

run = Run(Path("mine"))
(notebook,) = (path for path in notebooks() if path.stem.startswith("02"))
chapter = run_if_changed(notebook, run)
Path("mine/page.html").write_text(chapter_html(chapter, [entry(chapter)]), encoding="utf-8")
"""


@slow
def test_a_notebook_becomes_a_page(programs, tmp_path):
    """One of the report's: it would take minutes for all."""
    variables = {
        "RERANK_PRECISION_STORE": str(CHECKOUT / ".cache" / "logits"),
        # Templates and the kernel, which Jupyter looks for beside the packages it finds.
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
    }
    printed(run(programs / "python", "-c", REPORT, folder=tmp_path, **variables))
    assert "<figure>" in (tmp_path / "mine" / "page.html").read_text(encoding="utf-8")
    assert list((tmp_path / "mine" / "figures").glob("02_*.svg"))


@slow
def test_requirements_of_an_audit_are_enough(wheel, scores):
    programs = environment(scores.parent, wheel)
    pip = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet"]
    printed(run(*pip, "--no-deps", "--requirement", AUDIT, folder=scores.parent))
    for command in (("audit", "--scores"), ("fingerprint",)):
        out = run(programs / "rerank-precision", *command, scores, folder=scores.parent)
        assert "cannot tell" in printed(out)
