"""The audit's report for programs: plain JSON, described by ``audit.schema.json`` beside this file.

``schema_version`` grows whenever a key changes its meaning or goes away; new keys may come without
it. Counts are whole numbers, widths and logits are natural log-odds, and what JSON cannot spell
(an infinite width, a count that is not known) is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from analysis import sinks
from analysis.auditing.conditions import Condition
from analysis.auditing.findings import TOP_K, Findings
from analysis.steps import Hidden

SCHEMA = Path(__file__).with_name("audit.schema.json")
_SCHEMA_VERSION = 2
MOST_TIES = 50
"""Tie groups listed, the largest first; the counts are those of all."""


def as_json(findings: Findings, conditions: Sequence[Condition] = ()) -> str:
    """Give the findings, and whether each condition holds, as :data:`SCHEMA` describes."""
    report = {
        "schema": "rerank-precision/audit",
        "schema_version": _SCHEMA_VERSION,
        "version": version("rerank-precision"),
        "source": {
            "kind": findings.scored.kind,
            "name": findings.scored.name,
            "details": findings.scored.details,
        },
        "k": TOP_K,
        "effects": _records(findings.effects.reset_index()),
        "ties": findings.ties.head(MOST_TIES).to_dict("records"),
        "verdict": findings.verdict.to_dict(),
        "path": None if findings.path is None else findings.path.stages,
        "hidden": None if findings.hidden is None else _hidden(findings.hidden),
        "recommendation": asdict(findings.recommendation),
        "conditions": [
            {
                "condition": str(condition),
                "value": findings.value(condition),
                "holds": findings.holds(condition),
            }
            for condition in conditions
        ],
    }
    return sinks.json(json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False)) + "\n"


def _hidden(hidden: Hidden) -> dict[str, object]:
    widths = ("one_from", "median_width", "largest_width")
    return {name: _finite(getattr(hidden, name)) for name in widths} | {
        "distinct": hidden.distinct,
        "steps": _records(hidden.steps),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a frame; what is missing or infinite is None."""
    return [
        {name: _finite(value) for name, value in row.items()} for row in frame.to_dict("records")
    ]


def _finite(value: object) -> object:
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
