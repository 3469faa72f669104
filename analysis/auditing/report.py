"""The audit's report for programs: plain JSON, described by ``audit.schema.json`` beside this file.

``schema_version`` grows whenever a key changes its meaning or goes away; new keys may come without
it. Counts are whole numbers, widths and logits are natural log-odds, and what JSON cannot spell
(an infinite width) is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from analysis.auditing.conditions import Condition
from analysis.auditing.findings import TOP_K, Alternative, Counts, Findings
from analysis.fingerprinting import stages
from analysis.hidden import Hidden

SCHEMA = Path(__file__).with_name("audit.schema.json")
SCHEMA_VERSION = 1
MOST_TIES = 50
"""Tie groups listed, the largest first; the counts are those of all."""


def as_json(findings: Findings, conditions: Sequence[Condition] = ()) -> dict[str, object]:
    """Give the findings, and whether each condition holds, as :data:`SCHEMA` describes."""
    return {
        "schema": "rerank-precision/audit",
        "schema_version": SCHEMA_VERSION,
        "version": version("rerank-precision"),
        "source": {
            "kind": findings.scored.kind,
            "name": findings.scored.name,
            "details": findings.scored.details,
        },
        "k": TOP_K,
        "counts": _counts(findings.counts),
        "ties": findings.ties.head(MOST_TIES).to_dict("records"),
        "verdict": findings.verdict.to_dict(),
        "path": None if findings.path is None else stages(findings.path),
        "hidden": None if findings.hidden is None else _hidden(findings.hidden),
        "alternatives": [_alternative(item) for item in findings.alternatives],
        "remedy": findings.remedy,
        "conditions": [
            {
                "condition": str(condition),
                "value": condition.value(findings.counts),
                "holds": condition.holds(findings.counts),
            }
            for condition in conditions
        ],
    }


def as_text(findings: Findings, conditions: Sequence[Condition] = ()) -> str:
    """Give the JSON as text, with an end of line."""
    report = as_json(findings, conditions)
    return json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _counts(counts: Counts) -> dict[str, object]:
    in_top = {str(k): n for k, n in counts.tied_in_top.items()}
    return asdict(counts) | {"saturated": counts.saturated, "tied_in_top": in_top}


def _hidden(hidden: Hidden) -> dict[str, object]:
    steps = [
        {name: _finite(value) for name, value in step.items()}
        for step in hidden.steps.to_dict("records")
    ]
    return {
        "one_from": _finite(hidden.one_from),
        "median_width": _finite(hidden.median_width),
        "largest_width": _finite(hidden.largest_width),
        "steps": steps,
    }


def _alternative(item: Alternative) -> dict[str, object]:
    return {
        "name": item.name,
        "counts": _counts(item.counts),
        "first_lost": item.first_lost,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
