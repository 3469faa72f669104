"""What the fingerprints of known scores show, in sentences that hold for any numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.fingerprinting.combs import Line
from analysis.fingerprinting.evidence import DECIDED
from analysis.fingerprinting.judge import LOW_SCORE
from analysis.fingerprinting.known import Known, Outcome
from analysis.scorepath import ScorePath


def comb_sentence(table: pd.DataFrame) -> str:
    """Which comb of :func:`analysis.fingerprinting.combs.comb_table` is the sparsest, which densest.

    The table has at least one row.
    """
    least = table.loc[table["teeth"].idxmin()]
    most = table.loc[table["teeth"].idxmax()]
    return (
        f"In this window **{most.teeth:,}** scores can come from {most.computation}, and "
        f"**{least.teeth:,}** from {least.computation}. The fewer teeth, the less likely is a "
        "score to stand on one by chance."
    )


def attained_sentence(table: pd.DataFrame, own: ScorePath) -> str:
    """What a run's own comb holds of its scores in a window, and what the others miss."""
    mine = table[table["computation"] == own.computation].iloc[0]
    others = table[table["computation"] != own.computation]
    missing = others[others["attained"] < others["scores"]]
    kept = others[others["attained"] == others["scores"]]
    all_of = "all" if mine.attained == mine.scores else f"{mine.attained:,} of"
    said = f"Its own path can return **{all_of} {mine.scores:,}** scores of the window."
    if len(missing):
        said += (
            f" {len(missing)} of the {len(others)} other paths {_miss(len(missing))} at least one, "
            "and one is enough: that path did not make these scores."
        )
    if len(kept):
        said += (
            f" Not refuted here: {'; '.join(kept['computation'])}. Scores outside the window and "
            "the number of teeth have to decide about those."
        )
    return said


def _miss(count: int) -> str:
    return "misses" if count == 1 else "miss"


def odds_sentence(name: str, own: ScorePath, lines: Sequence[Line]) -> str:
    """After how many scores a run's own path is beyond chance, and what became of the others."""
    (mine,) = (line for line in lines if line.path.computation == own.computation)
    others = [line for line in lines if line is not mine]
    refuted = [line for line in others if line.refuted]
    decided = (
        f"passes 10^{DECIDED:g} for good after **{mine.decided_after:,}** distinct scores"
        if mine.decided_after is not None
        else f"does not get past 10^{DECIDED:g} for good"
    )
    said = f"**{name}**: its own path {decided}."
    if refuted:
        latest = max(line.odds.size for line in refuted) + 1
        said += f" {len(refuted)} of {len(others)} other paths are refuted, the last by score "
        said += f"number {latest:,}."
    left = [line for line in others if not line.refuted]
    for line in left:
        behind = mine.odds[-1] - line.odds[-1] if mine.odds.size and line.odds.size else 0.0
        said += (
            f" {line.path.computation} attains every score too, with odds 10^{abs(behind):.0f} "
            f"times {'smaller' if behind >= 0 else 'larger'}."
        )
    return said


def verdict_sentence(table: pd.DataFrame, what: str = "runs") -> str:
    """How often verdicts of :func:`analysis.fingerprinting.known.verdict_table` are right."""
    alone, helped = table["outcome"], table["outcome_with_logits"]
    open_ = _count(alone, "several paths left") + _count(alone, "cannot tell")
    said = (
        f"Of **{len(table)}** {what}, the scores alone show the right path for "
        f"**{_count(alone, 'right')}** and leave it open for {open_}; with the raw logits "
        f"**{_count(helped, 'right')}** are right. "
    )
    wrong = table[(alone == "wrong") | (helped == "wrong")]
    return said + (f"Wrong: {'; '.join(wrong['run'])}." if len(wrong) else "No verdict is wrong.")


def low_sentence(runs: Sequence[Known]) -> str:
    """How many scores lie where sigmoids differ most, and what follows for the runs."""
    scores = np.concatenate([run.scores for run in runs])
    share = float((scores < LOW_SCORE).mean())
    return (
        f"**{share:.1%}** of all these scores lie below {LOW_SCORE:g}. Above it a sigmoid rounded "
        "once to a half type returns every value that the type has, and in float32 both formulas "
        "return the same values: such paths part below it only, or with the logits."
    )


def enough_sentence(outcomes: pd.DataFrame, enough: pd.DataFrame) -> str:
    """How many scores were enough, and whether any part of a run got a wrong verdict."""
    wrong = _count(outcomes["outcome"], "wrong")
    said = f"Of {len(outcomes):,} lists, **{wrong or 'none'}** got a wrong verdict."
    known = enough.dropna(subset=["in_all"])
    if len(known):
        least, most = known["in_all"].min(), known["in_all"].max()
        said += f" Every list of **{least}** or more scores got the right path"
        said += f" on {_paths(known, known['in_all'] == least)}"
        if most > least:
            smaller = outcomes.loc[outcomes["n"] < most, "n"].max()
            said += f"; **{smaller}** were not always enough on "
            said += _paths(known, known["in_all"] == most)
        said += "."
    if never := enough["in_all"].isna().sum():
        said += f" On {never} of {len(enough)} paths not even the whole runs all did."
    return said


def from_where(enough: pd.DataFrame) -> str:
    """From how many scores on every part of each path was right, as a list in words."""
    return "; ".join(
        f"{row.computation}: {'never' if pd.isna(row.in_all) else row.in_all}"
        for row in enough.itertuples()
    )


def _paths(known: pd.DataFrame, chosen: pd.Series) -> str:
    count = int(chosen.sum())
    one = known.loc[chosen, "computation"].iloc[0]
    return one if count == 1 else f"{count} of {len(known)} paths"


def spoilt_sentence(table: pd.DataFrame) -> str:
    """What became of the spoilt lists of :func:`analysis.fingerprinting.known.spoilt_table`."""
    wrong = table[table["outcome"] == "wrong"]
    said = (
        f"Of {len(table)} lists, {_count(table['outcome'], 'right')} are recognised for what they "
        f"are and {len(table) - _count(table['outcome'], 'right') - len(wrong)} leave it open. "
    )
    return said + (
        f"Wrong: {'; '.join(wrong['list'])}." if len(wrong) else "None is taken for what it is not."
    )


def _count(outcomes: pd.Series, outcome: Outcome) -> int:
    return int((outcomes == outcome).sum())
