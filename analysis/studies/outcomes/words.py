"""The outcomes in sentences, true of whatever set and model they are made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.comparisons import LEVEL, NOT_CERTAIN, POWER, ROUNDING
from analysis.scorepath import TIE_RULES
from analysis.studies.outcomes.paths import HPS
from analysis.studies.outcomes.restored import REMEDIES
from analysis.studies.outcomes.worth import K

NO_GRADES = (
    "**This set has no grades, or not for every pair.** So no measure can be computed: the parts "
    "on tie rules, effect and counter-evidence need grades and stay empty. Ties, and what brings "
    "tied candidates back, need none and are shown."
)
GRADES = "Every pair has a grade, so every part of this page is filled."


def ties_sentence(counts: pd.DataFrame) -> str:
    """Say which path ties most in the top; ``counts`` as :func:`analysis.studies.outcomes.tie_counts`."""
    most = counts.loc[counts["tied_in_top"].idxmax()]
    tied, first = most["tied_in_top"], most["first_shared"]
    if not tied:
        return f"No path ties any candidate in the top {K}."
    return (
        f"Most ties in the top {K} has **{most['path']}**: {tied} of {most['candidates']} "
        f"candidates. In {first} {_queries(first)} the first place itself is shared there."
    )


def relevant_sentence(grades: pd.Series) -> str:
    """Say what counts as relevant and how much of the set is; ``grades`` of every pair."""
    if grades.isna().any():
        return "Without grades nobody knows which candidates are relevant."
    share = float((grades >= 1).mean())
    return (
        f"nDCG@{K} weighs grades. RR@{K} does not: as in trec_eval, any grade of 1 or more counts "
        f"as relevant, here **{share:.0%}** of the candidates. The larger that share, the less can "
        f"a change of order move RR@{K}."
    )


def span_sentence(spans: pd.DataFrame, measure: str) -> str:
    """Say whose value the ties leave open the widest; ``spans`` as :func:`outcomes.spans`."""
    own = spans[spans["measure"] == measure]
    width = own["max"] - own["min"]
    widest = own.loc[width.idxmax()]
    if width.max() <= ROUNDING:
        return f"**{measure}**: on no path do the ties leave the value open."
    closed = int((width <= ROUNDING).sum())
    return (
        f"**{measure}** is the most open on {widest['path']}: anything from {widest['min']:.4f} to "
        f"{widest['max']:.4f}, {widest['expected']:.4f} in expectation; "
        f"{widest['open']} of {widest['queries']} queries hang on their ties. "
        f"Of the {len(own)} paths, {closed} {'leaves' if closed == 1 else 'leave'} nothing open."
    )


def rules_sentence(rules: pd.DataFrame, path: str, measure: str) -> str:
    """Say how many results the tie rules give; ``rules`` as :func:`outcomes.by_tie_rule`."""
    own = rules[(rules["path"] == path) & (rules["measure"] == measure)].sort_values("value")
    different = 1 + int((own["value"].diff() > ROUNDING).sum())
    least, most = own.iloc[0], own.iloc[-1]
    if different == 1:
        return f"**{path}**, {measure}: all {len(TIE_RULES)} rules give {least['value']:.4f}."
    return (
        f"**{path}**, {measure}: the same scores under {len(TIE_RULES)} rules give **{different}** "
        f"different results, from {least['value']:.4f} ({least['tie_rule']}) to "
        f"{most['value']:.4f} ({most['tie_rule']})."
    )


def tools_sentence(beside: pd.DataFrame) -> str:
    """Say how other tools' values compare; ``beside`` as :func:`outcomes.beside_other_tools`."""
    if beside.empty:
        return (
            "No other tool was run here: there are no grades, or neither pytrec_eval nor "
            "scikit-learn is installed. The tests of this package hold its values to theirs."
        )
    off = (beside["theirs"] - beside["ours"]).abs().max()
    tools = " and ".join(dict.fromkeys(beside["tool"]))
    same = "agree with this package's, each under its rule" if off < 1e-9 else "do not all agree"
    return f"The values of {tools}, run here, {same} (largest difference {off:.1g})."


def restored_sentence(path: str, counts: pd.Series) -> str:
    """Say what brings a path's tied candidates back; ``counts`` as :func:`outcomes.restored`."""
    total = int(counts.sum())
    if not total:
        return f"**{path}**: nothing ties in the top {K}, so there is nothing to restore."
    sigmoid, order, network, nothing = (int(counts[name]) for name in REMEDIES)
    return (
        f"**{path}**: of {total} candidates that tie in the top {K}, a float32 sigmoid sets "
        f"**{sigmoid}** apart. What it cannot restore: **{order}** have half-precision logits of "
        f"their own that the float32 sigmoid merges again, and **{network}** have a logit that "
        f"another candidate has too, which only a float32 network tells apart; {nothing} tie in "
        "float32 as well."
    )


def merged_sentence(dtype: str, first: float, logits: pd.Series) -> str:
    """Say from which logit neighbours merge in a float32 sigmoid, and who lies there."""
    beyond = int((logits >= first).sum())
    lie = f"{beyond} of the {len(logits)} candidates lie" if beyond else "No candidate lies"
    return (
        f"A float32 sigmoid merges neighbouring **{dtype}** logits from {first:.2f} on. "
        f"{lie} there."
    )


def effect_sentence(row: pd.Series) -> str:
    """Say how large an effect is and what is known of it; ``row`` of :func:`outcomes.against`."""
    name = f"**{row['path']}**, {row['measure']}"
    certainty = (
        "so it is **not certain under ties** which of the two is better"
        if row["certainty"] == NOT_CERTAIN
        else f"**certain** under ties ({_certain(row['certainty'])})"
    )
    needed = row["queries_needed"]
    power = (
        "no number of queries would tell it from nothing"
        if pd.isna(needed)
        else f"a difference of this size and spread would take {needed:,}"
    )
    difference, low, high, least, most = (
        _signed(row[column]) for column in ("difference", "low", "high", "min", "max")
    )
    return (
        f"{name}: {difference} against the reference in expectation "
        f"(95 % interval {low} to {high}, p = {row['p_value']:.2g}); "
        f"over all orders of the ties {least} to {most}, {certainty}. "
        f"With {row['queries']} queries a difference of {row['detectable']:.2g} "
        f"is found with probability {POWER}; {power}."
    )


def same_sentence(effects: pd.DataFrame) -> str:
    """Name the paths and measures in which no query differs; rows of :func:`outcomes.against`."""
    if effects.empty:
        return ""
    names = "; ".join(f"{row.path}, {row.measure}" for row in effects.itertuples())
    return f"No query differs from the reference in: {names}."


def overall_sentence(effects: pd.DataFrame) -> str:
    """Say what stands after all tests; ``effects`` as :func:`analysis.studies.outcomes.against` has it."""
    if effects.empty:
        return (
            "There is nothing to test here: it takes grades, two queries and a path other than "
            "the reference."
        )
    p_value = effects["p_value"].astype(float)
    found = effects[p_value < LEVEL]
    # Holm's procedure: the smallest p-values against LEVEL / tests, LEVEL / (tests - 1), ...
    steps = LEVEL / np.arange(len(effects), 0, -1)
    holds = int((np.sort(p_value) < steps).cumprod().sum())
    tests = f"{len(effects)} comparisons, not independent of each other, were made"
    if found.empty:
        return (
            f"{tests}. In none is p below {LEVEL}: on these queries the effect of precision on the "
            "measures **cannot be told from none**. That is no proof that there is none: see "
            "above what differences so few queries can find."
        )
    worse = int((found["difference"] < 0).sum())
    return (
        f"{tests}. In **{len(found)}** of them p is below {LEVEL}, {worse} to the path's "
        f"disadvantage; about {len(effects) * LEVEL:.1g} would be by chance alone. "
        f"Corrected for their number (Holm), {holds} {'remain' if holds != 1 else 'remains'}."
    )


def verdict_sentence(row: pd.Series) -> str:
    """Say how many queries a path does not harm; ``row`` of :func:`analysis.studies.outcomes.verdicts`."""
    as_good = row["better"] + row["equal"]
    return (
        f"**{row['path']}**, {row['measure']}: at least as good as the reference in expectation in "
        f"**{as_good}** of {row['queries']} queries, better in {row['better']} (for certain in "
        f"{row['better_for_certain']}), worse in {row['worse']} (for certain in "
        f"{row['worse_for_certain']})."
    )


def hps_sentence(spans: pd.DataFrame, reference: str, measure: str) -> str:
    """Compare the open spans of half-precision sigmoids with those of HPS, over all paths."""
    own = spans[(spans["measure"] == measure) & (spans["path"] != reference)]
    if own.empty:
        return f"There is no half-precision path whose {measure} HPS could change."
    width = own["max"] - own["min"]
    upcast = own["path"].str.endswith(HPS)
    kinds = {"with": upcast, "without": ~upcast}
    parts = [f"{width[which].max():.4f} {how} HPS" for how, which in kinds.items() if which.any()]
    return f"The widest span of {measure} over the half-precision paths is {' and '.join(parts)}."


def _certain(certainty: str) -> str:
    words = {"certain: first": "better", "certain: second": "worse", "certain: equal": "equal"}
    return words[certainty]


def _signed(value: float) -> str:
    """Write a difference with its sign, and a very small one so that it does not look like 0."""
    return f"{value:+.1e}" if 0 < abs(value) < 5e-5 else f"{value:+.4f}"


def _queries(number: int) -> str:
    return "query" if number == 1 else "queries"
