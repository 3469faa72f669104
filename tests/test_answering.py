"""Who answers batches, and what is said where nobody can."""

from __future__ import annotations

import sys

import pytest

from analysis import audit, report
from analysis.answering import Here, answering
from analysis.errors import InputError
from analysis.forwardformats import as_format
from analysis.models import load
from analysis.scoring import score


@pytest.fixture
def reranker(tiny_checkpoint):
    return load(tiny_checkpoint, device="cpu")


def test_this_process_answers_if_nobody_is_named(reranker):
    with answering("local", reranker) as here:
        assert here == Here(reranker)
        here.check_alike([as_format("float32")])
        with answering(here, reranker) as again:
            assert again is here


def test_an_unknown_engine_is_an_error(tiny_pairs, reranker):
    with pytest.raises(InputError, match=r"engine: 'spark' runs no networks. Choose local or ray"):
        score(tiny_pairs, reranker, ["float32"], engine="spark")


def test_a_missing_extra_is_named(tiny_pairs, reranker, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"ray cannot be imported .*rerank-precision\[ray\]"):
        score(tiny_pairs, reranker, ["float32"], engine="ray")


def test_a_report_and_an_audit_of_a_model_ask_the_same_engine(tiny_checkpoint, tmp_path):
    asked = {"model": str(tiny_checkpoint), "engine": "spark"}
    for call in (lambda: report(**asked, out=tmp_path), lambda: audit(**asked)):
        with pytest.raises(InputError, match="'spark' runs no networks"):
            call()
    with pytest.raises(InputError, match="engine: applies only to model"):
        audit(scores="scores.csv", engine="ray")
