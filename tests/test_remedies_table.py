"""The table of remedies: complete, and its lines of code name what exists."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from analysis.remedies import code_table, remedy_table
from analysis.remedies.table import REMEDIES


def test_the_table_tells_everything_of_every_remedy():
    assert len({remedy.name for remedy in REMEDIES}) == len(REMEDIES) == 6
    for remedy in REMEDIES:
        assert all(getattr(remedy, field.name) for field in fields(remedy))
    assert remedy_table()["remedy"].tolist() == [remedy.name for remedy in REMEDIES]
    assert len(code_table()) == 3 * len(REMEDIES)


def test_the_lines_for_sentence_transformers_name_parameters_that_exist():
    cross_encoder = pytest.importorskip("sentence_transformers.cross_encoder")
    predict = inspect.signature(cross_encoder.CrossEncoder.predict).parameters
    assert "activation_fn" in predict
    assert "model_kwargs" in inspect.signature(cross_encoder.CrossEncoder).parameters
