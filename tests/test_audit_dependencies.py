"""The audit of the locked versions says what is known, and never nothing for something unasked."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "audit_dependencies.py"
CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
BAD = {
    "name": "jinja2",
    "version": "3.1.5",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2025-27516"], "fix_versions": ["3.1.6"]}],
}


@pytest.fixture
def audited(monkeypatch, capsys):
    """Run the tool with what pip-audit prints; its status, and what it says."""
    spec = importlib.util.spec_from_file_location("audit_dependencies", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def audit(printed: str, stderr: str = "") -> tuple[int, str]:
        done = SimpleNamespace(stdout=printed, stderr=stderr)
        monkeypatch.setattr(tool.subprocess, "run", lambda *_, **__: done)
        try:
            status = tool.main(["constraints.txt"])
        except SystemExit as ended:
            status = ended.code
        return status, "".join(capsys.readouterr())

    return audit


def known(*dependencies: dict) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_nothing_known_is_status_0(audited):
    assert audited(known(CLEAN)) == (
        0,
        "constraints.txt: no known vulnerability, versions asked about: 1\n",
    )


def test_a_vulnerability_is_named_with_its_fix(audited):
    status, said = audited(known(CLEAN, BAD))
    assert status == 1
    assert said == "constraints.txt: jinja2 3.1.5: PYSEC-1, CVE-2025-27516; fixed in 3.1.6\n"


def test_what_the_index_does_not_know_is_no_clean_bill(audited):
    status, said = audited(known(CLEAN, BAD, *[SKIPPED] * 7))
    assert status == 2
    assert "jinja2 3.1.5" in said
    assert "does not know 7 of 9 versions (torch, torch, torch, torch, torch, …)" in said


@pytest.mark.parametrize("printed", ["", "{}", "<html>"])
def test_an_audit_that_did_not_run_is_status_2(audited, printed):
    status, said = audited(printed, "Traceback\nConnectionError: no route")
    assert status == 2
    assert "pip-audit could not ask (ConnectionError: no route)" in said
