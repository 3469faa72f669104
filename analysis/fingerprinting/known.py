"""Fingerprints of scores whose making is known, to see whether what they say is right.

Recorded runs of real engines, parts of them, and lists that were spoilt on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from analysis.errors import InputError
from analysis.fingerprinting.attainable import softmax_scores
from analysis.fingerprinting.judge import fingerprint
from analysis.fingerprinting.observed import Scores
from analysis.fingerprinting.verdict import Kind, Verdict
from analysis.recordings import RUN_COLUMNS, recorded_path, recordings
from analysis.scorepath import ScorePath

Outcome = Literal["right", "several paths left", "cannot tell", "wrong"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
EVERY_SCORE = "all"
_VERDICT_COLUMNS = (
    "run",
    "given",
    "found",
    "outcome",
    "odds",
    "outcome_with_logits",
    "scores",
    "distinct",
)


@dataclass(frozen=True)
class Known:
    """A list of scores, what made it and the raw logits; scores and logits have one shape (n,).

    ``path`` is None where no single path made the scores; ``kind`` says what did.
    """

    name: str
    path: ScorePath | None
    scores: Scores
    logits: Scores | None = None
    kind: Kind = "sigmoid"

    @classmethod
    def by_path(cls, name: str, path: ScorePath, logits: Scores) -> Known:
        """Scores that a path gives for these logits, rounded to its forward dtype first."""
        kind = "sigmoid" if path.has_sigmoid else "logits"
        return cls(name, path, path.scores(logits), path.logits(logits), kind)


def recorded_runs() -> list[Known]:
    """Every recorded run, as the engine returned it, with its path in the catalogue."""
    runs = []
    for (engine, version, api, dtype), rows in recordings().groupby(list(RUN_COLUMNS), sort=False):
        path = recorded_path(engine, version, dtype)
        name = f"{engine} {version}{' over HTTP' if api == 'http' else ''}, {dtype}"
        runs.append(Known(name, path, rows["score"].to_numpy(), rows["logit"].to_numpy()))
    return runs


def run_named(runs: Iterable[Known], name: str) -> Known:
    """Return the run of that name; InputError says which there are if it is none."""
    by_name = {run.name: run for run in runs}
    if name not in by_name:
        raise InputError(
            f"there is no run {name!r}", f"choose one of {'; '.join(by_name)}", field="run"
        )
    return by_name[name]


def outcome(verdict: Verdict, known: Known) -> Outcome:
    """Judge a verdict by what made the scores.

    *Right*: one path is found, and it is that one or bitwise indistinguishable from it, which is
    what stands together in ``verdict.paths``; where no single path made the scores, the right kind.
    *Several paths left*: that one is among them. *Cannot tell*: the verdict says so. Anything else
    is *wrong*. The tie rule leaves no trace and does not count.
    """
    if verdict.kind == "cannot tell":
        return "cannot tell"
    if verdict.kind != known.kind:
        return "wrong"
    if known.path is None:
        return "right"
    if known.path.computation not in {allowed.computation for allowed in verdict.paths}:
        return "wrong"
    return "several paths left" if verdict.path is None else "right"


def found_words(verdict: Verdict) -> str:
    """What a verdict found, in a cell of a table."""
    if verdict.path is not None:
        return verdict.path.computation
    if verdict.kind == "sigmoid":
        return f"one of {len(verdict.paths)} paths"
    return verdict.kind


def verdict_table(runs: Sequence[Known]) -> pd.DataFrame:
    """Verdict on every list, by the scores alone and with the raw logits.

    Columns: ``run, given`` (the path that made it), ``found, outcome, odds`` (log10, against
    chance) by the scores alone, ``outcome_with_logits``, ``scores, distinct``.
    """
    rows = []
    for run in runs:
        alone = fingerprint(run.scores)
        helped = fingerprint(run.scores, run.logits)
        rows.append(
            {
                "run": run.name,
                "given": run.path.computation if run.path else "no single path",
                "found": found_words(alone),
                "outcome": outcome(alone, run),
                "odds": alone.odds,
                "outcome_with_logits": outcome(helped, run),
                "scores": alone.n_scores,
                "distinct": alone.n_distinct,
            }
        )
    return pd.DataFrame(rows, columns=list(_VERDICT_COLUMNS))


def subsampled(
    runs: Sequence[Known], sizes: Sequence[int], *, repeats: int, seed: int, logits: bool = False
) -> pd.DataFrame:
    """Outcomes of random parts of the runs, drawn without replacement.

    Judged by the scores alone, or by the raw ``logits`` with them, which the runs then have.

    Runs of the same path are taken in turn; of each, and of every size smaller than the run,
    ``repeats`` parts in all, then every whole run. Each part has its own seed. One row per verdict:
    ``computation, size`` (as text; :data:`EVERY_SCORE` for whole runs), ``n, outcome``.
    """
    parts: list[tuple[str, Known]] = []
    for place, alike in enumerate(_by_path(runs)):
        for size in sizes:
            for repeat in range(repeats):
                run = alike[repeat % len(alike)]
                if size < run.scores.size:
                    part = _part(run, size, [seed, place, size, repeat])
                    parts.append((str(size), part))
        parts += [(EVERY_SCORE, run) for run in alike]
    verdicts = [fingerprint(part.scores, part.logits if logits else None) for _, part in parts]
    outcomes = [
        (part.path.computation, size, part.scores.size, outcome(verdict, part))
        for (size, part), verdict in zip(parts, verdicts, strict=True)
    ]
    return pd.DataFrame(outcomes, columns=["computation", "size", "n", "outcome"])


def _part(run: Known, size: int, seed: Sequence[int]) -> Known:
    chosen = np.random.default_rng(seed).choice(run.scores.size, size, replace=False)
    return replace(run, scores=run.scores[chosen], logits=run.logits[chosen])


def enough(outcomes: pd.DataFrame) -> pd.DataFrame:
    """From how many scores on a path was found, by :func:`subsampled`: one row per computation.

    ``in_half`` and ``in_all`` are the smallest number of scores from which on, and in every larger
    size, at least half of the parts or all of them got the right path; missing if never.
    """
    right = outcomes.assign(right=outcomes["outcome"] == "right")
    rows = []
    for computation, own in right.groupby("computation", sort=False):
        shares = own.groupby("size", sort=False).agg(n=("n", "min"), share=("right", "mean"))
        shares = shares.sort_values("n")
        rows.append((computation, _lasting(shares, 0.5), _lasting(shares, 1.0)))
    found = pd.DataFrame(rows, columns=["computation", "in_half", "in_all"])
    return found.astype({"in_half": "Int64", "in_all": "Int64"})


def _lasting(shares: pd.DataFrame, least: float) -> int | None:
    short = np.flatnonzero(shares["share"] < least)
    first = 0 if short.size == 0 else int(short[-1]) + 1
    return int(shares["n"].iloc[first]) if first < len(shares) else None


def _by_path(runs: Sequence[Known]) -> list[list[Known]]:
    groups: dict[str, list[Known]] = {}
    for run in runs:
        if run.path is not None:
            groups.setdefault(run.path.computation, []).append(run)
    return list(groups.values())


def spoilt(run: Known, float32: Known) -> list[Known]:
    """Lists in which the evidence is gone, or another one than expected; the run itself first.

    ``float32`` is a run of float32 logits on the same pairs, in the same order.
    """
    path, scores, logits = run.path, run.scores, run.logits
    rounded = np.round(scores, 3)
    median = np.full(scores.size, np.median(scores))
    every_second = np.where(np.arange(scores.size) % 2 == 0, scores, float32.scores)
    softmax, twice = softmax_scores(float32.logits)[0], path.scores(scores)
    raw = replace(path, formula="none", stored_dtype=path.forward_dtype)
    narrow = ScorePath("float32", "fused", "float32", "float16")
    return [
        Known("as the engine returned them", path, scores),
        Known("rounded to 3 decimals", path, rounded),
        Known("rounded to 3 decimals, with the logits", path, rounded, logits),
        Known("the first ten", path, scores[:10]),
        Known("the median in place of every score", path, median),
        Known("1.0 in place of every score", path, np.ones(scores.size)),
        Known(f"every second score by {float32.name}", None, every_second, kind="mixture"),
        Known("a softmax over the labels (0, logit)", None, softmax, kind="softmax"),
        Known("the sigmoid applied twice", None, twice, kind="sigmoid twice"),
        replace(Known.by_path("the raw logits in place of scores", raw, logits), logits=None),
        Known("float32 scores rounded to float16", narrow, narrow.scores(float32.logits)),
    ]


def spoilt_table(lists: Sequence[Known]) -> pd.DataFrame:
    """Verdict on each list: ``list, verdict, found, outcome, odds, would tell more``."""
    rows = []
    for one in lists:
        verdict = fingerprint(one.scores, one.logits)
        rows.append(
            {
                "list": one.name,
                "verdict": verdict.kind,
                "found": found_words(verdict),
                "outcome": outcome(verdict, one),
                "odds": verdict.odds,
                "would tell more": verdict.wanted,
            }
        )
    return pd.DataFrame(rows)
