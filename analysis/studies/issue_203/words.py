"""The reproduction in sentences, true for whatever was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.formats import format_of
from analysis.scorepath import ScorePath
from analysis.sigmoids import sigmoid
from analysis.steps import saturation
from analysis.studies.issue_203.comparison import Changes, Likeness
from analysis.studies.issue_203.versions import ABSENT, ADVERTISED, WORKS, half_ranges

OTHER_MODEL = (
    "**Another model, set or list of dtypes was asked for. This page shows the shipped recordings "
    "of the demo reranker on the German set all the same:** engines are recorded once, by "
    "`make engines`, not when a page is made."
)


def recording_sentence(about: Mapping[str, Any]) -> str:
    """Say what was recorded, when and on what; ``about`` is :func:`analysis.recordings.about`."""
    data = about["data"]
    return (
        f"Recorded on {about['date']} on a CPU ({about['cpu']}, {about['threads']} threads): "
        f"**{len(about['runs'])}** runs of real engines over {data['queries']} queries of the "
        f"{data['name'].capitalize()} set. Float16 on a GPU was not run; the cast of "
        "Infinity's CUDA branch was made by hand."
    )


def one_sentence(found: Changes) -> str:
    """Say which scores became exactly 1.0, against where the two formulas saturate."""
    ends = {
        formula: saturation(ScorePath("float16", formula, "float16", "float16")).one_from
        for formula in ("stepwise", "fused")
    }
    true = {name: float(sigmoid(logit, "stepwise", "float64")) for name, logit in ends.items()}
    bound = (
        f"Step by step in float16 the formula saturates at logit {ends['stepwise']:.6g}, a true "
        f"score of {true['stepwise']:.5f}; rounded once it would at {ends['fused']:.6g}, "
        f"{true['fused']:.5f}."
    )
    if not found.became_one:
        return f"None of the {found.candidates} scores became exactly 1.0. {bound}"
    became = f"**{_count(found.became_one, 'score')}** of {found.candidates} became exactly 1.0"
    if found.became_one == found.candidates:
        return f"{became}, all of them. {bound}"
    return (
        f"{became}. The lowest of them was {found.lowest_one:.5f} in float32; the highest score "
        f"that stayed below 1 was {found.highest_other:.5f}. {bound}"
    )


def raised_sentence(found: Changes) -> str:
    """Say how many 0.998 became 0.999."""
    if not found.raised:
        return "No score that begins with 0.998 in Haystack came back as 0.999."
    return (
        f"**{_count(found.raised, 'score')}** of Haystack that begin with 0.998 came back as "
        f"0.999; the lowest of them was {found.lowest_raised:.5f}."
    )


def order_sentence(found: Changes) -> str:
    """Say what became of the candidates that were first."""
    lost = found.first_shared + found.first_fell
    head = f"**{found.moved}** of {found.candidates} candidates stand at another rank. "
    if not lost:
        return f"{head}In every query the first candidate is still alone in the first place."
    return (
        f"{head}In **{lost}** of {found.queries} queries the first candidate is no longer alone in "
        f"the first place: in {found.first_shared} it shares the best score, in "
        f"{found.first_fell} it fell below it. With ties in input order another candidate is shown "
        f"first in {found.first_replaced} of these."
    )


def likeness_sentence(found: Likeness, one: str, other: str, network: str) -> str:
    """Say how far two runs agree and why no further; ``network`` names what moves their logits."""
    if found.equal_scores == found.pairs:
        return f"**{one} and {other}**: every one of {found.pairs} scores is bitwise equal."
    parts = [
        f"**{one} and {other}**: {found.equal_scores} of {found.pairs} scores are bitwise equal, "
        f"and the largest difference is {found.score_apart:.2g}."
    ]
    if found.score_apart_on_equal_logits:
        parts.append(
            f"On {_count(found.equal_logits, 'pair')} with bitwise equal logits it is "
            f"{found.score_apart_on_equal_logits:.2g}: NumPy and torch compute `exp` in two ways."
        )
    if found.equal_logits < found.pairs:
        others = _count(found.pairs - found.equal_logits, "logit differs", "logits differ")
        parts.append(f"Before any sigmoid {others} by up to {found.logit_apart:.2g}: {network}.")
    parts.append(
        f"{_count(found.moved, 'candidate')} "
        f"{'stands' if found.moved == 1 else 'stand'} at another rank."
        if found.moved
        else "No candidate stands at another rank."
    )
    return " ".join(parts)


def network_words(listed: pd.DataFrame, one: Sequence[str], other: Sequence[str]) -> str:
    """What moves the logits of two recorded runs of one model in one dtype.

    ``listed`` is :func:`analysis.recordings.runs`; a run is (engine, version, forward dtype), both
    in-process.
    """
    inside = listed[listed["api"] == "in-process"]
    named = inside.set_index(["engine", "version", "forward_dtype"])
    attention = named["attention"][tuple(one)], named["attention"][tuple(other)]
    libraries = [named["versions"][tuple(run)]["transformers"] for run in (one, other)]
    if attention[0] != attention[1]:
        return f"attention is computed in two ways ({attention[0]}, {attention[1]})"
    if libraries[0] != libraries[1]:
        return f"two versions of transformers ran it ({libraries[0]}, {libraries[1]})"
    return (
        "the same network, but two processes; sums depend on where weights lie in memory and on "
        "how a batch is put together"
    )


def remedy_sentence(before: Changes, after: Changes) -> str:
    """Say what the remedy mended: the changes against Haystack with the cast and without it."""
    lost = [found.first_shared + found.first_fell for found in (before, after)]
    return (
        "Against Haystack, with the cast and without it: scores that become exactly 1.0, "
        f"{before.became_one} and **{after.became_one}**; scores from 0.998 that become "
        f"0.999, {before.raised} and **{after.raised}**; queries that lose their first place, "
        f"{lost[0]} and **{lost[1]}**."
    )


def witness_sentence(found: pd.DataFrame) -> str:
    """Say how real the cells are: :func:`analysis.studies.issue_203.decomposition.witnesses`."""
    covered, bitwise, scores = (
        found["path"].nunique(),
        found["bitwise"].sum(),
        found["scores"].sum(),
    )
    text = (
        f"Of the six cells, **{covered}** are paths of engines recorded here. Of their {scores:,} "
        f"scores, **{bitwise:,}** are bitwise what the cell's formula gives for the same run's "
        "logits"
    )
    if bitwise == scores:
        return f"{text}: all of them."
    return (
        f"{text}; none of the others is off by more than {found['largest_difference'].max():.2g}."
    )


def decomposition_sentences(effects: pd.DataFrame, candidates: int) -> list[str]:
    """Say what each stage did, from :func:`analysis.studies.issue_203.decomposition.effects`."""
    cell = {(row.logits, row.sigmoid, row.formula): row for row in effects.itertuples(index=False)}
    single = cell["float32", "float32", "stepwise"]
    upcast = [cell["float16", "float32", formula] for formula in ("fused", "stepwise")]
    half = {formula: cell["float16", "float16", formula] for formula in ("fused", "stepwise")}
    return [
        f"**Formula alone, in float32.** The two formulas differ by at most "
        f"{single.largest_error:.2g} in the score. {_harm(single, candidates)}",
        f"**Float16 logits, sigmoid in float32.** {_harm(upcast[0], candidates)} "
        + _alike(upcast[0], upcast[1], candidates),
        f"**Sigmoid in float16 too, rounded once** (Haystack). {_harm(half['fused'], candidates)}",
        f"**Sigmoid in float16, step by step** (Infinity). {_harm(half['stepwise'], candidates)}",
        _verdict(effects),
    ]


def _verdict(effects: pd.DataFrame) -> str:
    """Was it NumPy's formula? Only the counts decide."""
    outcome = ["exactly_one", "printed_otherwise", "first_lost"]
    found = effects.set_index(["sigmoid", "formula", "logits"])[outcome]
    same = {
        dtype: found.loc[dtype, "fused", dtype].equals(found.loc[dtype, "stepwise", dtype])
        for dtype in ("float32", "float16")
    }
    if same["float32"] and not same["float16"]:
        more = int(
            found.loc["float16", "stepwise", "float16"]["exactly_one"]
            - found.loc["float16", "fused", "float16"]["exactly_one"]
        )
        ones = f" (it makes {_count(more, 'more score')} of exactly 1.0)" if more > 0 else ""
        return (
            "**So the suspicion was half right.** In float32 it makes no difference to the printed "
            "scores or the first places whether NumPy or PyTorch computes the sigmoid. In float16 "
            f"it does{ones}: each of three operations rounds, instead of one. The dtype is the "
            "cause, and the formula decides how bad it is."
        )
    if same["float32"]:
        return (
            "**On these logits the suspicion finds no support:** in float32 as in float16 both "
            "formulas give the same numbers of scores of 1.0, of changed prints and of lost firsts."
        )
    return (
        "**On these logits the formulas differ even in float32**, by their last bits, in what is "
        "printed or in who is first."
    )


def _harm(row: Any, candidates: int) -> str:  # noqa: ANN401
    ones = f"{row.exactly_one} of {candidates} scores are exactly 1.0"
    if not row.exactly_one:
        ones = "No score is exactly 1.0"
    lost = _count(row.first_lost, "query loses its", "queries lose their") + " first place"
    return f"{ones}, {row.printed_otherwise} print otherwise, {lost}."


def _alike(one: Any, other: Any, candidates: int) -> str:  # noqa: ANN401
    same = all(
        getattr(one, name) == getattr(other, name)
        for name in ("exactly_one", "printed_otherwise", "first_lost")
    )
    return "So with either formula." if same else f"Step by step: {_harm(other, candidates)}"


def half_sentence(states: pd.DataFrame, version: str) -> str:
    """Say in which versions INFINITY_DISABLE_HALF worked, and what it did in ``version``."""
    ranges = half_ranges(states)
    worked = _spans(ranges[ranges["state"] == WORKS])
    only = _spans(ranges[ranges["state"] == ADVERTISED])
    state = states.set_index("version")["state"]
    gone = ranges.iloc[-1]
    last = f" It is gone from {gone['first']} on." if gone["state"] == ABSENT else ""
    return (
        f"The variable works in {worked or 'no version'}; in {only or 'no version'} the log "
        f"recommends it and nothing reads it.{last} In {version}, the version reproduced here, it "
        f"is **{state[version]}**."
    )


def _spans(ranges: pd.DataFrame) -> str:
    return " and ".join(
        row.first if row.first == row.last else f"{row.first}–{row.last}"
        for row in ranges.itertuples(index=False)
    )


def trust_sentence(attempts: pd.DataFrame) -> str:
    """Say where a reranker does not load, and what mends it.

    ``attempts`` is :func:`analysis.recordings.trust_remote_code`.
    """
    failed = attempts[~attempts["loads"]]
    if failed.empty:
        return "In every version tried, a reranker loads with True and with False."
    pair = ["infinity", "sentence_transformers"]
    loads = attempts.groupby(pair, sort=False)["loads"].all()
    bad, good = (
        "; ".join(f"Infinity {one} with sentence-transformers {two}" for one, two in found)
        for found in (failed[pair].drop_duplicates().to_numpy(), loads.index[loads])
    )
    tried = sorted({str(value) for value in failed["trust_remote_code"]}, reverse=True)
    return (
        f"This reranker does not load in {bad}, whether `trust_remote_code` is "
        f"{' or '.join(tried)}. It loads in {good}."
        if good
        else f"This reranker does not load in {bad}."
    )


def release_sentence(before: pd.Series, same: pd.Series, default: pd.Series) -> str:
    """Say what a release changed: rows of :func:`analysis.studies.issue_203.versions.run_facts`.

    ``before`` is the old release, ``same`` the new one in the same forward dtype, ``default`` the
    new one in its new default dtype.
    """
    finer = before["median_logit_error"]
    ratio = default["median_logit_error"] / finer if finer else float("inf")
    coarser = (
        f"Its median distance to the float32 logit is {default['median_logit_error']:.2g} instead "
        f"of {finer:.2g}"
        + (f", **{ratio:.0f} times** as much." if 1.5 <= ratio < float("inf") else ".")
    )
    return (
        f"The formula: **{before['exactly_one']}** scores of exactly 1.0 in {before['run']}, "
        f"**{same['exactly_one']}** in {same['run']}. The default: in {default['run']} there are "
        f"**{default['exactly_one']}**, but a {default['forward_dtype']} logit has steps of "
        f"{_step_at_one(default['forward_dtype']):.2g} at 1, where {before['forward_dtype']} has "
        f"{_step_at_one(before['forward_dtype']):.2g}. {coarser} Queries whose first place is "
        f"lost: {before['first_lost']} before; {same['first_lost']} and, in "
        f"{default['forward_dtype']}, {default['first_lost']} after."
    )


def _step_at_one(dtype: str) -> float:
    return float(format_of(dtype).spacing_above(1.0))


def today_sentence(facts: pd.Series) -> str:
    """Say what a dtype costs today: one row of :func:`analysis.studies.issue_203.versions.run_facts`."""
    ones = _count(facts["exactly_one"], "score") + " of exactly 1.0"
    tied = _count(facts["tied_in_top"], "candidate ties", "candidates tie")
    lost = _count(facts["first_lost"], "query loses its", "queries lose their")
    moved = _count(facts["moved"], "candidate stands", "candidates stand")
    return (
        f"**{facts['run']}**: {ones}; {tied} in the top ten; {lost} first place; {moved} at "
        f"another rank than in float32, whose logits are up to {facts['largest_logit_error']:.2g} "
        "away."
    )


def served_sentence(dtype: str, found: Likeness) -> str:
    """Say whether a server's numbers are those of the same engine in-process."""
    equal = min(found.equal_logits, found.equal_scores)
    whole = f"all {found.pairs}" if equal == found.pairs else f"{equal} of {found.pairs}"
    return (
        f"{dtype}: {whole} logits and scores of the server are bitwise those of the engine "
        "in-process, once the JSON text is rounded to float32."
    )


def _count(number: int, one: str, many: str | None = None) -> str:
    if number == 1:
        return f"1 {one}"
    return f"{number or 'no'} {many or one + 's'}"
