"""Two engines compared: every pair of recordings, and every holdout; for notebook 10."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from analysis.discrepancies import Comparison, Side, compare_sides, pairs_of
from analysis.discrepancies.deciding import decide
from analysis.frames import KEYS
from analysis.recordings import (
    RUN_COLUMNS,
    changes,
    holdouts,
    recorded_path,
    recording,
    runs,
    unprinted,
)
from analysis.scorepath import ScorePath

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Recorded:
    """A recorded run as a side, and the forward dtype of its network."""

    side: Side
    forward_dtype: str


def _recorded_sides() -> list[Recorded]:
    """Every recorded run, with its scores, its logits and its path."""
    sides = []
    for engine, version, api, dtype in runs()[list(RUN_COLUMNS)].itertuples(index=False):
        rows = unprinted(recording(engine, version, dtype, api=api))
        name = f"{engine} {version}, {api}, {dtype}"
        sides.append(Recorded(Side(name, rows, recorded_path(engine, version, dtype)), dtype))
    return sides


def answers_of_recordings() -> pd.DataFrame:
    """Answers about every pair of recorded runs: ``dtypes, answer, pairs`` (of runs)."""
    rows = [
        (" and ".join(sorted({one.forward_dtype, other.forward_dtype})), _answer(one, other))
        for one, other in combinations(_recorded_sides(), 2)
    ]
    answers = pd.DataFrame(rows, columns=["dtypes", "answer"])
    counts = answers.value_counts().rename("pairs").reset_index()
    return counts.sort_values(["dtypes", "answer"], ignore_index=True)


def _answer(one: Recorded, other: Recorded) -> str:
    return decide(one.side, other.side, pairs_of(one.side, other.side)[1]).answer


def compared_holdouts() -> dict[str, Comparison]:
    """Every holdout beside the reranker as it is, by name; lengths of the pairs are known."""
    everything = holdouts()
    usual = everything[everything["holdout"] == AS_IT_IS]
    lengths = usual[[*KEYS, "tokens"]].rename(columns={"tokens": "length"})
    return {
        name: compare_sides(
            _side(AS_IT_IS, usual),
            _side(name, rows),
            lengths=lengths,
            grades=usual[[*KEYS, "grade"]],
        )
        for name, rows in everything.groupby("holdout", sort=False)
        if name != AS_IT_IS
    }


def _side(name: str, rows: pd.DataFrame) -> Side:
    """A holdout's scores; its logits are left aside, as most engines give none."""
    unknown = rows.drop(columns="logit").assign(logit=float("nan"))
    return Side(name, unknown, None if name == "twice" else ScorePath())


def holdout_table(compared: dict[str, Comparison]) -> pd.DataFrame:
    """What was changed in each holdout, the answer, and what it does: one row each."""
    said = changes()
    return pd.DataFrame(
        {
            "changed": said[name],
            "answer": found.answer,
            "shape": found.shape.kind if found.shape else None,
            "largest difference": found.finding.found.largest if found.finding.found else None,
            "moved": found.rankings.moved,
            "nDCG@10 lost": found.rankings.measures["difference"].iloc[0],
        }
        for name, found in compared.items()
    )


def differences(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """``logit`` of the first of two frames, and how much more the second gives: ``difference``."""
    both = first[[*KEYS, "logit"]].merge(second[[*KEYS, "logit"]], on=KEYS, suffixes=("", "_b"))
    return both[["logit"]].assign(difference=both["logit_b"] - both["logit"])


def shown_differences() -> dict[str, pd.DataFrame]:
    """:func:`differences` of three comparisons that are rounding, and of three that are not."""
    wide = recording("sentence-transformers", "6.2.0", "float32")
    everything = holdouts()
    usual, template, truncation, temperature = (
        everything[everything["holdout"] == name]
        for name in (AS_IT_IS, "template", "truncation", "temperature")
    )
    return {
        "float32, two versions": differences(wide, recording("infinity", "0.0.32", "float32")),
        "float32 and float16": differences(wide, recording("infinity", "0.0.78", "float16")),
        "float32 and bfloat16": differences(wide, recording("infinity", "0.0.78", "bfloat16")),
        "another template": differences(usual, template),
        "cut at 256 tokens": differences(usual, truncation),
        "temperature 1.25": differences(usual, temperature),
    }
